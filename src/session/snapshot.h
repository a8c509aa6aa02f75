// One picture instead of a stream of them.
#pragma once

#include "base/error.h"
#include "media/surface.h"
#include "output/output_spec.h"
#include "session/recording.h"

#include <expected>
#include <stop_token>
#include <string_view>

namespace zc {

/// The source's first picture, as PipelineFactory::make_still() makes it: waited for as a recording waits for its own,
/// until `stop`. Of `options` only source, cursor, GPU, crop and toggles count. Part::Settings: no importer, or no such
/// crop.
[[nodiscard]] std::expected<Surface, Failure> first_picture(RecordingOptions options, const std::stop_token& stop);

/// Invalid: the name of a picture's file does not end in ".png".
[[nodiscard]] Result<void> check_png_name(std::string_view path);

/// Writes a picture as a PNG file, which appears when it is whole. Errors as NewFile's and png_of()'s.
[[nodiscard]] Result<void> save_png(Surface picture, const FileOutput& output);

}  // namespace zc
