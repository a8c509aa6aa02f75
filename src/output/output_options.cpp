#include "output/output_options.h"

#include "output/output_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <system_error>

namespace zc {
namespace {

using namespace output_text;

constexpr std::uint32_t kMaxLatencyMs = 60'000;

Result<void> set_listen(TcpOutput& output, std::string_view where, const std::string& value) {
  if (value != "0" && value != "1") return invalid(where, "listen must be 0 or 1");
  output.listen = value == "1";
  return {};
}

Result<void> set_mode(SrtOutput& output, std::string_view where, const std::string& value) {
  if (value != "caller" && value != "listener") return invalid(where, "mode must be caller or listener");
  output.listener = value == "listener";
  return {};
}

Result<void> set_max_viewers(SrtOutput& output, std::string_view where, const std::string& value) {
  const auto viewers = parse_number<unsigned>(value);
  if (!viewers || *viewers == 0 || *viewers > kMostViewers) {
    return invalid(where, fmt::format("max-viewers must be 1 to {}", kMostViewers));
  }
  output.max_viewers = viewers;
  return {};
}

/// A kind of secret: its option, and those that say where it is.
struct SecretKind {
  std::string_view name;
  std::string_view file_option;
  std::string_view env_option;
  std::size_t fewest;  ///< bytes
  std::size_t most;
  bool visible;  ///< no spaces and no control bytes
};
constexpr std::size_t kLongestSecret = 512;
constexpr SecretKind kPassphrase{"passphrase", "passphrase-file", "passphrase-env", 10, 79, false};  // SRTO_PASSPHRASE
constexpr SecretKind kKey{"key", "key-file", "key-env", 1, kLongestSecret, true};

Result<void> check_secret(const SecretKind& kind, std::string_view where, std::string_view value) {
  if (value.size() < kind.fewest || value.size() > kind.most) {
    return invalid(where, fmt::format("{} must have {} to {} bytes", kind.name, kind.fewest, kind.most));
  }
  if (kind.visible && std::ranges::any_of(value, [](char c) { return (c >= 0 && c <= 0x20) || c == 0x7f; })) {
    return invalid(where, fmt::format("{} must have no spaces", kind.name));
  }
  return {};
}

Result<void> set_value(SecretPlace& place, const SecretKind& kind, std::string_view where, const std::string& value) {
  if (auto good = check_secret(kind, where, value); !good) return good;
  place.value = Secret(value);
  return {};
}

Result<void> set_file(SecretPlace& place, const SecretKind& kind, std::string_view where, const std::string& value) {
  if (value.empty()) return invalid(where, fmt::format("{} must be a path", kind.file_option));
  place.file = value;
  return {};
}

Result<void> set_env(SecretPlace& place, const SecretKind& kind, std::string_view where, const std::string& value) {
  if (value.empty() || value.find('=') != std::string::npos) {
    return invalid(where, fmt::format("{} must be the name of a variable", kind.env_option));
  }
  place.env = value;
  return {};
}

template <auto kMember, const SecretKind& kKind, auto kSet, class Output>
Result<void> set_secret(Output& output, std::string_view where, const std::string& value) {
  SecretPlace& place = output.*kMember;
  if (place.empty()) return kSet(place, kKind, where, value);
  return invalid(
      where, fmt::format("only one of {}, {} and {} can be given", kKind.name, kKind.file_option, kKind.env_option));
}

Result<Secret> read_secret(const SecretPlace& place, const SecretKind& kind, std::string_view where) {
  if (place.file.empty() && place.env.empty()) return place.value;
  std::string text;
  if (!place.env.empty()) {
    const char* value = std::getenv(place.env.c_str());
    if (value == nullptr) return invalid(where, "the environment has no " + shown(place.env));
    text = value;
  } else {
    // A FIFO might never end, nor a device's only line.
    std::error_code unknown;
    std::array<char, kLongestSecret + 3> line{};  // with "\r\n" and one byte too many
    std::ifstream file;
    if (std::filesystem::is_regular_file(place.file, unknown)) file.open(place.file);
    if (!file.is_open() || file.read(line.data(), line.size()).gcount() == 0) {
      return invalid(where, shown(place.file) + " is no file that can be read, or it is empty");
    }
    text.assign(line.data(), static_cast<std::size_t>(file.gcount()));
    text.resize(std::min(text.size(), text.find('\n')));
    if (text.ends_with('\r')) text.pop_back();
  }
  if (auto good = check_secret(kind, where, text); !good) return std::unexpected(std::move(good.error()));
  return Secret(std::move(text));
}

Result<void> set_key_length(SrtOutput& output, std::string_view where, const std::string& value) {
  const auto bytes = parse_number<unsigned>(value);
  if (!bytes || (*bytes != 16 && *bytes != 24 && *bytes != 32)) return invalid(where, "pbkeylen must be 16, 24 or 32");
  output.key_bytes = *bytes;
  return {};
}

Result<void> set_stream_id(SrtOutput& output, std::string_view where, const std::string& value) {
  constexpr std::size_t kLongest = 512;  // libsrt: SRTO_STREAMID
  if (value.empty() || value.size() > kLongest) {
    return invalid(where, fmt::format("streamid must have 1 to {} bytes", kLongest));
  }
  output.stream_id = value;
  return {};
}

Result<void> set_ttl(UdpOutput& output, std::string_view where, const std::string& value) {
  const auto ttl = parse_number<std::uint8_t>(value);
  if (!ttl || *ttl == 0) return invalid(where, "ttl must be 1 to 255");
  output.ttl = ttl;
  return {};
}

Result<void> set_interface(UdpOutput& output, std::string_view where, const std::string& value) {
  constexpr std::size_t kLongest = 15;  // IFNAMSIZ, with its zero
  if (value.empty() || value.size() > kLongest || value.find('/') != std::string::npos) {
    return invalid(where, "interface must be the name of a network interface, such as eth0");
  }
  output.interface = value;
  return {};
}

Result<void> set_latency(SrtOutput& output, std::string_view where, const std::string& value) {
  const auto latency = parse_number<std::uint32_t>(value);
  if (!latency || *latency > kMaxLatencyMs) {
    return invalid(where, fmt::format("latency must be 0 to {} milliseconds", kMaxLatencyMs));
  }
  output.latency = std::chrono::milliseconds(*latency);
  return {};
}

Result<void> set_audio_port(RtpOutput& output, std::string_view where, const std::string& value) {
  const auto port = parse_number<std::uint16_t>(value);
  if (!port || *port == 0 || *port == UINT16_MAX) return invalid(where, "audio-port must be 1 to 65534");
  output.audio_port = port;
  return {};
}

/// RFC 3551: the dynamic ones.
template <std::uint8_t RtpOutput::* kMember>
Result<void> set_payload(RtpOutput& output, std::string_view where, const std::string& value) {
  const auto number = parse_number<std::uint8_t>(value);
  if (!number || *number < 96 || *number > 127) return invalid(where, "a payload's number must be 96 to 127");
  output.*kMember = *number;
  return {};
}

Result<void> set_sdp(RtpOutput& output, std::string_view where, const std::string& value) {
  if (value.empty()) return invalid(where, "sdp must be a path");
  output.sdp = value;
  return {};
}

Result<void> set_segment(HlsOutput& output, std::string_view where, const std::string& value) {
  constexpr unsigned kMost = 10;
  const auto seconds = parse_number<unsigned>(value);
  if (!seconds || *seconds == 0 || *seconds > kMost) {
    return invalid(where, fmt::format("segment must be 1 to {} seconds", kMost));
  }
  output.timing.segment = std::chrono::seconds(*seconds);
  return {};
}

Result<void> set_part(HlsOutput& output, std::string_view where, const std::string& value) {
  constexpr unsigned kLeast = 100;
  constexpr unsigned kMost = 1000;
  const auto length = parse_number<unsigned>(value);
  if (!length || *length > kMost || (*length > 0 && *length < kLeast)) {
    return invalid(where, fmt::format("part must be {} to {} milliseconds, or 0 for none", kLeast, kMost));
  }
  output.timing.part = std::chrono::milliseconds(*length);
  return {};
}

Result<void> set_window(HlsOutput& output, std::string_view where, const std::string& value) {
  constexpr unsigned kLeast = 3;
  constexpr unsigned kMost = 1000;
  const auto segments = parse_number<unsigned>(value);
  if (!segments || *segments < kLeast || *segments > kMost) {
    return invalid(where, fmt::format("window must be {} to {} segments", kLeast, kMost));
  }
  output.timing.window = *segments;
  return {};
}

template <class Output>
struct Option {
  std::string_view name;
  Result<void> (*set)(Output&, std::string_view where, const std::string& value);
};

template <class Output, std::size_t kFirst, std::size_t kSecond>
constexpr std::array<Option<Output>, kFirst + kSecond> joined(const std::array<Option<Output>, kFirst>& first,
                                                              const std::array<Option<Output>, kSecond>& second) {
  std::array<Option<Output>, kFirst + kSecond> all{};
  std::ranges::copy(second, std::ranges::copy(first, all.begin()).out);
  return all;
}

/// Where a secret comes from.
template <class Output, SecretPlace Output::* kMember, const SecretKind& kKind>
constexpr std::array<Option<Output>, 3> kSecretOptions{{{kKind.name, set_secret<kMember, kKind, set_value>},
                                                        {kKind.file_option, set_secret<kMember, kKind, set_file>},
                                                        {kKind.env_option, set_secret<kMember, kKind, set_env>}}};

constexpr std::array<Option<TcpOutput>, 1> kTcpOptions{{{"listen", set_listen}}};
constexpr std::array<Option<UdpOutput>, 2> kUdpOptions{{{"ttl", set_ttl}, {"interface", set_interface}}};
constexpr std::array kSrtOptions = joined(std::array<Option<SrtOutput>, 5>{{{"mode", set_mode},
                                                                            {"max-viewers", set_max_viewers},
                                                                            {"latency", set_latency},
                                                                            {"streamid", set_stream_id},
                                                                            {"pbkeylen", set_key_length}}},
                                          kSecretOptions<SrtOutput, &SrtOutput::passphrase, kPassphrase>);
constexpr std::array kRtmpOptions = kSecretOptions<RtmpOutput, &RtmpOutput::key, kKey>;

/// As UDP's, of the pictures' port.
template <auto kSet>
Result<void> set_transport(RtpOutput& output, std::string_view where, const std::string& value) {
  return kSet(output.pictures, where, value);
}
constexpr std::array<Option<RtpOutput>, 6> kRtpOptions{{{"audio-port", set_audio_port},
                                                        {"payload", set_payload<&RtpOutput::payload>},
                                                        {"audio-payload", set_payload<&RtpOutput::audio_payload>},
                                                        {"sdp", set_sdp},
                                                        {"ttl", set_transport<set_ttl>},
                                                        {"interface", set_transport<set_interface>}}};

constexpr std::array<Option<HlsOutput>, 3> kHlsOptions{
    {{"segment", set_segment}, {"part", set_part}, {"window", set_window}}};

template <class Output>
std::string option_names(std::span<const Option<Output>> table) {
  std::string names;
  for (const auto& option : table) names += (names.empty() ? "" : ", ") + std::string(option.name);
  return names;
}

/// "a=1&b=2" into `output`. Each option at most once; values are never repeated in messages.
template <class Output>
Result<void> apply_table(Output& output, std::string_view where, std::string_view query,
                         std::span<const Option<Output>> table) {
  std::size_t seen = 0;  // one bit per table row
  while (!query.empty()) {
    const std::size_t ampersand = query.find('&');
    const std::string_view pair = query.substr(0, ampersand);
    query = ampersand == std::string_view::npos ? std::string_view{} : query.substr(ampersand + 1);
    const std::size_t equals = pair.find('=');
    const std::string_view key = pair.substr(0, equals);
    const auto row = std::ranges::find(table, key, &Option<Output>::name);
    if (row == table.end()) {
      // Without '=' the "key" may be a piece of an unescaped passphrase.
      return invalid(where,
                     fmt::format("unknown option{}; valid: {}",
                                 equals == std::string_view::npos ? "" : " '" + shown(key) + "'", option_names(table)));
    }
    const std::size_t bit = std::size_t{1} << static_cast<unsigned>(row - table.begin());
    if ((seen & bit) != 0) return invalid(where, fmt::format("option '{}' is given twice", key));
    seen |= bit;
    if (equals == std::string_view::npos) return invalid(where, fmt::format("option '{}' needs a value", key));
    const auto value = percent_decode(pair.substr(equals + 1));
    if (!value) return invalid(where, fmt::format("option '{}' has a bad percent escape", key));
    if (auto set = row->set(output, where, *value); !set) return set;
  }
  return {};
}

}  // namespace

Result<void> apply_options(TcpOutput& output, std::string_view where, std::string_view query) {
  return apply_table<TcpOutput>(output, where, query, kTcpOptions);
}
Result<void> apply_options(UdpOutput& output, std::string_view where, std::string_view query) {
  return apply_table<UdpOutput>(output, where, query, kUdpOptions);
}
Result<void> apply_options(SrtOutput& output, std::string_view where, std::string_view query) {
  return apply_table<SrtOutput>(output, where, query, kSrtOptions);
}
Result<void> apply_options(RtmpOutput& output, std::string_view where, std::string_view query) {
  return apply_table<RtmpOutput>(output, where, query, kRtmpOptions);
}
Result<void> apply_options(RtpOutput& output, std::string_view where, std::string_view query) {
  return apply_table<RtpOutput>(output, where, query, kRtpOptions);
}
Result<void> apply_options(HlsOutput& output, std::string_view where, std::string_view query) {
  return apply_table<HlsOutput>(output, where, query, kHlsOptions);
}

Result<Secret> read_passphrase(const SrtOutput& output) {
  return read_secret(output.passphrase, kPassphrase, "srt://" + output.endpoint.text());
}

Result<Secret> read_key(const RtmpOutput& output) { return read_secret(output.key, kKey, output.url); }

}  // namespace zc
