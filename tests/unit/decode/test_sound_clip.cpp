// The sound of media files: at its place beside the pictures, whatever is missing.
#include "decode/sound_clip.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <functional>
#include <vector>

#include "media/test_sound.h"
#include "support/temporary_folder.h"
#include "unit/verify/verify_support.h"

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kSecond = kAudioRate;

/// Two seconds of pictures, and beeps from `from` to `to`.
std::string sound_file(
    const TemporaryFolder& folder, Nanoseconds from, Nanoseconds to,
    const std::function<bool(const Packet&)>& keep = [](const Packet&) { return true; }) {
  const std::string path = folder.file("clip.mkv");
  zc::test::Clip clip = make_clip({.count = 40});
  add_sound(clip, from, to);
  write_file(path, Container::Mkv, clip, [&](std::size_t i) { return keep(clip.packets[i]); });
  return path;
}

std::unique_ptr<SoundClip> open(const std::string& path, Nanoseconds start = {}, std::uint64_t layout = kStereo) {
  auto opened = SoundClip::open(path, {.layout = layout, .start = start, .stopped = {}});
  if (!opened) FAIL(opened.error().message());
  return std::move(*opened);
}

/// Mono samples from `from` to `to`, in pieces of odd lengths.
std::vector<float> read(SoundClip& clip, std::int64_t from, std::int64_t to) {
  std::vector<float> mono;
  std::vector<float> block;
  for (std::int64_t length = 1; from < to; from += length, length = length * 7 % 2003 + 1) {
    length = std::min(length, to - from);
    block.assign(static_cast<std::size_t>(length) * 2, 7.0F);
    REQUIRE(clip.read(from, block));
    for (std::size_t i = 0; i < block.size(); i += 2) mono.push_back(block[i]);
  }
  return mono;
}

/// The most that a sample is off test_sound(), which is to be heard where `heard` says.
float most_off(
    const std::vector<float>& samples, std::int64_t from,
    const std::function<bool(std::int64_t)>& heard = [](std::int64_t) { return true; }) {
  float most = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::int64_t at = from + static_cast<std::int64_t>(i);
    const float wanted = heard(at) ? test_sound(Nanoseconds(at * 1'000'000'000 / kAudioRate)) : 0.0F;
    most = std::max(most, std::abs(samples[i] - wanted));
  }
  return most;
}

constexpr float kExact = 1e-5F;  // 24 bits

}  // namespace

TEST_CASE("each sample of a file is at its time, and behind the last there is silence") {
  const TemporaryFolder folder;
  const std::string path = sound_file(folder, 0s, 2s);
  const auto clip = open(path);
  const std::int64_t end = 5 * kSecond / 2;
  CHECK(most_off(read(*clip, 0, end), 0, [](std::int64_t at) { return at < 2 * kSecond; }) < kExact);
  CHECK(clip->damaged() == 0);
}

TEST_CASE("sound can be read from a place in the file on") {
  const TemporaryFolder folder;
  const std::string path = sound_file(folder, 0s, 2s);
  const std::int64_t from = 3 * kSecond / 2 + 11;
  CHECK(most_off(read(*open(path, 1500ms), from, 2 * kSecond), from) < kExact);
}

TEST_CASE("sound that begins late, or of which a part is missing, is silent there and in its place again") {
  const TemporaryFolder folder;
  const auto ticks = [](std::int64_t samples) { return samples * kPacketClock / kAudioRate; };
  std::int64_t first = 2 * kSecond;
  std::int64_t last = 0;
  const std::string path = sound_file(folder, 500ms, 2s, [&](const Packet& packet) {
    if (packet.track == 0 || packet.pts < ticks(kSecond) || packet.pts >= ticks(5 * kSecond / 4)) return true;
    const std::int64_t at = packet.pts * kAudioRate / kPacketClock;
    first = std::min(first, at);
    last = std::max(last, at + packet.duration * kAudioRate / kPacketClock);
    return false;
  });
  REQUIRE(first < last);
  const auto there = [&](std::int64_t at) {
    return at >= kSecond / 2 && at < 2 * kSecond && (at < first || at >= last);
  };
  // A container counts milliseconds: what follows a gap may be off by half of one.
  const auto sound = read(*open(path), 0, 2 * kSecond);
  const auto part = [&](std::int64_t from, std::int64_t to) {
    return std::vector<float>(sound.begin() + from, sound.begin() + to);
  };
  CHECK(most_off(part(0, first), 0, there) < kExact);
  CHECK(most_off(part(first + 48, last - 48), first + 48, there) == 0);
  BeepReader beeps(kAudioRate);
  const std::int64_t between = 13 * kSecond / 10;  // two beeps
  REQUIRE(last < between);
  beeps.push(static_cast<double>(between) / kAudioRate, part(between, 2 * kSecond));
  const auto found = beeps.take();
  REQUIRE(found.size() >= 4);
  for (const Beep& beep : found) {
    const double off = beep.start - std::round(beep.start * 8) / 8;
    CHECK(std::abs(off) < 0.001);
    CHECK(beep.number == static_cast<unsigned>(std::lround(beep.start * 8)) % kBeepNumbers);
  }
}

TEST_CASE("channels are mixed to those that are wanted") {
  const TemporaryFolder folder;
  const std::string path = sound_file(folder, 0s, 1s);
  std::vector<float> mono(kAudioRate);
  REQUIRE(open(path, {}, kMono)->read(0, mono));
  // libswresample's matrix: 3 dB less of each.
  for (float& sample : mono) sample /= std::sqrt(2.0F);
  CHECK(most_off(mono, 0) < 0.001F);
  std::vector<float> surround(std::size_t{kAudioRate} * 6);
  REQUIRE(open(path, {}, kSurround51)->read(0, surround));
  CHECK(std::ranges::max(surround) > 0.3F);
}

TEST_CASE("a file without sound says so") {
  const TemporaryFolder folder;
  const std::string path = folder.file("clip.mkv");
  write_file(path, Container::Mkv, make_clip({.count = 2}));
  const auto refused = SoundClip::open(path, {.layout = kStereo, .start = {}, .stopped = {}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::Unsupported);
  CHECK(refused.error().detail == "it has no sound");
}
