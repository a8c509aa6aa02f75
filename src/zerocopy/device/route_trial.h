#pragma once

#include "base/clock.h"
#include "media/geometry.h"
#include "media/pixel_format.h"
#include "zerocopy/device/device_converter.h"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace zc {

/// What makes pictures comparable to one another.
struct PictureKind {
  PixelFormat format = PixelFormat::Unknown;
  std::uint64_t modifier = 0;
  Size buffer, surface;  ///< px
  bool operator==(const PictureKind&) const = default;
};

/// Which of several routes is the fastest for pictures of a kind, found by letting each make some in turn: the driver's
/// compute pass in one API may take 1.6 times what it takes in another, and which one it is differs from driver to
/// driver. The result holds as long as this does, and is logged. One thread.
class RouteTrial {
 public:
  /// Pictures a route makes before they count: programs are compiled.
  static constexpr unsigned kWarmUp = 4;
  /// Those that count. Their lower quartile is compared: some have a buffer or a surface that is new to the route.
  static constexpr unsigned kSamples = 16;

  /// The route for the next picture of this kind. `routes` take it, the preferred one first; not empty.
  [[nodiscard]] DeviceConverter* choose(const PictureKind& kind, std::span<DeviceConverter* const> routes);
  /// How long `route` took for the picture choose() was asked about last.
  void took(DeviceConverter& route, Nanoseconds time);
  /// It is not asked any more, and dies.
  void remove(const DeviceConverter& route);

 private:
  struct Runner {
    DeviceConverter* route = nullptr;
    unsigned pictures = 0;
    std::array<Nanoseconds, kSamples> times{};
    Nanoseconds quartile{};
    [[nodiscard]] bool done() const { return pictures == kWarmUp + kSamples; }
  };
  struct Trial {
    PictureKind kind;
    std::vector<Runner> runners;
    bool told = false;
  };
  void tell(Trial& trial) const;

  std::vector<Trial> trials_;
  Trial* current_ = nullptr;
};

}  // namespace zc
