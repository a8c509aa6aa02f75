// What a producer states to PipeWire, with SPA's own constants: its formats, buffers and metas.
#pragma once

#include "media/geometry.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace zc::test {

/// A value; or a default with limits; or a default that is the first of several.
template <class T>
struct Choice {
  T preferred{};
  std::optional<std::pair<T, T>> range;  ///< smallest and largest
  std::vector<T> alternatives;           ///< the default among them; empty: no enumeration
  Choice() = default;
  Choice(T value) : preferred(value) {}  // NOLINT(google-explicit-constructor): a plain value is a choice
  Choice(T value, T min, T max) : preferred(value), range(std::pair(min, max)) {}
  [[nodiscard]] bool plain() const { return !range && alternatives.empty(); }
};

/// One EnumFormat.
struct EnumFormat {
  std::uint32_t subtype = 0;           ///< SPA_MEDIA_SUBTYPE_*
  std::vector<std::uint32_t> formats;  ///< SPA_VIDEO_FORMAT_*, the default first; empty for coded pictures
  Choice<Size> size;
  std::optional<Choice<Rational>> rate, max_rate;
  std::vector<std::uint64_t> modifiers;  ///< the default first; empty: no such property, shared memory
  std::uint32_t modifier_flags = 0;      ///< SPA_POD_PROP_FLAG_*
  /// A further property whose values are Ids.
  struct Property {
    std::uint32_t key = 0;  ///< SPA_FORMAT_VIDEO_*
    Choice<std::uint32_t> values;
    std::uint32_t flags = 0;  ///< SPA_POD_PROP_FLAG_*
  };
  std::vector<Property> properties;
};

/// One Buffers param. Sizes and strides are those of the picture; here is whether they are stated.
struct BuffersOffer {
  Choice<std::int32_t> count{4, 2, 8};
  std::int32_t blocks = 1;
  bool size = true;
  bool stride = true;
  std::uint32_t data_types = 0;  ///< bits of SPA_DATA_*
};

/// One Meta param.
struct MetaOffer {
  std::uint32_t type = 0;  ///< SPA_META_*
  Choice<std::int32_t> size;
};

}  // namespace zc::test
