// Coded pictures of the test source, and files of them.
#pragma once

#include "encode/settings.h"
#include "media/audio_codec.h"
#include "media/packet.h"
#include "output/container.h"
#include "verify/verify.h"

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zc::test {

struct Clip {
  StreamParameters stream;
  std::vector<Packet> packets;
};

struct ClipOptions {
  std::string_view encoder = "libx264";
  std::uint32_t count = 40;
  Size size{320, 180};
  unsigned bit_depth = 8;
  double gop_seconds = 0.5;
  ColourDescription colour = kBt709Limited;  ///< ColourMatrix::Rgb: 4:4:4
  HdrMetadata hdr = HdrMetadata();
  Preset preset = Preset::Balanced;
  bool low_latency = false;  ///< instead of the preset
  /// Number painted into the n-th picture.
  std::function<std::uint32_t(std::uint32_t)> number = [](std::uint32_t n) { return n; };
  /// Stream time of the n-th picture; 20 a second.
  std::function<Nanoseconds(std::uint32_t)> time = [](std::uint32_t n) { return std::chrono::milliseconds(50) * n; };
  bool marked = true;  ///< the number is painted in
  std::vector<std::pair<std::string, std::string>> options = std::vector<std::pair<std::string, std::string>>();
};
[[nodiscard]] Clip make_clip(const ClipOptions& options = {});

/// test_sound() of stream times from `from` to `to` as its track 1, in PCM of 24 bits; behind the pictures' packets.
void add_sound(Clip& clip, Nanoseconds from, Nanoseconds to);

/// Writes the packets that `keep` wants.
void write_file(
    const std::string& path, Container container, const Clip& clip,
    const std::function<bool(std::size_t)>& keep = [](std::size_t) { return true; });

/// Verifies with the software decoder; the error is the test's failure.
[[nodiscard]] verify::VerifyReport verified(const std::string& path, verify::VerifyOptions options = {});
/// "dropped 3, decode 1", in the order they were found.
[[nodiscard]] std::string faults_of(const verify::VerifyReport& report);

}  // namespace zc::test
