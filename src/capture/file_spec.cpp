#include "capture/file_spec.h"

#include "capture/spec_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace zc {
namespace {

std::unexpected<Error> invalid(std::string detail) {
  return fail(ErrorKind::Invalid, "read the source", std::move(detail));
}

Result<void> read_loop(std::string_view value, FileSpec& spec) {
  if (!value.empty()) return invalid("loop takes no value");
  spec.loop = true;
  return {};
}

Result<void> read_start(std::string_view value, FileSpec& spec) {
  const auto time = parse_time(value);
  if (!time) {
    return invalid(fmt::format("start='{}' is not a time in a file, such as 90, 12.5, 1:30 or 1:02:03", value));
  }
  spec.start = *time;
  return {};
}

Result<void> read_decoder(std::string_view value, FileSpec& spec) {
  const auto* const known =
      std::ranges::find(kDecoderBackends, value, [](DecoderBackend backend) { return to_string(backend); });
  if (known == kDecoderBackends.end()) {
    return invalid(fmt::format("decoder='{}' is not one of software, nvdec, vaapi, vulkan", value));
  }
  spec.decoder = *known;
  return {};
}

struct Option {
  std::string_view name;
  Result<void> (*read)(std::string_view value, FileSpec& spec);
};
constexpr std::array kOptions{Option{"loop", read_loop}, Option{"start", read_start}, Option{"decoder", read_decoder}};

const Option* option_of(std::string_view word) {
  const std::string_view key = take_word(word, '=');
  const auto* const known = std::ranges::find(kOptions, key, &Option::name);
  return known == kOptions.end() ? nullptr : known;
}

}  // namespace

Result<FileSpec> parse_file(std::string_view rest) {
  FileSpec spec;
  while (true) {
    const std::size_t comma = rest.rfind(',');
    if (comma == std::string_view::npos) break;
    const Option* option = option_of(rest.substr(comma + 1));
    if (option == nullptr) break;
    std::string_view value = rest.substr(comma + 1);
    static_cast<void>(take_word(value, '='));
    if (auto read = option->read(value, spec); !read) return std::unexpected(std::move(read.error()));
    rest = rest.substr(0, comma);
  }
  if (rest.empty()) return invalid(fmt::format("'file:' names no file; its form is {}", kFileForm));
  if (rest.find("://") != std::string_view::npos) {
    return invalid(fmt::format("'{}' is a URL, and 'file:' takes files of this machine only", rest));
  }
  if (rest.find('\0') != std::string_view::npos) return invalid("a path has no zero byte");
  spec.path = rest;
  return spec;
}

std::string text_of(const FileSpec& spec) {
  std::string text = "file:" + spec.path;
  if (spec.loop) text += ",loop";
  if (spec.start > Nanoseconds{}) text += ",start=" + time_text(spec.start);
  if (spec.decoder) text += fmt::format(",decoder={}", to_string(*spec.decoder));
  return text;
}

}  // namespace zc
