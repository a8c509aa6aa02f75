#include "softgpu/codecs/codec.h"

#include <algorithm>
#include <span>
#include <utility>

extern "C" {
#include <x264.h>
}

namespace zc::softgpu {
namespace {

struct Close {
  void operator()(x264_t* encoder) const noexcept { x264_encoder_close(encoder); }
};

void set_rate(x264_param_t& params, const RateControl& rate) {
  switch (rate.mode) {
    case RateMode::ConstantQp:
      params.rc.i_rc_method = X264_RC_CQP;
      params.rc.i_qp_constant = static_cast<int>(rate.qp);
      break;
    case RateMode::Quality:
      params.rc.i_rc_method = X264_RC_CRF;
      params.rc.f_rf_constant = static_cast<float>(rate.quality == 0 ? 23 : rate.quality);
      break;
    case RateMode::Bitrate:
      params.rc.i_rc_method = X264_RC_ABR;
      params.rc.i_bitrate = static_cast<int>(rate.kbit);
      params.rc.i_vbv_max_bitrate = static_cast<int>(std::max(rate.kbit, rate.max_kbit));
      params.rc.i_vbv_buffer_size = static_cast<int>(std::max(rate.kbit / 4, rate.vbv_kbit));
      break;
  }
}

/// The SPS names the profile of the tools in use, so these switch on what "main" and "high" promise.
void set_profile(x264_param_t& params, Profile profile, bool yuv444) {
  const bool main = profile != Profile::Baseline;
  params.b_cabac = main ? 1 : 0;
  params.analyse.b_transform_8x8 = main && profile != Profile::Main ? 1 : 0;
  const char* name = profile == Profile::Baseline ? "baseline" : profile == Profile::Main ? "main" : "high";
  x264_param_apply_profile(&params, yuv444 ? "high444" : name);
}

class X264 final : public SoftCodec {
 public:
  explicit X264(const CodecSettings& settings) {
    x264_param_default_preset(&params_, "ultrafast", "zerolatency");
    params_.i_log_level = X264_LOG_WARNING;
    params_.i_width = static_cast<int>(settings.width);
    params_.i_height = static_cast<int>(settings.height);
    params_.i_csp = settings.yuv444 ? X264_CSP_I444 : X264_CSP_I420;
    params_.i_bitdepth = 8;
    params_.i_fps_num = settings.rate_num;
    params_.i_fps_den = settings.rate_den;
    params_.b_vfr_input = 0;
    params_.i_keyint_max = settings.gop == 0 ? X264_KEYINT_MAX_INFINITE : static_cast<int>(settings.gop);
    params_.i_scenecut_threshold = 0;
    params_.b_repeat_headers = settings.repeat_headers ? 1 : 0;
    params_.b_aud = settings.access_unit_delimiters ? 1 : 0;
    params_.b_annexb = 1;
    params_.i_threads = 1;
    params_.b_sliced_threads = 0;
    params_.i_level_idc = settings.level == 0 ? -1 : static_cast<int>(settings.level);
    params_.vui.b_fullrange = settings.vui.full_range ? 1 : 0;
    params_.vui.i_colorprim = static_cast<int>(settings.vui.primaries);
    params_.vui.i_transfer = static_cast<int>(settings.vui.transfer);
    params_.vui.i_colmatrix = static_cast<int>(settings.vui.matrix);
    softgpu::set_rate(params_, settings.rate);
    set_profile(params_, settings.profile, settings.yuv444);
    encoder_.reset(x264_encoder_open(&params_));
  }

  [[nodiscard]] bool is_open() const { return encoder_ != nullptr; }

  std::vector<std::uint8_t> headers() override {
    x264_nal_t* nals = nullptr;
    int count = 0;
    std::vector<std::uint8_t> bytes;
    if (x264_encoder_headers(encoder_.get(), &nals, &count) > 0) append(nals, count, bytes);
    return bytes;
  }

  bool encode(Picture& picture, Force force, Encoded& out) override {
    x264_picture_t in;
    x264_picture_t coded;
    x264_picture_init(&in);
    in.img.i_csp = params_.i_csp;
    in.img.i_plane = 3;
    for (std::size_t plane = 0; plane < 3; ++plane) {
      in.img.plane[plane] = picture.planes.at(plane).data();
      in.img.i_stride[plane] = static_cast<int>(picture.row_bytes(plane));
    }
    in.i_pts = next_++;
    in.i_type = force == Force::Idr ? X264_TYPE_IDR : force == Force::Intra ? X264_TYPE_I : X264_TYPE_AUTO;
    x264_nal_t* nals = nullptr;
    int count = 0;
    if (x264_encoder_encode(encoder_.get(), &nals, &count, &in, &coded) <= 0) return false;
    out.bytes = std::exchange(new_headers_, {});
    append(nals, count, out.bytes);
    out.kind = coded.b_keyframe != 0         ? PictureKind::Idr
               : coded.i_type == X264_TYPE_I ? PictureKind::Intra
                                             : PictureKind::Predicted;
    out.qp = static_cast<unsigned>(std::max(0, coded.i_qpplus1 - 1));
    return true;
  }

  /// A reset opens it anew: x264's rate control would go on with what the old rate left over.
  bool set_rate(const RateControl& rate, bool reset) override {
    softgpu::set_rate(params_, rate);
    if (!reset) return x264_encoder_reconfig(encoder_.get(), &params_) == 0;
    const std::vector<std::uint8_t> before = headers();
    encoder_.reset(x264_encoder_open(&params_));
    if (!is_open()) return false;
    next_ = 0;
    // Nobody reads the out-of-band parameter sets a second time.
    if (auto after = headers(); params_.b_repeat_headers == 0 && after != before) new_headers_ = std::move(after);
    return true;
  }

 private:
  /// NVENC writes no SEI that nobody asked for; x264 writes its version.
  static void append(const x264_nal_t* nals, int count, std::vector<std::uint8_t>& to) {
    for (const x264_nal_t& nal : std::span(nals, static_cast<std::size_t>(count))) {
      if (nal.i_type == NAL_SEI) continue;
      to.insert(to.end(), nal.p_payload, nal.p_payload + nal.i_payload);
    }
  }

  x264_param_t params_{};
  std::unique_ptr<x264_t, Close> encoder_;
  std::int64_t next_ = 0;
  std::vector<std::uint8_t> new_headers_;
};

}  // namespace

std::unique_ptr<SoftCodec> open_x264(const CodecSettings& settings) {
  if (settings.depth != 8) return nullptr;
  auto codec = std::make_unique<X264>(settings);
  return codec->is_open() ? std::move(codec) : nullptr;
}

}  // namespace zc::softgpu
