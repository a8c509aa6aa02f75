#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "decode/decoder_backend.h"

#include <optional>
#include <string>
#include <string_view>

namespace zc {

/// `file:PATH[,loop][,start=TIME][,decoder=NAME]`: a media file, or with the ending m3u or m3u8 a list of them.
struct FileSpec {
  std::string path;
  bool loop = false;                      ///< begins again at its end
  Nanoseconds start{};                    ///< of the first file, and of each round: what lies before is left out
  std::optional<DecoderBackend> decoder;  ///< no other one; nullopt: on the GPU where the pictures can stay there
  bool operator==(const FileSpec&) const = default;
};

inline constexpr std::string_view kFileForm = "file:PATH[,loop][,start=1:30][,decoder=software|nvdec|vaapi|vulkan]";

/// What follows `file:`. Invalid: names the wrong part. Options are the last words; a comma elsewhere is the path's.
[[nodiscard]] Result<FileSpec> parse_file(std::string_view rest);
[[nodiscard]] std::string text_of(const FileSpec& spec);

}  // namespace zc
