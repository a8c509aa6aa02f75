// Applications that play tones, and sinks that play to nobody.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numbers>
#include <span>
#include <string>

namespace zc::test {

/// A stereo sink of PipeWire's own without a device, which the session manager takes for the default when its priority
/// is the highest.
class NullSink {
 public:
  explicit NullSink(const std::string& name, int priority = 1000);
  NullSink(const NullSink&) = delete;
  NullSink& operator=(const NullSink&) = delete;
  ~NullSink();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A sink whose loudspeaker is far: what it gets is heard so much later, as it says. It does not drive the graph.
class FarSink {
 public:
  FarSink(const std::string& name, std::int64_t nanoseconds);
  FarSink(const FarSink&) = delete;
  FarSink& operator=(const FarSink&) = delete;
  ~FarSink();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A microphone with a clock of its own, which drives the graph: what a sound card is. It hears beeps that say when
/// they are (media/test_sound.h), and kPresence beside, so that what it does not hear is told from silence.
class Device {
 public:
  static constexpr float kPresence = 0.005F;

  /// `slow`: how much longer than it should its clock's second lasts, 0.0003 for 300 ppm.
  Device(const std::string& name, double slow);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device();
  /// It misses so much.
  void lose(std::int64_t nanoseconds);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct ToneOptions {
  std::string application = "Music";
  double hertz = 1000;  ///< 0: beeps that say when they are (media/test_sound.h), in the place of the sine
  double amplitude = 0.25;
  std::string sink = {};    ///< node.name; empty: the default
  bool microphone = false;  ///< it is a source that hears that sine, instead
  unsigned graph_rate = 0;  ///< samples a second that PipeWire's graph is to have; 0: as it likes
};

/// An application that plays a sine: the sample that is heard at CLOCK_MONOTONIC t is amplitude * sin(2 pi hertz t).
class Tone {
 public:
  explicit Tone(ToneOptions options);
  Tone(const Tone&) = delete;
  Tone& operator=(const Tone&) = delete;
  ~Tone();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// How often a test does what is done often: `few`, or $ZEROCAST_ROUNDS.
[[nodiscard]] int rounds(int few);

/// Of a sine in samples of 48 kHz.
inline double amplitude(std::span<const float> samples, double hertz) {
  double sine = 0;
  double cosine = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double at = 2 * std::numbers::pi * hertz * static_cast<double>(i) / 48'000;
    sine += static_cast<double>(samples[i]) * std::sin(at);
    cosine += static_cast<double>(samples[i]) * std::cos(at);
  }
  return 2 * std::hypot(sine, cosine) / static_cast<double>(samples.size());
}

}  // namespace zc::test
