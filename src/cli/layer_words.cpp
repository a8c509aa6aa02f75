#include "cli/layer_words.h"

#include "settings/layer_arguments.h"

#include <filesystem>
#include <system_error>
#include <utility>
#include <variant>

namespace zc {

Result<std::string> absolute_layer(std::string_view option, std::string_view text) {
  auto layer = layer_value(option, text);
  if (!layer) return std::unexpected(std::move(layer.error()));
  auto* image = std::get_if<ImageSpec>(&layer->source);
  if (image == nullptr) return std::string(text);
  std::error_code error;
  image->path = std::filesystem::absolute(image->path, error).lexically_normal().string();
  if (error) return fail(ErrorKind::Invalid, std::string(option), error.message());
  return layer_text(*layer);
}

}  // namespace zc
