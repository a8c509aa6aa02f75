#include "tools/png.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

namespace zc::test {
namespace {

std::unexpected<Error> none(std::string detail) {
  return fail(ErrorKind::Invalid, "read a PNG file", std::move(detail));
}

}  // namespace

Result<PngFile> PngFile::parse(std::span<const std::byte> bytes) {
  PngFile file;
  file.bytes_.assign(bytes.begin(), bytes.end());
  const CodecPtr codec(avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_PNG)));
  const PacketPtr packet(av_packet_alloc());
  file.frame_.reset(av_frame_alloc());
  codec->err_recognition = AV_EF_CRCCHECK | AV_EF_EXPLODE;
  codec->thread_count = 1;
  if (bytes.empty() || av_new_packet(packet.get(), static_cast<int>(bytes.size())) < 0) return none("it is empty");
  std::memcpy(packet->data, bytes.data(), bytes.size());
  if (avcodec_open2(codec.get(), nullptr, nullptr) < 0 || avcodec_send_packet(codec.get(), packet.get()) < 0 ||
      avcodec_receive_frame(codec.get(), file.frame_.get()) < 0) {
    return none("it is damaged, or no PNG file");
  }
  AVFrame& frame = *file.frame_;
  if (frame.format == AV_PIX_FMT_RGB48BE) {
    for (int y = 0; y < frame.height; ++y) {
      std::uint8_t* row = frame.data[0] + static_cast<std::ptrdiff_t>(y) * frame.linesize[0];
      for (int x = 0; x < 6 * frame.width; x += 2) std::swap(row[x], row[x + 1]);
    }
    frame.format = AV_PIX_FMT_RGB48LE;
  }
  const auto view = view_of(frame);
  if (!view) return std::unexpected(view.error());
  file.view_ = *view;
  return file;
}

Result<PngFile> PngFile::read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(ErrorKind::NotFound, "read " + path, "there is none");
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  return parse(std::as_bytes(std::span(bytes)));
}

std::optional<TestMark> PngFile::mark() const {
  const Component& green = view_.components[0];
  std::vector<std::byte> grey;
  grey.reserve(green.size.area());
  for (std::uint32_t y = 0; y < green.size.height; ++y) {
    for (std::uint32_t x = 0; x < green.size.width; ++x) {
      grey.push_back(static_cast<std::byte>(green.at(x, y) >> (view_.bits - 8)));
    }
  }
  return read_mark(grey, green.size.width, view_.size, 1, view_.size);
}

std::optional<std::vector<std::byte>> PngFile::chunk(std::string_view name) const {
  constexpr std::size_t kSignature = 8;
  constexpr std::size_t kAround = 12;  // length, name and CRC
  for (std::size_t at = kSignature; at + kAround <= bytes_.size();) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = length << 8U | std::to_integer<std::size_t>(bytes_[at + i]);
    if (length > bytes_.size() - at - kAround) return std::nullopt;
    const auto first = bytes_.begin() + static_cast<std::ptrdiff_t>(at) + 8;
    if (std::memcmp(&bytes_[at + 4], name.data(), 4) == 0) {
      return std::vector<std::byte>(first, first + static_cast<std::ptrdiff_t>(length));
    }
    at += length + kAround;
  }
  return std::nullopt;
}

}  // namespace zc::test
