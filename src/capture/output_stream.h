#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "capture/capture_buffers.h"
#include "capture/output_capture.h"
#include "capture/wayland_client.h"
#include "media/format_offer.h"

#include <memory>
#include <optional>
#include <string>

namespace zc {

/// The pictures of one output or window, one after the other into buffers of ours, no more often than is wanted. Used
/// on the client's thread.
class OutputStream {
 public:
  /// `offer`: what the buffers may be; `rate`: of the output, 0 where it has none; `wake`: as CaptureBuffers'; `what`:
  /// "output DP-1", for messages.
  OutputStream(WaylandClient& client, std::unique_ptr<OutputCapture> capture, FormatOffer offer, Rational rate,
               std::shared_ptr<const UniqueFd> wake, std::string what);

  /// Waits until the compositor has said what it wants and a format is agreed on. Unsupported: there is none. Timeout:
  /// it shows nothing; errors as WaylandClient::wait().
  [[nodiscard]] Result<void> agree(Nanoseconds deadline);

  struct Shot {
    CaptureBuffers::Buffer& buffer;
    OutputCapture::Picture picture;
    std::uint32_t spare;  ///< buffers that nobody reads, beside this one
  };
  /// Does what there is to do: takes the picture that has come and asks for the next. The shot's buffer is used again
  /// unless it is lent before the next step. Lost: what is captured is gone; Unsupported: no format any more.
  [[nodiscard]] Result<std::optional<Shot>> step(Nanoseconds now);
  /// When there is something to do though nothing comes; nullopt: then there is nothing.
  [[nodiscard]] std::optional<Nanoseconds> due() const;

  /// nullptr before one is agreed on.
  [[nodiscard]] const CaptureFormat* format() const { return buffers_ ? &buffers_->format() : nullptr; }
  [[nodiscard]] const std::string& what() const { return what_; }

 private:
  [[nodiscard]] Result<void> prepare(const CaptureConstraints& constraints);
  [[nodiscard]] Result<void> ask(Nanoseconds now);
  void failed(OutputCapture::Failure failure, Nanoseconds now);
  void pace(Nanoseconds now);

  WaylandClient& client_;
  const std::unique_ptr<OutputCapture> capture_;
  FormatOffer offer_;
  const Rational rate_;
  const std::shared_ptr<const UniqueFd> wake_;
  const std::string what_;

  CaptureConstraints agreed_on_;  ///< what the buffers were made for
  std::optional<CaptureBuffers> buffers_;
  CaptureBuffers::Buffer* asked_ = nullptr;  ///< the compositor draws into it
  bool changed_ = false;                     ///< the next picture is the first of its buffers
  Nanoseconds next_{};                       ///< when the next picture may be asked for
  std::optional<Nanoseconds> retry_;         ///< when to try again
  int failures_ = 0;                         ///< one after the other
};

}  // namespace zc
