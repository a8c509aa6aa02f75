// What makes another encoder's pictures fit into a stream: in-band parameter sets and adapted surfaces.
#include "encode/encoder_chain.h"
#include "encode/ffmpeg_encoder.h"
#include "encode/in_band_headers.h"
#include "encode/parameter_sets.h"
#include "encode/surface_adapter.h"
#include "encode_support.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <initializer_list>
#include <vector>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/frame.h>
}

using namespace zc;
using namespace zc::test;

namespace {

std::vector<std::byte> bytes(std::initializer_list<unsigned> values) {
  std::vector<std::byte> result;
  for (const unsigned value : values) result.push_back(static_cast<std::byte>(value));
  return result;
}

Packet packet_of(const std::vector<std::byte>& content) {
  AvBufferPtr buffer(av_buffer_alloc(content.size()));
  auto* begin = reinterpret_cast<std::byte*>(buffer->data);
  std::ranges::copy(content, begin);
  return Packet(std::move(buffer), {begin, content.size()});
}

std::vector<std::byte> content(const Packet& packet) { return {packet.bytes().begin(), packet.bytes().end()}; }

}  // namespace

TEST_CASE("H.264 and HEVC: parameter sets go before a keyframe that lacks them, and only there") {
  const auto sets = bytes({0, 0, 0, 1, 0x67, 100, 0, 41, 0, 0, 0, 1, 0x68, 0xee});
  const auto slice = bytes({0, 0, 0, 1, 0x06, 5, 1, 0x80, 0, 0, 1, 0x65, 0x88, 0x80, 0, 0, 1, 0x67});
  CHECK_FALSE(has_parameter_sets(Codec::H264, slice));  // what looks like one after the slice is none
  auto whole = sets;
  whole.insert(whole.end(), slice.begin(), slice.end());
  CHECK(has_parameter_sets(Codec::H264, whole));
  CHECK(content(with_headers(Codec::H264, sets, packet_of(slice)).value()) == whole);
  CHECK(content(with_headers(Codec::H264, sets, packet_of(whole)).value()) == whole);
  CHECK(content(with_headers(Codec::H264, {}, packet_of(slice)).value()) == slice);

  CHECK(has_parameter_sets(Codec::HEVC, bytes({0, 0, 0, 1, 0x40, 1, 0, 0, 1, 0x42, 1, 0, 0, 1, 0x26, 1})));
  CHECK_FALSE(has_parameter_sets(Codec::HEVC, bytes({0, 0, 0, 1, 0x26, 1, 0xaf, 0, 0, 1, 0x42, 1})));
}

TEST_CASE("AV1: the sequence header goes behind the temporal delimiter") {
  const auto header = bytes({0x0a, 2, 0x20, 0x48});
  const auto frame = bytes({0x12, 0, 0x32, 1, 0x10});
  CHECK_FALSE(has_parameter_sets(Codec::AV1, frame));
  const auto whole = bytes({0x12, 0, 0x0a, 2, 0x20, 0x48, 0x32, 1, 0x10});
  CHECK(has_parameter_sets(Codec::AV1, whole));
  CHECK(content(with_headers(Codec::AV1, header, packet_of(frame)).value()) == whole);
  CHECK(content(with_headers(Codec::AV1, header, packet_of(whole)).value()) == whole);
  // Without a delimiter: first.
  const auto bare = bytes({0x32, 1, 0x10});
  CHECK(content(with_headers(Codec::AV1, header, packet_of(bare)).value()).front() == std::byte{0x0a});
}

TEST_CASE("an encoder asked for in-band headers gives keyframes a decoder can start at without extradata") {
  const EncoderRow& row = any_row();
  CAPTURE(row.name);
  EncoderSettings settings;
  settings.preset = Preset::LowLatency;
  auto opened =
      open_ffmpeg_encoder(row, settings, {.size = {320, 192}, .rate = {30, 1}, .threads = 2, .in_band_headers = true});
  REQUIRE(opened);
  Encoder& encoder = **opened;
  const EncodeRun run = encode(encoder, 12, at_rate(30), [&](std::uint32_t n) {
    if (n == 6) encoder.request_keyframe();
  });
  unsigned keyframes = 0;
  for (const Packet& packet : run.packets) {
    if (!packet.keyframe) continue;
    ++keyframes;
    CHECK(has_parameter_sets(row.codec, packet.bytes()));
  }
  CHECK(keyframes == 2);
  StreamParameters bare = encoder.stream();
  bare.extradata.clear();
  auto decoder = Decoder::open(bare, run.packets);
  REQUIRE(decoder);
  for (std::uint32_t number = 0; number < 12; ++number) {
    auto frame = decoder->next();
    REQUIRE(frame);
    REQUIRE(*frame);
    CHECK((*frame)->mark({320, 192})->frame == number);
  }
  CHECK(decoder->decode_errors() == 0);
}

TEST_CASE("an adapted picture holds the same samples") {
  const PixelFormat from = GENERATE(PixelFormat::NV12, PixelFormat::P010, PixelFormat::I444);
  const PixelFormat to = from == PixelFormat::NV12   ? PixelFormat::I420
                         : from == PixelFormat::P010 ? PixelFormat::I010
                                                     : PixelFormat::I444;
  const SurfaceFormat made{from, {130, 94}};
  const SurfaceFormat wanted{to, {130, 94}};
  auto adapter = SurfaceAdapter::create(made, wanted);
  REQUIRE(adapter);
  for (std::uint32_t number = 0; number < 3; ++number) {
    const Surface picture = make_picture(made, number, std::chrono::milliseconds(number));
    const auto adapted = adapter->adapt(picture);
    REQUIRE(adapted);
    CHECK(adapted->format() == wanted);
    CHECK(adapted->stream_time == picture.stream_time);
    const PlanarCopy before(picture);
    const PlanarCopy after(*adapted);
    for (unsigned plane = 0; plane < 3; ++plane) {
      const DecodedPlane& a = before.plane(plane);
      const DecodedPlane& b = after.plane(plane);
      REQUIRE(a.size == b.size);
      const std::size_t bytes_of_plane = a.stride_bytes * a.size.height;
      CHECK(std::equal(a.data, a.data + bytes_of_plane, b.data));
    }
  }
}

TEST_CASE("an adapter uses its memory again once the picture is let go, never before") {
  const SurfaceFormat made{PixelFormat::NV12, {64, 64}};
  auto adapter = SurfaceAdapter::create(made, {PixelFormat::I420, {64, 64}});
  REQUIRE(adapter);
  const Surface picture = make_picture(made, 1, {});
  auto first = adapter->adapt(picture);
  REQUIRE(first);
  const auto second = adapter->adapt(picture);
  REQUIRE(second);
  CHECK(first->av_frame()->data[0] != second->av_frame()->data[0]);
  const std::uint8_t* place = nullptr;
  {
    const auto third = adapter->adapt(picture);
    place = third->av_frame()->data[0];
  }
  CHECK(adapter->adapt(picture)->av_frame()->data[0] == place);
}

TEST_CASE("what cannot be adapted is refused") {
  const SurfaceFormat nv12{PixelFormat::NV12, {64, 64}};
  CHECK_FALSE(SurfaceAdapter::create(nv12, {PixelFormat::I420, {32, 64}}));
  CHECK_FALSE(SurfaceAdapter::create(nv12, {PixelFormat::I444, {64, 64}}));
  CHECK_FALSE(SurfaceAdapter::create(nv12, {PixelFormat::I010, {64, 64}}));
  SurfaceFormat in_cuda = nv12;
  in_cuda.memory = MemoryKind::Cuda;
  CHECK_FALSE(SurfaceAdapter::create(nv12, in_cuda));
  CHECK(SurfaceAdapter::create(in_cuda, nv12));
}
