// NVIDIA's encoders through libavcodec's nvenc wrapper: presets, options, and whether the driver is there.
#pragma once

#include "encode/encoder_table.h"
#include "encode/rate_control.h"

#include <array>

namespace zc {

/// NVENC's own presets, one scale for every codec. The loads are cautious halves of what NVIDIA publishes for one
/// encoder engine and H.264 (Video Codec SDK, "NVENC performance"), not measurements of ours: 1080p60 gets p5 (p7 with
/// Preset::Quality), 4K60 p4 (p5).
inline constexpr std::array kNvencPresets = {
    NativePreset{"p7", 55, 0, 0},       NativePreset{"p6", 110, 0, 0},  NativePreset{"p5", 220, 0, 0},
    NativePreset{"p4", 520, 0, 0},      NativePreset{"p3", 1050, 0, 0}, NativePreset{"p2", 1500, 0, 0},
    NativePreset{"p1", kAnyLoad, 0, 0},
};

/// Below these the driver refuses to make an encoder (145x49 for H.264, larger than HEVC's 129x33).
inline constexpr Size kNvencMinSize{146, 50};
inline constexpr Size kNvencMinSizeAv1{192, 128};

void configure_nvenc(const EncoderRequest& request, CodecPlan& plan, OptionList& options);

/// Unsupported when the driver cannot be loaded, does not start or has no device, or the choice binds to a GPU that is
/// none of its. That the device has an encoder is only known once one is opened.
[[nodiscard]] Result<void> nvenc_available(const GpuChoice& gpu);

}  // namespace zc
