// Small PNG files, written by hand (ISO/IEC 15948): one stored block.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace zc::test {

enum class PngKind : std::uint8_t { Grey = 0, Rgb = 2, GreyAlpha = 4, Rgba = 6 };

inline std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24U), static_cast<char>(value >> 16U), static_cast<char>(value >> 8U),
          static_cast<char>(value)};
}

inline std::string png_chunk(const std::string& type, const std::string& data) {
  std::uint32_t crc = 0xffffffff;
  for (const char c : type + data) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) != 0 ? crc >> 1U ^ 0xedb88320U : crc >> 1U;
  }
  return big_endian(static_cast<std::uint32_t>(data.size())) + type + data + big_endian(~crc);
}

/// 8 bits a component; `pixels`: rows without padding, of at most 65,000 bytes in all.
inline std::string png(PngKind kind, std::uint32_t width, std::uint32_t height, const std::string& pixels) {
  const std::size_t row = pixels.size() / height;
  std::string raw;
  for (std::uint32_t y = 0; y < height; ++y) raw += '\0' + pixels.substr(y * row, row);
  std::uint32_t a = 1;
  std::uint32_t b = 0;
  for (const char c : raw) {
    a = (a + static_cast<std::uint8_t>(c)) % 65521;
    b = (b + a) % 65521;
  }
  const auto length = static_cast<std::uint32_t>(raw.size());
  std::string stream = "\x78\x01\x01";
  for (const std::uint32_t value : {length, ~length}) {
    stream += static_cast<char>(value);
    stream += static_cast<char>(value >> 8U);
  }
  stream += raw + big_endian(b << 16U | a);
  std::string header = big_endian(width) + big_endian(height) + '\x08';
  header += static_cast<char>(kind);
  header += std::string(3, '\0');
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + png_chunk("IDAT", stream) + png_chunk("IEND", "");
}

}  // namespace zc::test
