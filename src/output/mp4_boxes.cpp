#include "output/mp4_boxes.h"

#include <array>

namespace zc::mp4 {
namespace {

constexpr std::size_t kHeader = 8;                             // size and type
constexpr std::size_t kWrittenAtOnce = std::size_t{1} << 20U;  // bytes

std::byte byte_of(std::uint64_t value, std::size_t from_the_right) {
  return static_cast<std::byte>(value >> (8 * from_the_right) & 0xffU);
}

}  // namespace

std::span<const std::byte> BoxReader::take(std::size_t bytes) {
  if (bytes > rest_.size()) {
    good_ = false;
    rest_ = {};
    return {};
  }
  const auto taken = rest_.first(bytes);
  rest_ = rest_.subspan(bytes);
  return taken;
}

std::uint64_t BoxReader::number(std::size_t bytes) {
  std::uint64_t value = 0;
  for (const std::byte b : take(bytes)) value = value << 8U | std::to_integer<std::uint64_t>(b);
  return value;
}

std::optional<Box> BoxReader::box() {
  if (rest_.empty()) return std::nullopt;
  const auto from = rest_;
  std::uint64_t size = u32();
  const BoxType type = u32();
  std::size_t header = kHeader;
  if (size == 1) {
    size = number(8);
    header += 8;
  }
  if (!good_ || size < header || size > from.size()) {
    good_ = false;
    rest_ = {};
    return std::nullopt;
  }
  const auto whole = from.first(static_cast<std::size_t>(size));
  rest_ = from.subspan(whole.size());
  return Box{type, whole, whole.subspan(header)};
}

Box find_box(std::span<const std::byte> boxes, BoxType type) {
  BoxReader in(boxes);
  while (const auto box = in.box()) {
    if (box->type == type) return *box;
  }
  return {};
}

std::uint64_t BoxWriter::begin(BoxType type) {
  const std::uint64_t at = position();
  u32(0);  // to the end of the file, until end() says more
  u32(type);
  return at;
}

void BoxWriter::number(std::uint64_t value, std::size_t bytes) {
  if (buffer_.size() >= kWrittenAtOnce) flush();
  while (bytes > 0) buffer_.push_back(byte_of(value, --bytes));
}

void BoxWriter::copy(std::span<const std::byte> bytes) { buffer_.insert(buffer_.end(), bytes.begin(), bytes.end()); }

void BoxWriter::replace_u32(std::uint64_t at, std::uint32_t value) {
  const std::array bytes{byte_of(value, 3), byte_of(value, 2), byte_of(value, 1), byte_of(value, 0)};
  if (at >= start_) {
    for (std::size_t i = 0; i < bytes.size(); ++i) buffer_.at(static_cast<std::size_t>(at - start_) + i) = bytes.at(i);
    return;
  }
  flush();
  if (result_) result_ = out_->seek(at);
  if (result_) result_ = out_->write(bytes);
  if (result_) result_ = out_->seek(start_);
}

void BoxWriter::flush() {
  if (result_) result_ = out_->write(buffer_);
  start_ += buffer_.size();
  buffer_.clear();
}

Result<void> BoxWriter::finish() {
  flush();
  return result_;
}

}  // namespace zc::mp4
