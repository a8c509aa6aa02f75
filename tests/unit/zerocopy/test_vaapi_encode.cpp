// The whole VA-API way in one process: dmabufs, one pass, surfaces that FFmpeg's unmodified wrapper hands to the
// driver's encoder, and what a decoder sees.
#include "encode/encoder_table.h"
#include "encode/ffmpeg_encoder.h"
#include "encode/surface_adapter.h"
#include "tools/decode.h"
#include "unit/zerocopy/vaapi_support.h"
#include "zerocopy/cpu/yuv_coefficients.h"

#include <catch2/generators/catch_generators.hpp>

#include <cmath>
#include <cstdlib>

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSize{320, 192};
constexpr std::uint32_t kBarTop = 100;  // the mark is above
constexpr std::array<std::array<unsigned, 3>, 8> kBars = {
    {{255, 255, 255}, {191, 191, 0}, {0, 191, 191}, {0, 191, 0}, {191, 0, 191}, {191, 0, 0}, {0, 0, 191}, {0, 0, 0}}};
constexpr std::uint32_t kBarWidth = kSize.width / kBars.size();

/// Colour bars below, the mark of `number` above.
RgbPicture painted(std::uint32_t number) {
  RgbPicture picture(kSize, 64, 0);
  for (std::uint32_t y = 0; y < kSize.height; ++y) {
    for (std::uint32_t x = 0; x < kSize.width; ++x) {
      const auto& bar = kBars.at(y < kBarTop ? 7 : (x / kBarWidth + number / 4) % kBars.size());
      picture.set(x, y, bar[0] << 16U | bar[1] << 8U | bar[2]);
    }
  }
  paint_mark(picture.bytes(), picture.stride(), kSize, {.frame = number, .time = {}}, 0xffffffff, 0);
  return picture;
}

void check_bars(const DecodedFrame& frame, std::uint32_t number) {
  const YuvMatrix matrix = yuv_matrix(kBt709Limited, 8);
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
      const auto value = std::to_integer<unsigned>(p.data[y * p.stride_bytes + x]);
      CAPTURE(i, plane, value, want.at(plane));
      CHECK(std::abs(value - want.at(plane)) <= 2);
    }
  }
}

Frame frame_in(std::shared_ptr<const Dmabuf> dmabuf) {
  Frame frame;
  frame.image = std::move(dmabuf);
  frame.damage = Damage::all();
  return frame;
}

/// An importer and an encoder in its memory.
struct Chain {
  Chain() : importer(vaapi_importer()) {
    for (std::uint32_t i = 0; i < ring.size(); ++i) ring.at(i) = memfd_dmabuf(painted(i), PixelFormat::BGRx);
    const auto device = importer->device_for(frame_in(ring[0]));
    REQUIRE(device);
    EncoderSettings settings;
    settings.preset = Preset::LowLatency;
    auto opened = open_ffmpeg_encoder(*find_encoder_row("h264_vaapi"), settings,
                                      {.size = kSize, .rate = {30, 1}, .threads = 1, .device = device});
    if (!opened) FAIL(opened.error().message());
    encoder = std::move(*opened);
    REQUIRE(encoder->input().memory == MemoryKind::Vaapi);
    REQUIRE(importer->configure(encoder->input()));
  }
  Frame repaint(std::uint32_t number) {
    const RgbPicture picture = painted(number);
    const auto& dmabuf = ring.at(number % ring.size());
    const auto bytes = picture.bytes();
    REQUIRE(::pwrite(dmabuf->planes[0].fd.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    return frame_in(dmabuf);
  }
  void receive() {
    while (true) {
      auto packet = encoder->receive();
      REQUIRE(packet);
      if (!*packet) return;
      packets.push_back(std::move(**packet));
    }
  }

  std::unique_ptr<Importer> importer;
  std::unique_ptr<Encoder> encoder;
  std::array<std::shared_ptr<const Dmabuf>, 4> ring;
  std::vector<Packet> packets;
};

}  // namespace

TEST_CASE("a card that has the low-power entry point alone encodes by that") {
  const bool uploaded = GENERATE(true, false);  // by the device that the encoder opens itself, or the importer's
  ::setenv("SOFTVA_LOW_POWER", "1", 1);
  {
    EncoderSettings settings;
    settings.preset = Preset::LowLatency;
    VideoParameters video{.size = kSize, .rate = {30, 1}, .threads = 1};
    std::unique_ptr<Importer> importer;
    if (!uploaded) {
      importer = vaapi_importer();
      video.device = importer->device_for(frame_in(memfd_dmabuf(painted(0), PixelFormat::BGRx)));
      REQUIRE(video.device);
    }
    const auto opened = open_ffmpeg_encoder(*find_encoder_row("h264_vaapi"), settings, video);
    if (!opened) FAIL(opened.error().message());
    CHECK((*opened)->input().memory == (uploaded ? MemoryKind::Host : MemoryKind::Vaapi));
  }
  // What it does not encode is said before FFmpeg is asked.
  const auto refused = open_ffmpeg_encoder(*find_encoder_row("hevc_vaapi"), {}, {.size = kSize, .rate = {30, 1}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message().find("encodes no hevc of 8 bits") != std::string::npos);
  ::unsetenv("SOFTVA_LOW_POWER");
}

TEST_CASE("every picture comes out of the encoder as it was painted, none twice, none late") {
  const char* layout = GENERATE("", "apart");
  CAPTURE(layout);
  const VaFaults faults(layout);
  static_cast<void>(vaapi_gpu());  // what the drivers keep for the process
  const softva::Counts before = va_counts();
  const std::size_t fds = open_fds();
  {
    Chain chain;
    constexpr std::uint32_t kCount = 24;
    softva::Counts warm;
    for (std::uint32_t number = 0; number < kCount; ++number) {
      auto surface = chain.importer->import(chain.repaint(number));
      if (!surface) FAIL(surface.error().message());
      surface->stream_time = std::chrono::milliseconds(33) * number;
      const auto submitted = chain.encoder->submit(*surface);
      if (!submitted) FAIL(submitted.error().message());
      chain.receive();
      if (number == 8) warm = va_counts();
    }
    const softva::Counts counts = va_counts();
    CHECK(counts.exports == warm.exports);
    CHECK(counts.surfaces == warm.surfaces);
    CHECK(chain.importer->route() == "vulkan+vaapi");
    REQUIRE(chain.encoder->drain());
    chain.receive();
    REQUIRE(chain.packets.size() == kCount);
    auto decoder = Decoder::open(chain.encoder->stream(), chain.packets);
    REQUIRE(decoder);
    for (std::uint32_t number = 0; number < kCount; ++number) {
      CAPTURE(number);
      auto frame = decoder->next();
      REQUIRE(frame);
      REQUIRE(*frame);
      const auto mark = (*frame)->mark(kSize);
      REQUIRE(mark);
      CHECK(mark->frame == number);
      check_bars(**frame, number);
    }
  }
  const softva::Counts after = va_counts();
  CHECK(after.surfaces == before.surfaces);
  CHECK(after.buffers == before.buffers);
  CHECK(after.contexts == before.contexts);
  CHECK(after.configs == before.configs);
  CHECK(open_fds() == fds);
}

TEST_CASE("an encoder that fails says so, and its pictures become what a software encoder takes") {
  Chain chain;
  const VaFaults faults("encode=3");
  std::optional<Surface> last;
  bool failed = false;
  for (std::uint32_t number = 0; number < 6 && !failed; ++number) {
    auto surface = chain.importer->import(chain.repaint(number));
    REQUIRE(surface);
    surface->stream_time = std::chrono::milliseconds(33) * number;
    failed = !chain.encoder->submit(*surface) || !chain.encoder->receive();
    last = std::move(*surface);
  }
  CHECK(failed);
  auto adapter = SurfaceAdapter::create(last->format(), {.format = PixelFormat::I420, .size = kSize});
  REQUIRE(adapter);
  const auto adapted = adapter->adapt(*last);
  if (!adapted) FAIL(adapted.error().message());
  CHECK(adapted->format().memory == MemoryKind::Host);
  const Surface host = readable(*last);
  const AVFrame& a = *adapted->av_frame();
  const AVFrame& b = *host.av_frame();
  bool same = true;
  for (std::size_t y = 0; y < kSize.height; ++y) {
    same = same && std::memcmp(a.data[0] + y * static_cast<std::size_t>(a.linesize[0]),
                               b.data[0] + y * static_cast<std::size_t>(b.linesize[0]), kSize.width) == 0;
  }
  CHECK(same);
}
