#pragma once

#include "media/geometry.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace zc {

/// How cameras code their pictures.
enum class CodedFormat : std::uint8_t {
  Mjpeg,  ///< each picture a JPEG of its own
  H264,   ///< Annex B, one picture a buffer
};
/// "MJPEG", "H264"
[[nodiscard]] constexpr std::string_view name(CodedFormat format) {
  return format == CodedFormat::Mjpeg ? "MJPEG" : "H264";
}

/// One coded picture in the producer's memory, as the stream sent it. No importer reads it: capture/coded_stream.h
/// makes pictures of it.
struct CodedImage {
  CodedFormat format = CodedFormat::Mjpeg;
  Size size;                            ///< px, as the stream says it
  std::span<const std::byte> bytes;     ///< the lease keeps the producer from writing to them
  std::shared_ptr<const void> mapping;  ///< keeps them mapped
  bool follows = true;                  ///< the last one that came; false: pictures between them are lost
};

}  // namespace zc
