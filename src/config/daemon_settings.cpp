#include "config/daemon_settings.h"

#include <fmt/format.h>

#include <array>

namespace zc {
namespace {

constexpr std::int64_t kMostSessions = 64;
constexpr std::int64_t kMostSinks = 32;
constexpr std::string_view kAddressExample = "127.0.0.1:9464";

Complaint set_count(const SettingValue& value, std::int64_t most, std::size_t& place) {
  const auto* count = std::get_if<std::int64_t>(&value);
  if (count == nullptr || *count < 1 || *count > most) return fmt::format("it takes a number from 1 to {}", most);
  place = static_cast<std::size_t>(*count);
  return std::nullopt;
}

Complaint set_metrics(const SettingValue& value, DaemonSettings& daemon) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return fmt::format("it takes text, such as \"{}\"", kAddressExample);
  if (text->empty()) {
    daemon.metrics.reset();
    return std::nullopt;
  }
  auto address = parse_listen_address(*text, kAddressExample);
  if (!address) return std::move(address.error().detail);
  daemon.metrics = *std::move(address);
  return std::nullopt;
}

Complaint set_notify(const SettingValue& value, DaemonSettings& daemon) {
  const bool* on = std::get_if<bool>(&value);
  if (on == nullptr) return "it is either true or false";
  daemon.notify = *on;
  return std::nullopt;
}

constexpr std::array<TableSettingInfo, 4> kInfos{{
    {.name = "metrics",
     .help = "Serve metrics for Prometheus at http://ADDRESS:PORT/metrics. Without it nothing listens. Whoever reaches "
             "the address reads them, so keep to 127.0.0.1 unless the network is yours.",
     .fallback = ""},
    {.name = "notify", .help = "Show a desktop notification when a session starts to capture.", .fallback = "true"},
    {.name = "max-sessions", .help = "Sessions at a time, 1 to 64.", .fallback = "16"},
    {.name = "max-sinks", .help = "Files and network peers of one session, 1 to 32.", .fallback = "8"},
}};
constexpr std::array<Setter<DaemonSettings>, kInfos.size()> kSetters{
    set_metrics, set_notify,
    [](const SettingValue& value, DaemonSettings& daemon) {
      return set_count(value, kMostSessions, daemon.max_sessions);
    },
    [](const SettingValue& value, DaemonSettings& daemon) { return set_count(value, kMostSinks, daemon.max_sinks); }};

}  // namespace

std::span<const TableSettingInfo> daemon_setting_infos() { return kInfos; }

Result<DaemonSettings> daemon_settings_from(std::span<const Setting> settings) {
  return read_settings_table<DaemonSettings>(settings, kInfos, kSetters);
}

}  // namespace zc
