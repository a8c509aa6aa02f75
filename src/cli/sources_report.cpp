#include "cli/sources_report.h"

#include "capture/cursor_mode.h"
#include "capture/source_spec.h"
#include "cli/text_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

namespace zc {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kPortalTypes{PortalType::Monitor, PortalType::Window, PortalType::Virtual};
constexpr std::array kCursorModes{CursorMode::Hidden, CursorMode::Embedded, CursorMode::Metadata};
constexpr std::string_view kTestDescription = "synthetic pattern, needs no desktop";

std::vector<std::string_view> portal_types(const PortalAbilities& portal) {
  std::vector<std::string_view> words;
  for (const PortalType type : kPortalTypes) {
    if (choose_source_types(type, portal)) words.push_back(to_string(type));
  }
  return words;
}

std::vector<std::string_view> cursor_modes(const PortalAbilities& portal) {
  std::vector<std::string_view> words;
  for (const CursorMode mode : kCursorModes) {
    if ((portal.cursor_modes & cursor_bit(mode)) != 0) words.push_back(to_string(mode));
  }
  return words;
}

std::string size_text(const VideoNode& node) {
  Size least;
  Size most;
  for (const VideoNode::Format& format : node.formats) {
    if (format.max_size.area() > most.area()) most = format.max_size;
    if (least.empty() || (!format.min_size.empty() && format.min_size.area() < least.area())) least = format.min_size;
  }
  if (most.empty()) return "";
  const std::string largest = fmt::format("{}x{}", most.width, most.height);
  return least.empty() || least == most ? largest : fmt::format("{}x{} to {}", least.width, least.height, largest);
}

std::string rate_text_of(const VideoNode& node) {
  double most = 0;
  for (const VideoNode::Format& format : node.formats) most = std::max(most, format.max_rate.value());
  return most > 0 ? fmt::format("{:.4g}", most) : std::string();
}

std::string_view name_of(const VideoNode::Format& format) {
  return format.coded ? name(*format.coded) : name(format.format);
}

std::string formats_text(const VideoNode& node) {
  std::vector<std::string> words;
  for (const VideoNode::Format& format : node.formats) {
    std::string word(name_of(format));
    const auto same = [&](const VideoNode::Format& other) { return name_of(other) == name_of(format) && other.dmabuf; };
    if (std::ranges::any_of(node.formats, same)) word += "+dmabuf";
    if (std::ranges::find(words, word) == words.end()) words.push_back(std::move(word));
  }
  return fmt::format("{}", fmt::join(words, ","));
}

std::vector<std::string> problems(const SourcesReport& report) {
  std::vector<std::string> lines;
  if (!report.portal) lines.push_back("portal: " + report.portal.error().message());
  if (report.portal && report.portal->source_types == 0) lines.emplace_back("portal: it has nothing to capture");
  lines.insert(lines.end(), report.desktop.problems.begin(), report.desktop.problems.end());
  if (!report.nodes) lines.push_back("PipeWire: " + report.nodes.error().message());
  return lines;
}

Json size_json(Size size) {
  if (size.empty()) return nullptr;
  return Json{{"width", size.width}, {"height", size.height}};
}

void add_camera(const VideoNode& node, Json& entry) {
  entry["modes"] = Json::array();
  for (const OfferedFormat& offered : node.modes) {
    Json rates = Json::array();
    for (const Rational rate : offered.rates) rates.push_back(rate.value());
    for (const Size size : offered.sizes) {
      entry["modes"].push_back(
          {{"format", name(offered)}, {"size", size_json(size)}, {"fps", rates}, {"dmabuf", offered.dmabuf}});
    }
  }
  entry["controls"] = Json::array();
  for (const VideoNode::Control& control : node.controls) {
    Json item = {{"name", control.name}, {"value", control.value}, {"default", control.preferred}};
    if (control.min < control.max) {
      item["min"] = control.min;
      item["max"] = control.max;
    }
    entry["controls"].push_back(std::move(item));
  }
}

Json node_json(const VideoNode& node, const std::vector<VideoNode>& all) {
  Json entry = {{"source", source_text(node, all)},
                {"kind", to_string(node.kind)},
                {"id", node.id},
                {"serial", node.serial},
                {"name", node.name},
                {"description", node.description},
                {"media_class", node.media_class},
                {"formats", Json::array()}};
  for (const VideoNode::Format& format : node.formats) {
    Json item = {{"format", name_of(format)},
                 {"min_size", size_json(format.min_size)},
                 {"max_size", size_json(format.max_size)},
                 {"max_fps", nullptr},
                 {"dmabuf", format.dmabuf}};
    if (!format.max_rate.zero()) item["max_fps"] = format.max_rate.value();
    entry["formats"].push_back(std::move(item));
  }
  if (node.kind == VideoNode::Kind::Camera) add_camera(node, entry);
  return entry;
}

}  // namespace

std::string source_text(const VideoNode& node, const std::vector<VideoNode>& all) {
  const auto namesakes = std::ranges::count_if(all, [&](const VideoNode& other) { return other.name == node.name; });
  if (node.kind == VideoNode::Kind::Camera && !node.name.empty()) {
    CameraSpec by_name;
    by_name.name = node.name;
    const SourceSpec camera = by_name;
    const auto same = parse_source(to_string(camera));
    if (namesakes == 1 && same && *same == camera) return to_string(camera);
  }
  const NodeSpec by_name{.node = node.name};
  std::string text = to_string(SourceSpec(by_name));
  const auto read_back = parse_source(text);
  if (namesakes == 1 && read_back && *read_back == SourceSpec(by_name)) return text;
  return to_string(SourceSpec(NodeSpec{.node = NodeSpec::Serial{node.serial}}));
}

std::string sources_text(const SourcesReport& report) {
  constexpr std::array<std::string_view, 6> kHeadings{"SOURCE", "KIND", "SIZE", "FPS", "FORMATS", "WHAT"};
  std::vector<std::vector<std::string>> rows;
  if (report.portal && report.portal->source_types != 0) {
    const auto cursors = cursor_modes(*report.portal);
    rows.push_back(
        {"portal", "portal", "", "", "",
         fmt::format("the desktop asks: {}; pointer {}", fmt::join(portal_types(*report.portal), ", "),
                     cursors.empty() ? "as the desktop likes" : fmt::format("{}", fmt::join(cursors, ", ")))});
  }
  for (const DesktopSource& one : report.desktop.sources) {
    const std::string what = one.description.empty() ? one.way : fmt::format("{} ({})", one.description, one.way);
    rows.push_back({one.source, std::string(one.kind),
                    one.size.empty() ? "" : fmt::format("{}x{}", one.size.width, one.size.height),
                    one.rate > 0 ? fmt::format("{:.4g}", one.rate) : "", "", what});
  }
  if (report.nodes) {
    for (const VideoNode& node : *report.nodes) {
      rows.push_back({source_text(node, *report.nodes), std::string(to_string(node.kind)), size_text(node),
                      rate_text_of(node), formats_text(node), node.description});
    }
  }
  rows.push_back({"test", "pattern", "", "", "", std::string(kTestDescription)});
  std::string text = text_table(kHeadings, rows);
  constexpr std::array<std::string_view, 3> kSoundHeadings{"SOUND", "KIND", "WHAT"};
  std::vector<std::vector<std::string>> sounds;
  if (report.sound) {
    sounds = {{"desktop", "default", "what the default output plays"}, {"mic", "default", "the default input"}};
    for (const AudioNode& node : *report.sound) {
      sounds.push_back({node.source, std::string(to_string(node.kind)), node.description});
    }
  }
  sounds.push_back({"test", "pattern", "beeps that tell their time"});
  text += "\n" + text_table(kSoundHeadings, sounds);
  for (const std::string& line : problems(report)) text += line + "\n";
  return text;
}

std::string sources_json(const SourcesReport& report) {
  Json json = {{"sources", Json::array()}, {"problems", problems(report)}};
  if (report.portal && report.portal->source_types != 0) {
    json["sources"].push_back({{"source", "portal"},
                               {"kind", "portal"},
                               {"version", report.portal->version},
                               {"types", portal_types(*report.portal)},
                               {"cursor_modes", cursor_modes(*report.portal)}});
  }
  for (const DesktopSource& one : report.desktop.sources) {
    Json entry = {{"source", one.source}, {"kind", one.kind}, {"size", size_json(one.size)},
                  {"fps", nullptr},       {"needs", one.way}, {"description", one.description}};
    if (one.rate > 0) entry["fps"] = one.rate;
    json["sources"].push_back(std::move(entry));
  }
  if (report.nodes) {
    for (const VideoNode& node : *report.nodes) json["sources"].push_back(node_json(node, *report.nodes));
  }
  json["sources"].push_back({{"source", "test"}, {"kind", "pattern"}, {"description", kTestDescription}});
  json["sound"] = Json::array();
  if (report.sound) {
    for (const char* source : {"desktop", "mic"}) json["sound"].push_back({{"source", source}, {"kind", "default"}});
    for (const AudioNode& node : *report.sound) {
      json["sound"].push_back(
          {{"source", node.source}, {"kind", to_string(node.kind)}, {"description", node.description}});
    }
  }
  json["sound"].push_back({{"source", "test"}, {"kind", "pattern"}});
  // Names come from other programs: what is no UTF-8 is replaced.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace zc
