// PNG files read back with libavcodec's decoder, for tests.
#pragma once

#include "base/error.h"
#include "media/picture_view.h"
#include "media/test_mark.h"
#include "tools/av_ptr.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace zc::test {

/// A whole PNG file.
class PngFile {
 public:
  /// Invalid: it is none, or not all of it.
  [[nodiscard]] static Result<PngFile> parse(std::span<const std::byte> bytes);
  [[nodiscard]] static Result<PngFile> read(const std::string& path);

  [[nodiscard]] const zc::PictureView& view() const { return view_; }
  /// Of the test source's pattern.
  [[nodiscard]] std::optional<TestMark> mark() const;
  /// What a chunk holds, "sRGB" for one; nullopt: there is none.
  [[nodiscard]] std::optional<std::vector<std::byte>> chunk(std::string_view name) const;

 private:
  std::vector<std::byte> bytes_;
  FramePtr frame_;
  zc::PictureView view_;
};

}  // namespace zc::test
