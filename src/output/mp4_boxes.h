// Boxes of the ISO base media file format (ISO/IEC 14496-12), read from memory and written to a stream.
#pragma once

#include "base/error.h"
#include "output/byte_stream.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace zc::mp4 {

using BoxType = std::uint32_t;

/// box_type("moov").
consteval BoxType box_type(const char (&name)[5]) {
  BoxType type = 0;
  for (std::size_t i = 0; i < 4; ++i) type = type << 8U | static_cast<unsigned char>(name[i]);
  return type;
}

struct Box {
  BoxType type = 0;
  std::span<const std::byte> whole;  ///< with its header
  std::span<const std::byte> body;
};

/// Big-endian numbers and boxes, one after the other. What is not there reads as zero, and good() is false from then
/// on.
class BoxReader {
 public:
  explicit BoxReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] std::span<const std::byte> rest() const { return rest_; }
  std::span<const std::byte> take(std::size_t bytes);
  /// Of up to eight bytes.
  std::uint64_t number(std::size_t bytes);
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  /// nullopt at the end, and where a box does not fit into what is left.
  std::optional<Box> box();

 private:
  std::span<const std::byte> rest_;
  bool good_ = true;
};

/// The first box of this type; an empty one when there is none.
[[nodiscard]] Box find_box(std::span<const std::byte> boxes, BoxType type);

/// Appends boxes to a seekable stream, in large pieces. After an error nothing more is written; finish() tells it.
class BoxWriter {
 public:
  explicit BoxWriter(ByteStream& out) : out_(&out), start_(out.size()), result_(out.seek(start_)) {}

  /// Byte of the stream that the next number or box will be at.
  [[nodiscard]] std::uint64_t position() const { return start_ + buffer_.size(); }
  /// Where the box begins, for end().
  std::uint64_t begin(BoxType type);
  void end(std::uint64_t box) { replace_u32(box, static_cast<std::uint32_t>(position() - box)); }
  void number(std::uint64_t value, std::size_t bytes);
  void u32(std::uint32_t value) { number(value, 4); }
  void copy(std::span<const std::byte> bytes);
  /// One that was written as something else.
  void replace_u32(std::uint64_t at, std::uint32_t value);
  [[nodiscard]] Result<void> finish();

 private:
  void flush();

  ByteStream* out_;
  std::uint64_t start_;  ///< of the buffer, in the stream
  std::vector<std::byte> buffer_;
  Result<void> result_;
};

}  // namespace zc::mp4
