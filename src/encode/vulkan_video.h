// Vulkan Video's encoders through libavcodec (from FFmpeg 7.1 on): options, and the device to upload pictures to.
#pragma once

#include "encode/encoder_table.h"
#include "encode/rate_control.h"

#include <array>

namespace zc {

inline constexpr std::array kVulkanVideoPresets = {NativePreset{"", kAnyLoad, 0, 0}};
inline constexpr Size kVulkanVideoMinSize{32, 32};

void configure_vulkan_video(const EncoderRequest& request, CodecPlan& plan, OptionList& options);

/// Unsupported where there is no device node of a graphics card.
[[nodiscard]] Result<void> vulkan_video_available(const GpuChoice& gpu);
/// FFmpeg's own choice of a device. Unsupported: FFmpeg's reason, or the user's own choice binds.
[[nodiscard]] Result<AvBufferPtr> open_vulkan_video_device(const GpuChoice& gpu, Codec codec, unsigned bits);

}  // namespace zc
