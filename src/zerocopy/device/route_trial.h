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

/// What a picture cost.
struct RouteCost {
  Nanoseconds time;  ///< from the frame to the surface
  Nanoseconds cpu;   ///< of the calling thread
};

/// Which of several routes is the best for pictures of a kind, found by letting each make some in turn: the driver's
/// compute pass in one API may take 1.6 times what it takes in another, or a whole core where the other sleeps, and
/// which one it is differs from driver to driver. The best is the one with the least CPU time of those that take at
/// most 1.5 times what the fastest takes and a quarter of a frame at 60 Hz; if the fastest takes longer than that, it
/// is the fastest. The result holds as long as this does, and is logged. One thread.
class RouteTrial {
 public:
  /// Pictures a route makes before they count: programs are compiled.
  static constexpr unsigned kWarmUp = 4;
  /// Those that count. The lower quartile of their times, each of the two alone, is compared: some have a buffer or a
  /// surface that is new to the route.
  static constexpr unsigned kSamples = 16;

  /// The route for the next picture of this kind. `routes` take it, the preferred one first; not empty.
  [[nodiscard]] DeviceConverter* choose(const PictureKind& kind, std::span<DeviceConverter* const> routes);
  /// What the picture that choose() was asked about last is to cost is still wanted.
  [[nodiscard]] bool measuring() const;
  /// What `route` took for it.
  void took(DeviceConverter& route, const RouteCost& cost);
  /// It is not asked any more, and dies.
  void remove(const DeviceConverter& route);

 private:
  struct Runner {
    DeviceConverter* route = nullptr;
    unsigned pictures = 0;
    std::array<Nanoseconds, kSamples> times{}, cpus{};
    RouteCost quartile{};
    [[nodiscard]] bool done() const { return pictures == kWarmUp + kSamples; }
  };
  struct Trial {
    PictureKind kind;
    std::vector<Runner> runners;
    bool told = false;
  };
  [[nodiscard]] static const Runner& best(std::span<const Runner* const> runners);
  void tell(Trial& trial) const;

  std::vector<Trial> trials_;
  std::vector<const Runner*> contenders_;  ///< of the choose() under way
  Trial* current_ = nullptr;
};

}  // namespace zc
