#include "encode/software_encoders.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace zc {
namespace {

/// Lookahead and B-frames that fit into what remains of the allowed delay.
struct Depth {
  unsigned lookahead;
  unsigned b_frames;
};
/// What the user asks for is not cut: the delay is then theirs.
Depth fit_depth(const EncoderRequest& request, unsigned remaining) {
  const unsigned most = request.settings.intra_refresh ? 0 : std::min(request.native.b_frames, remaining / 3);
  const unsigned b_frames = request.settings.b_frames.value_or(most);
  const unsigned rest = remaining - std::min(remaining, b_frames);
  return {request.settings.lookahead.value_or(std::min(request.native.lookahead, rest)), b_frames};
}

/// The numbers of x265's master-display, in its own units.
std::string x265_mastering(const MasteringDisplay& m) {
  return fmt::format("G({},{})B({},{})R({},{})WP({},{})L({},{})", m.green.x, m.green.y, m.blue.x, m.blue.y, m.red.x,
                     m.red.y, m.white.x, m.white.y, m.max_luminance, m.min_luminance);
}

/// SVT-AV1's mastering-display, in real numbers.
std::string svtav1_mastering(const MasteringDisplay& m) {
  const auto point = [](Chromaticity c) { return fmt::format("({:.5f},{:.5f})", c.x / 5e4, c.y / 5e4); };
  return fmt::format("G{}B{}R{}WP{}L({:.4f},{:.4f})", point(m.green), point(m.blue), point(m.red), point(m.white),
                     m.max_luminance / 1e4, m.min_luminance / 1e4);
}

std::string light_text(const ContentLight& light) {
  return fmt::format("{},{}", light.max_content, light.max_frame_average);
}

/// The version of the library behind libavcodec, which it says itself since 0.9 ("v1.4.1"); 0: it cannot be told.
int svtav1_major() {
  using Version = const char* (*)();
  const auto version = reinterpret_cast<Version>(::dlsym(RTLD_DEFAULT, "svt_av1_get_version"));
  if (version == nullptr) return 0;
  const char* text = version();
  return std::atoi(*text == 'v' ? text + 1 : text);
}

}  // namespace

void configure_x264(const EncoderRequest& request, CodecPlan& plan, OptionList& options) {
  options.set("preset", std::string(request.native.name));
  options.set("forced-idr", "1");
  if (request.settings.bit_rate) {
    set_vbv(request, plan);
    // A held rate that is asked for by name is filled up as well; x264 then keeps the rate it began with
    // (x264_ratecontrol_init_reconfigurable(): "VBV parameters cannot be changed when NAL HRD is in use").
    if (request.settings.rate_control == RateControl::Cbr) {
      options.set("nal-hrd", "cbr");
      plan.live_bitrate = false;
    }
  } else if (request.settings.lossless()) {
    options.set("qp", "0");
  } else {
    options.set("crf", rate_factor(request));
  }
  if (request.settings.spatial_aq) options.set("aq-mode", *request.settings.spatial_aq ? "variance" : "none");
  if (request.settings.intra_refresh) options.set("intra-refresh", "1");
  if (request.settings.low_latency()) {
    // Slices instead of frames in parallel, no lookahead, no VFR input (which costs one picture of delay).
    options.set("tune", "zerolatency");
    plan.threads = static_cast<int>(std::min(request.processors, 8U));
    return;
  }
  plan.live_rate = true;  // VFR input: its rate control goes by the pictures' times
  // Inside: threads - 1 pictures being coded, the lookahead, the B-frames, and one for VFR input's durations.
  const unsigned threads = std::clamp(request.max_delay / 3, 1U, std::min(request.processors, 12U));
  const unsigned taken = threads;  // threads - 1, + 1 for VFR
  const Depth depth = fit_depth(request, request.max_delay - std::min(request.max_delay, taken));
  plan.threads = static_cast<int>(threads);
  plan.b_frames = static_cast<int>(depth.b_frames);
  options.set("rc-lookahead", std::to_string(depth.lookahead));
  options.parameter("sync-lookahead", "0");
}

void configure_x265(const EncoderRequest& request, CodecPlan& plan, OptionList& options) {
  options.set("preset", std::string(request.native.name));
  options.set("forced-idr", "1");
  options.parameter("log-level", "none");  // x265 writes to stderr by itself
  options.parameter("pools", std::to_string(request.processors));
  if (request.settings.bit_rate) {
    set_vbv(request, plan);
    if (request.settings.rate_control == RateControl::Cbr) options.parameter("strict-cbr", "1");
  } else if (request.settings.lossless()) {
    options.parameter("lossless", "1");
  } else {
    options.set("crf", rate_factor(request));
  }
  if (request.settings.spatial_aq) options.parameter("aq-mode", *request.settings.spatial_aq ? "2" : "0");
  const HdrMetadata& hdr = request.settings.hdr;
  if (hdr.mastering) options.parameter("master-display", x265_mastering(*hdr.mastering));
  if (hdr.light) options.parameter("max-cll", light_text(*hdr.light));
  if (request.settings.intra_refresh) options.parameter("intra-refresh", "1");
  if (request.settings.low_latency()) {
    // libavcodec overwrites the tune's single frame thread with thread_count: it stays 1 here, rows run in parallel.
    options.set("tune", "zerolatency");
    plan.threads = 1;
    return;
  }
  const unsigned threads = std::clamp(request.max_delay / 4, 1U, std::clamp(request.processors / 2, 1U, 4U));
  // Inside: the frame threads, up to three pictures between its stages (two, and one more when its threads get too
  // little time), the lookahead and the B-frames.
  const Depth depth = fit_depth(request, request.max_delay - std::min(request.max_delay, threads + 3));
  // x265 wants the lookahead longer than a run of B-frames.
  const unsigned b_frames = std::min(depth.b_frames, depth.lookahead == 0 ? 0 : depth.lookahead - 1);
  plan.threads = static_cast<int>(threads);
  plan.b_frames = static_cast<int>(b_frames);
  options.parameter("rc-lookahead", std::to_string(depth.lookahead));
}

void configure_svtav1(const EncoderRequest& request, CodecPlan& plan, OptionList& options) {
  options.set("preset", std::string(request.native.name));
  // "lp" became a level from 0 to 6 in SVT-AV1 3.0; before, it counted processors. 0 is all of them in both.
  if (request.video.threads != 0) options.parameter("lp", std::to_string(std::min(request.processors, 6U)));
  plan.threads = static_cast<int>(request.processors);
  const HdrMetadata& hdr = request.settings.hdr;
  if (hdr.mastering) options.parameter("mastering-display", svtav1_mastering(*hdr.mastering));
  if (hdr.light) options.parameter("content-light", light_text(*hdr.light));
  if (request.settings.bit_rate) {
    options.parameter("rc", "2");  // constant rate; the only one without a long lookahead
  } else {
    options.set("crf", rate_factor(request));
    // Takes a seventh of the time and makes some test marks illegible; a constant rate needs it.
    options.parameter("aq-mode", "0");
  }
  // Tools for screens: version 2's own guess takes a desktop for a film when it likes, and blurs text and test marks.
  // Version 1's guess leaves them legible in half the time.
  if (svtav1_major() != 1) options.parameter("scm", "1");
  // Random access saves a sixth of the bits and keeps a mini-GOP with its references inside: 12 pictures with 3 levels,
  // 8 with 2 (SVT-AV1 1.4, temporal filter and lookahead off), and up to 3 more that its threads are busy with.
  const unsigned levels = request.max_delay >= 16 ? 3 : request.max_delay >= 12 ? 2 : 0;
  if (levels == 0 || request.settings.bit_rate) {
    options.parameter("pred-struct", "1");
    plan.forces_keyframes = false;  // SVT-AV1 forces keyframes with random access and constant quality only
    return;
  }
  options.parameter("pred-struct", "2");
  options.parameter("hierarchical-levels", std::to_string(levels));
  options.parameter("lookahead", "0");
  options.parameter("enable-tf", "0");
  options.parameter("enable-force-key-frames", "1");
}

}  // namespace zc
