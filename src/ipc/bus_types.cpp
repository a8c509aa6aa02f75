#include "ipc/bus_types.h"

#include "base/quote.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

namespace zc::bus {
namespace {

constexpr std::size_t kMostSettings = 128;
constexpr std::size_t kMostTexts = 64;
constexpr std::size_t kLongestText = 4096;

std::unexpected<Error> invalid(std::string operation, std::string detail) {
  return fail(ErrorKind::Invalid, std::move(operation), std::move(detail));
}

std::unexpected<Error> malformed(int r) { return fail_errno(-r, "read the options"); }

template <class T>
std::optional<SettingValue> read_integer(sd_bus_message* message, char type) {
  T value{};
  if (sd_bus_message_read_basic(message, type, &value) < 0 || !std::in_range<std::int64_t>(value)) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

std::optional<SettingValue> read_text(sd_bus_message* message) {
  const char* text = nullptr;
  if (sd_bus_message_read_basic(message, 's', static_cast<void*>(&text)) < 0) return std::nullopt;
  std::string copy(text);
  if (copy.size() > kLongestText) return std::nullopt;
  return copy;
}

std::optional<SettingValue> read_texts(sd_bus_message* message) {
  std::vector<std::string> texts;
  if (sd_bus_message_enter_container(message, 'a', "s") < 0) return std::nullopt;
  const char* text = nullptr;
  while (sd_bus_message_read_basic(message, 's', static_cast<void*>(&text)) > 0) {
    texts.emplace_back(text);
    if (texts.size() > kMostTexts || texts.back().size() > kLongestText) return std::nullopt;
  }
  if (sd_bus_message_exit_container(message) < 0) return std::nullopt;
  return texts;
}

struct TypeRow {
  std::string_view signature;
  std::optional<SettingValue> (*read)(sd_bus_message* message);
};
constexpr std::array kTypes{
    TypeRow{"b",
            [](sd_bus_message* m) -> std::optional<SettingValue> {
              int on = 0;
              if (sd_bus_message_read_basic(m, 'b', &on) < 0) return std::nullopt;
              return on != 0;
            }},
    TypeRow{"y", [](sd_bus_message* m) { return read_integer<std::uint8_t>(m, 'y'); }},
    TypeRow{"n", [](sd_bus_message* m) { return read_integer<std::int16_t>(m, 'n'); }},
    TypeRow{"q", [](sd_bus_message* m) { return read_integer<std::uint16_t>(m, 'q'); }},
    TypeRow{"i", [](sd_bus_message* m) { return read_integer<std::int32_t>(m, 'i'); }},
    TypeRow{"u", [](sd_bus_message* m) { return read_integer<std::uint32_t>(m, 'u'); }},
    TypeRow{"x", [](sd_bus_message* m) { return read_integer<std::int64_t>(m, 'x'); }},
    TypeRow{"t", [](sd_bus_message* m) { return read_integer<std::uint64_t>(m, 't'); }},
    TypeRow{"d",
            [](sd_bus_message* m) -> std::optional<SettingValue> {
              double real = 0;
              if (sd_bus_message_read_basic(m, 'd', &real) < 0) return std::nullopt;
              return real;
            }},
    TypeRow{"s", read_text},
    TypeRow{"as", read_texts},
};

Result<SettingValue> read_variant(sd_bus_message* message, const std::string& name) {
  char type = 0;
  const char* contents = nullptr;
  if (const int r = sd_bus_message_peek_type(message, &type, &contents); r < 0) return malformed(r);
  const std::string signature = contents == nullptr ? "" : contents;
  const auto* const known = std::ranges::find(kTypes, std::string_view(signature), &TypeRow::signature);
  if (known == kTypes.end()) {
    return invalid(in_quotes(name), fmt::format("its type is {}; options are b, x, d, s or as", in_quotes(signature)));
  }
  if (const int r = sd_bus_message_enter_container(message, 'v', signature.c_str()); r < 0) return malformed(r);
  auto value = known->read(message);
  const auto* real = value ? std::get_if<double>(&*value) : nullptr;
  if (real != nullptr && !std::isfinite(*real)) return invalid(in_quotes(name), "its value is not a number");
  if (!value) return invalid(in_quotes(name), "its value is too large");
  if (const int r = sd_bus_message_exit_container(message); r < 0) return malformed(r);
  return *std::move(value);
}

/// Whether `text` is what D-Bus allows in a string: UTF-8 without NUL.
bool is_good_text(const std::string& text) {
  if (text.find('\0') != std::string::npos) return false;
  try {
    static_cast<void>(nlohmann::json(text).dump());
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

int append_named(sd_bus_message* message, std::string_view name, const SettingValue& value) {
  if (const int r = sd_bus_message_open_container(message, 'e', "sv"); r < 0) return r;
  if (const int r = append_text(message, name); r < 0) return r;
  if (const int r = append_variant(message, value); r < 0) return r;
  return sd_bus_message_close_container(message);
}

}  // namespace

MessagePtr keep(sd_bus_message* message) { return MessagePtr(sd_bus_message_ref(message)); }

Result<std::vector<Setting>> read_settings(sd_bus_message* message) {
  std::vector<Setting> settings;
  if (const int r = sd_bus_message_enter_container(message, 'a', "{sv}"); r < 0) return malformed(r);
  while (true) {
    const int entered = sd_bus_message_enter_container(message, 'e', "sv");
    if (entered < 0) return malformed(entered);
    if (entered == 0) break;
    const char* name = nullptr;
    if (const int r = sd_bus_message_read_basic(message, 's', static_cast<void*>(&name)); r < 0) return malformed(r);
    if (settings.size() >= kMostSettings) {
      return invalid("options", fmt::format("there are more than {}", kMostSettings));
    }
    if (std::ranges::find(settings, std::string_view(name), &Setting::name) != settings.end()) {
      return invalid(in_quotes(name), "it is given twice");
    }
    auto value = read_variant(message, name);
    if (!value) return std::unexpected(std::move(value.error()));
    settings.push_back({.name = name, .value = *std::move(value), .where = {}});
    if (const int r = sd_bus_message_exit_container(message); r < 0) return malformed(r);
  }
  if (const int r = sd_bus_message_exit_container(message); r < 0) return malformed(r);
  return settings;
}

std::string good_text(std::string_view text) {
  std::string copy(text);
  if (!is_good_text(copy)) {
    std::ranges::replace_if(copy, [](char c) { return c == 0 || (static_cast<unsigned char>(c) & 0x80U) != 0; }, '?');
  }
  return copy;
}

int append_text(sd_bus_message* message, std::string_view text) {
  return sd_bus_message_append_basic(message, 's', good_text(text).c_str());
}

int append_texts(sd_bus_message* message, const std::vector<std::string>& texts) {
  if (const int r = sd_bus_message_open_container(message, 'a', "s"); r < 0) return r;
  for (const std::string& text : texts) {
    if (const int r = append_text(message, text); r < 0) return r;
  }
  return sd_bus_message_close_container(message);
}

int append_variant(sd_bus_message* message, const SettingValue& value) {
  struct Writer {
    sd_bus_message* m;
    int operator()(bool on) const { return sd_bus_message_append(m, "b", static_cast<int>(on)); }
    int operator()(std::int64_t whole) const { return sd_bus_message_append_basic(m, 'x', &whole); }
    int operator()(double real) const { return sd_bus_message_append_basic(m, 'd', &real); }
    int operator()(const std::string& text) const { return append_text(m, text); }
    int operator()(const std::vector<std::string>& texts) const { return append_texts(m, texts); }
  };
  constexpr std::array<const char*, 5> kSignatures{"b", "x", "d", "s", "as"};
  static_assert(kSignatures.size() == std::variant_size_v<SettingValue>);
  if (const int r = sd_bus_message_open_container(message, 'v', kSignatures.at(value.index())); r < 0) return r;
  if (const int r = std::visit(Writer{message}, value); r < 0) return r;
  return sd_bus_message_close_container(message);
}

int append_settings(sd_bus_message* message, const std::vector<Setting>& settings) {
  if (const int r = sd_bus_message_open_container(message, 'a', "{sv}"); r < 0) return r;
  for (const Setting& setting : settings) {
    if (const int r = append_named(message, setting.name, setting.value); r < 0) return r;
  }
  return sd_bus_message_close_container(message);
}

const char* error_name(ErrorKind kind) {
  constexpr std::array<const char*, 10> kNames{
      "org.zerocast.Daemon1.Error.Unsupported", "org.zerocast.Daemon1.Error.Lost",
      "org.zerocast.Daemon1.Error.Busy",        "org.zerocast.Daemon1.Error.Invalid",
      "org.zerocast.Daemon1.Error.Denied",      "org.zerocast.Daemon1.Error.NotFound",
      "org.zerocast.Daemon1.Error.NoSpace",     "org.zerocast.Daemon1.Error.Cancelled",
      "org.zerocast.Daemon1.Error.Timeout",     "org.zerocast.Daemon1.Error.Internal"};
  return kNames.at(static_cast<std::size_t>(kind));
}

Error error_from(const sd_bus_error& error, std::string operation) {
  const std::string_view name = error.name == nullptr ? "" : error.name;
  Error result{.kind = ErrorKind::Internal,
               .domain = ErrorDomain::DBus,
               .code = sd_bus_error_get_errno(&error),
               .operation = std::move(operation),
               .detail = error.message == nullptr ? std::string(name) : std::string(error.message)};
  for (std::size_t kind = 0; kind <= static_cast<std::size_t>(ErrorKind::Internal); ++kind) {
    if (name != error_name(static_cast<ErrorKind>(kind))) continue;
    result.kind = static_cast<ErrorKind>(kind);
    result.operation.clear();  // the daemon's line says it all
  }
  return result;
}

}  // namespace zc::bus
