#include "encode_support.h"

#include "base/error.h"
#include "encode/encoder_chain.h"
#include "media/av_words.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
#include <libavutil/pixfmt.h>
}

namespace zc::test {
namespace {

/// Writes 8-bit values as a format's samples.
class SampleWriter {
 public:
  explicit SampleWriter(PixelFormat format)
      : wide_(info(format).bits > 8), shift_(format == PixelFormat::P010 ? 8U : info(format).bits - 8U) {}
  void put(std::byte* row, std::uint32_t x, unsigned value) const {
    if (!wide_) {
      row[x] = static_cast<std::byte>(value);
    } else {
      const auto wide = static_cast<std::uint16_t>(value << shift_);
      std::memcpy(row + std::size_t{x} * 2, &wide, 2);
    }
  }

 private:
  bool wide_;
  unsigned shift_;
};

bool two_planes(PixelFormat format) { return info(format).planes == 2; }

/// The 8-bit values of one component of picture `number`, by the samples of its plane.
class Pattern {
 public:
  Pattern(unsigned component, Size plane, std::uint32_t number)
      : component_(component),
        number_(number),
        box_{number * 5 % std::max(1U, plane.width), number * 3 % std::max(1U, plane.height)},
        box_size_{plane.width / 8, plane.height / 8},
        ramp_(std::max(1U, plane.width + plane.height)) {}
  [[nodiscard]] unsigned at(std::uint32_t x, std::uint32_t y) const {
    const bool in_box = x - box_.width < box_size_.width && y - box_.height < box_size_.height;
    if (component_ == 0) return in_box ? 200 : 40 + (x / 2 + y / 2 + number_ * 2) % 128;
    if (in_box) return component_ == 1 ? 90 : 160;
    return 128 + (component_ == 1 ? x : y) * 40 / ramp_;
  }

 private:
  unsigned component_;
  std::uint32_t number_;
  Size box_;  ///< where it begins
  Size box_size_;
  std::uint32_t ramp_;
};

}  // namespace

const std::vector<const EncoderRow*>& rows_under_test() {
  static const std::vector<const EncoderRow*> kRows = [] {
    const char* wanted = std::getenv("ZEROCAST_TEST_BACKEND");
    const std::string_view backend = wanted == nullptr ? "software" : wanted;
    std::vector<const EncoderRow*> rows;
    for (const EncoderRow& row : encoder_rows()) {
      const bool built = avcodec_find_encoder_by_name(std::string(row.name).c_str()) != nullptr;
      if (row.backend == backend && built) rows.push_back(&row);
    }
    return rows;
  }();
  REQUIRE_FALSE(kRows.empty());
  return kRows;
}

const EncoderRow& any_row() { return *rows_under_test()[GENERATE(range(std::size_t{0}, rows_under_test().size()))]; }

Surface make_picture(const SurfaceFormat& format, std::uint32_t number, Nanoseconds stream_time) {
  AvFramePtr frame(av_frame_alloc());
  REQUIRE(frame);
  frame->format = av_pixel_format(format.format);
  frame->width = static_cast<int>(format.size.width);
  frame->height = static_cast<int>(format.size.height);
  REQUIRE(av_frame_get_buffer(frame.get(), 0) == 0);

  const bool interleaved = two_planes(format.format);
  const SampleWriter writer(format.format);
  for (unsigned component = 0; component < 3; ++component) {
    const unsigned plane = interleaved && component == 2 ? 1 : component;
    const Size size{plane_width(format.format, plane, format.size.width),
                    plane_height(format.format, plane, format.size.height)};
    const Pattern pattern(component, size, number);
    auto* data = reinterpret_cast<std::byte*>(frame->data[plane]);
    for (std::uint32_t y = 0; y < size.height; ++y) {
      std::byte* row = data + static_cast<std::ptrdiff_t>(y) * frame->linesize[plane];
      for (std::uint32_t x = 0; x < size.width; ++x) {
        const std::uint32_t column = interleaved && component > 0 ? x * 2 + component - 1 : x;
        writer.put(row, column, pattern.at(x, y));
      }
    }
  }
  // The mark is painted as 32-bit pixels and copied into the luma.
  const std::uint32_t cell = mark_cell_px(format.size);
  const Size mark_size{std::min(cell * kMarkColumns, format.size.width),
                       std::min(cell * kMarkRows, format.size.height)};
  std::vector<std::byte> pixels(format.size.area() * 4);
  paint_mark(pixels, std::size_t{format.size.width} * 4, format.size, {number, stream_time}, 235, 16);
  for (std::uint32_t y = 0; y < mark_size.height; ++y) {
    auto* row = reinterpret_cast<std::byte*>(frame->data[0]) + static_cast<std::ptrdiff_t>(y) * frame->linesize[0];
    for (std::uint32_t x = 0; x < mark_size.width; ++x) {
      writer.put(row, x, std::to_integer<unsigned>(pixels[(std::size_t{y} * format.size.width + x) * 4]));
    }
  }
  Surface surface(std::move(frame), format);
  surface.stream_time = stream_time;
  return surface;
}

PlanarCopy::PlanarCopy(const Surface& surface) {
  const SurfaceFormat& format = surface.format();
  const std::size_t sample_bytes = info(format.format).bits > 8 ? 2 : 1;
  const bool interleaved = two_planes(format.format);
  const AVFrame* frame = surface.av_frame();
  for (unsigned component = 0; component < 3; ++component) {
    const unsigned plane = interleaved && component == 2 ? 1 : component;
    const Size size{plane_width(format.format, plane, format.size.width),
                    plane_height(format.format, plane, format.size.height)};
    const std::size_t row_size = size.width * sample_bytes;
    storage_.at(component).resize(row_size * size.height);
    for (std::uint32_t y = 0; y < size.height; ++y) {
      const auto* row = reinterpret_cast<const std::byte*>(frame->data[plane]) +
                        static_cast<std::ptrdiff_t>(y) * frame->linesize[plane];
      std::byte* to = storage_.at(component).data() + y * row_size;
      if (sample_bytes == 2 && interleaved) {
        for (std::uint32_t x = 0; x < size.width; ++x) {
          std::uint16_t wide = 0;
          std::memcpy(&wide, row + std::size_t{component == 0 ? x : x * 2 + component - 1} * 2, 2);
          wide = static_cast<std::uint16_t>(wide >> 6U);
          std::memcpy(to + std::size_t{x} * 2, &wide, 2);
        }
      } else if (interleaved && component > 0) {
        for (std::uint32_t x = 0; x < size.width; ++x) to[x] = row[x * 2 + component - 1];
      } else {
        std::memcpy(to, row, row_size);
      }
    }
    planes_.at(component) = {storage_.at(component).data(), row_size, size};
  }
}

Result<std::unique_ptr<Encoder>> open_first(const EncoderSettings& settings, const VideoParameters& video) {
  auto chain = EncoderChain::create(settings);
  if (!chain) return std::unexpected(std::move(chain.error()));
  return chain->open_first(video);
}

EncodeRun encode(Encoder& encoder, std::uint32_t count, const std::function<Nanoseconds(std::uint32_t)>& time_of,
                 const std::function<void(std::uint32_t)>& before) {
  EncodeRun run;
  const auto receive_all = [&] {
    while (true) {
      auto packet = encoder.receive();
      if (!packet) FAIL("receive: " << packet.error().message());
      if (!*packet) return;
      run.packets.push_back(std::move(**packet));
    }
  };
  for (std::uint32_t number = 0; number < count; ++number) {
    before(number);
    const Surface surface = make_picture(encoder.input(), number, time_of(number));
    if (auto ok = encoder.submit(surface); !ok) FAIL("submit " << number << ": " << ok.error().message());
    receive_all();
    run.received_after.push_back(run.packets.size());
    run.max_inside = std::max(run.max_inside, std::size_t{number} + 1 - run.packets.size());
  }
  if (auto ok = encoder.drain(); !ok) FAIL("drain: " << ok.error().message());
  receive_all();
  return run;
}

std::function<Nanoseconds(std::uint32_t)> at_rate(double fps) {
  return [fps](std::uint32_t n) { return Nanoseconds(std::llround(n * 1e9 / fps)); };
}

}  // namespace zc::test
