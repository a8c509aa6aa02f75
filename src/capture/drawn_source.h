#pragma once

#include "capture/drawn_spec.h"
#include "capture/source.h"

#include <memory>

namespace zc {

// Pictures of our own in shared memory: one, and then silence; or, of a clock, one whenever what it says has changed.
// start() reads the file or finds the fonts; errors as read_image() and TextPainter::open().
[[nodiscard]] std::unique_ptr<Source> make_image_source(ImageSpec spec);
[[nodiscard]] std::unique_ptr<Source> make_text_source(TextSpec spec);
[[nodiscard]] std::unique_ptr<Source> make_clock_source(ClockSpec spec);

}  // namespace zc
