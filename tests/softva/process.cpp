// The video processor: crop, scale (nearest sample), colours.
#include "softva/driver.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace zc::softva {
namespace {

struct Rgb {
  double r, g, b;  ///< 0 to 1
};

struct Luma {
  double red, blue;
};

std::uint32_t word(const std::uint8_t* at) {
  std::uint32_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}

Rgb read_rgb(const Picture& picture, std::size_t x, std::size_t y) {
  const std::uint8_t* at = picture.row(0, y) + x * 4;
  switch (picture.format->fourcc) {
    case VA_FOURCC_X2R10G10B10: {
      const std::uint32_t w = word(at);
      return {((w >> 20U) & 1023U) / 1023.0, ((w >> 10U) & 1023U) / 1023.0, (w & 1023U) / 1023.0};
    }
    case VA_FOURCC_RGBX:
    case VA_FOURCC_RGBA: return {at[0] / 255.0, at[1] / 255.0, at[2] / 255.0};
    default: return {at[2] / 255.0, at[1] / 255.0, at[0] / 255.0};
  }
}

/// VA-API's default for YUV is BT.601; 709 comes on request.
Luma weights(const VAProcPipelineParameterBuffer& pipeline) {
  const bool bt709 = pipeline.output_color_standard == VAProcColorStandardBT709 ||
                     (pipeline.output_color_standard == VAProcColorStandardExplicit &&
                      pipeline.output_color_properties.matrix_coefficients == 1);
  return bt709 && !fault(Fault::Colour) ? Luma{0.2126, 0.0722} : Luma{0.299, 0.114};
}

class YuvWriter {
 public:
  YuvWriter(const Picture& target, const VAProcPipelineParameterBuffer& pipeline)
      : target_(target),
        weights_(weights(pipeline)),
        full_(pipeline.output_color_properties.color_range == VA_SOURCE_RANGE_FULL),
        bits_(target.format->fourcc == VA_FOURCC_P010 ? 10 : 8) {}

  void luma(std::size_t x, std::size_t y, const Rgb& c) const {
    const double l = weight(c);
    put(0, x, y, full_ ? l * peak() : unit() * (16 + 219 * l));
  }
  void chroma(std::size_t x, std::size_t y, const Rgb& c) const {
    const double l = weight(c);
    const double u = (c.b - l) / (2 * (1 - weights_.blue));
    const double v = (c.r - l) / (2 * (1 - weights_.red));
    const double scale = full_ ? peak() : unit() * 224;
    put(1, 2 * x, y, unit() * 128 + scale * u);
    put(1, 2 * x + 1, y, unit() * 128 + scale * v);
  }

 private:
  [[nodiscard]] double weight(const Rgb& c) const {
    return weights_.red * c.r + (1 - weights_.red - weights_.blue) * c.g + weights_.blue * c.b;
  }
  [[nodiscard]] double unit() const { return bits_ == 10 ? 4 : 1; }
  [[nodiscard]] double peak() const { return bits_ == 10 ? 1023 : 255; }
  void put(unsigned plane, std::size_t index, std::size_t y, double value) const {
    const auto sample = static_cast<std::uint16_t>(std::lround(std::clamp(value, 0.0, peak())));
    std::uint8_t* row = target_.row(plane, y);
    if (bits_ == 8) {
      row[index] = static_cast<std::uint8_t>(sample);
    } else {
      const auto shifted = static_cast<std::uint16_t>(sample << 6U);
      std::memcpy(row + 2 * index, &shifted, 2);
    }
  }

  const Picture& target_;
  Luma weights_;
  bool full_;
  int bits_;
};

struct Region {
  std::size_t x, y, width, height;
};

Region region(const VARectangle* asked, const Picture& of) {
  if (asked == nullptr) return {0, 0, of.width, of.height};
  return {static_cast<std::size_t>(asked->x), static_cast<std::size_t>(asked->y), asked->width, asked->height};
}

bool inside(const VARectangle* asked, const Picture& of) {
  return asked == nullptr || (asked->x >= 0 && asked->y >= 0 && asked->width > 0 && asked->height > 0 &&
                              static_cast<unsigned>(asked->x + asked->width) <= of.width &&
                              static_cast<unsigned>(asked->y + asked->height) <= of.height);
}

void from_rgb(const Picture& source, const Region& in, const Picture& target, const Region& out,
              const VAProcPipelineParameterBuffer& pipeline) {
  const YuvWriter writer(target, pipeline);
  const std::uint32_t back = pipeline.output_background_color;
  const Rgb outside{((back >> 16U) & 255U) / 255.0, ((back >> 8U) & 255U) / 255.0, (back & 255U) / 255.0};
  const auto at = [&](std::size_t x, std::size_t y) {
    x = std::min<std::size_t>(x, target.width - 1);
    y = std::min<std::size_t>(y, target.height - 1);
    if (x < out.x || y < out.y || x >= out.x + out.width || y >= out.y + out.height) return outside;
    if (in.width == out.width && in.height == out.height) return read_rgb(source, in.x + x - out.x, in.y + y - out.y);
    return read_rgb(source, in.x + (x - out.x) * in.width / out.width, in.y + (y - out.y) * in.height / out.height);
  };
  for (std::size_t y = 0; y < target.height; ++y) {
    for (std::size_t x = 0; x < target.width; ++x) writer.luma(x, y, at(x, y));
  }
  // Chroma sits where it was asked to: between the columns, or on the left one.
  const bool left = (pipeline.output_color_properties.chroma_sample_location & VA_CHROMA_SITING_HORIZONTAL_LEFT) != 0;
  const std::array<double, 3> weights = left ? std::array{0.25, 0.5, 0.25} : std::array{0.0, 0.5, 0.5};
  for (std::size_t y = 0; y < plane_rows(*target.format, 1, target.height); ++y) {
    for (std::size_t x = 0; x < (std::size_t{target.width} + 1) / 2; ++x) {
      Rgb sum{0, 0, 0};
      for (std::size_t i = 0; i < 6; ++i) {
        const std::size_t column = 2 * x + i % 3;  // one to the right
        const Rgb c = at(column == 0 ? 0 : column - 1, 2 * y + i / 3);
        const double weight = weights.at(i % 3) / 2;
        sum = {sum.r + c.r * weight, sum.g + c.g * weight, sum.b + c.b * weight};
      }
      writer.chroma(x, y, sum);
    }
  }
}

/// One sample of one format as one of another.
void convert_sample(const std::uint8_t* from, const Format& from_format, std::uint8_t* to, const Format& to_format) {
  if (from_format.bytes == to_format.bytes) {
    std::memcpy(to, from, to_format.bytes);
  } else if (to_format.bytes == 1) {
    std::uint16_t wide = 0;
    std::memcpy(&wide, from, 2);
    *to = static_cast<std::uint8_t>(std::min((wide + 128U) >> 8U, 255U));
  } else {
    const auto wide = static_cast<std::uint16_t>(*from << 8U);
    std::memcpy(to, &wide, 2);
  }
}

/// From YUV to YUV; of one matrix and range.
void copy(const Picture& source, const Region& in, const Picture& target, const Region& out) {
  for (unsigned plane = 0; plane < target.format->planes; ++plane) {
    const std::size_t shift = plane == 0 ? 0 : 1;
    const std::size_t samples = std::size_t{1} << shift;  // of a position
    for (std::size_t y = 0; y < plane_rows(*target.format, plane, static_cast<unsigned>(out.height)); ++y) {
      for (std::size_t x = 0; x < (out.width + shift) >> shift; ++x) {
        const std::size_t from_x = (in.x + (x << shift) * in.width / out.width) >> shift;
        const std::size_t from_y = (in.y + (y << shift) * in.height / out.height) >> shift;
        const std::size_t to_x = (out.x >> shift) + x;
        for (std::size_t i = 0; i < samples; ++i) {
          convert_sample(source.row(plane, from_y) + (from_x * samples + i) * source.format->bytes, *source.format,
                         target.row(plane, (out.y >> shift) + y) + (to_x * samples + i) * target.format->bytes,
                         *target.format);
        }
      }
    }
  }
}

}  // namespace

VAStatus process(const Picture& source, const Picture& target, const VAProcPipelineParameterBuffer& pipeline) {
  if (!inside(pipeline.surface_region, source) || !inside(pipeline.output_region, target)) {
    return VA_STATUS_ERROR_INVALID_PARAMETER;
  }
  if (pipeline.rotation_state != VA_ROTATION_NONE || pipeline.mirror_state != VA_MIRROR_NONE ||
      pipeline.blend_state != nullptr || pipeline.num_filters != 0) {
    return VA_STATUS_ERROR_UNIMPLEMENTED;
  }
  const Region in = region(pipeline.surface_region, source);
  const Region out = region(pipeline.output_region, target);
  if (source.format->planes == 2 && target.format->planes == 2) {
    const bool whole = out.width == target.width && out.height == target.height;
    if (!whole) return VA_STATUS_ERROR_UNIMPLEMENTED;
    copy(source, in, target, out);
    return VA_STATUS_SUCCESS;
  }
  if (source.format->planes != 1 || target.format->planes != 2) return VA_STATUS_ERROR_UNIMPLEMENTED;
  from_rgb(source, in, target, out, pipeline);
  return VA_STATUS_SUCCESS;
}

}  // namespace zc::softva
