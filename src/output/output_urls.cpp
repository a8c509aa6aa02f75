#include "output/output_urls.h"

#include "output/output_options.h"
#include "output/output_text.h"

#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace zc {
namespace {

using namespace output_text;

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
  if (auto ok = apply_options(output, output.url, query); !ok) return std::unexpected(ok.error());
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
  if (auto ok = apply_options(output, "hls://" + shown(*decoded), query); !ok) {
    return std::unexpected(ok.error());
  }
  return OutputSpec{.container = Container::Hls, .target = std::move(output)};
}

Result<OutputSpec> parse_rtp(const std::string& where, Endpoint endpoint, std::string_view query) {
  RtpOutput output{.pictures = {.peer = std::move(endpoint), .ttl = {}, .interface = {}}, .audio_port = {}, .sdp = {}};
  if (auto ok = apply_options(output, where, query); !ok) return std::unexpected(ok.error());
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

}  // namespace

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
    if (auto ok = apply_options(output, where, query); !ok) return std::unexpected(ok.error());
    if (auto ok = require_host(output.peer, where, false); !ok) return std::unexpected(ok.error());
    spec.target = std::move(output);
  } else if (scheme == "tcp") {
    TcpOutput output{.endpoint = std::move(*endpoint)};
    if (auto ok = apply_options(output, where, query); !ok) return std::unexpected(ok.error());
    if (auto ok = require_host(output.endpoint, where, output.listen); !ok) return std::unexpected(ok.error());
    spec.target = std::move(output);
  } else {
    SrtOutput output;
    output.endpoint = std::move(*endpoint);
    if (auto ok = apply_options(output, where, query); !ok) return std::unexpected(ok.error());
    if (auto ok = require_host(output.endpoint, where, output.listener); !ok) return std::unexpected(ok.error());
    if (output.max_viewers && !output.listener) return invalid(where, "max-viewers goes with mode=listener");
    spec.target = std::move(output);
  }
  return spec;
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

}  // namespace zc
