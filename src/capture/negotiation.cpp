#include "capture/negotiation.h"

#include "capture/spa_sync.h"
#include "media/frame.h"
#include "pipewire/spa_video_format.h"

#include <spa/buffer/buffer.h>
#include <spa/buffer/meta.h>
#include <spa/param/buffers.h>
#include <spa/param/format.h>
#include <spa/param/param.h>
#include <spa/param/video/color.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace zc {
namespace {

constexpr std::uint32_t kModifierFlags = SPA_POD_PROP_FLAG_MANDATORY | SPA_POD_PROP_FLAG_DONT_FIXATE;

/// From here on a rate is no limit but the absence of one: FormatOffer's default.
constexpr Rational kUnlimitedRate{1000, 1};

// std::ranges::contains is not in GCC 12.
template <class Range, class Value>
bool contains(const Range& range, const Value& value) {
  return std::ranges::find(range, value) != std::ranges::end(range);
}

bool below(Rational a, Rational b) { return std::uint64_t{a.num} * b.den < std::uint64_t{b.num} * a.den; }

/// The preferred value of a range must lie inside it.
Rational at_most(Rational rate, Rational limit) { return below(limit, rate) ? limit : rate; }

/// Everything of an EnumFormat but the modifier; keys in the order of the SPA examples, which some producers rely on.
void begin_format(ObjectBuilder& b, PixelFormat format) {
  b.add_id(SPA_FORMAT_mediaType, SPA_MEDIA_TYPE_video)
      .add_id(SPA_FORMAT_mediaSubtype, SPA_MEDIA_SUBTYPE_raw)
      .add_id(SPA_FORMAT_VIDEO_format, spa_video_format_of(format));
}

constexpr std::uint32_t subtype_of(CodedFormat format) {
  return format == CodedFormat::Mjpeg ? SPA_MEDIA_SUBTYPE_mjpg : SPA_MEDIA_SUBTYPE_h264;
}
std::optional<CodedFormat> coded_of(std::optional<std::uint32_t> subtype) {
  for (const CodedFormat format : {CodedFormat::Mjpeg, CodedFormat::H264}) {
    if (subtype == subtype_of(format)) return format;
  }
  return std::nullopt;
}

/// The rate that the source is limited to.
std::optional<Rational> limit_of(const FormatOffer& offer) {
  const bool real = !offer.rate && !offer.max_rate.zero() && below(offer.max_rate, kUnlimitedRate);
  return real ? std::optional(offer.max_rate) : std::nullopt;
}

void end_format(ObjectBuilder& b, const FormatOffer& offer, std::optional<Rational> limit) {
  const Size preferred{std::clamp(offer.preferred_size.width, 1U, kMaxEdgePx),
                       std::clamp(offer.preferred_size.height, 1U, kMaxEdgePx)};
  const Rational rate = at_most(offer.preferred_rate, limit.value_or(kUnlimitedRate));
  if (offer.size) {
    b.add_size(SPA_FORMAT_VIDEO_size, *offer.size);
  } else {
    b.add_size_range(SPA_FORMAT_VIDEO_size, preferred, {1, 1}, {kMaxEdgePx, kMaxEdgePx});
  }
  if (offer.rate) {
    b.add_rate(SPA_FORMAT_VIDEO_framerate, *offer.rate);
  } else {
    b.add_rate_range(SPA_FORMAT_VIDEO_framerate, rate, {0, 1}, kUnlimitedRate);
  }
  // No range: its ends would become the choice where the producer's own range is empty.
  if (limit) b.add_rate(SPA_FORMAT_VIDEO_maxFramerate, *limit);
}

/// One EnumFormat; without modifiers: in shared memory.
PodPtr make_format(const FormatOffer& offer, PixelFormat format, std::span<const std::uint64_t> modifiers,
                   std::optional<Rational> limit) {
  ObjectBuilder b(SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat);
  begin_format(b, format);
  if (!modifiers.empty()) b.add_long_enum(SPA_FORMAT_VIDEO_modifier, modifiers, kModifierFlags);
  end_format(b, offer, limit);
  return b.finish();
}

PodPtr make_coded_format(const FormatOffer& offer, CodedFormat format) {
  ObjectBuilder b(SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat);
  b.add_id(SPA_FORMAT_mediaType, SPA_MEDIA_TYPE_video).add_id(SPA_FORMAT_mediaSubtype, subtype_of(format));
  end_format(b, offer, std::nullopt);
  return b.finish();
}

template <class Ours>
struct Row {
  std::uint32_t spa;
  Ours ours;
};

constexpr std::array kRanges = {
    Row{SPA_VIDEO_COLOR_RANGE_0_255, ColourRange::Full},
    Row{SPA_VIDEO_COLOR_RANGE_16_235, ColourRange::Limited},
};
constexpr std::array kMatrices = {
    Row{SPA_VIDEO_COLOR_MATRIX_BT601, ColourMatrix::BT601},
    Row{SPA_VIDEO_COLOR_MATRIX_BT709, ColourMatrix::BT709},
    Row{SPA_VIDEO_COLOR_MATRIX_BT2020, ColourMatrix::BT2020},
};
constexpr std::array kPrimaries = {
    Row{SPA_VIDEO_COLOR_PRIMARIES_BT709, ColourPrimaries::BT709},
    Row{SPA_VIDEO_COLOR_PRIMARIES_BT470BG, ColourPrimaries::BT601},
    Row{SPA_VIDEO_COLOR_PRIMARIES_SMPTE170M, ColourPrimaries::BT601},
    Row{SPA_VIDEO_COLOR_PRIMARIES_BT2020, ColourPrimaries::BT2020},
};
// SPA's enumeration copies GStreamer's numbers; its 1.4 headers end at ADOBERGB (12), newer ones go on like GStreamer.
constexpr std::uint32_t kTransferBt2020Ten = 13;
constexpr std::uint32_t kTransferPq = 14;
constexpr std::uint32_t kTransferHlg = 15;
constexpr std::array kTransfers = {
    Row<TransferFunction>{SPA_VIDEO_TRANSFER_BT709, TransferFunction::BT709},
    Row<TransferFunction>{SPA_VIDEO_TRANSFER_SRGB, TransferFunction::SRGB},
    Row<TransferFunction>{SPA_VIDEO_TRANSFER_BT2020_12, TransferFunction::BT2020_10},  // the same curve, finer steps
    Row<TransferFunction>{kTransferBt2020Ten, TransferFunction::BT2020_10},
    Row<TransferFunction>{kTransferPq, TransferFunction::PQ},
    Row<TransferFunction>{kTransferHlg, TransferFunction::HLG},
};

template <class Table>
auto look_up(const Table& table, const std::optional<PodValues>& values) {
  using Ours = decltype(table.front().ours);
  const auto id = values ? values->id() : std::nullopt;
  if (!id) return Ours::Unknown;
  for (const auto& row : table) {
    if (row.spa == *id) return row.ours;
  }
  return Ours::Unknown;
}

ColourDescription read_colour(const ObjectReader& object) {
  return {look_up(kMatrices, object.find(SPA_FORMAT_VIDEO_colorMatrix)),
          look_up(kRanges, object.find(SPA_FORMAT_VIDEO_colorRange)),
          look_up(kPrimaries, object.find(SPA_FORMAT_VIDEO_colorPrimaries)),
          look_up(kTransfers, object.find(SPA_FORMAT_VIDEO_transferFunction))};
}

/// The modifier property. Still a choice, even of one, means that nobody has chosen yet: PipeWire does not go on to
/// allocate buffers before every property of the format is a plain value.
bool read_modifier(const PodValues& values, NegotiatedFormat& format) {
  format.modifier = values.longint();
  if (!format.modifier) return false;
  if (values.choice != SPA_CHOICE_Enum) return true;
  // The first value of a choice is its default, which the alternatives repeat.
  for (std::size_t i = values.count() > 1 ? 1 : 0; i < values.count(); ++i) {
    const std::uint64_t modifier = *values.longint(i);
    if (!contains(format.alternatives, modifier)) format.alternatives.push_back(modifier);
  }
  return true;
}

constexpr std::uint32_t kHeaderBytes = sizeof(spa_meta_header);
constexpr std::uint32_t kRegionBytes = sizeof(spa_meta_region);
constexpr auto kDamageRegions = static_cast<std::int32_t>(Damage::kMaxRects);

/// Bytes of a cursor meta with room for a bitmap of that edge.
constexpr std::int32_t cursor_bytes(std::int32_t edge) {
  return static_cast<std::int32_t>(sizeof(spa_meta_cursor) + sizeof(spa_meta_bitmap)) + edge * edge * 4;
}

PodPtr make_meta(std::uint32_t type, std::int32_t bytes) {
  ObjectBuilder b(SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta);
  b.add_id(SPA_PARAM_META_type, type).add_int(SPA_PARAM_META_size, bytes);
  return b.finish();
}

PodPtr make_meta(std::uint32_t type, std::int32_t preferred, std::int32_t min, std::int32_t max) {
  ObjectBuilder b(SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta);
  b.add_id(SPA_PARAM_META_type, type).add_int_range(SPA_PARAM_META_size, preferred, min, max);
  return b.finish();
}

PodPtr make_sync_meta() {
  ObjectBuilder b(SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta);
  b.add_id(SPA_PARAM_META_type, kSpaMetaSyncTimeline).add_int(SPA_PARAM_META_size, sizeof(SpaSyncTimeline));
#ifdef SPA_META_FEATURE_SYNC_TIMELINE_RELEASE
  // From PipeWire 1.6 on a consumer can say that it will signal the release, see kSpaUnscheduledRelease.
  b.add_int(SPA_PARAM_META_features, SPA_META_FEATURE_SYNC_TIMELINE_RELEASE, SPA_POD_PROP_FLAG_DROP);
#endif
  return b.finish();
}

}  // namespace

Result<std::vector<PodPtr>> make_format_params(const FormatOffer& offer, PodPtr fixated) {
  std::vector<PodPtr> params;
  if (fixated) params.push_back(std::move(fixated));
  const std::size_t before = params.size();
  const std::optional<Rational> limit = limit_of(offer);
  const auto add = [&](PixelFormat format, std::span<const std::uint64_t> modifiers) {
    if (spa_video_format_of(format) == 0) return;
    if (limit) params.push_back(make_format(offer, format, modifiers, limit));
    params.push_back(make_format(offer, format, modifiers, std::nullopt));
  };
  for (const FormatOffer::Entry& entry : offer.formats) {
    if (!entry.modifiers.empty()) add(entry.format, entry.modifiers);
  }
  for (const FormatOffer::Entry& entry : offer.formats) {
    if (offer.shared_memory) add(entry.format, {});
  }
  for (const CodedFormat format : offer.coded) params.push_back(make_coded_format(offer, format));
  if (params.size() == before) return fail(ErrorKind::Invalid, "offer formats to PipeWire", "there is none to offer");
  if (std::ranges::any_of(params, [](const PodPtr& p) { return p == nullptr; })) {
    return fail(ErrorKind::Internal, "offer formats to PipeWire", "out of memory");
  }
  return params;
}

Result<NegotiatedFormat> parse_format(const spa_pod* param) {
  const auto bad = [](ErrorKind kind, const char* why) { return fail(kind, "read the negotiated format", why); };
  const ObjectReader object(param);
  if (!object.is(SPA_TYPE_OBJECT_Format)) return bad(ErrorKind::Invalid, "it is not a format");
  const auto id = [&](std::uint32_t key) {
    const auto values = object.find(key);
    return values ? values->id() : std::nullopt;
  };
  const auto subtype = id(SPA_FORMAT_mediaSubtype);
  const auto coded = coded_of(subtype);
  if (id(SPA_FORMAT_mediaType) != SPA_MEDIA_TYPE_video || (subtype != SPA_MEDIA_SUBTYPE_raw && !coded)) {
    return bad(ErrorKind::Unsupported, "it is neither raw video nor MJPEG or H.264");
  }
  const auto pixel_format = pixel_format_from_spa(id(SPA_FORMAT_VIDEO_format).value_or(0));
  if (!pixel_format && !coded) return bad(ErrorKind::Unsupported, "its pixel format is unknown");
  const auto size = object.find(SPA_FORMAT_VIDEO_size);
  const Size px = size ? size->size().value_or(Size{}) : Size{};
  if (px.empty() || px.width > kMaxEdgePx || px.height > kMaxEdgePx) {
    return bad(ErrorKind::Invalid, "it has no usable picture size");
  }
  NegotiatedFormat format;
  format.format = pixel_format.value_or(PixelFormat::Unknown);
  format.coded = coded;
  format.size = px;
  const auto rate = [&](std::uint32_t key) {
    const auto values = object.find(key);
    const Rational r = values ? values->rate().value_or(Rational{}) : Rational{};
    return r.zero() ? Rational{} : r;
  };
  format.rate = rate(SPA_FORMAT_VIDEO_framerate);
  format.max_rate = rate(SPA_FORMAT_VIDEO_maxFramerate);
  format.colour = read_colour(object);
  if (coded) {
    format.format = PixelFormat::Unknown;
    return format;
  }
  if (const auto modifier = object.find(SPA_FORMAT_VIDEO_modifier)) {
    if (!read_modifier(*modifier, format)) return bad(ErrorKind::Invalid, "its modifier is malformed");
  }
  return format;
}

PodPtr make_fixation(const NegotiatedFormat& open, const FormatOffer& offer) {
  const auto entry = std::ranges::find_if(
      offer.formats, [&](const FormatOffer::Entry& e) { return e.format == open.format && !e.modifiers.empty(); });
  if (entry == offer.formats.end()) return nullptr;
  const auto ours =
      std::ranges::find_if(entry->modifiers, [&](std::uint64_t m) { return contains(open.alternatives, m); });
  if (ours == entry->modifiers.end()) return nullptr;
  ObjectBuilder b(SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat);
  begin_format(b, open.format);
  b.add_long(SPA_FORMAT_VIDEO_modifier, static_cast<std::int64_t>(*ours), SPA_POD_PROP_FLAG_MANDATORY);
  const std::optional<Rational> limit = limit_of(offer);
  end_format(b, offer, limit && open.max_rate == *limit ? limit : std::nullopt);
  return b.finish();
}

PodPtr make_buffers_param(const NegotiatedFormat& format, bool timelines) {
  // One buffer is being written, one is on its way, three may wait in a recording's mailbox, one is being read; a
  // mapping importer holds more, and a producer that wants more memory may have it.
  constexpr std::int32_t kPreferred = 6;
  constexpr std::int32_t kMin = 2;
  constexpr std::int32_t kMax = 16;
  const auto type = format.dmabuf() ? SPA_DATA_DmaBuf : SPA_DATA_MemFd;
  ObjectBuilder b(SPA_TYPE_OBJECT_ParamBuffers, SPA_PARAM_Buffers);
  b.add_int_range(SPA_PARAM_BUFFERS_buffers, kPreferred, kMin, kMax)
      .add_int_flags(SPA_PARAM_BUFFERS_dataType, 1 << type);
  if (timelines) b.add_int(kSpaBuffersMetaType, 1 << kSpaMetaSyncTimeline, SPA_POD_PROP_FLAG_MANDATORY);
  return b.finish();
}

std::vector<PodPtr> make_meta_params(bool timelines) {
  std::vector<PodPtr> params;
  params.push_back(make_meta(SPA_META_Header, kHeaderBytes));
  params.push_back(make_meta(SPA_META_VideoCrop, kRegionBytes));
  params.push_back(make_meta(SPA_META_VideoTransform, sizeof(spa_meta_videotransform)));
  params.push_back(
      make_meta(SPA_META_VideoDamage, kRegionBytes * kDamageRegions, kRegionBytes, kRegionBytes * kDamageRegions));
  // Compositors ask for the size of their largest cursor (mutter 384, kwin 256 and more with a scale): below that the
  // meta is not negotiated at all.
  params.push_back(make_meta(SPA_META_Cursor, cursor_bytes(64), cursor_bytes(1), cursor_bytes(1024)));
  if (timelines) params.push_back(make_sync_meta());
  std::erase(params, nullptr);
  return params;
}

std::vector<OfferedFormat> parse_offered_formats(const spa_pod* param) {
  std::vector<OfferedFormat> formats;
  const ObjectReader object(param);
  if (!object.is(SPA_TYPE_OBJECT_Format)) return formats;
  const auto subtype = object.find(SPA_FORMAT_mediaSubtype);
  const auto ids = object.find(SPA_FORMAT_VIDEO_format);
  OfferedFormat common;
  if (subtype) common.coded = coded_of(subtype->id());
  const bool raw = subtype && subtype->id() == SPA_MEDIA_SUBTYPE_raw && ids;
  if (!raw && !common.coded) return formats;
  if (const auto modifier = object.find(SPA_FORMAT_VIDEO_modifier)) {
    common.dmabuf = true;
    common.modifier = modifier->longint();
  }
  if (const auto sizes = object.find(SPA_FORMAT_VIDEO_size)) {
    const bool range = sizes->choice == SPA_CHOICE_Range || sizes->choice == SPA_CHOICE_Step;
    for (std::size_t i = range ? 1 : 0; i < (range ? std::min<std::size_t>(3, sizes->count()) : sizes->count()); ++i) {
      const Size size = sizes->size(i).value_or(Size{});
      if (size.empty()) continue;
      if (!range && std::ranges::find(common.sizes, size) == common.sizes.end()) common.sizes.push_back(size);
      if (common.min_size.empty() || size.area() < common.min_size.area()) common.min_size = size;
      if (size.area() > common.max_size.area()) common.max_size = size;
    }
  }
  for (const std::uint32_t key : {SPA_FORMAT_VIDEO_framerate, SPA_FORMAT_VIDEO_maxFramerate}) {
    const auto rates = object.find(key);
    const bool list = rates && (rates->choice == SPA_CHOICE_None || rates->choice == SPA_CHOICE_Enum);
    for (std::size_t i = 0; rates && i < rates->count(); ++i) {
      const Rational rate = rates->rate(i).value_or(Rational{});
      const bool stated = list && key == SPA_FORMAT_VIDEO_framerate && !rate.zero();
      if (stated && std::ranges::find(common.rates, rate) == common.rates.end()) common.rates.push_back(rate);
      if (!rate.zero() && (common.max_rate.zero() || below(common.max_rate, rate))) common.max_rate = rate;
    }
  }
  if (common.coded) return {common};
  for (std::size_t i = 0; i < ids->count(); ++i) {
    const auto format = pixel_format_from_spa(ids->id(i).value_or(0));
    const auto same = [&](const OfferedFormat& f) { return f.format == format; };
    if (!format || std::ranges::any_of(formats, same)) continue;
    common.format = *format;
    formats.push_back(common);
  }
  return formats;
}

}  // namespace zc
