// Decoders' pictures as frames: layouts, colours, leases.
#include "decode/decoded_picture.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstring>
#include <thread>
#include <vector>

#include "media/pixel_format.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
}

using namespace zc;

namespace {

AvFramePtr picture(AVPixelFormat format, int width = 64, int height = 48) {
  AvFramePtr frame(av_frame_alloc());
  REQUIRE(frame);
  frame->format = format;
  frame->width = width;
  frame->height = height;
  REQUIRE(av_frame_get_buffer(frame.get(), 0) == 0);
  return frame;
}

/// Sets every sample of a component: code values of its depth.
void fill(AVFrame& frame, int component, unsigned value) {
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  const AVComponentDescriptor& of = layout->comp[component];
  const bool chroma = component == 1 || component == 2;
  const int width = chroma ? AV_CEIL_RSHIFT(frame.width, layout->log2_chroma_w) : frame.width;
  const int height = chroma ? AV_CEIL_RSHIFT(frame.height, layout->log2_chroma_h) : frame.height;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      std::uint8_t* at = frame.data[of.plane] + static_cast<std::ptrdiff_t>(y) * frame.linesize[of.plane] + of.offset +
                         static_cast<std::ptrdiff_t>(x) * of.step;
      const auto wide = static_cast<std::uint16_t>(value << static_cast<unsigned>(of.shift));
      if (of.depth > 8) {
        std::memcpy(at, &wide, 2);
      } else {
        *at = static_cast<std::uint8_t>(value);
      }
    }
  }
}

const HostImage& host(const Frame& frame) { return std::get<HostImage>(frame.image); }

unsigned first_sample(const HostImage& image, unsigned plane) {
  unsigned value = 0;
  std::memcpy(&value, image.planes.at(plane).data, info(image.format).bits > 8 ? 2 : 1);
  return value;
}

}  // namespace

TEST_CASE("layouts of ours are handed out as they lie") {
  struct Row {
    AVPixelFormat theirs;
    PixelFormat ours;
  };
  const Row row = GENERATE(Row{AV_PIX_FMT_YUV420P, PixelFormat::I420}, Row{AV_PIX_FMT_YUVJ422P, PixelFormat::I422},
                           Row{AV_PIX_FMT_NV12, PixelFormat::NV12}, Row{AV_PIX_FMT_P010LE, PixelFormat::P010},
                           Row{AV_PIX_FMT_YUV444P10LE, PixelFormat::I410}, Row{AV_PIX_FMT_BGRA, PixelFormat::BGRA});
  DecodedPictures pictures;
  AvFramePtr made = picture(row.theirs);
  const std::uint8_t* data = made->data[0];
  Frame frame;
  REQUIRE(pictures.put(std::move(made), frame));
  CHECK(frame.format() == row.ours);
  CHECK(frame.buffer_size() == Size{64, 48});
  CHECK(reinterpret_cast<const std::uint8_t*>(host(frame).planes[0].data) == data);
  CHECK(pictures.lent() == 1);
  frame.lease.reset();
  CHECK(pictures.lent() == 0);
}

TEST_CASE("other layouts are converted to the nearest one, their numbers as they are") {
  struct Row {
    AVPixelFormat theirs;
    PixelFormat ours;
    unsigned luma, luma_then;
    unsigned cb, cb_then;
  };
  const Row row = GENERATE(Row{AV_PIX_FMT_YUV422P10LE, PixelFormat::I410, 700, 700, 300, 300},    // ProRes, DNxHD
                           Row{AV_PIX_FMT_YUV411P, PixelFormat::I444, 200, 200, 90, 90},          // DV
                           Row{AV_PIX_FMT_YUV420P12LE, PixelFormat::I010, 2800, 700, 1200, 300},  // HEVC of 12 bits
                           Row{AV_PIX_FMT_GRAY8, PixelFormat::I420, 77, 77, 0, 128},
                           Row{AV_PIX_FMT_NV21, PixelFormat::I420, 20, 20, 240, 240});
  INFO(av_get_pix_fmt_name(row.theirs));
  const bool full = GENERATE(false, true);
  DecodedPictures pictures;
  AvFramePtr made = picture(row.theirs);
  made->color_range = full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
  fill(*made, 0, row.luma);
  if (row.theirs != AV_PIX_FMT_GRAY8) {
    fill(*made, 1, row.cb);
    fill(*made, 2, row.cb);
  }
  Frame frame;
  REQUIRE(pictures.put(std::move(made), frame));
  CHECK(frame.format() == row.ours);
  const auto near = [](unsigned a, unsigned b) { return a + 1 >= b && b + 1 >= a; };
  CHECK(near(first_sample(host(frame), 0), row.luma_then));
  CHECK(near(first_sample(host(frame), 1), row.cb_then));
  CHECK(frame.colour.range == (full ? ColourRange::Full : ColourRange::Limited));
}

TEST_CASE("colours are those that the picture says, or those that players take") {
  DecodedPictures pictures;
  const auto colour = [&](AvFramePtr made) {
    Frame frame;
    REQUIRE(pictures.put(std::move(made), frame));
    return frame.colour;
  };
  CHECK(colour(picture(AV_PIX_FMT_YUV420P, 720, 576)).matrix == ColourMatrix::BT601);
  CHECK(colour(picture(AV_PIX_FMT_YUV420P, 1280, 720)).matrix == ColourMatrix::BT709);
  CHECK(colour(picture(AV_PIX_FMT_YUV420P)).range == ColourRange::Limited);
  CHECK(colour(picture(AV_PIX_FMT_YUVJ420P)).range == ColourRange::Full);
  AvFramePtr hdr = picture(AV_PIX_FMT_P010LE, 1280, 720);
  hdr->colorspace = AVCOL_SPC_BT2020_NCL;
  hdr->color_primaries = AVCOL_PRI_BT2020;
  hdr->color_trc = AVCOL_TRC_SMPTE2084;
  hdr->color_range = AVCOL_RANGE_MPEG;
  CHECK(colour(std::move(hdr)) ==
        ColourDescription{ColourMatrix::BT2020, ColourRange::Limited, ColourPrimaries::BT2020, TransferFunction::PQ});
}

TEST_CASE("no more pictures are lent than there is room for, and a wait ends when one comes back") {
  DecodedPictures pictures;
  std::vector<Frame> held(PicturePool::kSlots);
  for (Frame& frame : held) REQUIRE(pictures.put(picture(AV_PIX_FMT_NV12), frame));
  Frame more;
  const auto refused = pictures.put(picture(AV_PIX_FMT_NV12), more);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::Busy);
  SECTION("one comes back") {
    const std::jthread reader([&] { held.back().lease.reset(); });
    pictures.wait_until_below(PicturePool::kSlots, std::stop_token());
    CHECK(pictures.lent() < PicturePool::kSlots);
  }
  SECTION("it is stopped") {
    std::stop_source stop;
    const std::jthread stopper([&] { stop.request_stop(); });
    pictures.wait_until_below(1, stop.get_token());
    CHECK(pictures.lent() == PicturePool::kSlots);
  }
}
