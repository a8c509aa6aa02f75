#pragma once

#include "base/error.h"
#include "capture/source.h"
#include "capture/source_spec.h"

#include <memory>
#include <stop_token>

namespace zc {

struct SourceOptions {
  /// Ends the waits in Source::start(), which may be as long as a person thinks about a dialog.
  std::stop_token stop;
};

/// Makes the source, without contacting anything yet: that is Source::start().
[[nodiscard]] Result<std::unique_ptr<Source>> make_source(const SourceSpec& spec, const SourceOptions& options = {});

}  // namespace zc
