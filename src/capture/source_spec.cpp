#include "capture/source_spec.h"

#include "capture/spec_text.h"
#include "media/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

namespace zc {
namespace {

/// Longer text is no source; it would only make an unreadable message.
constexpr std::size_t kMaxText = 1024;

std::unexpected<Error> invalid(std::string detail) {
  return fail(ErrorKind::Invalid, "read the source", std::move(detail));
}

// --- test -----------------------------------------------------------------------------------------------------------

constexpr std::array kTransfers{TransferFunction::BT709, TransferFunction::SRGB, TransferFunction::BT2020_10,
                                TransferFunction::PQ, TransferFunction::HLG};
constexpr std::string_view kTestForm = "test:WxH@FPS[,format=BGRx][,frames=N][,static][,transfer=pq][,resize=WxH@N]";

std::string rgb_format_names() {
  std::string names;
  for (const PixelFormatInfo& format : pixel_formats()) {
    if (format.yuv) continue;
    if (!names.empty()) names += ", ";
    names += format.name;
  }
  return names;
}

Result<Size> read_test_size(std::string_view text) {
  const auto size = parse_size(text);
  if (!size || !TestSpec::good_size(*size)) {
    return invalid(fmt::format("'{}' is not a size from {}x{} to {}x{}, such as 1280x720", text, TestSpec::kMinEdge,
                               TestSpec::kMinEdge, TestSpec::kMaxEdge, TestSpec::kMaxEdge));
  }
  return *size;
}

/// "1280x720", "1280x720@60" or "@60".
Result<void> read_test_size_and_rate(std::string_view word, TestSpec& spec) {
  const std::size_t at = word.find('@');
  if (at != 0) {
    const auto size = read_test_size(word.substr(0, at));
    if (!size) return std::unexpected(size.error());
    spec.size = *size;
  }
  if (at != std::string_view::npos) {
    const std::string_view text = word.substr(at + 1);
    const auto rate = parse_rate(text);
    if (!rate || !TestSpec::good_rate(*rate)) {
      return invalid(
          fmt::format("'{}' is not a rate from 0.01 to 1000 frames per second, such as 60, 59.94 or "
                      "30000/1001",
                      text));
    }
    spec.rate = *rate;
  }
  return {};
}

Result<void> read_test_format(std::string_view value, TestSpec& spec) {
  const auto format = pixel_format_from_name(value);
  if (!format || *format == PixelFormat::Unknown || info(*format).yuv) {
    return invalid(fmt::format("'{}' is not a format of the test source; it has {}", value, rgb_format_names()));
  }
  spec.format = format;
  return {};
}

Result<void> read_test_frames(std::string_view value, TestSpec& spec) {
  const auto frames = parse_number<std::uint64_t>(value);
  if (!frames || *frames == 0) return invalid(fmt::format("frames='{}' is not a number of frames, 1 or more", value));
  spec.frames = *frames;
  return {};
}

Result<void> read_test_resize(std::string_view value, TestSpec& spec) {
  const std::size_t at = value.find('@');
  const auto size = read_test_size(value.substr(0, at));
  if (!size) return std::unexpected(size.error());
  const auto frame = at == std::string_view::npos ? std::nullopt : parse_number<std::uint64_t>(value.substr(at + 1));
  if (!frame || *frame == 0 || (!spec.resizes.empty() && spec.resizes.back().at_frame >= *frame)) {
    return invalid(
        fmt::format("resize='{}' is not WxH@N with a frame number N of 1 or more, rising from one resize to "
                    "the next",
                    value));
  }
  spec.resizes.push_back({*size, *frame});
  return {};
}

Result<void> read_test_static(std::string_view value, TestSpec& spec) {
  if (!value.empty()) return invalid("static takes no value");
  spec.still = true;
  return {};
}

Result<void> read_test_transfer(std::string_view value, TestSpec& spec) {
  const auto* const known = std::ranges::find(kTransfers, value, [](TransferFunction t) { return zc::name(t); });
  if (known == kTransfers.end()) {
    return invalid(fmt::format("transfer='{}' is not one of bt709, srgb, bt2020-10, pq, hlg", value));
  }
  spec.transfer = *known;
  return {};
}

struct TestOption {
  std::string_view name;
  Result<void> (*read)(std::string_view value, TestSpec& spec);
};
constexpr std::array kTestOptions = {
    TestOption{"format", read_test_format}, TestOption{"frames", read_test_frames},
    TestOption{"static", read_test_static}, TestOption{"transfer", read_test_transfer},
    TestOption{"resize", read_test_resize},
};

Result<void> read_test_option(std::string_view word, TestSpec& spec) {
  std::string_view value = word;
  const std::string_view key = take_word(value, '=');
  for (const TestOption& option : kTestOptions) {
    if (option.name == key) return option.read(value, spec);
  }
  return invalid(fmt::format("'{}' is not an option of the test source; its form is {}", word, kTestForm));
}

Result<SourceSpec> parse_test(std::string_view rest) {
  TestSpec spec;
  for (bool first = true; !rest.empty(); first = false) {
    const std::string_view word = take_word(rest, ',');
    const bool size_word = first && !word.empty() && ((word[0] >= '0' && word[0] <= '9') || word[0] == '@');
    if (word.empty() && first) continue;  // "test:,static"
    if (auto read = size_word ? read_test_size_and_rate(word, spec) : read_test_option(word, spec); !read) {
      return std::unexpected(read.error());
    }
  }
  return spec;
}

std::string text_of(const TestSpec& spec) {
  std::string text = fmt::format("test:{}x{}@{}", spec.size.width, spec.size.height, rate_text(spec.rate));
  if (spec.format) text += fmt::format(",format={}", name(*spec.format));
  if (spec.frames != 0) text += fmt::format(",frames={}", spec.frames);
  if (spec.still) text += ",static";
  if (spec.transfer != TransferFunction::SRGB) text += fmt::format(",transfer={}", zc::name(spec.transfer));
  for (const auto& resize : spec.resizes) {
    text += fmt::format(",resize={}x{}@{}", resize.size.width, resize.size.height, resize.at_frame);
  }
  return text;
}

// --- node -----------------------------------------------------------------------------------------------------------

constexpr std::string_view kNodeForm = "node:ID, node:serial=SERIAL or node:NAME";
constexpr std::string_view kSerialKey = "serial=";
constexpr std::uint32_t kNoId = 0xffff'ffff;  // PipeWire's "any"

Result<SourceSpec> parse_node(std::string_view rest) {
  const auto wrong = [&](std::string_view why) {
    return invalid(fmt::format("'node:{}' {}; the forms are {}", rest, why, kNodeForm));
  };
  if (rest.empty()) return wrong("names no node");
  if (rest.starts_with(kSerialKey)) {
    const auto serial = parse_number<std::uint64_t>(rest.substr(kSerialKey.size()));
    if (!serial) return wrong("has no number as its serial");
    return NodeSpec{NodeSpec::Serial{*serial}};
  }
  if (rest.find_first_not_of("0123456789") == std::string_view::npos) {
    const auto id = parse_number<std::uint32_t>(rest);
    if (!id || *id == kNoId) return wrong("is not a possible id");
    return NodeSpec{NodeSpec::Id{*id}};
  }
  const bool printable = std::ranges::all_of(rest, [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
  if (!printable) return invalid("a node name has no control characters");
  return NodeSpec{std::string(rest)};
}

std::string text_of(const NodeSpec& spec) {
  if (const auto* id = std::get_if<NodeSpec::Id>(&spec.node)) return fmt::format("node:{}", id->id);
  if (const auto* serial = std::get_if<NodeSpec::Serial>(&spec.node))
    return fmt::format("node:serial={}", serial->serial);
  return "node:" + std::get<std::string>(spec.node);
}

// --- portal ---------------------------------------------------------------------------------------------------------

constexpr std::string_view kPortalForm = "portal[:monitor|window|virtual][,multiple]";
constexpr std::string_view kMultiple = "multiple";

constexpr std::array kPortalTypes = {PortalType::Any, PortalType::Monitor, PortalType::Window, PortalType::Virtual};

Result<SourceSpec> parse_portal(std::string_view rest) {
  if (rest.empty()) return PortalSpec{};
  if (rest == kMultiple) return PortalSpec{.multiple = true};
  std::string_view option = rest;
  const std::string_view word = take_word(option, ',');
  const bool good_option = word.size() == rest.size() || option == kMultiple;
  for (const PortalType type : kPortalTypes) {
    if (word == to_string(type) && good_option) return PortalSpec{type, !option.empty()};
  }
  return invalid(
      fmt::format("'portal:{}' is not one of portal:monitor, portal:window, portal:virtual, each with ',multiple' for "
                  "several of them, portal:multiple, or just portal",
                  rest));
}

std::string text_of(const PortalSpec& spec) {
  if (spec.type == PortalType::Any) return spec.multiple ? fmt::format("portal:{}", kMultiple) : "portal";
  return fmt::format("portal:{}{}", to_string(spec.type), spec.multiple ? fmt::format(",{}", kMultiple) : "");
}

// --- all kinds ------------------------------------------------------------------------------------------------------

template <auto Parse>
Result<SourceSpec> read(std::string_view rest) {
  auto spec = Parse(rest);
  return spec ? Result<SourceSpec>(*std::move(spec)) : std::unexpected(std::move(spec.error()));
}

struct Kind {
  std::string_view name;
  std::string_view form;
  Result<SourceSpec> (*parse)(std::string_view rest);
};
constexpr std::array kKinds = {
    Kind{"portal", kPortalForm, parse_portal},
    Kind{"node", kNodeForm, parse_node},
    Kind{"camera", kCameraForm, [](std::string_view rest) -> Result<SourceSpec> { return parse_camera(rest); }},
    Kind{"file", kFileForm, [](std::string_view rest) -> Result<SourceSpec> { return parse_file(rest); }},
    Kind{"wayland", kWaylandForm, [](std::string_view rest) -> Result<SourceSpec> { return parse_wayland(rest); }},
    Kind{"kwin", kKWinForm,
         [](std::string_view rest) -> Result<SourceSpec> { return parse_cast(CastSpec::Desktop::KWin, rest); }},
    Kind{"mutter", kMutterForm,
         [](std::string_view rest) -> Result<SourceSpec> { return parse_cast(CastSpec::Desktop::Mutter, rest); }},
    Kind{"test", kTestForm, parse_test},
    Kind{"image", kImageForm, read<parse_image_spec>},
    Kind{"text", kTextForm, read<parse_text_spec>},
    Kind{"clock", kClockForm, read<parse_clock_spec>},
};

std::string forms() {
  std::string text;
  for (const Kind& kind : kKinds) {
    if (!text.empty()) text += "; ";
    text += kind.form;
  }
  return text;
}

}  // namespace

Result<SourceSpec> parse_source(std::string_view text) {
  if (text.size() > kMaxText) return invalid(fmt::format("longer than {} characters", kMaxText));
  std::string_view rest = text;
  std::string_view word = take_word(rest, ':');
  // "camera@1280x720": the default one.
  if (word.starts_with("camera@")) {
    word = text.substr(0, word.find('@'));
    rest = text.substr(word.size());
  }
  for (const Kind& kind : kKinds) {
    if (kind.name == word) return kind.parse(rest);
  }
  return invalid(fmt::format("'{}' is not a source; choose from {}", text, forms()));
}

std::string_view to_string(PortalType type) {
  switch (type) {
    case PortalType::Any: return "any";
    case PortalType::Monitor: return "monitor";
    case PortalType::Window: return "window";
    case PortalType::Virtual: return "virtual";
  }
  return "any";
}

std::string to_string(const SourceSpec& spec) {
  return std::visit([](const auto& one) { return text_of(one); }, spec);
}

void make_absolute(SourceSpec& spec) {
  std::string* path = nullptr;
  if (auto* file = std::get_if<FileSpec>(&spec)) path = &file->path;
  if (auto* image = std::get_if<ImageSpec>(&spec)) path = &image->path;
  if (path == nullptr || path->starts_with('/')) return;
  std::error_code unknown;
  const auto absolute = std::filesystem::absolute(*path, unknown);
  if (!unknown) *path = absolute.lexically_normal().string();
}

std::string absolute_source(std::string_view text) {
  auto spec = parse_source(text);
  if (!spec) return std::string(text);
  SourceSpec absolute = *spec;
  make_absolute(absolute);
  return absolute == *spec ? std::string(text) : to_string(absolute);
}

}  // namespace zc
