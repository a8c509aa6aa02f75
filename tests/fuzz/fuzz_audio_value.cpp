#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "settings/audio_arguments.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto input = zc::audio_value("--audio", text);
  if (!input) {
    if (input.error().kind != zc::ErrorKind::Invalid || input.error().detail.empty()) std::abort();
    return 0;
  }
  if (!(input->gain > 0.0009F && input->gain < 10.1F) || input->track < 1 || input->track > 8) std::abort();
  // Whatever is accepted has a text of its own that means the same.
  const auto again = zc::audio_value("--audio", zc::to_string(input->source));
  if (!again || zc::to_string(again->source) != zc::to_string(input->source)) std::abort();
  return 0;
}
