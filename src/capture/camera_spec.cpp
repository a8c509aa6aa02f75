#include "capture/camera_spec.h"

#include "capture/spec_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace zc {
namespace {

constexpr std::string_view kDefault = "@default";
constexpr std::string_view kPortal = "portal";

std::unexpected<Error> invalid(std::string detail) {
  return fail(ErrorKind::Invalid, "read the source", std::move(detail));
}

bool digit(char c) { return c >= '0' && c <= '9'; }

/// A last word "@1280x720" or "@30", which is taken off.
Result<bool> take_mode(std::string_view& rest, CameraSpec& spec) {
  const std::size_t at = rest.rfind('@');
  if (at == std::string_view::npos || at + 1 == rest.size() || !digit(rest[at + 1])) return false;
  const std::string_view word = rest.substr(at + 1);
  const auto size = parse_size(word);
  const auto rate = size ? std::nullopt : parse_rate(word);
  if (size ? spec.size.has_value() || size->empty() : !rate || spec.rate || spec.size) {
    return invalid(fmt::format("'@{}' is no size or rate of a camera; its form is {}", word, kCameraForm));
  }
  if (size) {
    spec.size = size;
  } else {
    spec.rate = rate;
  }
  rest = rest.substr(0, at);
  return true;
}

}  // namespace

Result<CameraSpec> parse_camera(std::string_view rest) {
  CameraSpec spec;
  while (true) {
    const auto taken = take_mode(rest, spec);
    if (!taken) return std::unexpected(taken.error());
    if (!*taken) break;
  }
  spec.portal = rest == kPortal;
  if (rest == kDefault || spec.portal) rest = {};
  const bool printable = std::ranges::all_of(rest, [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
  if (!printable) return invalid("a camera's name has no control characters");
  spec.name = rest;
  return spec;
}

std::string text_of(const CameraSpec& spec) {
  std::string text = "camera";
  if (spec.portal) {
    text += ":portal";
  } else if (!spec.name.empty()) {
    text += ":" + spec.name;
  } else if (spec.size || spec.rate) {
    text += ":@default";
  }
  if (spec.size) text += fmt::format("@{}x{}", spec.size->width, spec.size->height);
  if (spec.rate) text += "@" + rate_text(*spec.rate);
  return text;
}

}  // namespace zc
