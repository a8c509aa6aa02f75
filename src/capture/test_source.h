#pragma once

#include "base/error.h"
#include "capture/source.h"
#include "capture/source_spec.h"

#include <memory>

namespace zc {

/// A source that needs no desktop: TestPattern in its own pool of host buffers, paced by its own thread.
///
/// Frame n is due at start + n / rate (absolute deadlines, no drift); its pts is that deadline, its mark carries n and
/// the time it was painted. A frame that is late is made at once; after a pause of more than kCatchUp periods
/// (the process was suspended) the frames in between are passed over. A frame is passed over too when the consumer
/// holds every buffer. Both count as SourceStats::skipped, so delivered + skipped is the number of periods that had a
/// new picture.
///
/// After `frames` periods it ends with ErrorKind::Cancelled. Shared memory only: an offer without it is refused as
/// Unsupported.
[[nodiscard]] Result<std::unique_ptr<Source>> make_test_source(const TestSpec& spec);

}  // namespace zc
