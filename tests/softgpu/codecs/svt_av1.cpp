#include "softgpu/codecs/codec.h"

#include <chrono>
#include <thread>

#include <svt-av1/EbSvtAv1Enc.h>

namespace zc::softgpu {
namespace {

/// SVT-AV1 works in threads of its own; a low-delay packet that has not come after this long never will.
constexpr std::chrono::seconds kPatience{20};
constexpr std::chrono::microseconds kPoll{200};

class SvtAv1 final : public SoftCodec {
 public:
  explicit SvtAv1(const CodecSettings& settings) : settings_(settings) { open(); }
  SvtAv1(const SvtAv1&) = delete;
  SvtAv1& operator=(const SvtAv1&) = delete;
  ~SvtAv1() override { close(); }

  [[nodiscard]] bool is_open() const { return handle_ != nullptr; }

  std::vector<std::uint8_t> headers() override {
    EbBufferHeaderType* header = nullptr;
    if (svt_av1_enc_stream_header(handle_, &header) != EB_ErrorNone) return {};
    std::vector<std::uint8_t> bytes(header->p_buffer, header->p_buffer + header->n_filled_len);
    svt_av1_enc_stream_header_release(header);
    return bytes;
  }

  bool encode(Picture& picture, Force force, Encoded& out) override {
    EbSvtIOFormat planes{};
    planes.luma = picture.planes[0].data();
    planes.cb = picture.planes[1].data();
    planes.cr = picture.planes[2].data();
    // In samples.
    planes.y_stride = picture.plane_width(0);
    planes.cb_stride = picture.plane_width(1);
    planes.cr_stride = picture.plane_width(2);
    EbBufferHeaderType in{};
    in.size = sizeof in;
    in.p_buffer = reinterpret_cast<std::uint8_t*>(&planes);
    for (const auto& plane : picture.planes) in.n_filled_len += static_cast<std::uint32_t>(plane.size());
    in.pts = next_++;
    in.pic_type = force == Force::None ? EB_AV1_INVALID_PICTURE : EB_AV1_KEY_PICTURE;
    if (svt_av1_enc_send_picture(handle_, &in) != EB_ErrorNone) return false;

    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
      EbBufferHeaderType* packet = nullptr;
      const EbErrorType status = svt_av1_enc_get_packet(handle_, &packet, 0);
      if (status == EB_NoErrorEmptyQueue) {
        std::this_thread::sleep_for(kPoll);
        continue;
      }
      if (status != EB_ErrorNone || packet == nullptr) return false;
      out.bytes.assign(packet->p_buffer, packet->p_buffer + packet->n_filled_len);
      out.kind = packet->pic_type == EB_AV1_KEY_PICTURE ? PictureKind::Idr : PictureKind::Predicted;
      out.qp = packet->qp;
      svt_av1_enc_release_out_buffer(&packet);
      return true;
    }
    return false;
  }

  /// Opened anew: its rates are fixed at the start.
  bool set_rate(const RateControl& rate, bool /*reset*/) override {
    settings_.rate = rate;
    close();
    open();
    return is_open();
  }

 private:
  void open() {
    EbSvtAv1EncConfiguration config{};
#if SVT_AV1_CHECK_VERSION(3, 0, 0)
    if (svt_av1_enc_init_handle(&handle_, &config) != EB_ErrorNone) {
#else
    if (svt_av1_enc_init_handle(&handle_, nullptr, &config) != EB_ErrorNone) {
#endif
      handle_ = nullptr;
      return;
    }
#if SVT_AV1_CHECK_VERSION(2, 0, 0)
    config.enc_mode = 8;  // 10 leaves out what flat blocks lack, as 11 does before
#else
    config.enc_mode = 10;
#endif
    config.source_width = settings_.width;
    config.source_height = settings_.height;
    config.frame_rate_numerator = settings_.rate_num;
    config.frame_rate_denominator = settings_.rate_den;
    config.encoder_bit_depth = settings_.depth;
    config.pred_structure = 1;  // low delay
    config.hierarchical_levels = 0;
    config.look_ahead_distance = 0;
    config.intra_period_length = settings_.gop == 0 ? -1 : static_cast<int>(settings_.gop) - 1;
    config.intra_refresh_type = SVT_AV1_KF_REFRESH;
    config.color_range = settings_.vui.full_range ? EB_CR_FULL_RANGE : EB_CR_STUDIO_RANGE;
    config.color_primaries = static_cast<EbColorPrimaries>(settings_.vui.primaries);
    config.transfer_characteristics = static_cast<EbTransferCharacteristics>(settings_.vui.transfer);
    config.matrix_coefficients = static_cast<EbMatrixCoefficients>(settings_.vui.matrix);
    const RateControl& rate = settings_.rate;
    if (rate.mode == RateMode::Bitrate) {
      config.rate_control_mode = 2;  // constant bit rate: the one that low delay takes
      config.target_bit_rate = rate.kbit * 1000;
    } else {
      config.rate_control_mode = 0;
      config.qp = rate.mode == RateMode::ConstantQp ? rate.qp : rate.quality == 0 ? 35 : rate.quality;
    }
    if (svt_av1_enc_set_parameter(handle_, &config) != EB_ErrorNone || svt_av1_enc_init(handle_) != EB_ErrorNone) {
      svt_av1_enc_deinit_handle(handle_);
      handle_ = nullptr;
    }
    next_ = 0;
  }

  /// Its threads end only after the end of the stream came out.
  void close() {
    if (handle_ == nullptr) return;
    EbBufferHeaderType end{};
    end.size = sizeof end;
    end.flags = EB_BUFFERFLAG_EOS;
    svt_av1_enc_send_picture(handle_, &end);
    bool ended = false;
    while (!ended) {
      EbBufferHeaderType* packet = nullptr;
      if (svt_av1_enc_get_packet(handle_, &packet, 1) != EB_ErrorNone || packet == nullptr) break;
      ended = (packet->flags & EB_BUFFERFLAG_EOS) != 0;
      svt_av1_enc_release_out_buffer(&packet);
    }
    svt_av1_enc_deinit(handle_);
    svt_av1_enc_deinit_handle(handle_);
    handle_ = nullptr;
  }

  CodecSettings settings_;
  EbComponentType* handle_ = nullptr;
  std::int64_t next_ = 0;
};

}  // namespace

std::unique_ptr<SoftCodec> open_svt_av1(const CodecSettings& settings) {
  if (settings.yuv444) return nullptr;
  auto codec = std::make_unique<SvtAv1>(settings);
  return codec->is_open() ? std::move(codec) : nullptr;
}

}  // namespace zc::softgpu
