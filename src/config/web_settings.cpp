#include "config/web_settings.h"

#include <array>

namespace zc {
namespace {

constexpr std::string_view kAddressExample = "127.0.0.1:8990";

Complaint set_listen(const SettingValue& value, WebSettings& web) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return fmt::format("it takes text, such as \"{}\"", kAddressExample);
  web.listen.reset();
  if (text->empty()) return std::nullopt;
  auto address = parse_listen_address(*text, kAddressExample);
  if (!address) return std::move(address.error().detail);
  web.listen = *std::move(address);
  return std::nullopt;
}

Complaint set_hosts(const SettingValue& value, WebSettings& web) {
  const auto* names = std::get_if<std::vector<std::string>>(&value);
  if (names == nullptr) return "it takes texts, such as [\"cast.example.org\"]";
  web.hosts = *names;
  return std::nullopt;
}

template <std::string WebSettings::* kPlace>
Complaint set_file(const SettingValue& value, WebSettings& web) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return "it takes the path of a PEM file";
  web.*kPlace = *text;
  return std::nullopt;
}

constexpr std::array<TableSettingInfo, 4> kInfos{{
    {.name = "listen",
     .help = "Serve a page at ADDRESS:PORT that shows sessions in a browser; 'zerocast view --link' prints a link with "
             "its token. Beyond 127.0.0.1 it is served by TLS alone. Without it the daemon serves none.",
     .fallback = ""},
    {.name = "hosts",
     .help = "Further names that lead to the server, as a reverse proxy's; the first one is put into links.",
     .fallback = ""},
    {.name = "certificate",
     .help = "PEM file of the certificate for TLS. Without it one is made on first use; its fingerprint is shown.",
     .fallback = ""},
    {.name = "key", .help = "PEM file of its key, if that is not in the same file.", .fallback = ""},
}};
constexpr std::array<Setter<WebSettings>, kInfos.size()> kSetters{
    set_listen, set_hosts, set_file<&WebSettings::certificate>, set_file<&WebSettings::key>};

}  // namespace

std::span<const TableSettingInfo> web_setting_infos() { return kInfos; }

Result<WebSettings> web_settings_from(std::span<const Setting> settings) {
  return read_settings_table<WebSettings>(settings, kInfos, kSetters);
}

}  // namespace zc
