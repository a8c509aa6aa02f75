#include "drawing/text_painter.h"

#include "base/quote.h"

#include <fontconfig/fontconfig.h>
#include <ft2build.h>
#include FT_FREETYPE_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace zc {
namespace {

constexpr std::uint32_t kMostEdge = 8192;
constexpr std::size_t kMostCharacters = 4096;
constexpr char32_t kReplacement = 0xfffd;

struct LibraryDone {
  void operator()(FT_Library library) const noexcept { FT_Done_FreeType(library); }
};
struct FaceDone {
  void operator()(FT_Face face) const noexcept { FT_Done_Face(face); }
};
struct ConfigDestroy {
  void operator()(FcConfig* config) const noexcept { FcConfigDestroy(config); }
};
struct PatternDestroy {
  void operator()(FcPattern* pattern) const noexcept { FcPatternDestroy(pattern); }
};
struct SetDestroy {
  void operator()(FcFontSet* set) const noexcept { FcFontSetDestroy(set); }
};
using LibraryPtr = std::unique_ptr<std::remove_pointer_t<FT_Library>, LibraryDone>;
using FacePtr = std::unique_ptr<std::remove_pointer_t<FT_Face>, FaceDone>;

/// The characters of UTF-8 text; what is none becomes U+FFFD.
std::vector<char32_t> characters(std::string_view text) {
  std::vector<char32_t> all;
  while (!text.empty() && all.size() < kMostCharacters) {
    FcChar32 character = 0;
    const int length =
        FcUtf8ToUcs4(reinterpret_cast<const FcChar8*>(text.data()), &character, static_cast<int>(text.size()));
    all.push_back(length > 0 ? static_cast<char32_t>(character) : kReplacement);
    text.remove_prefix(static_cast<std::size_t>(std::max(length, 1)));
  }
  return all;
}

std::int32_t whole(FT_Pos units) { return static_cast<std::int32_t>(units >> 6); }

/// Lays `above` over the pixel, both straight RGBA, `cover` of 255.
void lay_over(std::byte* pixel, std::uint32_t colour, unsigned cover) {
  const double a = (colour & 255U) / 255.0 * cover / 255.0;
  const double below = std::to_integer<unsigned>(pixel[3]) / 255.0 * (1 - a);
  const double all = a + below;
  if (all <= 0) return;
  for (unsigned c = 0; c < 3; ++c) {
    const double above = (colour >> (24 - 8 * c)) & 255U;
    pixel[c] = static_cast<std::byte>(
        static_cast<unsigned>((above * a + std::to_integer<unsigned>(pixel[c]) * below) / all + 0.5));
  }
  pixel[3] = static_cast<std::byte>(static_cast<unsigned>(all * 255 + 0.5));
}

}  // namespace

struct TextPainter::Fonts {
  /// One of the fonts that were found, opened when a character needs it.
  struct Font {
    FcPattern* pattern = nullptr;  ///< of `found`
    FacePtr face;
    bool broken = false;
  };

  [[nodiscard]] FT_Face open(Font& font, std::uint32_t px) const {
    if (font.face || font.broken) return font.face.get();
    FcChar8* file = nullptr;
    int index = 0;
    FT_Face face = nullptr;
    font.broken =
        FcPatternGetString(font.pattern, FC_FILE, 0, &file) != FcResultMatch ||
        FT_New_Face(library.get(), reinterpret_cast<const char*>(file),
                    FcPatternGetInteger(font.pattern, FC_INDEX, 0, &index) == FcResultMatch ? index : 0, &face) != 0;
    if (font.broken) return nullptr;
    font.face.reset(face);
    if (FT_Set_Pixel_Sizes(face, 0, px) == 0) return face;
    font.face.reset();  // bitmaps of other sizes
    font.broken = true;
    return nullptr;
  }
  /// The first font that has the character, else the first one.
  [[nodiscard]] FT_Face face_for(char32_t character, std::uint32_t px) {
    for (Font& font : fonts) {
      FcCharSet* has = nullptr;
      const bool known = FcPatternGetCharSet(font.pattern, FC_CHARSET, 0, &has) == FcResultMatch;
      if (!known || FcCharSetHasChar(has, character) == FcFalse) continue;
      if (FT_Face face = open(font, px)) return face;
    }
    return first;
  }

  std::unique_ptr<FcConfig, ConfigDestroy> config;
  std::unique_ptr<FcPattern, PatternDestroy> wanted;
  std::unique_ptr<FcFontSet, SetDestroy> found;
  LibraryPtr library;
  std::vector<Font> fonts;  // their faces die before the library
  FT_Face first = nullptr;
};

TextPainter::TextPainter(TextStyle style, std::unique_ptr<Fonts> fonts)
    : style_(std::move(style)), fonts_(std::move(fonts)) {}
TextPainter::TextPainter(TextPainter&& other) noexcept = default;
TextPainter& TextPainter::operator=(TextPainter&& other) noexcept = default;
TextPainter::~TextPainter() = default;

Result<TextPainter> TextPainter::open(const TextStyle& style) {
  const std::string operation = "find a font for " + in_quotes(style.font);
  auto fonts = std::make_unique<Fonts>();
  FT_Library library = nullptr;
  if (FT_Init_FreeType(&library) != 0) return fail(ErrorKind::Internal, operation, "FreeType does not start");
  fonts->library.reset(library);
  fonts->config.reset(FcInitLoadConfigAndFonts());
  fonts->wanted.reset(FcNameParse(reinterpret_cast<const FcChar8*>(style.font.c_str())));
  if (!fonts->config || !fonts->wanted)
    return fail(ErrorKind::Invalid, operation, "fontconfig does not take that name");
  FcConfigSubstitute(fonts->config.get(), fonts->wanted.get(), FcMatchPattern);
  FcDefaultSubstitute(fonts->wanted.get());
  FcResult result = FcResultMatch;
  fonts->found.reset(FcFontSort(fonts->config.get(), fonts->wanted.get(), FcTrue, nullptr, &result));
  for (int i = 0; fonts->found && i < fonts->found->nfont; ++i) {
    fonts->fonts.push_back({.pattern = fonts->found->fonts[i], .face = {}});
    if (fonts->first == nullptr) fonts->first = fonts->open(fonts->fonts.back(), style.px);
  }
  if (fonts->first == nullptr) return fail(ErrorKind::NotFound, operation, "the system has no font");
  return TextPainter(style, std::move(fonts));
}

DrawnPicture TextPainter::draw(std::string_view text) {
  struct Glyph {
    FT_Face face;
    FT_UInt index;
    std::int32_t x, line;
  };
  const FT_Size_Metrics& metrics = fonts_->first->size->metrics;
  const std::int32_t ascent = whole(metrics.ascender);
  const std::int32_t line_height = std::max(whole(metrics.height), 1);
  const auto margin = static_cast<std::int32_t>(style_.px / 4);
  std::vector<Glyph> glyphs;
  std::int32_t x = 0;
  std::int32_t line = 0;
  std::int32_t widest = 0;
  FT_Face last_face = nullptr;
  FT_UInt last = 0;
  for (const char32_t character : characters(text)) {
    if (character == U'\n') {
      ++line;
      x = 0;
      last_face = nullptr;
      continue;
    }
    FT_Face face = fonts_->face_for(character, style_.px);
    const FT_UInt index = FT_Get_Char_Index(face, character);
    FT_Vector kerning{};
    if (face == last_face && FT_HAS_KERNING(face) &&
        FT_Get_Kerning(face, last, index, FT_KERNING_DEFAULT, &kerning) == 0) {
      x += whole(kerning.x);
    }
    if (FT_Load_Glyph(face, index, FT_LOAD_TARGET_LIGHT) != 0) continue;
    glyphs.push_back({face, index, x, line});
    x += whole(face->glyph->advance.x);
    widest = std::max(widest, x);
    last_face = face;
    last = index;
    if (x > static_cast<std::int32_t>(kMostEdge)) x = static_cast<std::int32_t>(kMostEdge);
  }
  const auto edge = [&](std::int32_t length) {
    // Even: layers of even edges are drawn fastest.
    const auto all = static_cast<std::uint32_t>(std::max(length, 0) + 2 * margin);
    return std::clamp((all + 1) & ~1U, 2U, kMostEdge);
  };
  DrawnPicture picture{.size = {edge(widest), edge(line_height * (line + 1))}, .pixels = {}};
  picture.pixels.resize(picture.size.area() * 4);
  for (std::size_t i = 0; i < picture.pixels.size(); ++i) {
    picture.pixels[i] = static_cast<std::byte>(style_.background >> (24 - 8 * (i % 4)));
  }
  for (const Glyph& glyph : glyphs) {
    if (FT_Load_Glyph(glyph.face, glyph.index, FT_LOAD_RENDER | FT_LOAD_TARGET_LIGHT) != 0) continue;
    const FT_GlyphSlot slot = glyph.face->glyph;
    const FT_Bitmap& bitmap = slot->bitmap;
    if (bitmap.pixel_mode != FT_PIXEL_MODE_GRAY) continue;  // coloured bitmaps
    for (unsigned row = 0; row < bitmap.rows; ++row) {
      const std::int64_t py =
          std::int64_t{margin} + glyph.line * std::int64_t{line_height} + ascent - slot->bitmap_top + row;
      for (unsigned column = 0; column < bitmap.width; ++column) {
        const std::int64_t px = std::int64_t{margin} + glyph.x + slot->bitmap_left + column;
        if (px < 0 || py < 0 || px >= picture.size.width || py >= picture.size.height) continue;
        const unsigned cover = bitmap.buffer[static_cast<std::ptrdiff_t>(row) * bitmap.pitch + column];
        if (cover == 0) continue;
        const std::size_t at = static_cast<std::size_t>(py) * picture.size.width + static_cast<std::size_t>(px);
        lay_over(picture.pixels.data() + at * 4, style_.colour, cover);
      }
    }
  }
  return picture;
}

}  // namespace zc
