#include "output/output_spec.h"

#include "output/output_text.h"
#include "output/output_urls.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

namespace zc {
namespace {

using namespace output_text;

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
