#include "unit/zerocopy/vaapi_support.h"

#include "unit/zerocopy/importer_rows.h"

namespace zc::test {

std::unique_ptr<Importer> VaapiRow::make(std::size_t limit) { return vaapi_importer({.surface_limit = limit}); }
Frame VaapiRow::frame(const RgbPicture& picture) { return frame_in(rgb_dmabuf(picture)); }
void leave_thread() {}  // nothing of VA-API is bound to one

}  // namespace zc::test
