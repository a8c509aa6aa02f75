#include "softgpu/codecs/codec.h"

#include <algorithm>
#include <span>
#include <utility>

extern "C" {
#include <x265.h>
}

namespace zc::softgpu {
namespace {

class X265 final : public SoftCodec {
 public:
  /// `api` is the build of x265 for the settings' bit depth.
  X265(const x265_api& api, const CodecSettings& settings)
      : api_(api), params_(api.param_alloc(), api.param_free), encoder_(nullptr, api.encoder_close) {
    x265_param& p = *params_;
    api_.param_default_preset(&p, "ultrafast", "zerolatency");
    p.logLevel = X265_LOG_ERROR;
    p.sourceWidth = static_cast<int>(settings.width);
    p.sourceHeight = static_cast<int>(settings.height);
    p.internalCsp = settings.yuv444 ? X265_CSP_I444 : X265_CSP_I420;
    p.fpsNum = settings.rate_num;
    p.fpsDenom = settings.rate_den;
    p.keyframeMax = settings.gop == 0 ? -1 : static_cast<int>(settings.gop);
    p.keyframeMin = p.keyframeMax;
    p.bOpenGOP = 0;
    p.scenecutThreshold = 0;
    p.bframes = 0;
    p.lookaheadDepth = 0;
    p.frameNumThreads = 1;
    p.bRepeatHeaders = settings.repeat_headers ? 1 : 0;
    p.bAnnexB = 1;
    p.bEnableAccessUnitDelimiters = settings.access_unit_delimiters ? 1 : 0;
    p.bEmitInfoSEI = 0;
    p.levelIdc = static_cast<int>(settings.level);
    p.vui.bEnableVideoSignalTypePresentFlag = settings.vui.signal_present ? 1 : 0;
    p.vui.bEnableVideoFullRangeFlag = settings.vui.full_range ? 1 : 0;
    p.vui.bEnableColorDescriptionPresentFlag = settings.vui.description_present ? 1 : 0;
    p.vui.colorPrimaries = static_cast<int>(settings.vui.primaries);
    p.vui.transferCharacteristics = static_cast<int>(settings.vui.transfer);
    p.vui.matrixCoeffs = static_cast<int>(settings.vui.matrix);
    p.vui.videoFormat = 5;  // unspecified
    apply(settings.rate);
    encoder_.reset(api_.encoder_open(&p));
  }

  [[nodiscard]] bool is_open() const { return encoder_ != nullptr; }

  std::vector<std::uint8_t> headers() override {
    x265_nal* nals = nullptr;
    std::uint32_t count = 0;
    std::vector<std::uint8_t> bytes;
    if (api_.encoder_headers(encoder_.get(), &nals, &count) > 0) append(nals, count, bytes);
    return bytes;
  }

  bool encode(Picture& picture, Force force, Encoded& out) override {
    using PicturePtr = std::unique_ptr<x265_picture, void (*)(x265_picture*)>;
    const PicturePtr in(api_.picture_alloc(), api_.picture_free);
    const PicturePtr coded(api_.picture_alloc(), api_.picture_free);
    api_.picture_init(params_.get(), in.get());
    api_.picture_init(params_.get(), coded.get());
    in->bitDepth = static_cast<int>(picture.depth);
    in->colorSpace = params_->internalCsp;
    for (std::size_t plane = 0; plane < 3; ++plane) {
      in->planes[plane] = picture.planes.at(plane).data();
      in->stride[plane] = static_cast<int>(picture.row_bytes(plane));
    }
    in->pts = next_++;
    in->sliceType = force == Force::Idr ? X265_TYPE_IDR : force == Force::Intra ? X265_TYPE_I : X265_TYPE_AUTO;
    x265_nal* nals = nullptr;
    std::uint32_t count = 0;
    if (api_.encoder_encode(encoder_.get(), &nals, &count, in.get(), coded.get()) <= 0) return false;
    out.bytes = std::exchange(new_headers_, {});
    append(nals, count, out.bytes);
    out.kind = coded->sliceType == X265_TYPE_IDR ? PictureKind::Idr
               : coded->sliceType == X265_TYPE_I ? PictureKind::Intra
                                                 : PictureKind::Predicted;
    out.qp = static_cast<unsigned>(std::max(0.0, coded->frameData.qp));
    return true;
  }

  /// x265 refuses to go to a rate of another level: then, as after a reset, it is opened anew, which begins with an
  /// IDR.
  bool set_rate(const RateControl& rate, bool reset) override {
    apply(rate);
    if (!reset && api_.encoder_reconfig(encoder_.get(), params_.get()) == 0) return true;
    const std::vector<std::uint8_t> before = headers();
    Encoder next(api_.encoder_open(params_.get()), api_.encoder_close);
    if (next == nullptr) return false;
    encoder_ = std::move(next);
    next_ = 0;
    // Nobody reads the out-of-band parameter sets a second time.
    if (auto after = headers(); params_->bRepeatHeaders == 0 && after != before) new_headers_ = std::move(after);
    return true;
  }

 private:
  using Encoder = std::unique_ptr<x265_encoder, void (*)(x265_encoder*)>;

  void apply(const RateControl& rate) {
    auto& rc = params_->rc;
    switch (rate.mode) {
      case RateMode::ConstantQp:
        rc.rateControlMode = X265_RC_CQP;
        rc.qp = static_cast<int>(rate.qp);
        break;
      case RateMode::Quality:
        rc.rateControlMode = X265_RC_CRF;
        rc.rfConstant = rate.quality == 0 ? 25 : rate.quality;
        break;
      case RateMode::Bitrate:
        rc.rateControlMode = X265_RC_ABR;
        rc.bitrate = static_cast<int>(rate.kbit);
        rc.vbvMaxBitrate = static_cast<int>(std::max(rate.kbit, rate.max_kbit));
        rc.vbvBufferSize = static_cast<int>(std::max(rate.kbit / 4, rate.vbv_kbit));
        break;
    }
  }

  static void append(const x265_nal* nals, std::uint32_t count, std::vector<std::uint8_t>& to) {
    for (const x265_nal& nal : std::span(nals, count)) {
      if (nal.type == NAL_UNIT_PREFIX_SEI || nal.type == NAL_UNIT_SUFFIX_SEI) continue;
      to.insert(to.end(), nal.payload, nal.payload + nal.sizeBytes);
    }
  }

  const x265_api& api_;
  std::unique_ptr<x265_param, void (*)(x265_param*)> params_;
  Encoder encoder_;
  std::int64_t next_ = 0;
  std::vector<std::uint8_t> new_headers_;
};

}  // namespace

std::unique_ptr<SoftCodec> open_x265(const CodecSettings& settings) {
  const x265_api* api = x265_api_get(static_cast<int>(settings.depth));
  if (api == nullptr) return nullptr;
  auto codec = std::make_unique<X265>(*api, settings);
  return codec->is_open() ? std::move(codec) : nullptr;
}

}  // namespace zc::softgpu
