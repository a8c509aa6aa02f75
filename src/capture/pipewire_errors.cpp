#include "capture/pipewire_errors.h"

#include <algorithm>
#include <array>
#include <utility>

namespace zc {
namespace {

struct Row {
  std::string_view words;
  ErrorKind kind;
  std::string_view explanation;
  bool buffers = false;
};

constexpr std::array kRows = {
    Row{"no more input formats", ErrorKind::Unsupported, "it offers no picture format that can be taken"},
    Row{"no more output formats", ErrorKind::Unsupported, "it offers no picture format that can be taken"},
    Row{"error negotiating", ErrorKind::Unsupported, "it offers no picture format that can be taken"},
    Row{"uffer allocation failed", ErrorKind::Unsupported, "it cannot provide buffers of a kind that can be taken",
        true},
    Row{"error alloc buffers", ErrorKind::Unsupported, "it cannot provide buffers of a kind that can be taken", true},
    Row{"no target node", ErrorKind::NotFound, "there is no such node"},
    Row{"target not found", ErrorKind::NotFound, "there is no such node"},
    Row{"not permitted", ErrorKind::Denied, "PipeWire does not permit it"},
    Row{"ermission denied", ErrorKind::Denied, "PipeWire does not permit it"},
};

const Row* row_of(std::string_view message) {
  const auto* const row = std::ranges::find_if(kRows, [&](const Row& r) { return message.contains(r.words); });
  return row == kRows.end() ? nullptr : row;
}

}  // namespace

bool perhaps_buffers(std::string_view message) {
  const Row* row = row_of(message);
  return row == nullptr || row->buffers;
}

Error stream_error(std::string_view message, std::string what) {
  if (const Row* row = row_of(message)) {
    return {row->kind, ErrorDomain::PipeWire, 0, std::move(what),
            std::string(row->explanation) + " (" + std::string(message) + ")"};
  }
  return {ErrorKind::Lost, ErrorDomain::PipeWire, 0, std::move(what),
          message.empty() ? std::string("its stream broke") : std::string(message)};
}

}  // namespace zc
