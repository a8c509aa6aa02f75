#pragma once

#include "base/error.h"
#include "capture/negotiation.h"
#include "media/format_offer.h"
#include "media/geometry.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {

/// What one producer can be asked for: the session's offer less what this producer has shown that it cannot do. It
/// bounds the rounds in which both sides agree on a modifier, and says what is tried next when the buffers cannot be
/// made. Outlives the streams to the producer, so that what did not work is not tried again after a resize or a sleep.
///
/// What producers do with an open format (modifiers as a choice, DONT_FIXATE), read and recorded:
/// - KWin, Mutter, niri and Hyprland's portal try an allocation and answer with one modifier in front of their whole
///   list. KWin's may be INVALID though only LINEAR was open; a consumer without INVALID then meets the whole list
///   again, hundreds of times a second, without end. One that fixates itself meets the same.
/// - Mutter takes a modifier that it cannot allocate off its list and begins anew; KWin (6.1 on) likewise.
/// - wlroots' portal does as KWin; where the consumer fixates, it takes that.
///   Each answer makes PipeWire set what the producer has said so far once more: before that has answered, too, it is
///   the same open format, and who answers it again goes round as fast as the bus does.
/// - gamescope, weston and Mutter before 46 state one modifier: nothing is open.
/// - Mutter on NVIDIA cannot allocate buffers with timelines and ends the stream.
///
/// One thread.
class HandShake {
 public:
  /// Open formats in a row. More than any producer needs that gets somewhere: one, and one more for each modifier that
  /// fails it.
  static constexpr unsigned kMostRounds = 30;
  /// The same open format in a row after our answer. They were under way before it arrived: a producer that answers,
  /// too, and PipeWire send each other dozens while this side waits for a processor.
  static constexpr unsigned kMostUnderWay = 1000;
  /// Formats of dmabufs without a picture, settled ones included: one may be taken back again and again.
  static constexpr unsigned kMostFormats = 60;

  /// For a new producer: nothing is known of it. `we_choose`: it leaves the choice of a modifier to the consumer.
  /// `size`: no other is wanted.
  void begin(bool we_choose, std::optional<Size> size = std::nullopt);
  /// Explicit synchronisation is possible on this side: it is asked for until the producer fails with it.
  void allow_timelines() { can_timelines_ = true; }

  /// What the session would take.
  void set_offer(FormatOffer offer);
  /// What is left of it.
  [[nodiscard]] const FormatOffer& offer() const { return offer_; }
  [[nodiscard]] bool timelines() const { return can_timelines_ && !no_timelines_; }

  enum class Turn : std::uint8_t {
    Settled,  ///< go on with buffers
    Theirs,   ///< the producer answers, or our answer is on its way
    Ours,     ///< one modifier is to be fixated, see make_fixation()
    Offer,    ///< offer() has become smaller: it is to be made; reason() says why
    Over,     ///< nothing is left that both could do; reason() says why
  };
  /// A format has come.
  [[nodiscard]] Turn on_format(const NegotiatedFormat& format);
  /// A picture has come: what was agreed on works.
  void on_picture() {
    proven_ = true;
    first_ = true;
    formats_ = 0;
    empty_ = 0;
  }
  /// A buffer has come without memory. PipeWire hands such over when a format is taken back while its buffers are made,
  /// and never puts it right. True: a new stream may do better.
  [[nodiscard]] bool on_empty_buffer() { return empty_++ < kMostEmpty; }
  /// More than one format has come since the last picture: buffers may have been on their way for one that was void by
  /// then, see VideoStream::kick().
  [[nodiscard]] bool went_round() const { return went_round_; }
  /// The stream has broken. True: a new one may do better, see reason(). `buffers`: perhaps for want of buffers.
  [[nodiscard]] bool on_error(std::string_view message, bool buffers);

  /// Formats that have come since begin(). While there are more of them, the producer is at work.
  [[nodiscard]] unsigned formats_seen() const { return formats_seen_; }
  /// Why the offer has become smaller, or nobody agreed; empty: nothing went wrong.
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  static constexpr unsigned kMostEmpty = 8;

  [[nodiscard]] Turn leave_out(PixelFormat format, std::vector<std::uint64_t> modifiers);
  void narrow();
  void count_anew() { rounds_ = under_way_ = formats_ = 0; }

  FormatOffer wanted_;
  FormatOffer offer_;
  std::optional<Size> only_size_;
  bool we_choose_ = false;
  bool can_timelines_ = false;
  bool no_timelines_ = false;
  bool no_dmabufs_ = false;
  std::vector<std::pair<PixelFormat, std::vector<std::uint64_t>>> left_out_;
  /// Ever. An agreement on one that is not offered any more may still be under way.
  std::set<std::pair<PixelFormat, std::uint64_t>> offered_;

  std::optional<NegotiatedFormat> answered_;  ///< the open format that we have answered last

  Size size_;               ///< of the last format
  unsigned rounds_ = 0;     ///< at that size, without a modifier that is settled
  unsigned under_way_ = 0;  ///< of these, after our answer
  unsigned formats_ = 0;    ///< at that size, without a picture
  bool dmabuf_ = false;     ///< the last format was one
  bool open_ = false;       ///< its modifier was
  bool proven_ = false;     ///< a picture came in it
  bool first_ = true;       ///< no format has come since the last picture
  bool went_round_ = false;
  unsigned empty_ = 0;  ///< buffers without memory since the last picture, of as many streams
  unsigned formats_seen_ = 0;
  std::string reason_;
};

}  // namespace zc
