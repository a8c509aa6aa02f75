#include "config/setting_value.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace zc {

bool is_url(std::string_view sink) { return sink.find("://") != std::string_view::npos || sink.starts_with("camera:"); }

std::string sink_name(std::string_view sink) {
  return std::string(is_url(sink) ? sink.substr(0, sink.find('?')) : sink);
}

bool holds_secret(std::string_view sink) {
  if (!is_url(sink)) return false;
  for (std::size_t at = sink.find('?'); at != std::string_view::npos; at = sink.find('&', at + 1)) {
    const std::string_view option = sink.substr(at + 1);
    if (option.starts_with("passphrase=") || option.starts_with("key=")) return true;
  }
  return false;
}

std::string setting_text(const SettingValue& value) {
  struct Writer {
    std::string operator()(bool on) const { return on ? "true" : "false"; }
    std::string operator()(std::int64_t whole) const { return fmt::format("{}", whole); }
    std::string operator()(double real) const { return fmt::format("{}", real); }
    std::string operator()(const std::string& text) const { return fmt::format("\"{}\"", sink_name(text)); }
    std::string operator()(const std::vector<std::string>& texts) const {
      std::vector<std::string> quoted;
      quoted.reserve(texts.size());
      for (const std::string& text : texts) quoted.push_back((*this)(text));
      return fmt::format("[{}]", fmt::join(quoted, ", "));
    }
  };
  return std::visit(Writer{}, value);
}

}  // namespace zc
