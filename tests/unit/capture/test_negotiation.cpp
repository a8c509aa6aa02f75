#include "capture/negotiation.h"
#include "pipewire/spa_video_format.h"

#include <spa/buffer/buffer.h>
#include <spa/buffer/meta.h>
#include <spa/param/buffers.h>
#include <spa/param/format.h>
#include <spa/param/param.h>
#include <spa/param/video/color.h>
#include <spa/param/video/raw.h>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <vector>

using namespace zc;

namespace {

constexpr std::uint32_t kChoice = SPA_POD_PROP_FLAG_MANDATORY | SPA_POD_PROP_FLAG_DONT_FIXATE;

std::optional<PodValues> find(const PodPtr& pod, std::uint32_t key) { return ObjectReader(pod.get()).find(key); }

/// A Format as PipeWire hands it over, to be extended.
ObjectBuilder format(std::uint32_t spa_format, Size size) {
  ObjectBuilder builder(SPA_TYPE_OBJECT_Format, SPA_PARAM_Format);
  builder.add_id(SPA_FORMAT_mediaType, SPA_MEDIA_TYPE_video)
      .add_id(SPA_FORMAT_mediaSubtype, SPA_MEDIA_SUBTYPE_raw)
      .add_id(SPA_FORMAT_VIDEO_format, spa_format)
      .add_size(SPA_FORMAT_VIDEO_size, size);
  return builder;
}

FormatOffer two_formats() {
  FormatOffer offer;
  offer.formats = {{PixelFormat::BGRx, {kModifierLinear, kModifierInvalid}}, {PixelFormat::RGBA, {}}};
  return offer;
}

}  // namespace

TEST_CASE("every pixel format has one SPA number and comes back from it") {
  for (const PixelFormatInfo& f : pixel_formats()) {
    INFO(f.name);
    const std::uint32_t spa = spa_video_format_of(f.format);
    CHECK(spa != SPA_VIDEO_FORMAT_UNKNOWN);
    CHECK(pixel_format_from_spa(spa) == f.format);
  }
  CHECK(spa_video_format_of(PixelFormat::Unknown) == SPA_VIDEO_FORMAT_UNKNOWN);
  CHECK(pixel_format_from_spa(SPA_VIDEO_FORMAT_xRGB_210LE) == PixelFormat::xRGB_210LE);
  CHECK(pixel_format_from_spa(SPA_VIDEO_FORMAT_BGRA_102LE) == PixelFormat::BGRA_102LE);
  for (const std::uint32_t foreign : {0U, std::uint32_t{SPA_VIDEO_FORMAT_GRAY8}, 100'000U, 0xffffffffU}) {
    CHECK_FALSE(pixel_format_from_spa(foreign));
  }
}

TEST_CASE("an offer becomes dmabuf formats first and shared memory last") {
  const auto params = make_format_params(two_formats());
  REQUIRE(params);
  REQUIRE(params->size() == 3);
  const auto modifier = find((*params)[0], SPA_FORMAT_VIDEO_modifier);
  REQUIRE(modifier);
  CHECK(modifier->flags == kChoice);
  CHECK(modifier->choice == SPA_CHOICE_Enum);
  REQUIRE(modifier->count() == 3);
  CHECK(modifier->longint(0) == kModifierLinear);
  CHECK(modifier->longint(1) == kModifierLinear);
  CHECK(modifier->longint(2) == kModifierInvalid);
  const std::array expected = {SPA_VIDEO_FORMAT_BGRx, SPA_VIDEO_FORMAT_BGRx, SPA_VIDEO_FORMAT_RGBA};
  for (std::size_t i = 0; i < params->size(); ++i) {
    CHECK(find((*params)[i], SPA_FORMAT_VIDEO_format)->id() == expected.at(i));
    CHECK(find((*params)[i], SPA_FORMAT_VIDEO_modifier).has_value() == (i == 0));
  }
}

TEST_CASE("where one size alone is wanted, every format has it") {
  FormatOffer offer = two_formats();
  offer.size = Size{802, 602};
  const auto params = make_format_params(offer);
  REQUIRE(params);
  REQUIRE(params->size() == 3);
  for (const auto& param : *params) {
    const auto size = find(param, SPA_FORMAT_VIDEO_size);
    REQUIRE(size);
    CHECK(size->count() == 1);
    CHECK(size->size() == Size{802, 602});
  }
}

TEST_CASE("an offer's rates and sizes are ranges that hold their default") {
  const auto params = make_format_params(two_formats());
  REQUIRE(params);
  const auto rate = find(params->back(), SPA_FORMAT_VIDEO_framerate);
  REQUIRE(rate);
  CHECK(rate->choice == SPA_CHOICE_Range);
  CHECK(rate->rate(0) == Rational{60, 1});
  CHECK(rate->rate(1) == Rational{0, 1});
  CHECK(rate->rate(2) == Rational{1000, 1});
  const auto size = find(params->back(), SPA_FORMAT_VIDEO_size);
  CHECK(size->size(1) == Size{1, 1});
  CHECK(size->size(2) == Size{kMaxEdgePx, kMaxEdgePx});
  for (const PodPtr& param : *params) CHECK_FALSE(find(param, SPA_FORMAT_VIDEO_maxFramerate));
}

TEST_CASE("a limited rate is asked for as exactly that, and each format without it is offered next") {
  FormatOffer offer = two_formats();
  offer.max_rate = {30, 1};
  const auto params = make_format_params(offer);
  REQUIRE(params);
  const auto plain = make_format_params(two_formats());
  REQUIRE(params->size() == 2 * plain->size());
  for (std::size_t i = 0; i < params->size(); ++i) {
    CAPTURE(i);
    const PodPtr& param = (*params)[i];
    const PodPtr& same = (*plain)[i / 2];
    CHECK(find(param, SPA_FORMAT_VIDEO_format)->id() == find(same, SPA_FORMAT_VIDEO_format)->id());
    CHECK(find(param, SPA_FORMAT_VIDEO_modifier).has_value() == find(same, SPA_FORMAT_VIDEO_modifier).has_value());
    const auto limit = find(param, SPA_FORMAT_VIDEO_maxFramerate);
    REQUIRE(limit.has_value() == (i % 2 == 0));
    if (limit) {
      CHECK(limit->choice == SPA_CHOICE_None);
      CHECK(limit->rate() == Rational{30, 1});
    }
    // A camera's rate goes with its size.
    CHECK(find(param, SPA_FORMAT_VIDEO_framerate)->rate(2) == Rational{1000, 1});
  }
  CHECK(find(params->front(), SPA_FORMAT_VIDEO_framerate)->rate(0) == Rational{30, 1});
}

TEST_CASE("an offer may be far larger than any fixed buffer") {
  FormatOffer offer;
  std::vector<std::uint64_t> many(3000);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = 0x0300'0000'0000'0000 + i;
  for (const PixelFormatInfo& f : pixel_formats()) offer.formats.push_back({f.format, many});
  const auto params = make_format_params(offer);
  REQUIRE(params);
  CHECK(params->size() == 2 * pixel_formats().size());
  const auto modifier = find(params->front(), SPA_FORMAT_VIDEO_modifier);
  REQUIRE(modifier->count() == 3001);
  CHECK(modifier->longint(3000) == many.back());
}

TEST_CASE("an empty offer is invalid") {
  CHECK_FALSE(make_format_params({}));
  FormatOffer offer;
  offer.formats = {{PixelFormat::Unknown, {}}};
  CHECK_FALSE(make_format_params(offer));
  offer.formats = {{PixelFormat::BGRx, {}}};
  offer.shared_memory = false;
  const auto nothing = make_format_params(offer);
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().kind == ErrorKind::Invalid);
}

TEST_CASE("a format is read with its rate and colours") {
  const PodPtr pod = format(SPA_VIDEO_FORMAT_NV12, {1366, 768})
                         .add_rate(SPA_FORMAT_VIDEO_framerate, {0, 1})
                         .add_rate(SPA_FORMAT_VIDEO_maxFramerate, {60'000, 1001})
                         .add_id(SPA_FORMAT_VIDEO_colorMatrix, SPA_VIDEO_COLOR_MATRIX_BT709)
                         .add_id(SPA_FORMAT_VIDEO_colorRange, SPA_VIDEO_COLOR_RANGE_0_255)
                         .add_id(SPA_FORMAT_VIDEO_colorPrimaries, SPA_VIDEO_COLOR_PRIMARIES_BT2020)
                         .add_id(SPA_FORMAT_VIDEO_transferFunction, 14)
                         .finish();
  const auto parsed = parse_format(pod.get());
  REQUIRE(parsed);
  CHECK(parsed->format == PixelFormat::NV12);
  CHECK(parsed->size == Size{1366, 768});
  CHECK(parsed->rate.zero());
  CHECK(parsed->max_rate == Rational{60'000, 1001});
  CHECK(parsed->colour ==
        ColourDescription{ColourMatrix::BT709, ColourRange::Full, ColourPrimaries::BT2020, TransferFunction::PQ});
  CHECK_FALSE(parsed->dmabuf());
  CHECK_FALSE(parsed->needs_fixation());
}

TEST_CASE("a modifier is settled as a value and open as a choice, even of one") {
  const PodPtr plain = format(SPA_VIDEO_FORMAT_BGRx, {64, 64})
                           .add_long(SPA_FORMAT_VIDEO_modifier, 7, SPA_POD_PROP_FLAG_MANDATORY)
                           .finish();
  const auto settled = parse_format(plain.get());
  REQUIRE(settled);
  CHECK(settled->modifier == 7);
  CHECK_FALSE(settled->needs_fixation());

  const std::array<std::uint64_t, 1> one{5};
  const PodPtr single =
      format(SPA_VIDEO_FORMAT_BGRx, {64, 64}).add_long_enum(SPA_FORMAT_VIDEO_modifier, one, kChoice).finish();
  CHECK(parse_format(single.get())->alternatives == std::vector<std::uint64_t>{5});

  const std::array<std::uint64_t, 3> several{9, kModifierInvalid, kModifierLinear};
  const PodPtr open =
      format(SPA_VIDEO_FORMAT_BGRx, {64, 64}).add_long_enum(SPA_FORMAT_VIDEO_modifier, several, kChoice).finish();
  const auto parsed = parse_format(open.get());
  REQUIRE(parsed);
  CHECK(parsed->needs_fixation());
  CHECK(parsed->alternatives == std::vector<std::uint64_t>(several.begin(), several.end()));

  SECTION("our answer is our first choice that they have, as a plain value") {
    const PodPtr answer = make_fixation(*parsed, two_formats());
    REQUIRE(answer);
    const auto modifier = find(answer, SPA_FORMAT_VIDEO_modifier);
    CHECK(modifier->choice == SPA_CHOICE_None);
    CHECK(modifier->flags == SPA_POD_PROP_FLAG_MANDATORY);
    CHECK(modifier->longint() == kModifierLinear);
    auto params = make_format_params(two_formats(), make_fixation(*parsed, two_formats()));
    REQUIRE(params);
    CHECK(params->size() == 4);
    CHECK(find(params->front(), SPA_FORMAT_VIDEO_modifier)->choice == SPA_CHOICE_None);
  }
  SECTION("there is none without a common modifier or format") {
    FormatOffer other;
    other.formats = {{PixelFormat::BGRx, {1234}}};
    CHECK_FALSE(make_fixation(*parsed, other));
    other.formats = {{PixelFormat::RGBA, {9}}};
    CHECK_FALSE(make_fixation(*parsed, other));
  }
}

TEST_CASE("formats that are none are refused") {
  CHECK_FALSE(parse_format(nullptr));
  const PodPtr wrong_type = ObjectBuilder(SPA_TYPE_OBJECT_Props, SPA_PARAM_Props).finish();
  CHECK(parse_format(wrong_type.get()).error().kind == ErrorKind::Invalid);
  const PodPtr empty = ObjectBuilder(SPA_TYPE_OBJECT_Format, SPA_PARAM_Format).finish();
  CHECK(parse_format(empty.get()).error().kind == ErrorKind::Unsupported);
  CHECK(parse_format(format(SPA_VIDEO_FORMAT_GRAY8, {8, 8}).finish().get()).error().kind == ErrorKind::Unsupported);
  for (const Size size : {Size{0, 8}, Size{8, 0}, Size{kMaxEdgePx + 1, 8}, Size{0xffffffff, 0xffffffff}}) {
    CHECK(parse_format(format(SPA_VIDEO_FORMAT_BGRx, size).finish().get()).error().kind == ErrorKind::Invalid);
  }
  const PodPtr no_size = ObjectBuilder(SPA_TYPE_OBJECT_Format, SPA_PARAM_Format)
                             .add_id(SPA_FORMAT_mediaType, SPA_MEDIA_TYPE_video)
                             .add_id(SPA_FORMAT_mediaSubtype, SPA_MEDIA_SUBTYPE_raw)
                             .add_id(SPA_FORMAT_VIDEO_format, SPA_VIDEO_FORMAT_BGRx)
                             .add_int(SPA_FORMAT_VIDEO_size, 640)
                             .finish();
  CHECK(parse_format(no_size.get()).error().kind == ErrorKind::Invalid);
  const PodPtr bad_modifier = format(SPA_VIDEO_FORMAT_BGRx, {8, 8}).add_int(SPA_FORMAT_VIDEO_modifier, 3).finish();
  CHECK(parse_format(bad_modifier.get()).error().kind == ErrorKind::Invalid);
}

TEST_CASE("a truncated or lying POD is never read beyond its end") {
  const std::array<std::uint64_t, 3> several{9, kModifierInvalid, kModifierLinear};
  const PodPtr whole = format(SPA_VIDEO_FORMAT_BGRx, {64, 64})
                           .add_rate(SPA_FORMAT_VIDEO_framerate, {60, 1})
                           .add_long_enum(SPA_FORMAT_VIDEO_modifier, several, kChoice)
                           .finish();
  const auto* bytes = reinterpret_cast<const std::byte*>(whole.get());
  const std::size_t length = sizeof(spa_pod) + whole->size;
  for (std::size_t cut = sizeof(spa_pod); cut <= length; ++cut) {
    // A copy of exactly that length on the heap: the address sanitizer sees any byte too far.
    std::vector<std::byte> copy(bytes, bytes + cut);
    auto* pod = reinterpret_cast<spa_pod*>(copy.data());
    pod->size = static_cast<std::uint32_t>(cut - sizeof(spa_pod));
    (void)parse_format(pod);
    // Whole properties before the cut may still be an offer; nothing is none.
    const auto offered = parse_offered_formats(pod);
    if (cut == sizeof(spa_pod)) CHECK(offered.empty());
    if (cut == length) CHECK_FALSE(offered.empty());
  }
  for (std::size_t at = sizeof(spa_pod); at + 4 <= length; at += 4) {
    for (const std::uint32_t evil : {0U, 1U, 7U, 0x7fffffffU, 0xffffffffU}) {
      std::vector<std::byte> copy(bytes, bytes + length);
      std::memcpy(copy.data() + at, &evil, sizeof(evil));
      (void)parse_format(reinterpret_cast<const spa_pod*>(copy.data()));
      (void)parse_offered_formats(reinterpret_cast<const spa_pod*>(copy.data()));
    }
  }
  SUCCEED("nothing read out of bounds");
}

TEST_CASE("buffers are memfds, or dmabufs when a modifier was agreed on, never pointers") {
  NegotiatedFormat agreed;
  agreed.format = PixelFormat::BGRx;
  agreed.size = {64, 64};
  CHECK(find(make_buffers_param(agreed), SPA_PARAM_BUFFERS_dataType)->integer() == 1 << SPA_DATA_MemFd);
  agreed.modifier = kModifierLinear;
  const PodPtr dmabuf = make_buffers_param(agreed);
  CHECK(find(dmabuf, SPA_PARAM_BUFFERS_dataType)->integer() == 1 << SPA_DATA_DmaBuf);
  const auto count = find(dmabuf, SPA_PARAM_BUFFERS_buffers);
  CHECK(count->choice == SPA_CHOICE_Range);
  CHECK(*count->integer(1) <= *count->integer(0));
  CHECK(*count->integer(0) <= *count->integer(2));
}

TEST_CASE("all metas are asked for, the pointer up to 1024x1024") {
  const auto params = make_meta_params();
  std::vector<std::uint32_t> types;
  for (const PodPtr& p : params) types.push_back(find(p, SPA_PARAM_META_type)->id().value_or(0));
  CHECK(types == std::vector<std::uint32_t>{SPA_META_Header, SPA_META_VideoCrop, SPA_META_VideoTransform,
                                            SPA_META_VideoDamage, SPA_META_Cursor});
  const auto damage = find(params[3], SPA_PARAM_META_size);
  CHECK(damage->integer(2) == static_cast<std::int32_t>(32 * sizeof(spa_meta_region)));
  const auto cursor = find(params[4], SPA_PARAM_META_size);
  CHECK(cursor->integer(2) ==
        static_cast<std::int32_t>(sizeof(spa_meta_cursor) + sizeof(spa_meta_bitmap) + 1024 * 1024 * 4));
}

TEST_CASE("a foreign EnumFormat is listed format by format") {
  const PodPtr pod = ObjectBuilder(SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat)
                         .add_id(SPA_FORMAT_mediaType, SPA_MEDIA_TYPE_video)
                         .add_id(SPA_FORMAT_mediaSubtype, SPA_MEDIA_SUBTYPE_raw)
                         .add_id(SPA_FORMAT_VIDEO_format, SPA_VIDEO_FORMAT_YUY2)
                         .add_size_range(SPA_FORMAT_VIDEO_size, {640, 480}, {160, 120}, {1920, 1080})
                         .add_rate_range(SPA_FORMAT_VIDEO_framerate, {30, 1}, {5, 1}, {60, 1})
                         .finish();
  const auto formats = parse_offered_formats(pod.get());
  REQUIRE(formats.size() == 1);
  OfferedFormat wanted;
  wanted.format = PixelFormat::YUY2;
  wanted.min_size = {160, 120};
  wanted.max_size = {1920, 1080};
  wanted.max_rate = {60, 1};
  CHECK(formats[0] == wanted);
  CHECK(parse_offered_formats(nullptr).empty());
}
