// Fragmented MP4 of any bytes: what is made plain has whole boxes, and what is not is left alone.
#include "output/mp4_index.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

namespace {

class MemoryStream final : public zc::ByteStream {
 public:
  explicit MemoryStream(std::span<const std::byte> bytes) : bytes_(bytes.begin(), bytes.end()) {}
  zc::Result<void> write(std::span<const std::byte> bytes) override {
    bytes_.resize(std::max(bytes_.size(), at_ + bytes.size()));
    std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ += bytes.size();
    return {};
  }
  [[nodiscard]] bool seekable() const override { return true; }
  zc::Result<void> seek(std::uint64_t offset) override {
    at_ = static_cast<std::size_t>(offset);
    return {};
  }
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
  std::size_t at_ = 0;
};

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  zc::Mp4Index index;
  const std::size_t portion = 1 + size % 1000;
  for (std::size_t at = 0; at < size; at += portion) {
    index.add(at, bytes.subspan(at, std::min(portion, size - at)));
  }
  MemoryStream out(bytes);
  if (!index.make_plain(out)) {
    if (!std::ranges::equal(out.bytes(), bytes)) std::abort();
    return 0;
  }
  // The beginning, the media data and the index, and nothing else.
  zc::mp4::BoxReader in(out.bytes());
  for (const auto type : {zc::mp4::box_type("ftyp"), zc::mp4::box_type("mdat"), zc::mp4::box_type("moov")}) {
    const auto box = in.box();
    if (!box || box->type != type) std::abort();
  }
  if (!in.good() || !in.rest().empty()) std::abort();
  return 0;
}
