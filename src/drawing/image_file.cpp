#include "drawing/image_file.h"

#include "base/quote.h"
#include "base/unique_fd.h"
#include "media/av_error.h"
#include "media/av_handles.h"
#include "media/surface.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
}

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>

namespace zc {
namespace {

constexpr std::size_t kMostBytes = std::size_t{64} * 1024 * 1024;
constexpr int kMostEdge = 16'384;
constexpr std::array<std::uint8_t, 8> kPng{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

struct ContextFree {
  void operator()(AVCodecContext* context) const noexcept { avcodec_free_context(&context); }
};

std::unexpected<Error> wrong(const std::string& path, std::string detail) {
  return fail(ErrorKind::Invalid, "read " + in_quotes(path), std::move(detail));
}

Result<AvPacketPtr> read_file(const std::string& path) {
  const std::string operation = "read " + in_quotes(path);
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file) return fail_errno(errno, operation);
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return fail_errno(errno, operation);
  if (!S_ISREG(status.st_mode)) return wrong(path, "it is no file");
  if (status.st_size <= 0 || static_cast<std::size_t>(status.st_size) > kMostBytes) {
    return wrong(path, fmt::format("it has {} bytes, not 1 to {}", status.st_size, kMostBytes));
  }
  AvPacketPtr packet(av_packet_alloc());
  if (!packet || av_new_packet(packet.get(), static_cast<int>(status.st_size)) < 0)
    return fail_errno(ENOMEM, operation);
  int have = 0;
  while (have < packet->size) {
    const ssize_t got = ::read(file.get(), packet->data + have, static_cast<std::size_t>(packet->size - have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, operation);
    if (got == 0) return wrong(path, "it has become shorter");
    have += static_cast<int>(got);
  }
  return packet;
}

Result<AvFramePtr> decode(const std::string& path, const AVPacket& packet) {
  const AVCodec* codec = avcodec_find_decoder(AV_CODEC_ID_PNG);
  if (codec == nullptr) return fail(ErrorKind::Unsupported, "read " + in_quotes(path), "this FFmpeg decodes no PNG");
  const std::unique_ptr<AVCodecContext, ContextFree> context(avcodec_alloc_context3(codec));
  if (!context) return fail_errno(ENOMEM, "read " + in_quotes(path));
  context->thread_count = 1;
  if (const int r = avcodec_open2(context.get(), codec, nullptr); r < 0) {
    return fail_ffmpeg(ErrorKind::Unsupported, r, "read " + in_quotes(path));
  }
  AvFramePtr frame(av_frame_alloc());
  int r = frame ? avcodec_send_packet(context.get(), &packet) : AVERROR(ENOMEM);
  if (r >= 0) r = avcodec_receive_frame(context.get(), frame.get());
  if (r < 0) return wrong(path, "it is damaged");
  if (frame->width > kMostEdge || frame->height > kMostEdge) {
    return wrong(path, fmt::format("{}x{} px are more than {}", frame->width, frame->height, kMostEdge));
  }
  return frame;
}

/// Where PNG's formats have their components: bytes from the pixel's first one on; what is cut off of 16 bits follows.
struct Layout {
  AVPixelFormat format;
  std::size_t pixel_bytes;
  std::array<std::size_t, 3> colour;
  std::optional<std::size_t> alpha;
};
constexpr std::array kLayouts{Layout{AV_PIX_FMT_RGBA, 4, {0, 1, 2}, 3},
                              Layout{AV_PIX_FMT_RGB24, 3, {0, 1, 2}, std::nullopt},
                              Layout{AV_PIX_FMT_GRAY8, 1, {0, 0, 0}, std::nullopt},
                              Layout{AV_PIX_FMT_YA8, 2, {0, 0, 0}, 1},
                              Layout{AV_PIX_FMT_RGBA64BE, 8, {0, 2, 4}, 6},
                              Layout{AV_PIX_FMT_RGB48BE, 6, {0, 2, 4}, std::nullopt},
                              Layout{AV_PIX_FMT_GRAY16BE, 2, {0, 0, 0}, std::nullopt},
                              Layout{AV_PIX_FMT_YA16BE, 4, {0, 0, 0}, 2}};

void copy_row(const Layout& layout, const std::uint8_t* in, std::byte* out, std::size_t width) {
  for (std::size_t x = 0; x < width; ++x, in += layout.pixel_bytes, out += 4) {
    for (std::size_t c = 0; c < 3; ++c) out[c] = std::byte{in[layout.colour.at(c)]};
    out[3] = std::byte{layout.alpha ? in[*layout.alpha] : std::uint8_t{255}};
  }
}

/// A palette's entries are native ARGB words.
void copy_palette_row(const AVFrame& frame, const std::uint8_t* in, std::byte* out, std::size_t width) {
  for (std::size_t x = 0; x < width; ++x, out += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, frame.data[1] + std::size_t{in[x]} * 4, sizeof(word));
    out[0] = static_cast<std::byte>(word >> 16U);
    out[1] = static_cast<std::byte>(word >> 8U);
    out[2] = static_cast<std::byte>(word);
    out[3] = static_cast<std::byte>(word >> 24U);
  }
}

void copy_bit_row(const std::uint8_t* in, std::byte* out, std::size_t width) {
  for (std::size_t x = 0; x < width; ++x, out += 4) {
    const bool white = (unsigned{in[x / 8]} >> (7 - x % 8) & 1U) != 0;
    std::fill_n(out, 3, white ? std::byte{255} : std::byte{0});
    out[3] = std::byte{255};
  }
}

}  // namespace

Result<DrawnPicture> read_image(const std::string& path) {
  const auto packet = read_file(path);
  if (!packet) return std::unexpected(packet.error());
  const bool png =
      static_cast<std::size_t>((*packet)->size) >= kPng.size() && std::equal(kPng.begin(), kPng.end(), (*packet)->data);
  if (!png) return wrong(path, "it is no PNG file");
  const auto decoded = decode(path, **packet);
  if (!decoded) return std::unexpected(decoded.error());
  const AVFrame& frame = **decoded;
  const auto width = static_cast<std::size_t>(frame.width);
  const auto height = static_cast<std::size_t>(frame.height);
  DrawnPicture picture{.size = {static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height)}, .pixels = {}};
  picture.pixels.resize(width * height * 4);
  const auto* const layout = std::ranges::find(kLayouts, frame.format, &Layout::format);
  const bool known =
      layout != kLayouts.end() || frame.format == AV_PIX_FMT_PAL8 || frame.format == AV_PIX_FMT_MONOBLACK;
  if (!known) return wrong(path, "its kind of pixels is not known");
  for (std::size_t y = 0; y < height; ++y) {
    const std::uint8_t* in = frame.data[0] + static_cast<std::ptrdiff_t>(y) * frame.linesize[0];
    std::byte* out = picture.pixels.data() + y * width * 4;
    if (layout != kLayouts.end()) {
      copy_row(*layout, in, out, width);
    } else if (frame.format == AV_PIX_FMT_PAL8) {
      copy_palette_row(frame, in, out, width);
    } else {
      copy_bit_row(in, out, width);
    }
  }
  return picture;
}

}  // namespace zc
