// What a session's process says to the daemon, and the other way round: any bytes are read, and what is understood is
// understood again when it is said again.
#include "ipc/message.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto event = zc::parse_event(text); event && !zc::parse_event(zc::to_text(*event))) std::abort();
  if (const auto request = zc::parse_request(text); request && !zc::parse_request(zc::to_text(*request))) std::abort();
  return 0;
}
