#include "cli/layer_words.h"

#include "settings/layer_arguments.h"

#include <utility>

namespace zc {

Result<std::string> absolute_layer(std::string_view option, std::string_view text) {
  auto layer = layer_value(option, text);
  if (!layer) return std::unexpected(std::move(layer.error()));
  SourceSpec absolute = layer->source;
  make_absolute(absolute);
  if (absolute == layer->source) return std::string(text);
  layer->source = std::move(absolute);
  return layer_text(*layer);
}

}  // namespace zc
