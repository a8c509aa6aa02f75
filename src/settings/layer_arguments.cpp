#include "settings/layer_arguments.h"

#include "capture/spec_text.h"
#include "settings/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

namespace zc {
namespace {

constexpr double kMostPx = kMaxEdgePx;
constexpr std::uint32_t kMostRadius = 4096;
constexpr std::int32_t kMostOrder = 1000;

using Text = std::string_view;

constexpr std::array<Choice<LayerCorner>, 9> kCorners{{{"tl", {0, 0}},
                                                       {"t", {1, 0}},
                                                       {"tr", {2, 0}},
                                                       {"l", {0, 1}},
                                                       {"c", {1, 1}},
                                                       {"r", {2, 1}},
                                                       {"bl", {0, 2}},
                                                       {"b", {1, 2}},
                                                       {"br", {2, 2}}}};

std::unexpected<Error> invalid(Text option, std::string detail) {
  return fail(ErrorKind::Invalid, std::string(option), std::move(detail));
}

/// The whole of a decimal number, which may be negative.
std::optional<double> number(Text text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<LayerLength> length(Text text) {
  const bool percent = text.ends_with('%');
  if (percent) text.remove_suffix(1);
  const auto value = number(text);
  const double most = percent ? LayerOptions::kLargestPercent : kMostPx;
  if (!value || std::abs(*value) > most || (!percent && *value != std::round(*value))) return std::nullopt;
  return LayerLength{*value, percent};
}

std::optional<std::variant<LayerCorner, LayerPoint>> place(Text text) {
  const auto* const corner = std::ranges::find(kCorners, text, &Choice<LayerCorner>::word);
  if (corner != kCorners.end()) return corner->value;
  const std::size_t comma = text.find(',');
  if (comma == Text::npos) return std::nullopt;
  const auto x = length(text.substr(0, comma));
  const auto y = length(text.substr(comma + 1));
  if (!x || !y) return std::nullopt;
  return LayerPoint{*x, *y};
}

Result<void> read_at(Text option, Text text, LayerOptions& layer) {
  const auto read = place(text);
  if (!read) {
    return invalid(option, fmt::format("{} is not a place: one of {}, or X,Y in px or %, such as 40,10%",
                                       in_quotes(text), fmt::join(words(kCorners), ", ")));
  }
  layer.at = *read;
  return {};
}

Result<double> percent(Text option, Text text, double least, double most) {
  const auto value = text.ends_with('%') ? number(text.substr(0, text.size() - 1)) : std::nullopt;
  if (value && *value >= least && *value <= most) return *value;
  return invalid(option, fmt::format("{} is not a part from {}% to {}%", in_quotes(text), least, most));
}

Result<void> read_size(Text option, Text text, LayerOptions& layer) {
  if (text.ends_with('%')) return store(percent(option, text, 1, LayerOptions::kLargestPercent), layer.size);
  const auto size = parse_size(text);
  if (!size || size->empty() || size->width > kMaxEdgePx || size->height > kMaxEdgePx) {
    return invalid(option, fmt::format("{} is neither a part of the picture's width, such as 25%, nor WxH in px",
                                       in_quotes(text)));
  }
  layer.size = *size;
  return {};
}

Result<void> read_opacity(Text option, Text text, LayerOptions& layer) {
  return store(percent(option, text, 0, 100), layer.opacity);
}
Result<void> read_radius(Text option, Text text, LayerOptions& layer) {
  return store(number_value(option, text, 0, kMostRadius), layer.radius);
}
Result<void> read_margin(Text option, Text text, LayerOptions& layer) {
  return store(number_value(option, text, 0, static_cast<unsigned>(kMostPx)), layer.margin);
}
Result<void> read_crop(Text option, Text text, LayerOptions& layer) {
  if (text == "none") {
    layer.crop.reset();
    return {};
  }
  return store(crop_value(option, text), layer.crop);
}
Result<void> read_name(Text option, Text text, LayerOptions& layer) {
  return store(name_value(option, text), layer.name);
}
Result<void> read_order(Text option, Text text, LayerOptions& layer) {
  const auto value = number(text);
  if (!value || *value != std::round(*value) || std::abs(*value) > kMostOrder) {
    return invalid(option, fmt::format("{} is not a number from -{} to {}", in_quotes(text), kMostOrder, kMostOrder));
  }
  layer.order = static_cast<std::int32_t>(*value);
  return {};
}

struct LayerRow {
  Text key;
  Result<void> (*read)(Text option, Text text, LayerOptions& layer);
};
constexpr std::array kRows{LayerRow{"at", read_at},           LayerRow{"size", read_size},
                           LayerRow{"opacity", read_opacity}, LayerRow{"radius", read_radius},
                           LayerRow{"margin", read_margin},   LayerRow{"crop", read_crop},
                           LayerRow{"name", read_name},       LayerRow{"order", read_order}};

/// The last option in `text`: where its comma is, and its row. A text that is only options has a comma before it.
struct Last {
  std::size_t comma;
  const LayerRow* row;
};
std::optional<Last> last_option(Text text) {
  std::optional<Last> last;
  for (const LayerRow& row : kRows) {
    const std::size_t at = text.rfind(fmt::format(",{}=", row.key));
    if (at != Text::npos && (!last || at > last->comma)) last = Last{at, &row};
  }
  return last;
}

/// Takes the options off the end of `text`; what is before them.
Result<Text> take_options(Text option, Text text, LayerOptions& layer) {
  while (const auto last = last_option(text)) {
    const Text value = text.substr(last->comma + last->row->key.size() + 2);
    const std::string what = fmt::format("{}: {}", option, last->row->key);
    if (auto read = last->row->read(what, value, layer); !read) return std::unexpected(std::move(read.error()));
    text = text.substr(0, last->comma);
  }
  return text;
}

/// "camera:@br:25%" as "camera", with the rest taken. What is no place belongs to the source: "camera:@default".
Result<Text> take_short_form(Text option, Text text, LayerOptions& layer) {
  const std::size_t at = text.rfind(":@");
  if (at == Text::npos) return text;
  const Text rest = text.substr(at + 2);
  const std::size_t colon = rest.find(':');
  const auto read = place(rest.substr(0, colon));
  if (!read) return text;
  layer.at = *read;
  if (colon != Text::npos) {
    const std::string what = fmt::format("{}: size", option);
    if (auto size = read_size(what, rest.substr(colon + 1), layer); !size) {
      return std::unexpected(std::move(size.error()));
    }
  }
  return text.substr(0, at);
}

std::string text_of(const LayerLength& length) { return fmt::format("{}{}", length.value, length.percent ? "%" : ""); }

}  // namespace

Result<LayerOptions> layer_value(std::string_view option, std::string_view text) {
  LayerOptions layer;
  auto rest = take_options(option, text, layer);
  if (rest) rest = take_short_form(option, *rest, layer);
  if (!rest) return std::unexpected(std::move(rest.error()));
  if (auto stored = store(parse_source(*rest), layer.source); !stored) {
    return invalid(option, std::move(stored.error().detail));
  }
  return layer;
}

Result<void> change_layer(std::string_view option, std::string_view text, LayerOptions& layer) {
  const std::string all = fmt::format(",{}", text);
  const auto rest = take_options(option, all, layer);
  if (!rest) return std::unexpected(rest.error());
  if (rest->empty()) return {};
  std::vector<Text> keys;
  for (const LayerRow& row : kRows) keys.push_back(row.key);
  return invalid(option,
                 fmt::format("{} is not KEY=VALUE with one of {}", in_quotes(rest->substr(1)), fmt::join(keys, ", ")));
}

std::string layer_text(const LayerOptions& layer) {
  std::string text = to_string(layer.source);
  if (const auto* corner = std::get_if<LayerCorner>(&layer.at)) {
    const auto* const found = std::ranges::find(kCorners, *corner, &Choice<LayerCorner>::value);
    text += fmt::format(",at={}", found->word);
  } else {
    const auto& point = std::get<LayerPoint>(layer.at);
    text += fmt::format(",at={},{}", text_of(point.x), text_of(point.y));
  }
  if (const auto* part = std::get_if<double>(&layer.size)) text += fmt::format(",size={}%", *part);
  if (const auto* size = std::get_if<Size>(&layer.size)) text += fmt::format(",size={}x{}", size->width, size->height);
  if (layer.margin != 0) text += fmt::format(",margin={}", layer.margin);
  if (layer.opacity != 100) text += fmt::format(",opacity={}%", layer.opacity);
  if (layer.radius != 0) text += fmt::format(",radius={}", layer.radius);
  if (layer.crop) {
    text += fmt::format(",crop={}x{}+{}+{}", layer.crop->width, layer.crop->height, layer.crop->x, layer.crop->y);
  }
  if (layer.order != 0) text += fmt::format(",order={}", layer.order);
  if (!layer.name.empty()) text += fmt::format(",name={}", layer.name);
  return text;
}

std::vector<ArgumentRow<RecordWords>> layer_arguments() {
  static constexpr std::array<Text, 5> kSuggested{"portal", "node:", "image:", "text:", "clock"};
  return {
      {{.name = "--layer",
        .value = "LAYER",
        .group = "Layers",
        .help =
            "What lies above the picture: a source, as --source takes it, then ',at=PLACE', ',size=SIZE', "
            "',margin=PX', ',opacity=PERCENT', ',radius=PX' for rounded corners, ',crop=WxH+X+Y', ',order=N' and "
            "',name=NAME'. The place is one of tl, t, tr, l, c, r, bl, b, br, or X,Y in px or %; the size is a part "
            "of the picture's width, or WxH into which it is fitted. 'SOURCE:@PLACE:SIZE' is short for the first "
            "two, such as node:camera:@br:25%. May be given up to eight times; later ones lie above earlier ones.",
        .fallback = "",
        .suggestions = kSuggested,
        .repeatable = true},
       [](RecordWords& words, Text option, Text text) -> Result<void> {
         auto layer = layer_value(option, text);
         if (!layer) return std::unexpected(std::move(layer.error()));
         words.options.layers.push_back(*std::move(layer));
         return {};
       }},
  };
}

}  // namespace zc
