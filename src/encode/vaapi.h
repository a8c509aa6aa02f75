// VA-API's encoders through libavcodec (Intel, AMD): options, and the device their pictures are uploaded to.
#pragma once

#include "encode/encoder_table.h"
#include "encode/rate_control.h"

#include <array>

namespace zc {

/// VA-API's speed is a number of the driver's own ("compression_level"), which the user may set; ours is its default.
inline constexpr std::array kVaapiPresets = {NativePreset{"", kAnyLoad, 0, 0}};
/// The smallest any driver takes; what the driver at hand takes shows when it is opened.
inline constexpr Size kVaapiMinSize{32, 32};

void configure_vaapi(const EncoderRequest& request, CodecPlan& plan, OptionList& options);

/// Unsupported where there is no render node.
[[nodiscard]] Result<void> vaapi_available(const GpuChoice& gpu);
/// An AVHWDeviceContext on the first render node whose driver encodes such pictures; the chosen GPU's is asked first.
/// Unsupported: none does; the detail names each.
[[nodiscard]] Result<AvBufferPtr> open_vaapi_device(const GpuChoice& gpu, Codec codec, unsigned bits);

}  // namespace zc
