// What a person sees while a recording runs.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace zc {

/// A recording at one moment.
struct StatusSnapshot {
  Nanoseconds elapsed{};            ///< since the first frame
  std::uint64_t frames = 0;         ///< encoded, repeats included
  double fps = 0;                   ///< new pictures of the last second or so
  std::uint64_t dropped = 0;        ///< pictures lost anywhere between the producer and the outputs
  std::uint64_t repeated = 0;       ///< pictures the pacer repeated
  double bit_rate = 0;              ///< bit/s of the last second or so
  std::uint64_t queue_packets = 0;  ///< waiting for the slowest output
  std::uint64_t encode_queue = 0;   ///< pictures waiting for the encoder
  double latency_p50_ms = 0;        ///< producer's timestamp to coded packet; 0 = not known yet
  std::uint64_t bytes = 0;          ///< coded so far
  std::string sound;                ///< what is heard, and how loud
  std::string state;                ///< what deserves a word ("waiting for the portal dialog"); empty: all is well
};

/// One line of at most `columns` columns, without control characters: "00:01:23  59.9 fps  0 dropped  5.8 Mb/s  ...".
/// The least important fields are left out first; time and state stay longest.
[[nodiscard]] std::string format_status(const StatusSnapshot& snapshot, unsigned columns);

/// 1.5 kB, 41.2 MB; 800 kb/s, 5.8 Mb/s (powers of 1000).
[[nodiscard]] std::string bytes_text(double bytes);
[[nodiscard]] std::string bit_rate_text(double bits_per_second);
/// 01:02:03; hours grow as needed.
[[nodiscard]] std::string clock_text(Nanoseconds elapsed);

/// Shows snapshots on a file descriptor (stderr): a terminal gets one line that rewrites itself at most four times a
/// second, anything else one plain line every ten seconds. One thread makes every call; log lines of other threads
/// stay whole because they erase the status line first (set_log_line_start).
class StatusLine {
 public:
  enum class Mode : std::uint8_t { Off, Plain, Live };

  /// Off when `quiet`; Live when `fd` is a terminal that understands control sequences (TERM is not "dumb").
  [[nodiscard]] static Mode mode_for(int fd, bool quiet);

  /// `fd` stays open as long as this lives and is not owned.
  StatusLine(int fd, Mode mode);
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  ~StatusLine();

  /// True when show() would print at this time; asking first spares taking a snapshot.
  [[nodiscard]] bool due(Nanoseconds now) const;
  /// Prints the snapshot if it is due.
  void show(const StatusSnapshot& snapshot, Nanoseconds now);
  /// Takes the live line off the terminal, before a closing report. A later show() brings it back.
  void erase();

 private:
  void put(std::string_view text) const;

  int fd_;
  Mode mode_;
  bool visible_ = false;
  std::optional<Nanoseconds> shown_at_;
};

}  // namespace zc
