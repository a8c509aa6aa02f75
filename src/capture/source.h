// What can be captured, behind one interface.
#pragma once

#include "base/error.h"
#include "media/format_offer.h"
#include "media/frame.h"

#include <cstdint>
#include <string>

namespace zc {

enum class SourceState : std::uint8_t {
  Connecting,  ///< started, nothing negotiated yet
  Streaming,   ///< frames may come
  Paused,      ///< the producer stopped for now (PipeWire "paused"); may go back to Streaming
  Ended,       ///< no frame will ever come again; the error says why
};

/// Receives what a source makes. Called on the source's own thread; must return at once and never block.
/// No call comes after Source::stop() has returned.
class SourceListener {
 public:
  virtual ~SourceListener() = default;
  virtual void on_frame(Frame frame) = 0;
  /// `error` is set exactly when `state` is Ended (kind Lost: the source is gone; Denied: the desktop or its user took
  /// the permission back; Cancelled: it came to its own end).
  virtual void on_state(SourceState state, const Error* error) = 0;
};

/// For `zerocast record`'s closing report and the daemon's status.
struct SourceInfo {
  std::string kind;         ///< "portal", "node", "camera", "file", "test"
  std::string description;  ///< for a person: "monitor HEADLESS-1 through the desktop portal"
  Size size;                ///< px, as negotiated; empty before that
  Rational rate;            ///< as negotiated, maximum; 0 = variable without limit
  bool steady = false;      ///< pictures come at `rate` whether anything changes or not
  PixelFormat format = PixelFormat::Unknown;
  bool dmabuf = false;
};

struct SourceStats {
  std::uint64_t delivered = 0;       ///< frames handed to the listener (with a picture)
  std::uint64_t cursor_updates = 0;  ///< frames without a picture
  /// Pictures that did not become frames: lost on their way (PipeWire loses buffers when a thread of either side is
  /// late), as far as the producer counts them, or for want of a free buffer.
  std::uint64_t skipped = 0;
  std::uint64_t corrupt = 0;  ///< refused: flagged corrupt, short or malformed
  std::uint64_t bad_pts = 0;  ///< pictures whose stated time was of no use (ProducerClock)
};

/// start/renegotiate/rest/wake/stop are called one after the other, from whichever thread (not the source's own); info
/// and stats from any.
class Source {
 public:
  virtual ~Source() = default;
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// Begins to deliver to `listener`, which must outlive stop(). Returns when the source accepted the offer or failed;
  /// every wait in it is bounded or ends with request_stop().
  [[nodiscard]] virtual Result<void> start(const FormatOffer& offer, SourceListener& listener) = 0;
  /// Asks the producer for other formats while streaming (an import failed). Frames go on in whichever format results;
  /// some may still come in the old one. Returns when the producer has been asked.
  [[nodiscard]] virtual Result<void> renegotiate(const FormatOffer& offer) = 0;
  /// Lets go of every buffer and device, but not of what would have to be asked for anew: the desktop's permission, the
  /// connection. No frame comes until wake(); an end is told all the same. Idempotent.
  virtual void rest() = 0;
  /// After rest(): goes on with this offer. The first frame is a whole picture.
  /// Errors as start(); then no frame comes any more.
  [[nodiscard]] virtual Result<void> wake(const FormatOffer& offer) = 0;
  /// Ends delivery and frees everything; idempotent. Leases still held stay readable until they die.
  virtual void stop() = 0;

  [[nodiscard]] virtual SourceInfo info() const = 0;
  [[nodiscard]] virtual SourceStats stats() const = 0;
};

}  // namespace zc
