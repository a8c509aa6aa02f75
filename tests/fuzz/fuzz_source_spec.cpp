#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "capture/source_spec.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto spec = zc::parse_source(text);
  if (!spec) {
    if (spec.error().kind != zc::ErrorKind::Invalid || spec.error().detail.empty()) std::abort();
    return 0;
  }
  // Whatever is accepted has a text of its own that means the same.
  const auto again = zc::parse_source(zc::to_string(*spec));
  if (!again || *again != *spec) std::abort();
  return 0;
}
