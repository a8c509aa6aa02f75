#pragma once

#include "base/error.h"
#include "output/byte_stream.h"
#include "output/mp4_boxes.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

namespace zc {

/// Makes a plain MP4 of a fragmented one, where it lies: what the fragments say of their samples is collected while
/// they are written, and becomes the sample tables of one `moov` behind them (ISO/IEC 14496-12). Everything else in it
/// is the first `moov`'s, byte for byte. No sample moves, and none is read again.
///
/// Holds 12 bytes a sample and 16 a fragment: 70 MB for a day of 60 pictures a second.
class Mp4Index {
 public:
  /// What is written at byte `at` of the file, from its beginning on.
  void add(std::uint64_t at, std::span<const std::byte> bytes);
  /// Appends the `moov`, and when that is safe on the medium turns the beginning of the file: the first `moov` and all
  /// fragments are one `mdat` from then on. That is one write of some forty bytes; a file cut off anywhere before it is
  /// the fragmented one. Internal: what was collected is no file that this can be done with, and nothing is written.
  [[nodiscard]] Result<void> make_plain(ByteStream& out) const;

 private:
  struct Sample {
    std::uint32_t bytes_and_key;  ///< the key flag is its highest bit
    std::uint32_t duration;       ///< ticks of its track, to the next one in decoding order
    std::int32_t offset;          ///< from its decoding to its composition time
  };
  struct Chunk {
    std::uint64_t position = 0;  ///< byte of the file
    std::uint32_t first = 0;     ///< its first sample, counted from 0
  };
  struct Defaults {
    std::uint32_t duration = 0;
    std::uint32_t bytes = 0;
    std::uint32_t flags = 0;
  };
  struct Track {
    std::uint32_t id = 0;
    std::uint32_t timescale = 0;
    Defaults defaults;
    std::uint64_t start = 0;  ///< ticks: the first sample's decoding time
    std::uint64_t end = 0;    ///< likewise: the last one's and its duration
    bool reordered = false;
    std::deque<Sample> samples;
    std::deque<Chunk> chunks;
  };
  struct Run;  ///< a `traf` being read

  /// Of a whole box, or of a header whose box is longer.
  void inspect();
  void keep(mp4::BoxType type);
  [[nodiscard]] bool read_moov();
  [[nodiscard]] bool read_moof();
  [[nodiscard]] bool read_traf(const mp4::Box& traf);
  [[nodiscard]] bool read_tfhd(const mp4::Box& tfhd, Run& run);
  [[nodiscard]] static bool read_tfdt(const mp4::Box& tfdt, const Run& run);
  [[nodiscard]] bool read_trun(const mp4::Box& trun, Run& run);
  [[nodiscard]] Track* track(std::uint32_t id);

  /// `track` is empty above `trak`.
  void write_boxes(mp4::BoxType parent, std::span<const std::byte> boxes, const Track* track,
                   mp4::BoxWriter& out) const;
  void write_header(const mp4::Box& box, const Track* track, mp4::BoxWriter& out) const;
  /// Of one that does not begin with the others.
  void write_edits(const Track& track, mp4::BoxWriter& out) const;
  static void write_tables(const Track& track, mp4::BoxWriter& out);
  static void write_keys(const Track& track, mp4::BoxWriter& out);
  static void write_chunks(const Track& track, mp4::BoxWriter& out);
  /// Ticks of the movie, rounded up.
  [[nodiscard]] std::uint64_t movie_duration(const Track& track) const;
  /// What the file begins with when the `moov` behind it is at byte `end`.
  [[nodiscard]] std::vector<std::byte> head(std::uint64_t end) const;

  std::uint64_t position_ = 0;   ///< bytes seen
  std::uint64_t box_at_ = 0;     ///< where the box being read begins
  std::vector<std::byte> box_;   ///< what is kept of it
  std::size_t wanted_ = 8;       ///< bytes of it to look at
  std::uint64_t skip_ = 0;       ///< bytes to the next one
  std::vector<std::byte> ftyp_;  ///< whole, as the next
  std::vector<std::byte> moov_;
  std::uint32_t timescale_ = 0;  ///< the movie's
  std::vector<Track> tracks_;
  std::uint64_t data_end_ = 0;  ///< of the last sample, in bytes
  std::string_view fault_;      ///< why it is no file for make_plain()
};

}  // namespace zc
