// Which encoder is tried first.
#pragma once

#include "base/error.h"
#include "encode/encoder_table.h"
#include "encode/settings.h"

#include <span>
#include <string>
#include <vector>

namespace zc {

/// The words of an order: backends ("nvenc", "software") and encoders ("hevc_vaapi"), each at most once. Invalid: names
/// those there are.
[[nodiscard]] Result<void> validate_order(std::span<const std::string> order);

/// Puts rows into the order they are tried in: what `order` names comes first, in its order; then the encoder on the
/// GPU that holds the pictures, which takes them where they lie, the other hardware, and software. What is equal stays
/// as it was.
void sort_encoders(std::vector<const EncoderRow*>& rows, std::span<const std::string> order,
                   const VideoParameters& video);

}  // namespace zc
