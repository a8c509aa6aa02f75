// SPA PODs: owned ones, a builder that grows, and a reader that trusts nothing inside.
#pragma once

#include "media/geometry.h"

#include <spa/pod/builder.h>
#include <spa/pod/pod.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace zc {

struct FreeDeleter {
  void operator()(void* memory) const noexcept { std::free(memory); }  // NOLINT(cppcoreguidelines-no-malloc): SPA's
};
using PodPtr = std::unique_ptr<spa_pod, FreeDeleter>;

/// Builds one object POD of any size: a list of modifiers alone can outgrow the fixed buffers of the SPA examples.
class ObjectBuilder {
 public:
  ObjectBuilder(std::uint32_t object_type, std::uint32_t id);
  ~ObjectBuilder();
  ObjectBuilder(ObjectBuilder&&) noexcept;
  ObjectBuilder& operator=(ObjectBuilder&&) = delete;
  ObjectBuilder(const ObjectBuilder&) = delete;
  ObjectBuilder& operator=(const ObjectBuilder&) = delete;

  ObjectBuilder& add_id(std::uint32_t key, std::uint32_t value);
  ObjectBuilder& add_int(std::uint32_t key, std::int32_t value);
  ObjectBuilder& add_int(std::uint32_t key, std::int32_t value, std::uint32_t prop_flags);
  ObjectBuilder& add_int_range(std::uint32_t key, std::int32_t preferred, std::int32_t min, std::int32_t max);
  ObjectBuilder& add_int_flags(std::uint32_t key, std::int32_t flags);
  ObjectBuilder& add_long(std::uint32_t key, std::int64_t value, std::uint32_t prop_flags);
  /// An enumeration: the first value is the preferred one. `values` must not be empty.
  ObjectBuilder& add_long_enum(std::uint32_t key, std::span<const std::uint64_t> values, std::uint32_t prop_flags);
  ObjectBuilder& add_size(std::uint32_t key, Size value);
  ObjectBuilder& add_size_range(std::uint32_t key, Size preferred, Size min, Size max);
  ObjectBuilder& add_rate(std::uint32_t key, Rational value);
  ObjectBuilder& add_rate_range(std::uint32_t key, Rational preferred, Rational min, Rational max);

  /// The finished object; nullptr only when memory ran out. The builder is spent.
  [[nodiscard]] PodPtr finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A property's values: a plain value is a choice of one. Every span lies inside the POD it was read from.
struct PodValues {
  std::uint32_t flags = 0;   ///< SPA_POD_PROP_FLAG_*
  std::uint32_t choice = 0;  ///< SPA_CHOICE_*; None for a plain value
  std::uint32_t type = 0;    ///< SPA_TYPE_* of each value
  std::uint32_t value_bytes = 0;
  std::span<const std::byte> bytes;  ///< the values one after another; a choice's first one is its default

  [[nodiscard]] std::size_t count() const { return value_bytes == 0 ? 0 : bytes.size() / value_bytes; }
  /// Value `index` (0: the value, or a choice's default) when it has that type.
  [[nodiscard]] std::optional<std::uint32_t> id(std::size_t index = 0) const;
  [[nodiscard]] std::optional<std::int32_t> integer(std::size_t index = 0) const;
  [[nodiscard]] std::optional<std::uint64_t> longint(std::size_t index = 0) const;
  /// Any number or truth value.
  [[nodiscard]] std::optional<double> number(std::size_t index = 0) const;
  /// A text, up to its end or the POD's.
  [[nodiscard]] std::string_view text() const;
  [[nodiscard]] std::optional<Size> size(std::size_t index = 0) const;
  [[nodiscard]] std::optional<Rational> rate(std::size_t index = 0) const;
};

/// Walks an object's properties with every length checked against the object's own. The object itself must lie in
/// readable memory of SPA_POD_SIZE bytes, 8-byte aligned, as PipeWire hands it out.
class ObjectReader {
 public:
  /// `pod` may be null or of any type: then there is nothing to find.
  explicit ObjectReader(const spa_pod* pod);
  [[nodiscard]] bool is(std::uint32_t object_type) const { return valid_ && type_ == object_type; }
  /// nullopt when absent or malformed.
  [[nodiscard]] std::optional<PodValues> find(std::uint32_t key) const;

 private:
  bool valid_ = false;
  std::uint32_t type_ = 0;
  std::span<const std::byte> properties_;
};

}  // namespace zc
