#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "zerocopy/device/device_converter.h"
#include "zerocopy/device/route_trial.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace zc {

/// The routes of an importer and how each has fared. One that failed is passed over for 64 pictures, then twice as many
/// each time, up to 4096: what refused one buffer may take the next, and a driver that was out of memory may have some
/// again. One that hung or lost its device is gone for good. One thread makes every call.
class RouteList {
 public:
  explicit RouteList(std::vector<std::unique_ptr<DeviceConverter>> routes);

  /// Once per picture, before the first find().
  void next_picture() { ++picture_; }
  /// The first route that takes this picture now, after `after` (null: from the first on). Null: none. Of several that
  /// take a tiled one, the best: see RouteTrial.
  [[nodiscard]] DeviceConverter* find(const Dmabuf& dmabuf, const PicturePlan& plan,
                                      const DeviceConverter* after = nullptr);
  /// Some route takes such pictures, now or later.
  [[nodiscard]] bool takes(const Dmabuf& dmabuf, const PicturePlan& plan) const;
  /// Says so, loudly when it is the first time.
  void failed(DeviceConverter& route, const Error& error);
  /// What convert() costs is to be measured for the picture find() was asked about last.
  [[nodiscard]] bool measuring() const { return trial_.measuring(); }
  /// `cost`: of its convert(), where measuring() wanted it.
  void succeeded(DeviceConverter& route, const RouteCost& cost);
  /// The route refuses the dmabuf's modifier from now on, and no other: says so. False: that is not what happened.
  [[nodiscard]] bool refused(const DeviceConverter& route, const Dmabuf& dmabuf, const Error& error);
  void clear();
  /// As Importer's.
  [[nodiscard]] std::string take_setback() { return std::exchange(setback_, {}); }
  /// Rises whenever modifiers() has become fewer.
  [[nodiscard]] std::uint64_t version() const { return version_; }
  [[nodiscard]] bool empty() const { return entries_.empty(); }

  /// Modifiers of all routes, without repetition, best first, LINEAR last.
  [[nodiscard]] std::vector<std::uint64_t> modifiers(PixelFormat format) const;
  void forget_targets();
  /// For the importer's name before the first picture: the first route's; "cpu" when there is none.
  [[nodiscard]] std::string_view first() const { return empty() ? "cpu" : entries_.front().converter->route(); }

 private:
  struct Entry {
    std::unique_ptr<DeviceConverter> converter;
    unsigned failures = 0;         ///< in a row
    std::uint64_t resting_to = 0;  ///< picture before which it is not asked
  };
  [[nodiscard]] std::vector<Entry>::iterator entry(const DeviceConverter& route);

  std::vector<Entry> entries_;
  std::vector<DeviceConverter*> candidates_;  ///< of the find() under way
  RouteTrial trial_;
  std::uint64_t picture_ = 0;
  std::uint64_t version_ = 0;
  std::string setback_;  ///< empty: none since it was taken
};

}  // namespace zc
