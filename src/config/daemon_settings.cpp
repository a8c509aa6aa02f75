#include "config/daemon_settings.h"

#include "base/quote.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

namespace zc {
namespace {

constexpr std::int64_t kMostSessions = 64;
constexpr std::int64_t kMostSinks = 32;

using Complaint = std::optional<std::string>;  ///< nullopt: fine

Complaint set_count(const SettingValue& value, std::int64_t most, std::size_t& place) {
  const auto* count = std::get_if<std::int64_t>(&value);
  if (count == nullptr || *count < 1 || *count > most) return fmt::format("it takes a number from 1 to {}", most);
  place = static_cast<std::size_t>(*count);
  return std::nullopt;
}

bool is_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

Complaint set_metrics(const SettingValue& value, DaemonSettings& daemon) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return "it takes text, such as \"127.0.0.1:9464\"";
  if (text->empty()) {
    daemon.metrics.reset();
    return std::nullopt;
  }
  const std::size_t colon = text->rfind(':');
  if (colon != std::string::npos) {
    MetricsAddress address;
    address.host = text->substr(0, colon);
    if (address.host.starts_with('[') && address.host.ends_with(']')) {
      address.host = address.host.substr(1, address.host.size() - 2);
    }
    const char* end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data() + colon + 1, end, address.port);
    if (error == std::errc{} && stop == end && address.port != 0 && is_address(address.host)) {
      daemon.metrics = std::move(address);
      return std::nullopt;
    }
  }
  return fmt::format("{} is not ADDRESS:PORT with a numeric address, such as 127.0.0.1:9464", in_quotes(*text));
}

Complaint set_notify(const SettingValue& value, DaemonSettings& daemon) {
  const bool* on = std::get_if<bool>(&value);
  if (on == nullptr) return "it is either true or false";
  daemon.notify = *on;
  return std::nullopt;
}

using Setter = Complaint (*)(const SettingValue& value, DaemonSettings& daemon);
constexpr std::array<DaemonSettingInfo, 4> kInfos{{
    {.name = "metrics",
     .help = "Serve metrics for Prometheus at http://ADDRESS:PORT/metrics. Without it nothing listens. Whoever reaches "
             "the address reads them, so keep to 127.0.0.1 unless the network is yours.",
     .fallback = ""},
    {.name = "notify", .help = "Show a desktop notification when a session starts to capture.", .fallback = "true"},
    {.name = "max-sessions", .help = "Sessions at a time, 1 to 64.", .fallback = "16"},
    {.name = "max-sinks", .help = "Files and network peers of one session, 1 to 32.", .fallback = "8"},
}};
constexpr std::array<Setter, kInfos.size()> kSetters{
    set_metrics, set_notify,
    [](const SettingValue& value, DaemonSettings& daemon) {
      return set_count(value, kMostSessions, daemon.max_sessions);
    },
    [](const SettingValue& value, DaemonSettings& daemon) { return set_count(value, kMostSinks, daemon.max_sinks); }};

}  // namespace

std::span<const DaemonSettingInfo> daemon_setting_infos() { return kInfos; }

Result<DaemonSettings> daemon_settings_from(std::span<const Setting> settings) {
  DaemonSettings daemon;
  for (const Setting& setting : settings) {
    const auto* const found = std::ranges::find(kInfos, setting.name, &DaemonSettingInfo::name);
    Complaint complaint;
    if (found == kInfos.end()) {
      std::vector<std::string_view> names;
      names.reserve(kInfos.size());
      for (const DaemonSettingInfo& info : kInfos) names.push_back(info.name);
      complaint = fmt::format("there is no such setting; there are {}", fmt::join(names, ", "));
    } else {
      complaint = kSetters.at(static_cast<std::size_t>(found - kInfos.begin()))(setting.value, daemon);
    }
    if (complaint) {
      return fail(ErrorKind::Invalid,
                  setting.where.empty() ? setting.name : fmt::format("{}: {}", setting.where, setting.name),
                  *std::move(complaint));
    }
  }
  return daemon;
}

}  // namespace zc
