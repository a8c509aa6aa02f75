#include "output/output_spec.h"

#include <fmt/format.h>
#include <sys/un.h>

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
constexpr std::string_view kSchemes =
    "udp://HOST:PORT, tcp://HOST:PORT, srt://HOST:PORT, rtmp://HOST/APP, rtmps://HOST/APP, rtp://HOST:PORT, "
    "rtsp://HOST/PATH, hls:///FOLDER, unix:///PATH, camera:NAME, a file path or -";
constexpr std::string_view kCamera = "camera:";
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

template <class Output>
using SecretMember = SecretPlace Output::*;

Result<void> check_one_secret(const SecretPlace& place, const SecretKind& kind, std::string_view where) {
  if (place.empty()) return {};
  return invalid(where,
                 fmt::format("only one of {}, {} and {} can be given", kind.name, kind.file_option, kind.env_option));
}

template <class Output, SecretMember<Output> kMember, const SecretKind& kKind>
Result<void> set_secret(Output& output, std::string_view where, const std::string& value) {
  SecretPlace& place = output.*kMember;
  if (auto only = check_one_secret(place, kKind, where); !only) return only;
  if (auto good = check_secret(kKind, where, value); !good) return good;
  place.value = Secret(value);
  return {};
}

template <class Output, SecretMember<Output> kMember, const SecretKind& kKind>
Result<void> set_secret_file(Output& output, std::string_view where, const std::string& value) {
  SecretPlace& place = output.*kMember;
  if (auto only = check_one_secret(place, kKind, where); !only) return only;
  if (value.empty()) return invalid(where, fmt::format("{} must be a path", kKind.file_option));
  place.file = value;
  return {};
}

template <class Output, SecretMember<Output> kMember, const SecretKind& kKind>
Result<void> set_secret_env(Output& output, std::string_view where, const std::string& value) {
  SecretPlace& place = output.*kMember;
  if (auto only = check_one_secret(place, kKind, where); !only) return only;
  if (value.empty() || value.find('=') != std::string::npos) {
    return invalid(where, fmt::format("{} must be the name of a variable", kKind.env_option));
  }
  place.env = value;
  return {};
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

constexpr std::array<Option<TcpOutput>, 1> kTcpOptions{{{"listen", set_listen}}};
constexpr std::array<Option<UdpOutput>, 2> kUdpOptions{{{"ttl", set_ttl}, {"interface", set_interface}}};
constexpr std::array<Option<SrtOutput>, 8> kSrtOptions{
    {{"mode", set_mode},
     {"max-viewers", set_max_viewers},
     {"latency", set_latency},
     {"streamid", set_stream_id},
     {"pbkeylen", set_key_length},
     {kPassphrase.name, set_secret<SrtOutput, &SrtOutput::passphrase, kPassphrase>},
     {kPassphrase.file_option, set_secret_file<SrtOutput, &SrtOutput::passphrase, kPassphrase>},
     {kPassphrase.env_option, set_secret_env<SrtOutput, &SrtOutput::passphrase, kPassphrase>}}};
constexpr std::array<Option<RtmpOutput>, 3> kRtmpOptions{
    {{kKey.name, set_secret<RtmpOutput, &RtmpOutput::key, kKey>},
     {kKey.file_option, set_secret_file<RtmpOutput, &RtmpOutput::key, kKey>},
     {kKey.env_option, set_secret_env<RtmpOutput, &RtmpOutput::key, kKey>}}};
constexpr std::array<Option<RtpOutput>, 6> kRtpOptions{
    {{"audio-port", set_audio_port},
     {"payload", set_payload<&RtpOutput::payload>},
     {"audio-payload", set_payload<&RtpOutput::audio_payload>},
     {"sdp", set_sdp},
     {"ttl", [](RtpOutput& o, std::string_view where, const std::string& v) { return set_ttl(o.pictures, where, v); }},
     {"interface",
      [](RtpOutput& o, std::string_view where, const std::string& v) { return set_interface(o.pictures, where, v); }}}};

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

/// "host:port" or "[v6]:port"; without a port where there is a `usual` one. What does not parse is not repeated: it may
/// hold "user:password@".
Result<Endpoint> parse_endpoint(const std::string& usage, std::string_view text, std::optional<std::uint16_t> usual) {
  Endpoint endpoint;
  std::string_view port;
  const bool bracketed = text.starts_with('[');
  const std::size_t host_end = bracketed ? text.find(']') : std::min(text.size(), text.find(':'));
  const std::string_view rest = text.substr(std::min(text.size(), host_end + (bracketed ? 1 : 0)));
  const bool has_port = rest.starts_with(':');
  if (bracketed && (host_end == std::string_view::npos || host_end == 1 || !(has_port || (rest.empty() && usual)))) {
    return invalid(usage, "an IPv6 address is written [ADDRESS]:PORT");
  }
  endpoint.host = text.substr(bracketed ? 1 : 0, host_end - (bracketed ? 1 : 0));
  if (!has_port && !usual) return invalid(usage, "the port is missing");
  if (has_port) port = rest.substr(1);
  constexpr std::size_t kLongestHost = 253;  // RFC 1035
  if (endpoint.host.size() > kLongestHost || !plausible_host(endpoint.host, bracketed)) {
    return invalid(usage, "the host is not a name or an address");
  }
  const auto number = has_port ? parse_number<std::uint16_t>(port) : usual;
  if (!number || *number == 0) return invalid(usage, "the port must be 1 to 65535");
  endpoint.port = *number;
  return endpoint;
}

Result<void> require_host(const Endpoint& endpoint, std::string_view where, bool listening) {
  if (!endpoint.host.empty() || listening) return {};
  return invalid(where, "the host is missing; only a listener may leave it out");
}

Result<OutputSpec> parse_rtmp(std::string_view scheme, std::string_view rest, std::string_view query) {
  constexpr std::uint16_t kRtmpPort = 1935;
  constexpr std::uint16_t kRtmpsPort = 443;  // what platforms have; 1936 was never registered
  constexpr std::size_t kLongestApp = 128;
  const std::string usage = fmt::format("expected {}://HOST[:PORT]/APP", scheme);
  const std::size_t slash = rest.find('/');
  std::string_view app = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  if (app.ends_with('/')) app.remove_suffix(1);
  RtmpOutput output;
  output.tls = scheme == "rtmps";
  auto endpoint = parse_endpoint(usage, rest.substr(0, slash), output.tls ? kRtmpsPort : kRtmpPort);
  if (!endpoint) return std::unexpected(endpoint.error());
  // Many write the key behind it. It would be shown.
  if (app.find('/') != std::string_view::npos) {
    return invalid(usage,
                   "the stream's key does not go into the path, but into key-file=PATH, key-env=NAME or key=TEXT");
  }
  const bool plausible = !app.empty() && app.size() <= kLongestApp && std::ranges::all_of(app, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
  });
  if (!plausible) return invalid(usage, "APP must be letters, digits, '-', '_' and '.', such as live");
  output.endpoint = std::move(*endpoint);
  output.app = app;
  output.url = fmt::format("{}://{}", scheme, rest);
  if (auto ok = apply_options<RtmpOutput>(output, output.url, query, kRtmpOptions); !ok)
    return std::unexpected(ok.error());
  if (auto ok = require_host(output.endpoint, output.url, false); !ok) return std::unexpected(ok.error());
  if (output.key.empty()) {
    return invalid(output.url, "the stream's key is missing: key-file=PATH, key-env=NAME or key=TEXT");
  }
  return OutputSpec{.container = Container::Flv, .target = std::move(output)};
}

Result<OutputSpec> parse_unix(std::string_view path) {
  constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (!path.starts_with('/') || path.size() > kLongest) {
    return invalid("expected unix:///PATH",
                   fmt::format("the socket's path is absolute and has at most {} bytes", kLongest));
  }
  return OutputSpec{.container = Container::Packets, .target = UnixOutput{.path = std::string(path)}};
}

Result<OutputSpec> parse_hls(std::string_view path, std::string_view query) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const auto decoded = percent_decode(path);
  if (!decoded || !decoded->starts_with('/')) {
    return invalid("expected hls:///FOLDER", "the folder is named by its absolute path");
  }
  HlsOutput output{.path = *decoded};
  if (auto ok = apply_options<HlsOutput>(output, "hls://" + shown(*decoded), query, kHlsOptions); !ok) {
    return std::unexpected(ok.error());
  }
  return OutputSpec{.container = Container::Hls, .target = std::move(output)};
}

Result<OutputSpec> parse_rtp(const std::string& where, Endpoint endpoint, std::string_view query) {
  RtpOutput output{.pictures = {.peer = std::move(endpoint), .ttl = {}, .interface = {}}, .audio_port = {}, .sdp = {}};
  if (auto ok = apply_options<RtpOutput>(output, where, query, kRtpOptions); !ok) return std::unexpected(ok.error());
  if (auto ok = require_host(output.pictures.peer, where, false); !ok) return std::unexpected(ok.error());
  const int pictures = output.pictures.peer.port;
  const int sound = output.audio_port.value_or(static_cast<std::uint16_t>(std::min(pictures + 2, UINT16_MAX)));
  if (pictures == UINT16_MAX || sound == UINT16_MAX || std::abs(pictures - sound) < 2) {
    return invalid(where, "pictures and sound need two ports each, one after the other");
  }
  if (output.payload == output.audio_payload) return invalid(where, "payload and audio-payload must differ");
  return OutputSpec{.container = Container::Rtp, .target = std::move(output)};
}

Result<OutputSpec> parse_rtsp(std::string_view rest, std::string_view query) {
  constexpr std::uint16_t kRtspPort = 554;
  constexpr std::size_t kLongestPath = 256;
  const std::string usage = "expected rtsp://HOST[:PORT]/PATH";
  const std::size_t slash = rest.find('/');
  const std::string_view path = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  auto endpoint = parse_endpoint(usage, rest.substr(0, slash), kRtspPort);
  if (!endpoint) return std::unexpected(endpoint.error());
  const bool plausible = !path.empty() && path.size() <= kLongestPath && std::ranges::all_of(path, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.' || c == '/';
  });
  if (!plausible) return invalid(usage, "PATH must be letters, digits, '-', '_', '.' and '/', such as live");
  RtspOutput output{.endpoint = std::move(*endpoint), .url = fmt::format("rtsp://{}", rest)};
  if (!query.empty()) return invalid(output.url, "it has no options");
  if (auto ok = require_host(output.endpoint, output.url, false); !ok) return std::unexpected(ok.error());
  return OutputSpec{.container = Container::Rtp, .target = std::move(output)};
}

Result<OutputSpec> parse_camera(std::string_view text, const std::optional<Container>& container) {
  constexpr std::size_t kLongestName = 64;
  constexpr std::string_view kDevices = "/dev/video";
  if (container) return invalid(kCamera, "a camera has no container; leave --container out");
  CameraOutput output;
  if (text.starts_with('/')) {
    const std::string_view number = text.substr(std::min(text.size(), kDevices.size()));
    if (!text.starts_with(kDevices) || !parse_number<std::uint16_t>(number)) {
      return invalid(shown(fmt::format("{}{}", kCamera, text)), "a v4l2loopback device is /dev/videoN");
    }
    output.device = text;
  } else {
    const bool visible =
        std::ranges::all_of(text, [](char c) { return (c >= 0x20 && c != 0x7f && c != '/' && c != '?') || c < 0; });
    if (!visible || text.empty() || text.size() > kLongestName || text.front() == ' ' || text.back() == ' ') {
      return invalid(shown(fmt::format("{}{}", kCamera, text)),
                     fmt::format("expected camera:NAME, of 1 to {} bytes without '/' and '?', or camera:/dev/videoN",
                                 kLongestName));
    }
    output.name = text;
  }
  return OutputSpec{.container = Container::Pictures, .target = std::move(output)};
}

/// What carries no MPEG-TS, and what to say to somebody who asks for a container.
struct OwnContainer {
  std::string_view scheme;
  std::string_view refusal;
};
constexpr std::array kOwnContainers{OwnContainer{"hls", "HLS carries MP4; leave --container out"},
                                    OwnContainer{"rtmp", "RTMP carries FLV; leave --container out"},
                                    OwnContainer{"rtmps", "RTMP carries FLV; leave --container out"},
                                    OwnContainer{"rtp", "RTP has no container; leave --container out"},
                                    OwnContainer{"rtsp", "RTSP has no container; leave --container out"}};

Result<OutputSpec> parse_url(std::string_view scheme, std::string_view rest,
                             const std::optional<Container>& container) {
  constexpr std::array<std::string_view, 9> kKnown{"udp", "tcp", "srt", "rtmp", "rtmps", "rtp", "rtsp", "hls", "unix"};
  if (scheme.starts_with("whip")) {
    return invalid("", "WHIP is not spoken here; send rtp:// to Janus (tools/relay janus), or rtsp:// to MediaMTX");
  }
  if (std::ranges::find(kKnown, scheme) == kKnown.end()) {
    return invalid("", fmt::format("unknown scheme '{}://'; valid: {}", shown(scheme), kSchemes));
  }
  const std::size_t question = rest.find('?');
  std::string_view authority = rest.substr(0, question);
  const std::string_view query = question == std::string_view::npos ? std::string_view{} : rest.substr(question + 1);
  const auto* own = std::ranges::find(kOwnContainers, scheme, &OwnContainer::scheme);
  const bool has_own = own != kOwnContainers.end();
  if (container.value_or(Container::Ts) != Container::Ts || (has_own && container)) {
    return invalid(
        fmt::format("{}://", scheme),
        has_own ? std::string(own->refusal) : "network outputs carry MPEG-TS; leave --container out or pass ts");
  }
  if (scheme == "unix") return parse_unix(rest);
  if (scheme == "hls") return parse_hls(authority, query);
  if (scheme.starts_with("rtmp")) return parse_rtmp(scheme, authority, query);
  if (scheme == "rtsp") return parse_rtsp(authority, query);
  if (authority.ends_with('/')) authority.remove_suffix(1);
  auto endpoint = parse_endpoint(fmt::format("expected {}://HOST:PORT", scheme), authority, std::nullopt);
  if (!endpoint) return std::unexpected(endpoint.error());
  const std::string where = fmt::format("{}://{}", scheme, endpoint->text());
  if (scheme == "rtp") return parse_rtp(where, std::move(*endpoint), query);
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

Result<void> check_camera_colour(const ColourDescription& colour) {
  if (colour.transfer != TransferFunction::PQ && colour.transfer != TransferFunction::HLG) return {};
  return fail(ErrorKind::Unsupported, "show a camera", "programs take its pictures for SDR; leave --colour out");
}

Result<Secret> read_passphrase(const SrtOutput& output) {
  return read_secret(output.passphrase, kPassphrase, "srt://" + output.endpoint.text());
}

Result<Secret> read_key(const RtmpOutput& output) { return read_secret(output.key, kKey, output.url); }

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
        if constexpr (std::is_same_v<Output, RtmpOutput>) return output.url;
        if constexpr (std::is_same_v<Output, HlsOutput>) return "hls://" + output.path;
        if constexpr (std::is_same_v<Output, UnixOutput>) return "unix://" + output.path;
        if constexpr (std::is_same_v<Output, RtpOutput>) return "rtp://" + output.pictures.peer.text();
        if constexpr (std::is_same_v<Output, RtspOutput>) return output.url;
        if constexpr (std::is_same_v<Output, CameraOutput>)
          return fmt::format("{}{}{}", kCamera, output.name, output.device);
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
  if (text.starts_with(kCamera)) return parse_camera(text.substr(kCamera.size()), named);
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
