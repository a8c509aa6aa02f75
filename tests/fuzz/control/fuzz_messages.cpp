// What a session's process says to the daemon, and the other way round: any bytes are read, and what is understood is
// understood again when it is said again.
#include "control/message.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto note = zc::parse_note(text); note && !zc::parse_note(zc::to_text(*note))) std::abort();
  if (const auto order = zc::parse_order(text); order && !zc::parse_order(zc::to_text(*order))) std::abort();
  return 0;
}
