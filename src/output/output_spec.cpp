#include "output/output_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <system_error>
#include <type_traits>

namespace zc {
namespace {

constexpr std::string_view kOperation = "output";
constexpr std::string_view kSchemes = "udp://HOST:PORT, tcp://HOST:PORT, srt://HOST:PORT, a file path or -";
constexpr std::size_t kMinPassphrase = 10;  // libsrt: SRTO_PASSPHRASE
constexpr std::size_t kMaxPassphrase = 79;
constexpr std::uint32_t kMaxLatencyMs = 60'000;

std::unexpected<Error> invalid(std::string_view where, std::string detail) {
  return fail(ErrorKind::Invalid, where.empty() ? std::string(kOperation) : fmt::format("{} {}", kOperation, where),
              std::move(detail));
}

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// What came in, fit to be shown: a foreign text may hold control bytes or be very long.
std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  std::string out;
  for (const char c : text.substr(0, kLongest)) out += (c >= 0x20 && c != 0x7f) || c < 0 ? c : '?';
  if (text.size() > kLongest) out += "...";
  return out;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// RFC 3986 section 2.1; nullopt on a lone '%' or an embedded NUL.
std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (out.find('\0') != std::string::npos) return std::nullopt;
  return out;
}

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

Result<void> check_passphrase(std::string_view where, std::string_view value) {
  if (value.size() >= kMinPassphrase && value.size() <= kMaxPassphrase) return {};
  return invalid(where, fmt::format("passphrase must have {} to {} bytes", kMinPassphrase, kMaxPassphrase));
}

Result<void> check_one_passphrase(const SrtOutput& output, std::string_view where) {
  if (output.passphrase.empty() && output.passphrase_file.empty() && output.passphrase_env.empty()) return {};
  return invalid(where, "only one of passphrase, passphrase-file and passphrase-env can be given");
}

Result<void> set_passphrase(SrtOutput& output, std::string_view where, const std::string& value) {
  if (auto only = check_one_passphrase(output, where); !only) return only;
  if (auto good = check_passphrase(where, value); !good) return good;
  output.passphrase = Secret(value);
  return {};
}

Result<void> set_passphrase_file(SrtOutput& output, std::string_view where, const std::string& value) {
  if (auto only = check_one_passphrase(output, where); !only) return only;
  if (value.empty()) return invalid(where, "passphrase-file must be a path");
  output.passphrase_file = value;
  return {};
}

Result<void> set_passphrase_env(SrtOutput& output, std::string_view where, const std::string& value) {
  if (auto only = check_one_passphrase(output, where); !only) return only;
  if (value.empty() || value.find('=') != std::string::npos) {
    return invalid(where, "passphrase-env must be the name of a variable");
  }
  output.passphrase_env = value;
  return {};
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

template <class Output>
struct Option {
  std::string_view name;
  Result<void> (*set)(Output&, std::string_view where, const std::string& value);
};

constexpr std::array<Option<TcpOutput>, 1> kTcpOptions{{{"listen", set_listen}}};
constexpr std::array<Option<UdpOutput>, 2> kUdpOptions{{{"ttl", set_ttl}, {"interface", set_interface}}};
constexpr std::array<Option<SrtOutput>, 8> kSrtOptions{{{"mode", set_mode},
                                                        {"max-viewers", set_max_viewers},
                                                        {"latency", set_latency},
                                                        {"streamid", set_stream_id},
                                                        {"pbkeylen", set_key_length},
                                                        {"passphrase", set_passphrase},
                                                        {"passphrase-file", set_passphrase_file},
                                                        {"passphrase-env", set_passphrase_env}}};

template <class Output>
std::string option_names(std::span<const Option<Output>> table) {
  std::string names;
  for (const auto& option : table) names += (names.empty() ? "" : ", ") + std::string(option.name);
  return names;
}

/// "a=1&b=2" into `output`. Each option at most once; values are never repeated in messages.
template <class Output>
Result<void> apply_options(Output& output, std::string_view where, std::string_view query,
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

bool plausible_host(std::string_view host, bool bracketed) {
  return std::ranges::all_of(host, [&](char c) {
    return is_alpha(c) || is_digit(c) || c == '.' || c == '-' || c == '_' || (bracketed && (c == ':' || c == '%'));
  });
}

/// "host:port" or "[v6]:port". What does not parse is not repeated: it may hold "user:password@".
Result<Endpoint> parse_endpoint(std::string_view scheme, std::string_view text) {
  const std::string usage = fmt::format("expected {}://HOST:PORT", scheme);
  Endpoint endpoint;
  std::string_view port;
  const bool bracketed = text.starts_with('[');
  if (bracketed) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos || close == 1 || text.substr(close + 1, 1) != ":") {
      return invalid(usage, "an IPv6 address is written [ADDRESS]:PORT");
    }
    endpoint.host = text.substr(1, close - 1);
    port = text.substr(close + 2);
  } else {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return invalid(usage, "the port is missing");
    endpoint.host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  constexpr std::size_t kLongestHost = 253;  // RFC 1035
  if (endpoint.host.size() > kLongestHost || !plausible_host(endpoint.host, bracketed)) {
    return invalid(usage, "the host is not a name or an address");
  }
  const auto number = parse_number<std::uint16_t>(port);
  if (!number || *number == 0) return invalid(usage, "the port must be 1 to 65535");
  endpoint.port = *number;
  return endpoint;
}

Result<void> require_host(const Endpoint& endpoint, std::string_view where, bool listening) {
  if (!endpoint.host.empty() || listening) return {};
  return invalid(where, "the host is missing; only a listener may leave it out");
}

Result<OutputSpec> parse_url(std::string_view scheme, std::string_view rest,
                             const std::optional<Container>& container) {
  if (scheme != "udp" && scheme != "tcp" && scheme != "srt") {
    return invalid("", fmt::format("unknown scheme '{}://'; valid: {}", shown(scheme), kSchemes));
  }
  const std::size_t question = rest.find('?');
  std::string_view authority = rest.substr(0, question);
  const std::string_view query = question == std::string_view::npos ? std::string_view{} : rest.substr(question + 1);
  if (authority.ends_with('/')) authority.remove_suffix(1);
  auto endpoint = parse_endpoint(scheme, authority);
  if (!endpoint) return std::unexpected(endpoint.error());
  const std::string where = fmt::format("{}://{}", scheme, endpoint->text());
  if (container.value_or(Container::Ts) != Container::Ts) {
    return invalid(where, "network outputs carry MPEG-TS; leave --container out or pass ts");
  }

  OutputSpec spec{.container = Container::Ts, .target = {}};
  if (scheme == "udp") {
    UdpOutput output{.peer = std::move(*endpoint), .ttl = {}, .interface = {}};
    if (auto ok = apply_options<UdpOutput>(output, where, query, kUdpOptions); !ok) return std::unexpected(ok.error());
    if (auto ok = require_host(output.peer, where, false); !ok) return std::unexpected(ok.error());
    spec.target = std::move(output);
  } else if (scheme == "tcp") {
    TcpOutput output{.endpoint = std::move(*endpoint)};
    if (auto ok = apply_options<TcpOutput>(output, where, query, kTcpOptions); !ok) return std::unexpected(ok.error());
    if (auto ok = require_host(output.endpoint, where, output.listen); !ok) return std::unexpected(ok.error());
    spec.target = std::move(output);
  } else {
    SrtOutput output;
    output.endpoint = std::move(*endpoint);
    if (auto ok = apply_options<SrtOutput>(output, where, query, kSrtOptions); !ok) return std::unexpected(ok.error());
    if (auto ok = require_host(output.endpoint, where, output.listener); !ok) return std::unexpected(ok.error());
    if (output.max_viewers && !output.listener) return invalid(where, "max-viewers goes with mode=listener");
    spec.target = std::move(output);
  }
  return spec;
}

/// The scheme of "scheme://...", empty for a path (RFC 3986 section 3.1).
std::string_view scheme_of(std::string_view text) {
  const std::size_t separator = text.find("://");
  if (separator == std::string_view::npos || separator == 0 || !is_alpha(text.front())) return {};
  const std::string_view scheme = text.substr(0, separator);
  const bool valid = std::ranges::all_of(
      scheme, [](char c) { return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; });
  return valid ? scheme : std::string_view{};
}

std::string_view extension_of(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? std::string_view{} : name.substr(dot + 1);
}

}  // namespace

Result<Secret> read_passphrase(const SrtOutput& output) {
  if (output.passphrase_file.empty() && output.passphrase_env.empty()) return output.passphrase;
  const std::string where = "srt://" + output.endpoint.text();
  std::string text;
  if (!output.passphrase_env.empty()) {
    const char* value = std::getenv(output.passphrase_env.c_str());
    if (value == nullptr) return invalid(where, "the environment has no " + shown(output.passphrase_env));
    text = value;
  } else {
    // A FIFO might never end, nor a device's only line.
    std::error_code unknown;
    std::array<char, kMaxPassphrase + 3> line{};  // with "\r\n" and one byte too many
    std::ifstream file;
    if (std::filesystem::is_regular_file(output.passphrase_file, unknown)) file.open(output.passphrase_file);
    if (!file.is_open() || file.read(line.data(), line.size()).gcount() == 0) {
      return invalid(where, shown(output.passphrase_file) + " is no file that can be read, or it is empty");
    }
    text.assign(line.data(), static_cast<std::size_t>(file.gcount()));
    text.resize(std::min(text.size(), text.find('\n')));
    if (text.ends_with('\r')) text.pop_back();
  }
  if (auto good = check_passphrase(where, text); !good) return std::unexpected(std::move(good.error()));
  return Secret(std::move(text));
}

std::string Endpoint::text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

std::string OutputSpec::name() const {
  return std::visit(
      [](const auto& output) -> std::string {
        using Output = std::decay_t<decltype(output)>;
        if constexpr (std::is_same_v<Output, FileOutput>) return output.path;
        if constexpr (std::is_same_v<Output, StdoutOutput>) return "stdout";
        if constexpr (std::is_same_v<Output, UdpOutput>) return "udp://" + output.peer.text();
        if constexpr (std::is_same_v<Output, TcpOutput>) return "tcp://" + output.endpoint.text();
        if constexpr (std::is_same_v<Output, SrtOutput>) return "srt://" + output.endpoint.text();
      },
      target);
}

bool OutputSpec::live() const {
  return !std::holds_alternative<FileOutput>(target) && !std::holds_alternative<StdoutOutput>(target);
}

Result<OutputSpec> parse_output(std::string_view text, const std::optional<std::string>& container, bool overwrite) {
  std::optional<Container> named;
  if (container) {
    named = container_from_name(*container);
    if (!named) {
      return fail(ErrorKind::Invalid, "--container",
                  fmt::format("'{}' is not one of {}", shown(*container), container_names()));
    }
  }
  if (text.empty()) return invalid("", fmt::format("is empty; valid: {}", kSchemes));
  if (text.find('\0') != std::string_view::npos) return invalid("", "holds a NUL byte");
  if (text == "-") return OutputSpec{.container = named.value_or(Container::Mkv), .target = StdoutOutput{}};
  if (const std::string_view scheme = scheme_of(text); !scheme.empty()) {
    return parse_url(scheme, text.substr(scheme.size() + 3), named);
  }
  if (!named) named = container_from_name(extension_of(text));
  if (!named) {
    return invalid(shown(text),
                   "the container is not clear from the name; use .mkv, .mp4 or .ts, or pass --container " +
                       std::string("mkv|mp4|ts"));
  }
  return OutputSpec{.container = *named, .target = FileOutput{.path = std::string(text), .overwrite = overwrite}};
}

}  // namespace zc
