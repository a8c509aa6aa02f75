// libavcodec's unmodified NVENC wrapper, driven as a recorder drives it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include <libavcodec/avcodec.h>
}

namespace zc::softgpu::test {

template <auto Free>
struct FreeByAddress {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(&object);
  }
};
using CodecPtr = std::unique_ptr<AVCodecContext, FreeByAddress<avcodec_free_context>>;
using FramePtr = std::unique_ptr<AVFrame, FreeByAddress<av_frame_free>>;
using PacketPtr = std::unique_ptr<AVPacket, FreeByAddress<av_packet_free>>;
using BufferPtr = std::unique_ptr<AVBufferRef, FreeByAddress<av_buffer_unref>>;

inline constexpr int kWidth = 640;
inline constexpr int kHeight = 360;
inline constexpr int kFrames = 60;

struct Options {
  std::string codec = "h264_nvenc";
  bool device_frames = false;  ///< AV_PIX_FMT_CUDA from a pool of the encoder's device; else NV12 of the host
  std::int64_t bit_rate = 6'000'000;
  int gop = 30;
  bool global_header = false;
  /// Called before each picture is sent.
  std::function<void(int number, AVCodecContext& encoder, AVFrame& frame)> before = [](int, auto&, auto&) {};
};

/// What came of kFrames pictures; the first error ends it.
struct Run {
  int error = 0;       ///< AVERROR of the first call that failed
  std::string failed;  ///< that call
  int sent = 0;        ///< pictures the encoder took
  std::vector<PacketPtr> packets;
  std::vector<std::uint8_t> extradata;
};

/// NV12 of the host; every byte follows from `number`.
[[nodiscard]] FramePtr make_picture(int number);
/// Everything, the device with its context included, is gone when it returns.
[[nodiscard]] Run encode(const Options& options);
/// Decodes with libavcodec's software decoder and compares with make_picture(): the lowest PSNR of any plane in dB, 0
/// when a picture is missing, extra or out of order.
[[nodiscard]] double lowest_psnr(const Run& run, AVCodecID codec);

}  // namespace zc::softgpu::test
