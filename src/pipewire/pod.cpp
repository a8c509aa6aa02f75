#include "pipewire/pod.h"

#include <spa/pod/dynamic.h>
#include <spa/utils/type.h>

#include <cstring>
#include <type_traits>

namespace zc {
namespace {

constexpr std::uint32_t kGrowBytes = 4096;

spa_rectangle to_spa(Size size) { return {size.width, size.height}; }
spa_fraction to_spa(Rational rate) { return {rate.num, rate.den}; }

/// A copy of the object at `offset` of `bytes`; the caller has checked the length.
template <class T>
T load(std::span<const std::byte> bytes, std::size_t offset = 0) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <class T>
std::optional<T> value_at(const PodValues& values, std::uint32_t type, std::size_t index) {
  if (values.type != type || values.value_bytes < sizeof(T) || index >= values.count()) return std::nullopt;
  return load<T>(values.bytes, index * values.value_bytes);
}

/// Splits a property's value into its alternatives.
std::optional<PodValues> read_values(std::uint32_t flags, const spa_pod& head, std::span<const std::byte> body) {
  PodValues values;
  values.flags = flags;
  if (head.type != SPA_TYPE_Choice) {
    values.choice = SPA_CHOICE_None;
    values.type = head.type;
    values.value_bytes = head.size;
    values.bytes = body;
    return values;
  }
  if (body.size() < sizeof(spa_pod_choice_body)) return std::nullopt;
  const auto choice = load<spa_pod_choice_body>(body);
  if (choice.child.size == 0) return std::nullopt;
  values.choice = choice.type;
  values.type = choice.child.type;
  values.value_bytes = choice.child.size;
  values.bytes = body.subspan(sizeof(spa_pod_choice_body));
  if (values.count() == 0) return std::nullopt;
  const std::size_t used = choice.type == SPA_CHOICE_None ? 1 : values.count();
  values.bytes = values.bytes.first(used * values.value_bytes);
  return values;
}

constexpr std::size_t padded(std::size_t bytes) { return (bytes + 7) & ~std::size_t{7}; }

}  // namespace

struct ObjectBuilder::State {
  spa_pod_dynamic_builder dynamic{};
  spa_pod_frame frame{};
};

ObjectBuilder::ObjectBuilder(std::uint32_t object_type, std::uint32_t id) : state_(std::make_unique<State>()) {
  spa_pod_dynamic_builder_init(&state_->dynamic, nullptr, 0, kGrowBytes);
  spa_pod_builder_push_object(&state_->dynamic.b, &state_->frame, object_type, id);
}

ObjectBuilder::ObjectBuilder(ObjectBuilder&&) noexcept = default;

ObjectBuilder::~ObjectBuilder() {
  if (state_) spa_pod_dynamic_builder_clean(&state_->dynamic);
}

ObjectBuilder& ObjectBuilder::add_id(std::uint32_t key, std::uint32_t value) {
  spa_pod_builder_prop(&state_->dynamic.b, key, 0);
  spa_pod_builder_id(&state_->dynamic.b, value);
  return *this;
}

ObjectBuilder& ObjectBuilder::add_int(std::uint32_t key, std::int32_t value) { return add_int(key, value, 0); }

ObjectBuilder& ObjectBuilder::add_int(std::uint32_t key, std::int32_t value, std::uint32_t prop_flags) {
  spa_pod_builder_prop(&state_->dynamic.b, key, prop_flags);
  spa_pod_builder_int(&state_->dynamic.b, value);
  return *this;
}

ObjectBuilder& ObjectBuilder::add_int_range(std::uint32_t key, std::int32_t preferred, std::int32_t min,
                                            std::int32_t max) {
  spa_pod_builder* b = &state_->dynamic.b;
  spa_pod_frame choice{};
  spa_pod_builder_prop(b, key, 0);
  spa_pod_builder_push_choice(b, &choice, SPA_CHOICE_Range, 0);
  for (const std::int32_t value : {preferred, min, max}) spa_pod_builder_int(b, value);
  spa_pod_builder_pop(b, &choice);
  return *this;
}

ObjectBuilder& ObjectBuilder::add_int_flags(std::uint32_t key, std::int32_t flags) {
  spa_pod_builder* b = &state_->dynamic.b;
  spa_pod_frame choice{};
  spa_pod_builder_prop(b, key, 0);
  spa_pod_builder_push_choice(b, &choice, SPA_CHOICE_Flags, 0);
  spa_pod_builder_int(b, flags);
  spa_pod_builder_pop(b, &choice);
  return *this;
}

ObjectBuilder& ObjectBuilder::add_long(std::uint32_t key, std::int64_t value, std::uint32_t prop_flags) {
  spa_pod_builder_prop(&state_->dynamic.b, key, prop_flags);
  spa_pod_builder_long(&state_->dynamic.b, value);
  return *this;
}

ObjectBuilder& ObjectBuilder::add_long_enum(std::uint32_t key, std::span<const std::uint64_t> values,
                                            std::uint32_t prop_flags) {
  spa_pod_builder* b = &state_->dynamic.b;
  spa_pod_frame choice{};
  spa_pod_builder_prop(b, key, prop_flags);
  spa_pod_builder_push_choice(b, &choice, SPA_CHOICE_Enum, 0);
  spa_pod_builder_long(b, static_cast<std::int64_t>(values.front()));  // the default, then all alternatives
  for (const std::uint64_t value : values) spa_pod_builder_long(b, static_cast<std::int64_t>(value));
  spa_pod_builder_pop(b, &choice);
  return *this;
}

ObjectBuilder& ObjectBuilder::add_size(std::uint32_t key, Size value) {
  spa_pod_builder_prop(&state_->dynamic.b, key, 0);
  spa_pod_builder_rectangle(&state_->dynamic.b, value.width, value.height);
  return *this;
}

ObjectBuilder& ObjectBuilder::add_size_range(std::uint32_t key, Size preferred, Size min, Size max) {
  spa_pod_builder* b = &state_->dynamic.b;
  spa_pod_frame choice{};
  spa_pod_builder_prop(b, key, 0);
  spa_pod_builder_push_choice(b, &choice, SPA_CHOICE_Range, 0);
  for (const Size size : {preferred, min, max}) {
    const spa_rectangle value = to_spa(size);
    spa_pod_builder_rectangle(b, value.width, value.height);
  }
  spa_pod_builder_pop(b, &choice);
  return *this;
}

ObjectBuilder& ObjectBuilder::add_rate(std::uint32_t key, Rational value) {
  spa_pod_builder_prop(&state_->dynamic.b, key, 0);
  spa_pod_builder_fraction(&state_->dynamic.b, value.num, value.den);
  return *this;
}

ObjectBuilder& ObjectBuilder::add_rate_range(std::uint32_t key, Rational preferred, Rational min, Rational max) {
  spa_pod_builder* b = &state_->dynamic.b;
  spa_pod_frame choice{};
  spa_pod_builder_prop(b, key, 0);
  spa_pod_builder_push_choice(b, &choice, SPA_CHOICE_Range, 0);
  for (const Rational rate : {preferred, min, max}) {
    const spa_fraction value = to_spa(rate);
    spa_pod_builder_fraction(b, value.num, value.denom);
  }
  spa_pod_builder_pop(b, &choice);
  return *this;
}

PodPtr ObjectBuilder::finish() {
  const auto* object = static_cast<const spa_pod*>(spa_pod_builder_pop(&state_->dynamic.b, &state_->frame));
  return PodPtr(object == nullptr ? nullptr : spa_pod_copy(object));
}

std::optional<std::uint32_t> PodValues::id(std::size_t index) const {
  return value_at<std::uint32_t>(*this, SPA_TYPE_Id, index);
}

std::optional<std::int32_t> PodValues::integer(std::size_t index) const {
  return value_at<std::int32_t>(*this, SPA_TYPE_Int, index);
}

std::optional<std::uint64_t> PodValues::longint(std::size_t index) const {
  return value_at<std::uint64_t>(*this, SPA_TYPE_Long, index);
}

std::optional<double> PodValues::number(std::size_t index) const {
  const auto plain = [](const auto& value) { return value ? std::optional<double>(*value) : std::nullopt; };
  switch (type) {
    case SPA_TYPE_Bool: return plain(value_at<std::int32_t>(*this, SPA_TYPE_Bool, index));
    case SPA_TYPE_Int: return plain(integer(index));
    case SPA_TYPE_Long: return plain(value_at<std::int64_t>(*this, SPA_TYPE_Long, index));
    case SPA_TYPE_Float: return plain(value_at<float>(*this, SPA_TYPE_Float, index));
    case SPA_TYPE_Double: return plain(value_at<double>(*this, SPA_TYPE_Double, index));
    default: return std::nullopt;
  }
}

std::string_view PodValues::text() const {
  if (type != SPA_TYPE_String) return {};
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return all.substr(0, all.find('\0'));
}

std::optional<Size> PodValues::size(std::size_t index) const {
  const auto value = value_at<spa_rectangle>(*this, SPA_TYPE_Rectangle, index);
  return value ? std::optional(Size{value->width, value->height}) : std::nullopt;
}

std::optional<Rational> PodValues::rate(std::size_t index) const {
  const auto value = value_at<spa_fraction>(*this, SPA_TYPE_Fraction, index);
  return value ? std::optional(Rational{value->num, value->denom}) : std::nullopt;
}

ObjectReader::ObjectReader(const spa_pod* pod) {
  if (pod == nullptr || pod->type != SPA_TYPE_Object || pod->size < sizeof(spa_pod_object_body)) return;
  const std::span body(reinterpret_cast<const std::byte*>(pod) + sizeof(spa_pod), pod->size);
  type_ = load<spa_pod_object_body>(body).type;
  properties_ = body.subspan(sizeof(spa_pod_object_body));
  valid_ = true;
}

std::optional<PodValues> ObjectReader::find(std::uint32_t key) const {
  constexpr std::size_t kHead = sizeof(spa_pod_prop);  // key, flags and the value's own head
  for (std::span<const std::byte> rest = properties_; rest.size() >= kHead;) {
    const auto prop = load<spa_pod_prop>(rest);
    if (prop.value.size > rest.size() - kHead) return std::nullopt;
    if (prop.key == key) return read_values(prop.flags, prop.value, rest.subspan(kHead, prop.value.size));
    const std::size_t step = padded(kHead + prop.value.size);
    if (step >= rest.size()) break;
    rest = rest.subspan(step);
  }
  return std::nullopt;
}

}  // namespace zc
