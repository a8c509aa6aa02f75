// Text as pictures, with the fonts of the system.
#pragma once

#include "base/error.h"
#include "drawing/drawn_picture.h"
#include "drawing/text_style.h"

#include <memory>
#include <string_view>

namespace zc {

/// Draws lines of text from left to right, each character in the first font that has it, with kerning; scripts that are
/// written from right to left or join their letters are not shaped. One thread at a time.
class TextPainter {
 public:
  /// NotFound: no font.
  [[nodiscard]] static Result<TextPainter> open(const TextStyle& style);
  TextPainter(TextPainter&& other) noexcept;
  TextPainter& operator=(TextPainter&& other) noexcept;
  TextPainter(const TextPainter&) = delete;
  TextPainter& operator=(const TextPainter&) = delete;
  ~TextPainter();

  /// As large as the text (UTF-8, lines end with a line feed) and a margin need, at most 8192 px each way: what lies
  /// beyond is cut off.
  [[nodiscard]] DrawnPicture draw(std::string_view text);

 private:
  struct Fonts;
  TextPainter(TextStyle style, std::unique_ptr<Fonts> fonts);

  TextStyle style_;
  std::unique_ptr<Fonts> fonts_;
};

}  // namespace zc
