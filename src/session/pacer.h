#pragma once

#include "base/clock.h"
#include "media/geometry.h"

#include <cstdint>
#include <optional>

namespace zc {

/// Decides which picture is encoded at which time: the only pacer of a stream. Pure: it knows no clock and no threads,
/// every time is a stream time (nanoseconds since the stream's first picture).
///
/// Variable rate: every picture is encoded at its own time; a static screen repeats its picture every `max_gap`. Where
/// the source gives more than `min_interval` allows, the ones between are left out, but not the last one.
/// Constant rate: time is cut into slots of one frame interval; a picture belongs to the nearest slot. A picture whose
/// slot is taken is held for the next one (the newest wins), an empty slot repeats the last picture.
///
/// A picture comes some time after its own time, as the producer's clock has it. How late they are is learned from
/// them: nothing is repeated in the place of one that is still on its way.
///
/// Use: on_frame() for every captured picture, or on_timer() when deadline() has passed without one; then, while
/// next() returns an action, carry it out.
class Pacer {
 public:
  struct Config {
    std::optional<Rational> constant_rate;   ///< nullopt: variable
    std::optional<Nanoseconds> end{};        ///< constant rate: no slot begins here or later, when that is known before
    Nanoseconds min_interval{};              ///< variable rate: between pictures, on the average; zero: no limit
    Nanoseconds max_gap{};                   ///< variable rate: longest time without a picture; zero: no repeats
    Nanoseconds frame_interval{16'666'667};  ///< nominal: of the final picture
  };
  enum class Picture : std::uint8_t {
    Newest,  ///< the picture given last to on_frame()
    Repeat,  ///< the picture encoded last, again
  };
  struct Action {
    Picture picture;
    Nanoseconds time;  ///< strictly rising
  };

  explicit Pacer(const Config& config) : config_(config) {}

  /// A picture captured at stream time `time`, here `late` after it (negative: before). Returns false when an older
  /// picture was still waiting for its slot and is thrown away for this one.
  bool on_frame(Nanoseconds time, Nanoseconds late = {});
  /// The pointer has moved at `time`: the last picture is to be shown with it. Takes no slot that a picture may still
  /// come for. Returns as on_frame().
  bool on_pointer(Nanoseconds time);
  /// Constant rate: a picture of `time` comes next; one that is held for a slot before that one's goes out first.
  void make_way(Nanoseconds time);
  /// No picture came until `now`.
  void on_timer(Nanoseconds now);
  /// Constant rate only: slots of this length from the next slot on.
  void set_rate(Rational rate);
  /// Variable rate only: the longest time without a picture from now on; zero: no repeats.
  void set_max_gap(Nanoseconds gap);
  /// Constant rate: a picture that is held for its slot goes out in it now, before its time.
  void flush();
  /// The stream ends at `end`, or for a while: fills up to there, so that the last picture lasts until the end.
  void on_end(Nanoseconds end);

  /// What to encode now, one after the other; nullopt when there is nothing (any more).
  [[nodiscard]] std::optional<Action> next();

  /// When on_timer() is due if nothing comes; nullopt: not before the first picture, or never.
  [[nodiscard]] std::optional<Nanoseconds> deadline() const;
  /// From a picture's time until it is here: the most, of the recent ones. Negative where they come before it.
  [[nodiscard]] Nanoseconds late() const { return late_; }
  /// How long after a moment to wait for pictures of before.
  [[nodiscard]] Nanoseconds patience() const;

 private:
  [[nodiscard]] std::optional<Action> next_slot();
  [[nodiscard]] Nanoseconds slot_time(std::int64_t slot) const;
  [[nodiscard]] std::int64_t slot_of(Nanoseconds time) const;
  /// Where what waits goes, or a repeat.
  [[nodiscard]] std::int64_t next_free_slot() const;
  [[nodiscard]] bool ends_before(std::int64_t slot) const;
  /// Variable rate: a picture of `time` comes sooner than the least interval allows.
  [[nodiscard]] bool too_soon(Nanoseconds time) const;
  [[nodiscard]] Nanoseconds slot_length() const { return slot_time(origin_slot_ + 1) - origin_; }

  Config config_;
  bool started_ = false;  // a picture has been encoded
  bool waiting_ = false;  // a picture is given but not encoded yet
  Nanoseconds newest_{};  // its capture time
  Nanoseconds last_{};    // time of the last encoded picture
  std::int64_t last_slot_ = -1;
  // The first slot of the present rate, and when it begins.
  std::int64_t origin_slot_ = 0;
  Nanoseconds origin_{};
  bool due_ = false;  // the waiting picture is to be encoded now
  // Constant rate. Slots up to (not including) fill_to_ are to be filled; the waiting picture goes into due_slot_.
  std::int64_t due_slot_ = 0;
  std::int64_t fill_to_ = 0;
  std::optional<Nanoseconds> repeat_at_;  // variable rate
  Nanoseconds allowed_{};                 // variable rate: when the least interval is over
  Nanoseconds late_{};
};

}  // namespace zc
