#include "support/producer_pods.h"

#include "support/producer_spa.h"

#include <spa/param/format-utils.h>
#include <spa/param/param.h>
#include <spa/param/video/format-utils.h>
#include <spa/pod/builder.h>
#include <spa/pod/dynamic.h>
#include <spa/pod/iter.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace zc::test {
namespace {

/// One object while it is built.
class Builder {
 public:
  Builder(std::uint32_t type, std::uint32_t id) {
    spa_pod_dynamic_builder_init(&dynamic_, nullptr, 0, 4096);
    spa_pod_builder_push_object(b(), &object_, type, id);
  }
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;
  ~Builder() { spa_pod_dynamic_builder_clean(&dynamic_); }

  void id(std::uint32_t key, std::uint32_t value) {
    spa_pod_builder_prop(b(), key, 0);
    spa_pod_builder_id(b(), value);
  }
  void integer(std::uint32_t key, std::int32_t value, std::uint32_t flags = 0) {
    spa_pod_builder_prop(b(), key, flags);
    spa_pod_builder_int(b(), value);
  }
  void int_flags(std::uint32_t key, std::int32_t value) {
    spa_pod_frame frame{};
    spa_pod_builder_prop(b(), key, 0);
    spa_pod_builder_push_choice(b(), &frame, SPA_CHOICE_Flags, 0);
    spa_pod_builder_int(b(), value);
    spa_pod_builder_pop(b(), &frame);
  }
  template <class T>
  void choice(std::uint32_t key, const Choice<T>& choice, std::uint32_t flags = 0) {
    spa_pod_builder_prop(b(), key, flags);
    if (choice.plain()) return put(choice.preferred);
    spa_pod_frame frame{};
    spa_pod_builder_push_choice(b(), &frame, choice.range ? SPA_CHOICE_Range : SPA_CHOICE_Enum, 0);
    put(choice.preferred);
    if (choice.range) {
      put(choice.range->first);
      put(choice.range->second);
    }
    for (const T& value : choice.alternatives) put(value);
    spa_pod_builder_pop(b(), &frame);
  }
  Pod finish() { return Pod(*static_cast<spa_pod*>(spa_pod_builder_pop(b(), &object_))); }

 private:
  spa_pod_builder* b() { return &dynamic_.b; }
  void put(std::uint32_t id) { spa_pod_builder_id(b(), id); }
  void put(std::int32_t value) { spa_pod_builder_int(b(), value); }
  void put(std::uint64_t value) { spa_pod_builder_long(b(), static_cast<std::int64_t>(value)); }
  void put(Size s) { spa_pod_builder_rectangle(b(), s.width, s.height); }
  void put(Rational r) { spa_pod_builder_fraction(b(), r.num, r.den); }

  spa_pod_dynamic_builder dynamic_{};
  spa_pod_frame object_{};
};

template <class T>
Choice<T> any_of(const std::vector<T>& values) {
  Choice<T> choice(values.front());
  choice.alternatives = values;
  return choice;
}

}  // namespace

Pod::Pod(const spa_pod& pod) : words_((SPA_POD_SIZE(&pod) + 7) / 8) {
  std::memcpy(words_.data(), &pod, SPA_POD_SIZE(&pod));
}
const spa_pod* Pod::get() const { return reinterpret_cast<const spa_pod*>(words_.data()); }

std::vector<const spa_pod*> pointers(std::span<const Pod> pods) {
  std::vector<const spa_pod*> plain;
  std::ranges::transform(pods, std::back_inserter(plain), &Pod::get);
  return plain;
}

Pod format_pod(const EnumFormat& format) {
  Builder b(SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat);
  b.id(SPA_FORMAT_mediaType, SPA_MEDIA_TYPE_video);
  b.id(SPA_FORMAT_mediaSubtype, format.subtype);
  if (format.formats.size() == 1) {
    b.id(SPA_FORMAT_VIDEO_format, format.formats.front());
  } else if (!format.formats.empty()) {
    b.choice(SPA_FORMAT_VIDEO_format, any_of(format.formats));
  }
  if (!format.modifiers.empty()) {
    const bool list = format.modifiers.size() > 1 || (format.modifier_flags & SPA_POD_PROP_FLAG_DONT_FIXATE) != 0;
    b.choice(SPA_FORMAT_VIDEO_modifier, list ? any_of(format.modifiers) : Choice(format.modifiers.front()),
             format.modifier_flags);
  }
  b.choice(SPA_FORMAT_VIDEO_size, format.size);
  if (format.rate) b.choice(SPA_FORMAT_VIDEO_framerate, *format.rate);
  if (format.max_rate) b.choice(SPA_FORMAT_VIDEO_maxFramerate, *format.max_rate);
  for (const auto& [key, values, flags] : format.properties) b.choice(key, values, flags);
  return b.finish();
}

Pod buffers_pod(const BuffersOffer& offer, std::uint64_t bytes, std::uint32_t stride, std::uint32_t sync_blocks) {
  Builder b(SPA_TYPE_OBJECT_ParamBuffers, SPA_PARAM_Buffers);
  b.choice(SPA_PARAM_BUFFERS_buffers, offer.count);
  b.integer(SPA_PARAM_BUFFERS_blocks, offer.blocks + static_cast<std::int32_t>(sync_blocks));
  if (offer.size) b.integer(SPA_PARAM_BUFFERS_size, static_cast<std::int32_t>(bytes));
  if (offer.stride) b.integer(SPA_PARAM_BUFFERS_stride, static_cast<std::int32_t>(stride));
  b.int_flags(SPA_PARAM_BUFFERS_dataType, static_cast<std::int32_t>(offer.data_types));
  if (sync_blocks != 0) b.integer(kBuffersMetaType, 1 << kMetaSyncTimeline, SPA_POD_PROP_FLAG_MANDATORY);
  return b.finish();
}

Pod meta_pod(const MetaOffer& offer) {
  Builder b(SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta);
  b.id(SPA_PARAM_META_type, offer.type);
  b.choice(SPA_PARAM_META_size, offer.size);
  return b.finish();
}

AgreedFormat read_format(const spa_pod& param) {
  AgreedFormat agreed;
  std::uint32_t type = 0;
  if (spa_format_parse(&param, &type, &agreed.subtype) < 0 || type != SPA_MEDIA_TYPE_video) return agreed;
  if (agreed.subtype == SPA_MEDIA_SUBTYPE_mjpg) {
    spa_video_info_mjpg info{};
    if (spa_format_video_mjpg_parse(&param, &info) < 0) return agreed;
    agreed.size = {info.size.width, info.size.height};
    return agreed;
  }
  if (agreed.subtype == SPA_MEDIA_SUBTYPE_h264) {
    spa_video_info_h264 info{};
    if (spa_format_video_h264_parse(&param, &info) < 0) return agreed;
    agreed.size = {info.size.width, info.size.height};
    return agreed;
  }
  spa_video_info_raw info{};
  if (agreed.subtype != SPA_MEDIA_SUBTYPE_raw || spa_format_video_raw_parse(&param, &info) < 0) return agreed;
  agreed.format = info.format;
  agreed.size = {info.size.width, info.size.height};
  const spa_pod_prop* modifier = spa_pod_find_prop(&param, nullptr, SPA_FORMAT_VIDEO_modifier);
  if (modifier == nullptr) return agreed;
  std::uint32_t count = 0;
  std::uint32_t choice = SPA_CHOICE_None;
  const spa_pod* values = spa_pod_get_values(&modifier->value, &count, &choice);
  if (values->type != SPA_TYPE_Long || values->size != sizeof(std::uint64_t)) return agreed;
  const auto* longs = static_cast<const std::uint64_t*>(SPA_POD_BODY_CONST(values));
  std::set<std::uint64_t> seen;  // a choice states its default twice
  for (std::uint32_t i = 0; i < (choice == SPA_CHOICE_None ? 1 : count); ++i) {
    if (seen.insert(longs[i]).second) agreed.modifiers.push_back(longs[i]);
  }
  agreed.open = choice == SPA_CHOICE_Enum && (modifier->flags & SPA_POD_PROP_FLAG_DONT_FIXATE) != 0;
  return agreed;
}

}  // namespace zc::test
