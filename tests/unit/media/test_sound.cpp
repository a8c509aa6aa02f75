#include "media/test_sound.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

using namespace zc;
using namespace std::chrono_literals;

namespace {

std::vector<float> sound(Nanoseconds start, unsigned rate, double seconds) {
  std::vector<float> samples(static_cast<std::size_t>(seconds * rate));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i] = test_sound(start + Nanoseconds(static_cast<std::int64_t>(i * 1'000'000'000ULL / rate)));
  }
  return samples;
}

std::vector<Beep> read(const std::vector<float>& samples, unsigned rate, double time) {
  BeepReader reader(rate);
  // As decoders give them.
  for (std::size_t at = 0; at < samples.size(); at += 960) {
    const std::size_t count = std::min<std::size_t>(960, samples.size() - at);
    reader.push(time + static_cast<double>(at) / rate, std::span(samples).subspan(at, count));
  }
  CHECK(reader.clicks() == 0);
  return reader.take();
}

}  // namespace

TEST_CASE("beeps say when they are") {
  const unsigned rate = GENERATE(48'000U, 44'100U);
  const Nanoseconds start = 12'345'678'901ns;
  std::vector<float> samples = sound(start, rate, 5);
  std::mt19937 random(1);
  std::normal_distribution<float> noise(0, 0.003F);
  for (float& sample : samples) sample = sample * 0.5F + noise(random);  // turned down, and 44 dB above noise
  const std::vector<Beep> beeps = read(samples, rate, 100);
  REQUIRE(beeps.size() == 40);
  for (const Beep& beep : beeps) {
    const double at = beep.start - 100 + std::chrono::duration<double>(start).count();
    const double number = std::round(at / 0.125);
    CHECK(std::abs(at - number * 0.125) < 0.0002);
    CHECK(static_cast<unsigned>(std::fmod(number, kBeepNumbers)) == beep.number);
  }
}

TEST_CASE("other sound has no beeps, and a click is heard") {
  std::vector<float> music(48'000 * 3);
  for (std::size_t i = 0; i < music.size(); ++i) music[i] = 0.4F * std::sin(0.05F * static_cast<float>(i));
  CHECK(read(music, 48'000, 0).empty());
  BeepReader late(48'000);
  std::vector<float> begun(300);  // then in the middle of a beep
  const std::vector<float> rest = sound(20'178'000ns, 48'000, 1);
  begun.insert(begun.end(), rest.begin(), rest.end());
  late.push(0, begun);
  CHECK(std::abs(begun[300]) > 0.2F);
  CHECK(late.clicks() == 0);
  BeepReader reader(48'000);
  std::vector<float> samples = sound(0s, 48'000, 1);
  for (std::size_t i = 24'969; i < samples.size(); ++i) samples[i] = samples[i - 17];  // some came twice, at a crest
  reader.push(0, samples);
  CHECK(reader.clicks() >= 1);
}
