#pragma once

#include "base/error.h"
#include "capture/cast_spec.h"
#include "capture/cursor_mode.h"
#include "capture/source.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

namespace zc {

/// A stream that a compositor has begun for us, in PipeWire: it lasts as long as this does.
class ScreenCast {
 public:
  ScreenCast() = default;
  ScreenCast(const ScreenCast&) = delete;
  ScreenCast& operator=(const ScreenCast&) = delete;
  /// Ends the stream; no call of watch()'s comes after it.
  virtual ~ScreenCast() = default;
  [[nodiscard]] virtual std::uint32_t node() const = 0;  ///< its PipeWire id
  /// Begins to look whether the compositor ends it, on a thread of its own: then `ended` is called, once.
  virtual void watch(std::function<void(const Error&)> ended) = 0;
};

/// Begins it. Its waits are bounded, and end with `stop`.
using OpenCast = std::function<Result<std::unique_ptr<ScreenCast>>(const CastSpec& spec, CursorMode cursor,
                                                                   const std::stop_token& stop)>;

/// KWin's and Mutter's own streams, without a dialog. `stop` ends the waits in start(), which fails with NotFound (no
/// such compositor, output or window), Denied, Unsupported, Invalid (several outputs and none named), Lost, Timeout.
/// Later on_state(Ended) carries Lost.
[[nodiscard]] Result<std::unique_ptr<Source>> make_cast_source(CastSpec spec, CursorMode cursor, std::stop_token stop);
/// The same with something else to begin the stream.
[[nodiscard]] std::unique_ptr<Source> make_cast_source_with(OpenCast open, CastSpec spec, CursorMode cursor,
                                                            std::stop_token stop);

}  // namespace zc
