// One of libavcodec's decoders, in software or on hardware, with its pictures in host memory.
#pragma once

#include "base/error.h"
#include "media/codec.h"
#include "media/surface.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct AVCodecContext;
struct AVPacket;

namespace zc {

enum class DecoderBackend : std::uint8_t {
  Software,
  Nvdec,  ///< NVIDIA's decoder, through libavcodec's CUDA hwaccel
  Vaapi,
  Vulkan,  ///< Vulkan Video, from FFmpeg 6.1 on
};
inline constexpr std::array kDecoderBackends{DecoderBackend::Software, DecoderBackend::Nvdec, DecoderBackend::Vaapi,
                                             DecoderBackend::Vulkan};
/// "software", "nvdec", "vaapi", "vulkan".
[[nodiscard]] std::string_view to_string(DecoderBackend backend);

struct DecoderOptions {
  /// Of a stream that does not bring them in its keyframes; as a container holds them.
  std::span<const std::byte> extradata;
  std::string device;    ///< a render node for VA-API; empty: the first
  unsigned threads = 1;  ///< of a software decoder; 0: as many as there are processors
  bool live = false;     ///< each picture as soon as it is complete: no threads that hold pictures back
};

/// One thread makes every call.
class VideoDecoder {
 public:
  /// The name of the decoder that libavcodec has for it, or "".
  [[nodiscard]] static std::string_view find(DecoderBackend backend, Codec codec);
  /// Unsupported: this FFmpeg has no such decoder, or its device cannot be opened. Hardware that does not know the
  /// stream's profile says so when it is sent the first packets.
  [[nodiscard]] static Result<std::unique_ptr<VideoDecoder>> open(DecoderBackend backend, Codec codec,
                                                                  const DecoderOptions& options);
  ~VideoDecoder();
  VideoDecoder(const VideoDecoder&) = delete;
  VideoDecoder& operator=(const VideoDecoder&) = delete;

  /// libavcodec's name.
  [[nodiscard]] std::string_view name() const;
  [[nodiscard]] DecoderBackend backend() const;
  /// Its state, for the stream's profile and level once a picture has come.
  [[nodiscard]] const AVCodecContext& context() const;

  /// Takes the next packet; receive() until it gives nothing before the next one. An error is about this packet or one
  /// of those before it; the decoder can go on.
  [[nodiscard]] Result<void> send(const AVPacket& packet);
  /// No more packets; receive() then gives all that is left.
  [[nodiscard]] Result<void> drain();
  /// The next picture in display order; empty: it wants more packets, or has given everything.
  [[nodiscard]] Result<AvFramePtr> receive();

 private:
  struct Impl;
  explicit VideoDecoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace zc
