#include "media/hdr_side_data.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/rational.h>
}

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace zc {
namespace {

constexpr int kChromaticity = 50'000;  ///< units of Chromaticity per one
constexpr int kLuminance = 10'000;     ///< of MasteringDisplay per cd/m^2

std::uint32_t in_units(AVRational value, int per_one) {
  const double scaled = value.den == 0 ? 0 : av_q2d(value) * per_one;
  return scaled <= 0 || scaled > 4e9 ? 0 : static_cast<std::uint32_t>(std::llround(scaled));
}

AVRational rational(std::uint32_t units, int per_one) {
  return {static_cast<int>(std::min<std::uint32_t>(units, std::numeric_limits<int>::max())), per_one};
}

}  // namespace

MasteringDisplay from_av(const AVMasteringDisplayMetadata& data) {
  const auto point = [](const AVRational(&xy)[2]) {
    return Chromaticity{in_units(xy[0], kChromaticity), in_units(xy[1], kChromaticity)};
  };
  MasteringDisplay display;
  if (data.has_primaries != 0) {
    display.red = point(data.display_primaries[0]);
    display.green = point(data.display_primaries[1]);
    display.blue = point(data.display_primaries[2]);
    display.white = point(data.white_point);
  }
  if (data.has_luminance != 0) {
    display.max_luminance = in_units(data.max_luminance, kLuminance);
    display.min_luminance = in_units(data.min_luminance, kLuminance);
  }
  return display;
}

ContentLight from_av(const AVContentLightMetadata& data) {
  return {static_cast<std::uint16_t>(data.MaxCLL), static_cast<std::uint16_t>(data.MaxFALL)};
}

HdrMetadata read_hdr(const AVFrame& frame) {
  HdrMetadata hdr;
  if (const auto* data = av_frame_get_side_data(&frame, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA)) {
    hdr.mastering = from_av(*reinterpret_cast<const AVMasteringDisplayMetadata*>(data->data));
  }
  if (const auto* data = av_frame_get_side_data(&frame, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL)) {
    hdr.light = from_av(*reinterpret_cast<const AVContentLightMetadata*>(data->data));
  }
  return hdr;
}

bool attach_hdr(AVFrame& frame, const HdrMetadata& hdr) {
  if (hdr.mastering) {
    AVMasteringDisplayMetadata* data = av_mastering_display_metadata_create_side_data(&frame);
    if (data == nullptr) return false;
    const auto set = [](AVRational(&xy)[2], Chromaticity point) {
      xy[0] = rational(point.x, kChromaticity);
      xy[1] = rational(point.y, kChromaticity);
    };
    set(data->display_primaries[0], hdr.mastering->red);
    set(data->display_primaries[1], hdr.mastering->green);
    set(data->display_primaries[2], hdr.mastering->blue);
    set(data->white_point, hdr.mastering->white);
    data->max_luminance = rational(hdr.mastering->max_luminance, kLuminance);
    data->min_luminance = rational(hdr.mastering->min_luminance, kLuminance);
    data->has_primaries = 1;
    data->has_luminance = 1;
  }
  if (hdr.light) {
    AVContentLightMetadata* data = av_content_light_metadata_create_side_data(&frame);
    if (data == nullptr) return false;
    data->MaxCLL = hdr.light->max_content;
    data->MaxFALL = hdr.light->max_frame_average;
  }
  return true;
}

}  // namespace zc
