// Numbered test pictures, coded as cameras do.
#pragma once

#include "media/geometry.h"
#include "media/test_mark.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace zc::test {

/// ProducerOptions::code: MJPEG (4:2:2, full range) and H.264 (Annex B, headers before each keyframe). The H.264 stream
/// begins with the first picture of a size.
[[nodiscard]] std::function<std::vector<std::byte>(std::uint32_t subtype, Size size, const TestMark& mark)>
camera_coder();

}  // namespace zc::test
