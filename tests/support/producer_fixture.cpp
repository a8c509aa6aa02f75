#include "support/producer_fixture.h"

#include <spa/buffer/type-info.h>
#include <spa/debug/types.h>
#include <spa/param/format.h>
#include <spa/param/video/color.h>
#include <spa/param/video/type-info.h>
#include <spa/pod/pod.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

namespace zc::test {
namespace {

using Json = nlohmann::json;
using Words = std::map<std::string, std::uint32_t, std::less<>>;

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }

std::uint32_t number_text(const std::string& text) { return static_cast<std::uint32_t>(std::stoull(text, nullptr, 0)); }

/// By the short name in SPA's own table, or a number ("0x70000": a producer's own).
std::uint32_t spa_value(const spa_type_info* table, const std::string& name) {
  if (name.starts_with("0x")) return number_text(name);
  const std::uint32_t value = spa_debug_type_find_type_short(table, name.c_str());
  if (value == SPA_ID_INVALID) refuse("SPA knows no '" + name + "'");
  return value;
}

std::uint32_t word(const Words& words, const Json& json) {
  const auto found = words.find(json.get<std::string>());
  if (found == words.end()) refuse("'" + json.get<std::string>() + "' is not understood");
  return found->second;
}

std::uint32_t flags(const Words& words, const Json& list) {
  std::uint32_t bits = 0;
  for (const Json& one : list) bits |= word(words, one);
  return bits;
}

/// A value, {"default", "min", "max"} or {"enum": [...]}.
template <class T, class Read>
Choice<T> choice(const Json& json, Read read) {
  if (!json.is_object()) return Choice<T>(read(json));
  if (json.contains("enum")) {
    Choice<T> some(read(json.at("enum").at(0)));
    for (const Json& one : json.at("enum")) some.alternatives.push_back(read(one));
    return some;
  }
  return Choice<T>(read(json.at("default")), read(json.at("min")), read(json.at("max")));
}

Size size(const Json& json) { return {json.at(0).get<std::uint32_t>(), json.at(1).get<std::uint32_t>()}; }
Rational rate(const Json& json) { return {json.at(0).get<std::uint32_t>(), json.at(1).get<std::uint32_t>()}; }
std::int32_t integer(const Json& json) { return json.get<std::int32_t>(); }
std::uint64_t modifier(const std::string& text) { return std::stoull(text, nullptr, 0); }

/// "picture" or a number.
std::optional<std::uint32_t> bytes(const Json& json) {
  if (json == "picture") return std::nullopt;
  return json.get<std::uint32_t>();
}

const Words kPropFlags = {{"mandatory", SPA_POD_PROP_FLAG_MANDATORY}, {"dont_fixate", SPA_POD_PROP_FLAG_DONT_FIXATE}};

// enum spa_video_transfer_function of PipeWire 1.6.
constexpr std::uint32_t kTransferSmpte2084 = 14;
constexpr std::uint32_t kTransferAribStdB67 = 15;

struct ColourKey {
  const char* name;
  std::uint32_t key;
  Words words;
};
const std::vector<ColourKey> kColourKeys = {
    {"range",
     SPA_FORMAT_VIDEO_colorRange,
     {{"0-255", SPA_VIDEO_COLOR_RANGE_0_255}, {"16-235", SPA_VIDEO_COLOR_RANGE_16_235}}},
    {"matrix",
     SPA_FORMAT_VIDEO_colorMatrix,
     {{"rgb", SPA_VIDEO_COLOR_MATRIX_RGB},
      {"bt601", SPA_VIDEO_COLOR_MATRIX_BT601},
      {"bt709", SPA_VIDEO_COLOR_MATRIX_BT709},
      {"bt2020", SPA_VIDEO_COLOR_MATRIX_BT2020}}},
    {"primaries",
     SPA_FORMAT_VIDEO_colorPrimaries,
     {{"bt709", SPA_VIDEO_COLOR_PRIMARIES_BT709},
      {"smpte170m", SPA_VIDEO_COLOR_PRIMARIES_SMPTE170M},
      {"bt2020", SPA_VIDEO_COLOR_PRIMARIES_BT2020}}},
    {"transfer",
     SPA_FORMAT_VIDEO_transferFunction,
     {{"bt709", SPA_VIDEO_TRANSFER_BT709},
      {"srgb", SPA_VIDEO_TRANSFER_SRGB},
      {"gamma22", SPA_VIDEO_TRANSFER_GAMMA22},
      {"smpte2084", kTransferSmpte2084},
      {"arib-std-b67", kTransferAribStdB67}}},
};

EnumFormat enum_format(const Json& json) {
  EnumFormat format;
  format.subtype = spa_value(spa_type_media_subtype, json.value("subtype", "raw"));
  if (const auto names = json.find("format"); names != json.end()) {
    const Json list = names->is_array() ? *names : Json::array({*names});
    for (const Json& name : list) {
      format.formats.push_back(spa_value(spa_type_video_format, name.get<std::string>()));
    }
  }
  format.size = choice<Size>(json.at("size"), size);
  if (json.contains("framerate")) format.rate = choice<Rational>(json.at("framerate"), rate);
  if (json.contains("max_framerate")) format.max_rate = choice<Rational>(json.at("max_framerate"), rate);
  for (const Json& m : json.value("modifiers", Json::array())) {
    format.modifiers.push_back(modifier(m.get<std::string>()));
  }
  format.modifier_flags = flags(kPropFlags, json.value("modifier_flags", Json::array()));
  const Json colour = json.value("colour", Json::object());
  const std::uint32_t colour_flags = flags(kPropFlags, colour.value("flags", Json::array()));
  for (const ColourKey& key : kColourKeys) {
    if (!colour.contains(key.name)) continue;
    const auto values =
        choice<std::uint32_t>(colour.at(key.name), [&](const Json& one) { return word(key.words, one); });
    format.properties.push_back({key.key, values, colour_flags});
  }
  return format;
}

BuffersOffer buffers(const Json& json) {
  BuffersOffer offer;
  offer.count = choice<std::int32_t>(json.at("count"), integer);
  offer.blocks = json.value("blocks", 1);
  offer.size = json.contains("size");
  offer.stride = json.contains("stride");
  for (const Json& type : json.value("data_types", Json::array())) {
    offer.data_types |= 1U << spa_value(spa_type_data_type, type.get<std::string>());
  }
  return offer;
}

bool has_timelines(const Json& json) {
  const Json types = json.value("meta_types", Json::array());
  return std::ranges::find(types, "SyncTimeline") != types.end();
}

std::vector<std::uint64_t> picks(const Json& json) {
  std::vector<std::uint64_t> modifiers;
  for (const Json& one : json) modifiers.push_back(modifier(one.get<std::string>()));
  return modifiers;
}

std::vector<std::chrono::nanoseconds> times(const Json& milliseconds) {
  std::vector<std::chrono::nanoseconds> list;
  for (const Json& ms : milliseconds) list.emplace_back(std::llround(ms.get<double>() * 1e6));
  return list;
}

void read_frames(const Json& json, ProducerOptions& options) {
  static const Words kPts = {{"good", static_cast<std::uint32_t>(PtsMode::Good)},
                             {"zero", static_cast<std::uint32_t>(PtsMode::Zero)},
                             {"minus_one", static_cast<std::uint32_t>(PtsMode::MinusOne)},
                             {"none", static_cast<std::uint32_t>(PtsMode::NoHeader)}};
  options.pts = static_cast<PtsMode>(word(kPts, json.at("pts")));
  options.rhythm.lags = times(json.at("lag_ms"));
  options.rhythm.intervals = times(json.at("interval_ms"));
  options.counts = json.value("seq", "counting") == "counting";
  options.header_flags = json.value("header_flags", 0U);
  const Json chunk = json.value("chunk", Json::object());
  if (const auto dmabuf = chunk.find("dmabuf"); dmabuf != chunk.end()) {
    options.dmabuf_chunk_bytes = bytes(dmabuf->at("size"));
    options.dmabuf_max_bytes = bytes(dmabuf->at("maxsize"));
  }
  if (const auto memory = chunk.find("memory"); memory != chunk.end()) {
    options.memory_chunk_bytes = bytes(memory->at("size"));
  }
}

/// Everything changes in every picture: rectangles cover it.
std::vector<Rect> damage(const std::string& kind, Size screen) {
  if (kind == "none") return {};
  if (kind == "full") return {{0, 0, screen.width, screen.height}};
  if (kind != "rectangles") refuse("damage '" + kind + "' is not understood");
  const std::uint32_t half = screen.height / 2;
  return {{0, 0, screen.width, half}, {0, static_cast<std::int32_t>(half), screen.width, screen.height - half}};
}

ProducerFixture fixture(const Json& json) {
  static const Words kCursorOnly = {{"none", static_cast<std::uint32_t>(CursorOnly::None)},
                                    {"size0", static_cast<std::uint32_t>(CursorOnly::Both)},
                                    {"corrupted", static_cast<std::uint32_t>(CursorOnly::Corrupted)}};
  ProducerFixture f;
  const Json& origin = json.at("origin");
  f.producer = origin.at("producer").get<std::string>() + " " + origin.at("version").get<std::string>();
  ProducerOptions& o = f.options;
  for (const auto& [key, value] : json.at("node").items()) o.properties[key] = value.get<std::string>();
  o.name = o.properties.contains("node.name") ? o.properties["node.name"] : origin.at("producer").get<std::string>();
  o.media_class = o.properties.contains("media.class") ? o.properties["media.class"] : "";
  o.memory = Memory::Either;
  for (const Json& format : json.at("formats")) o.enum_formats.push_back(enum_format(format));
  f.dmabufs = std::ranges::any_of(o.enum_formats, [](const EnumFormat& e) { return !e.modifiers.empty(); });
  o.size = o.enum_formats.at(0).size.preferred;
  o.fixation = json.value("fixation", "none") == "producer" ? Fixation::Producer : Fixation::Consumer;
  o.picks = picks(json.value("fixation_picks", Json::array()));
  const Json& all_buffers = json.at("buffers");
  if (all_buffers.contains("memory")) o.memory_buffers = buffers(all_buffers.at("memory"));
  if (all_buffers.contains("dmabuf")) {
    o.dmabuf_buffers = buffers(all_buffers.at("dmabuf"));
    if (has_timelines(all_buffers.at("dmabuf"))) o.sync = Sync::Explicit;
  }
  o.metas.emplace();
  for (const Json& meta : json.at("metas")) {
    if (meta.at("type") == "SyncTimeline") continue;  // with the buffers that have timelines
    const std::uint32_t type = spa_value(spa_type_meta_type, meta.at("type").get<std::string>());
    o.metas->push_back({type, choice<std::int32_t>(meta.at("size"), integer)});
  }
  read_frames(json.at("frames"), o);
  o.damage = damage(json.at("frames").value("damage", "none"), o.size);
  const Json& behaviour = json.at("behaviour");
  o.cursor_only = static_cast<CursorOnly>(word(kCursorOnly, behaviour.value("cursor_only", "none")));
  o.cursor = o.cursor_only != CursorOnly::None;
  o.cursor_repeats_pts = o.cursor_only == CursorOnly::Corrupted;
  f.resizes = behaviour.value("resize", "none").starts_with("new EnumFormat");
  return f;
}

}  // namespace

Result<ProducerFixture> read_fixture(const std::filesystem::path& file) {
  const std::string operation = "read " + file.string();
  std::ifstream in(file);
  if (!in) return fail(ErrorKind::NotFound, operation, "it cannot be opened");
  try {
    ProducerFixture read = fixture(Json::parse(in));
    read.name = file.stem();
    return read;
  } catch (const std::exception& wrong) {
    return fail(ErrorKind::Invalid, operation, wrong.what());
  }
}

}  // namespace zc::test
