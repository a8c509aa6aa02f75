#pragma once

#include "session/layer_options.h"
#include "settings/argument.h"
#include "settings/record_arguments.h"

#include <string_view>
#include <vector>

namespace zc {

/// What lies above the picture.
[[nodiscard]] std::vector<ArgumentRow<RecordWords>> layer_arguments();

/// "SOURCE[,at=br][,size=25%]..." or "SOURCE:@br[:25%]". Options stand at the end: the source's own commas are its own.
[[nodiscard]] Result<LayerOptions> layer_value(std::string_view option, std::string_view text);
/// "at=br,size=25%": what is not named stays.
[[nodiscard]] Result<void> change_layer(std::string_view option, std::string_view text, LayerOptions& layer);
/// What layer_value() reads back as the same.
[[nodiscard]] std::string layer_text(const LayerOptions& layer);

}  // namespace zc
