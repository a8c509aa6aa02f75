#include "media/dmabuf.h"

#include <unistd.h>

#include <cerrno>

namespace zc {

Result<void> Dmabuf::validate() const {
  const auto bad = [](unsigned plane, std::string_view why) {
    return fail(ErrorKind::Invalid, "dmabuf plane " + std::to_string(plane), std::string(why));
  };
  if (size.empty()) return fail(ErrorKind::Invalid, "dmabuf", "its size is zero");
  if (format == PixelFormat::Unknown) return fail(ErrorKind::Invalid, "dmabuf", "its pixel format is unknown");
  if (plane_count == 0 || plane_count > kMaxPlanes) {
    return fail(ErrorKind::Invalid, "dmabuf", "it has " + std::to_string(plane_count) + " planes, valid are 1 to 4");
  }
  const unsigned data_planes = info(format).planes;
  // An explicit layout may have planes of its own (compression); an implicit one has nobody to explain them.
  const bool explicit_layout = modifier != kModifierLinear && modifier != kModifierInvalid;
  if (!explicit_layout && plane_count != data_planes) {
    return fail(ErrorKind::Invalid, "dmabuf", "its plane count does not fit its format");
  }
  for (unsigned i = 0; i < plane_count; ++i) {
    const Plane& plane = planes.at(i);
    if (!plane.fd) return bad(i, "no file descriptor");
    if (plane.stride_bytes == 0) return bad(i, "its stride is zero");
    const off_t end = ::lseek(plane.fd.get(), 0, SEEK_END);
    if (end < 0) return fail_errno(errno, "read the size of dmabuf plane " + std::to_string(i));
    const auto available = static_cast<std::uint64_t>(end);
    if (plane.offset_bytes >= available) return bad(i, "its offset lies behind the end of the buffer");
    if (explicit_layout) continue;  // only the driver knows what its strides mean
    const std::uint64_t row = row_bytes(format, i, size.width);
    if (plane.stride_bytes < row) return bad(i, "its stride is shorter than a row");
    if (modifier == kModifierInvalid) continue;  // nor how long a tiled layout is
    const std::uint64_t rows = plane_height(format, i, size.height);
    const std::uint64_t needed = plane.offset_bytes + std::uint64_t{plane.stride_bytes} * (rows - 1) + row;
    if (needed > available) return bad(i, "the buffer is shorter than its rows");
  }
  return {};
}

}  // namespace zc
