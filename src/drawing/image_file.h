#pragma once

#include "base/error.h"
#include "drawing/drawn_picture.h"

#include <string>

namespace zc {

/// Decodes a PNG file of any kind, with its alpha; more than 8 bits are cut to 8. NotFound, Denied: the file cannot be
/// read. Invalid: it is no PNG file, damaged, or larger than 64 MiB or 16384 px.
[[nodiscard]] Result<DrawnPicture> read_image(const std::string& path);

}  // namespace zc
