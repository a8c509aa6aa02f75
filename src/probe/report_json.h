// Types with fields() as JSON and back. Keys keep the order of the fields.
#pragma once

#include "probe/report.h"

#include <concepts>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace zc::probe {

using Json = nlohmann::ordered_json;

template <class T>
concept Described = requires { T::fields(); };
template <class T>
concept Plain = !Described<T> && (std::is_arithmetic_v<T> || std::same_as<T, std::string>);

template <Plain T>
[[nodiscard]] Json write_json(const T& value) {
  return Json(value);
}
template <Described T>
[[nodiscard]] Json write_json(const T& value);
template <class T>
[[nodiscard]] Json write_json(const std::optional<T>& value);

template <class T>
[[nodiscard]] Json write_json(const std::vector<T>& values) {
  Json json = Json::array();
  for (const T& value : values) json.push_back(write_json(value));
  return json;
}
/// null for one that is not there.
template <class T>
[[nodiscard]] Json write_json(const std::optional<T>& value) {
  return value ? write_json(*value) : Json(nullptr);
}
template <Described T>
[[nodiscard]] Json write_json(const T& value) {
  Json json = Json::object();
  std::apply([&](const auto&... field) { ((json[std::string(field.key)] = write_json(value.*field.member)), ...); },
             T::fields());
  return json;
}

template <Plain T>
void read_json(const Json& json, T& value) {
  json.get_to(value);
}
template <Described T>
void read_json(const Json& json, T& value);
template <class T>
void read_json(const Json& json, std::optional<T>& value);

template <class T>
void read_json(const Json& json, std::vector<T>& values) {
  values.clear();
  for (const Json& item : json) read_json(item, values.emplace_back());
}
template <class T>
void read_json(const Json& json, std::optional<T>& value) {
  value.reset();
  if (!json.is_null()) read_json(json, value.emplace());
}
/// Keys that are missing leave their members as they are, unknown ones are ignored. Throws nlohmann::json::exception
/// where a value is of another type.
template <Described T>
void read_json(const Json& json, T& value) {
  if (!json.is_object()) throw Json::type_error::create(302, "an object is expected", &json);
  const auto read = [&](const auto& field) {
    const auto found = json.find(std::string(field.key));
    if (found != json.end()) read_json(*found, value.*field.member);
  };
  std::apply([&](const auto&... field) { (read(field), ...); }, T::fields());
}

/// One line; what is no UTF-8 (names come from drivers) is replaced.
[[nodiscard]] inline std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace zc::probe
