#include "support/producer_answers.h"

#include "support/picture_format.h"

#include <spa/buffer/buffer.h>
#include <spa/buffer/meta.h>
#include <spa/param/format.h>
#include <spa/pod/pod.h>

#include <algorithm>
#include <iterator>

namespace zc::test {
namespace {

EnumFormat made_format(const ProducerOptions& options, PixelFormat format, Size size, bool dmabuf) {
  EnumFormat made;
  made.subtype = SPA_MEDIA_SUBTYPE_raw;
  made.formats = {picture_format(format).spa};
  made.size = size;
  if (dmabuf) {
    made.modifiers = options.modifiers;
    made.modifier_flags = SPA_POD_PROP_FLAG_MANDATORY;
    if (options.modifiers.size() > 1) made.modifier_flags |= SPA_POD_PROP_FLAG_DONT_FIXATE;
  }
  if (options.variable_rate) {
    made.rate = Rational{0, 1};
    made.max_rate = Choice<Rational>(options.rate, {1, 1}, options.rate);
  } else {
    made.rate = options.rate;
  }
  return made;
}

/// A size that all of them state: a screen's, not one of a camera's.
bool one_size(std::span<const EnumFormat> formats) {
  return std::ranges::all_of(formats, [&](const EnumFormat& f) {
    return f.size.alternatives.empty() && f.size.preferred == formats.front().size.preferred;
  });
}

}  // namespace

std::vector<EnumFormat> offered_formats(const ProducerOptions& options, std::span<const PixelFormat> formats,
                                        Size size) {
  std::vector<EnumFormat> offered;
  if (options.enum_formats.empty()) {
    for (const bool dmabuf : {true, false}) {
      if (options.memory == (dmabuf ? Memory::MemFd : Memory::DmaBuf)) continue;
      for (const PixelFormat format : formats) offered.push_back(made_format(options, format, size, dmabuf));
    }
    return offered;
  }
  std::ranges::copy_if(options.enum_formats, std::back_inserter(offered), [&](const EnumFormat& f) {
    return options.memory == Memory::Either || f.modifiers.empty() == (options.memory == Memory::MemFd);
  });
  if (!size.empty() && one_size(offered)) {
    for (EnumFormat& f : offered) {
      const bool fixed = f.size.range && f.size.range->first == f.size.range->second;
      if (fixed) f.size.range = std::pair(size, size);
      f.size.preferred = size;
    }
  }
  return offered;
}

std::vector<EnumFormat> fixated(std::span<const EnumFormat> all, std::uint64_t modifier) {
  std::vector<EnumFormat> some;
  for (const EnumFormat& format : all) {
    if (std::ranges::find(format.modifiers, modifier) == format.modifiers.end()) continue;
    some.push_back(format);
    some.back().modifiers = {modifier};
    some.back().modifier_flags = SPA_POD_PROP_FLAG_MANDATORY;
  }
  return some;
}

std::uint64_t choose_modifier(const ProducerOptions& options, std::span<const std::uint64_t> open) {
  const auto& ours = options.picks.empty() ? options.modifiers : options.picks;
  const auto chosen = std::ranges::find_first_of(ours, open);
  return chosen == ours.end() ? ours.front() : *chosen;
}

BuffersOffer offered_buffers(const ProducerOptions& options, bool dmabuf, std::size_t blocks) {
  const auto& recorded = dmabuf ? options.dmabuf_buffers : options.memory_buffers;
  BuffersOffer offer = recorded.value_or(BuffersOffer{});
  offer.blocks = static_cast<std::int32_t>(blocks);
  if (offer.data_types == 0) offer.data_types = 1U << (dmabuf ? SPA_DATA_DmaBuf : SPA_DATA_MemFd);
  return offer;
}

std::vector<MetaOffer> offered_metas(const ProducerOptions& options) {
  if (options.metas) return *options.metas;
  std::vector<MetaOffer> metas;
  const auto add = [&](std::uint32_t type, std::size_t bytes) {
    metas.push_back({type, static_cast<std::int32_t>(bytes)});
  };
  if (options.pts != PtsMode::NoHeader) add(SPA_META_Header, sizeof(spa_meta_header));
  if (!options.crop.empty()) add(SPA_META_VideoCrop, sizeof(spa_meta_region));
  if (options.transform != Transform::Normal) add(SPA_META_VideoTransform, sizeof(spa_meta_videotransform));
  if (!options.damage.empty()) add(SPA_META_VideoDamage, sizeof(spa_meta_region) * 16);
  if (options.cursor) {
    add(SPA_META_Cursor, sizeof(spa_meta_cursor) + sizeof(spa_meta_bitmap) + kPointerSize.area() * 4);
  }
  return metas;
}

}  // namespace zc::test
