#pragma once

#include "base/clock.h"
#include "capture/capture_format.h"
#include "media/frame.h"

#include <cstdint>
#include <expected>
#include <optional>

struct wl_buffer;

namespace zc {

/// One thing of the compositor's that it copies into our buffers when it is asked to, picture after picture: what its
/// protocols for that have in common. Each is a state that events change and that is asked after each dispatch; used on
/// the Wayland client's thread, and gone before the client.
class OutputCapture {
 public:
  struct Picture {
    Damage damage;  ///< since the picture before
    Transform transform = Transform::Normal;
    std::optional<Nanoseconds> time;  ///< as the compositor stamped it
  };
  enum class Failure : std::uint8_t {
    Again,   ///< it did not work this time
    Buffer,  ///< such a buffer is not taken (any more)
    Ended,   ///< and never will be again
  };

  OutputCapture() = default;
  OutputCapture(const OutputCapture&) = delete;
  OutputCapture& operator=(const OutputCapture&) = delete;
  virtual ~OutputCapture() = default;

  /// What a buffer for the next picture has to be. Null: not known yet, or a picture is on its way.
  [[nodiscard]] virtual const CaptureConstraints* wants() const = 0;
  /// Asks for the next picture, after wants(): the first is copied at once, later ones when something has changed.
  /// `stale`: where the buffer is older than the picture before. The buffer is the compositor's until result().
  virtual void capture(wl_buffer& buffer, Size size, const Damage& stale) = 0;
  /// What has become of it, once; also an end that comes by itself. nullopt: nothing yet.
  [[nodiscard]] virtual std::optional<std::expected<Picture, Failure>> result() = 0;
  /// After a result but Ended: gets ready for the next picture. Not at once after a failure, which may repeat itself.
  virtual void again() = 0;
};

/// A time of the protocols' in three parts; nullopt: it is none.
[[nodiscard]] constexpr std::optional<Nanoseconds> stamp_of(std::uint32_t high, std::uint32_t low, std::uint32_t ns) {
  constexpr std::uint32_t kSecond = 1'000'000'000;
  if (high != 0 || ns >= kSecond) return std::nullopt;  // 136 years
  return std::chrono::seconds(low) + Nanoseconds(ns);
}

}  // namespace zc
