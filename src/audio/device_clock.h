// How fast a device's clock runs, from the times of its blocks.
#pragma once

#include <cstddef>

namespace zc {

/// A delay-locked loop of second order (F. Adriaensen, "Using a DLL to filter time", 2005): it takes the jitter out of
/// the blocks' times and measures how long a sample of this device really lasts. Fast at first, then slow enough not to
/// follow jitter: an error of the rate of 300 ppm is known to 10 ppm after some ten seconds.
class DeviceClock {
 public:
  /// `rate`: samples a second, as the device states it.
  explicit DeviceClock(unsigned rate);

  /// The first block, or the first after a gap: `time` in seconds. What is known of the rate is kept.
  void begin(double time, std::size_t samples);
  /// The next block, whose samples follow the last one's.
  void update(double time, std::size_t samples);

  /// When the newest block's first sample was, in seconds.
  [[nodiscard]] double block_time() const { return block_time_; }
  /// When the next block is due.
  [[nodiscard]] double next_time() const { return next_time_; }
  /// How much longer its samples last than they should: 0.0003 is a device that is 300 ppm slow.
  [[nodiscard]] double slowness() const { return sample_time_ / nominal_ - 1; }

 private:
  void set(double time, std::size_t samples);

  double nominal_;
  double sample_time_;
  double block_time_ = 0;
  double next_time_ = 0;
  double block_length_ = 0;  ///< seconds, of the newest block
  std::size_t samples_ = 0;  ///< of the newest block
  double age_ = 0;           ///< seconds that were measured
};

}  // namespace zc
