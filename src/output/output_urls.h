// Outputs that are no files. Private to output_spec.h's parser.
#pragma once

#include "base/error.h"
#include "output/output_spec.h"

#include <optional>
#include <string_view>

namespace zc {

/// "scheme://rest". Invalid: an unknown scheme, a place or an option that it has not, a container that it does not
/// carry.
[[nodiscard]] Result<OutputSpec> parse_url(std::string_view scheme, std::string_view rest,
                                           const std::optional<Container>& container);
/// What follows "camera:". Invalid: neither a name nor a device.
[[nodiscard]] Result<OutputSpec> parse_camera(std::string_view text, const std::optional<Container>& container);

}  // namespace zc
