// The whole NVIDIA way in one process: dmabufs, one pass, surfaces in CUDA memory, NVENC, and what a decoder sees.
#include "encode/encoder_table.h"
#include "encode/ffmpeg_encoder.h"
#include "tools/decode.h"
#include "unit/zerocopy/device_support.h"
#include "zerocopy/cpu/yuv_coefficients.h"

#include <catch2/generators/catch_generators.hpp>

#include <cmath>

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSize{320, 192};
constexpr std::uint32_t kBarTop = 100;  // the mark is above
constexpr std::array<std::array<unsigned, 3>, 8> kBars = {
    {{255, 255, 255}, {191, 191, 0}, {0, 191, 191}, {0, 191, 0}, {191, 0, 191}, {191, 0, 0}, {0, 0, 191}, {0, 0, 0}}};
constexpr std::uint32_t kBarWidth = kSize.width / kBars.size();

/// Colour bars below, the mark of `number` above.
RgbPicture painted(PixelFormat format, std::uint32_t number) {
  RgbPicture picture(kSize, 64, 0);
  const RgbFields fields = rgb_fields(format);
  const bool ten = fields.layout != RgbLayout::Bytes;
  const unsigned low = fields.layout == RgbLayout::TenBitHigh ? 2 : 0;
  const auto word = [&](const std::array<unsigned, 3>& rgb) {
    const auto field = [&](unsigned index, unsigned value) {
      return ten ? (value * 1023 + 127) / 255 << (low + 10 * index) : value << (8 * index);
    };
    return field(fields.red, rgb[0]) | field(fields.green, rgb[1]) | field(fields.blue, rgb[2]);
  };
  for (std::uint32_t y = 0; y < kSize.height; ++y) {
    for (std::uint32_t x = 0; x < kSize.width; ++x) {
      const std::size_t bar = y < kBarTop ? 7 : (x / kBarWidth + number / 4) % kBars.size();
      picture.set(x, y, word(kBars.at(bar)));
    }
  }
  paint_mark(picture.bytes(), picture.stride(), kSize, {.frame = number, .time = {}}, 0xffffffff, 0);
  return picture;
}

/// Checks the middle of each bar of a decoded frame.
void check_bars(const DecodedFrame& frame, std::uint32_t number) {
  const YuvMatrix matrix = yuv_matrix(kBt709Limited, frame.bit_depth);
  const double unit = frame.bit_depth == 10 ? 4 : 1;
  for (std::size_t i = 0; i < kBars.size(); ++i) {
    const auto& rgb = kBars.at((i + number / 4) % kBars.size());
    const auto code = [&](const std::array<double, 3>& row, double offset) {
      return offset + (row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2]) / 255;
    };
    const std::array want{code(matrix.luma, matrix.luma_offset), code(matrix.cb, matrix.chroma_offset),
                          code(matrix.cr, matrix.chroma_offset)};
    for (unsigned plane = 0; plane < 3; ++plane) {
      const DecodedPlane& p = frame.planes.at(plane);
      const std::uint32_t shift = plane == 0 ? 0 : 1;
      const std::size_t x = (i * kBarWidth + kBarWidth / 2) >> shift;
      const std::size_t y = (kBarTop + (kSize.height - kBarTop) / 2) >> shift;
      const std::byte* at = p.data + y * p.stride_bytes + x * frame.bytes_per_sample;
      auto value = std::to_integer<unsigned>(at[0]);
      if (frame.bytes_per_sample == 2) value |= std::to_integer<unsigned>(at[1]) << 8U;
      CAPTURE(i, plane, value, want.at(plane));
      CHECK(std::abs(value - want.at(plane)) <= 2 * unit);
    }
  }
}

struct Case {
  const char* encoder;
  PixelFormat source;
  unsigned depth;
};

}  // namespace

TEST_CASE("every picture comes out of NVENC as it was painted, none twice, none late") {
  const Case c = GENERATE(Case{"h264_nvenc", PixelFormat::BGRx, 8}, Case{"h264_nvenc", PixelFormat::xRGB_210LE, 8},
                          Case{"hevc_nvenc", PixelFormat::xBGR_210LE, 10});
  const bool copies = GENERATE(false, true);
  const Faults faults(copies ? "register-imported" : "");
  CAPTURE(c.encoder, name(c.source), c.depth, copies);
  const DeviceSetup setup = device_setup();
  auto gpu = gpu_kinds().front().open({.software = true});
  if (!gpu) FAIL(gpu.error().message());
  const auto importer = make_gpu_importer(std::move(*gpu));
  EncoderSettings settings;
  settings.preset = Preset::LowLatency;
  settings.bit_depth = c.depth;
  settings.crf = 10;
  const EncoderRow& row = *find_encoder_row(c.encoder);
  if (c.depth == 10 && !row.input_format(10, Chroma::Yuv420)) SKIP("this encoder has no 10 bits");

  std::array<std::shared_ptr<const Dmabuf>, 4> ring;
  const auto repaint = [&](std::uint32_t number) {
    const RgbPicture picture = painted(c.source, number);
    auto& dmabuf = ring.at(number % ring.size());
    if (!dmabuf) dmabuf = memfd_dmabuf(picture, c.source);
    const auto bytes = picture.bytes();
    REQUIRE(::pwrite(dmabuf->planes[0].fd.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    Frame frame;
    frame.image = dmabuf;
    return frame;
  };
  const Frame first = repaint(0);
  const auto context = importer->device_for(first);
  REQUIRE(context);
  auto opened = open_ffmpeg_encoder(row, settings, {.size = kSize, .rate = {30, 1}, .threads = 2, .device = context});
  if (!opened) FAIL(opened.error().message());
  Encoder& encoder = **opened;
  REQUIRE(encoder.input().memory == MemoryKind::Cuda);
  REQUIRE(importer->configure(encoder.input()));

  constexpr std::uint32_t kCount = 24;
  std::vector<Packet> packets;
  const auto receive = [&] {
    while (true) {
      auto packet = encoder.receive();
      REQUIRE(packet);
      if (!*packet) return;
      packets.push_back(std::move(**packet));
    }
  };
  std::uint64_t warm = 0;
  const auto registrations = softgpu_function<decltype(softgpu_registrations)>("softgpu_registrations");
  for (std::uint32_t number = 0; number < kCount; ++number) {
    auto surface = importer->import(repaint(number));
    if (!surface) FAIL(surface.error().message());
    surface->stream_time = std::chrono::milliseconds(33) * number;
    const auto submitted = encoder.submit(*surface);
    if (!submitted) FAIL(submitted.error().message());
    receive();
    if (number == 8) warm = registrations();
  }
  CHECK(registrations() == warm);
  CHECK(importer->route() == "vulkan+cuda");
  REQUIRE(encoder.drain());
  receive();
  REQUIRE(packets.size() == kCount);

  auto decoder = Decoder::open(encoder.stream(), packets);
  REQUIRE(decoder);
  for (std::uint32_t number = 0; number < kCount; ++number) {
    CAPTURE(number);
    auto frame = decoder->next();
    REQUIRE(frame);
    REQUIRE(*frame);
    const auto mark = (*frame)->mark(kSize);
    REQUIRE(mark);
    CHECK(mark->frame == number);
    CHECK((*frame)->bit_depth == c.depth);
    check_bars(**frame, number);
  }
}
