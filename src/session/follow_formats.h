#pragma once

#include "base/error.h"
#include "media/format_table.h"
#include "media/frame.h"

#include <cstdint>
#include <functional>
#include <optional>

namespace zc {

/// How a picture is made up that is given to the importer.
struct Came {
  PixelFormat format = PixelFormat::Unknown;
  std::optional<std::uint64_t> modifier;  ///< of a dmabuf

  [[nodiscard]] static Came as(const Frame& frame);
};

/// Keeps what the source gives in step with what the importer takes, after each picture; `error`: why it took none, or
/// null; `ask`: asks the source. An error: it takes nothing any more.
[[nodiscard]] Result<void> follow_formats(FormatTable& table, const Came& came, const Error* error,
                                          const std::function<Result<void>(const FormatOffer&)>& ask);

}  // namespace zc
