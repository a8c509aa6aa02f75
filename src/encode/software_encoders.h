// x264, x265 and SVT-AV1 through libavcodec: presets and options.
#pragma once

#include "encode/encoder_table.h"
#include "encode/rate_control.h"

#include <array>

namespace zc {

// Behind each preset: measured CPU milliseconds per 1280x720 picture of full-screen motion (a zooming fractal with a
// moving test pattern in it), two threads on two busy hardware threads of one 2.5 GHz Xeon core, FFmpeg 5.1 with x264
// 164, x265 3.5 and SVT-AV1 1.4.1. max_load is a quarter of the megapixels per second that one processor makes of it.
inline constexpr std::array kX264Presets = {
    NativePreset{"medium", 4.4, 40, 3},         // 53
    NativePreset{"fast", 5.2, 30, 3},           // 45
    NativePreset{"faster", 6.5, 20, 3},         // 35
    NativePreset{"veryfast", 11.5, 10, 3},      // 20
    NativePreset{"superfast", 18.0, 0, 3},      // 13
    NativePreset{"ultrafast", kAnyLoad, 0, 0},  // 5.5
};
inline constexpr std::array kX265Presets = {
    NativePreset{"fast", 2.4, 15, 4},           // 95
    NativePreset{"veryfast", 3.7, 15, 4},       // 62
    NativePreset{"superfast", 4.6, 10, 3},      // 49
    NativePreset{"ultrafast", kAnyLoad, 5, 3},  // 35
};
// Lookahead and B-frames are SVT-AV1's prediction structure, which configure_svtav1() chooses. 11 and above are faster
// and wrong: they leave out what a flat block lacks, so that a square that turned white stays grey until the next
// keyframe (1.4.1: half of the test marks on a screen are illegible, at any quality).
inline constexpr std::array kSvtPresets = {
    NativePreset{"8", 1.6, 0, 0},        // 144
    NativePreset{"9", 2.8, 0, 0},        // 83
    NativePreset{"10", kAnyLoad, 0, 0},  // 63
};

void configure_x264(const EncoderRequest& request, CodecPlan& plan, OptionList& options);
void configure_x265(const EncoderRequest& request, CodecPlan& plan, OptionList& options);
void configure_svtav1(const EncoderRequest& request, CodecPlan& plan, OptionList& options);

}  // namespace zc
