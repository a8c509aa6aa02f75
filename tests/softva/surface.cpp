// Surfaces, their export, and images to copy them from and to.
#include "softva/driver.h"

#include <drm_fourcc.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>

namespace zc::softva {
namespace {

constexpr std::array<Format, 2> kFormats = {{
    {VA_FOURCC_NV12, VA_RT_FORMAT_YUV420, {DRM_FORMAT_R8, DRM_FORMAT_GR88}, 1},
    {VA_FOURCC_P010, VA_RT_FORMAT_YUV420_10, {DRM_FORMAT_R16, DRM_FORMAT_GR1616}, 2},
}};
constexpr std::size_t kPitchAlignment = 64;
/// Behind the last row: lavapipe takes no image whose memory ends with it.
constexpr std::size_t kRoom = 65'536;
/// One that nobody knows.
constexpr std::uint64_t kOddModifier = 0x7e00'0000'0000'0077;

/// False: there is no memory.
bool allocate(Surface& surface) {
  Picture& picture = surface.picture;
  const bool apart = fault(Fault::Apart);
  const std::size_t bytes = picture.lay_out(kPitchAlignment, fault(Fault::Narrow) ? 16 : 0) + kRoom;
  for (unsigned i = 0; i < picture.planes.size(); ++i) {
    if (i == 0 || apart) surface.memory.push_back(std::make_unique<Memory>(bytes));
    if (surface.memory.back()->data == nullptr) return false;
    picture.planes.at(i).data = surface.memory.back()->data;
  }
  return true;
}

VAStatus create(VADriverContextP context, unsigned int rt_format, unsigned int width, unsigned int height,
                VASurfaceID* ids, unsigned int number, VASurfaceAttrib* list, unsigned int attributes) {
  const auto* format = std::ranges::find(kFormats, rt_format, &Format::rt_format);
  bool listed = false;
  for (const VASurfaceAttrib& a : std::span(list, attributes)) {
    if (a.type == VASurfaceAttribPixelFormat) format = find_format(static_cast<std::uint32_t>(a.value.value.i));
    if (a.type != VASurfaceAttribDRMFormatModifiers) continue;
    const auto& wanted = *static_cast<const VADRMFormatModifierList*>(a.value.value.p);
    const std::span modifiers(wanted.modifiers, wanted.num_modifiers);
    const bool linear = std::ranges::find(modifiers, DRM_FORMAT_MOD_LINEAR) != modifiers.end();
    if (!linear || fault(Fault::NoModifiers)) return VA_STATUS_ERROR_ATTR_NOT_SUPPORTED;
    listed = true;
  }
  if (format == nullptr || format == kFormats.end() || format->rt_format != rt_format) {
    return VA_STATUS_ERROR_UNSUPPORTED_RT_FORMAT;
  }
  if (width == 0 || height == 0) return VA_STATUS_ERROR_INVALID_PARAMETER;
  const Locked driver(context);
  for (unsigned i = 0; i < number; ++i) {
    auto surface = std::make_shared<Surface>();
    surface->picture = {format, width, height, {}};
    if (lost() || fault_now(Fault::Alloc) || !allocate(*surface)) {
      for (const VASurfaceID made : std::span(ids, i)) Driver::remove(driver->surfaces, &Counts::surfaces, made);
      return VA_STATUS_ERROR_ALLOCATION_FAILED;
    }
    ids[i] = driver->add(driver->surfaces, &Counts::surfaces, std::move(surface));
    if (listed) count(&Counts::listed, 1);
  }
  return VA_STATUS_SUCCESS;
}

VAStatus destroy(VADriverContextP context, VASurfaceID* ids, int number) {
  const Locked driver(context);
  for (const VASurfaceID id : std::span(ids, static_cast<std::size_t>(number))) {
    if (!Driver::remove(driver->surfaces, &Counts::surfaces, id)) return VA_STATUS_ERROR_INVALID_SURFACE;
  }
  return VA_STATUS_SUCCESS;
}

VAStatus sync2(VADriverContextP context, VASurfaceID id, std::uint64_t /*timeout_ns*/) {
  const Locked driver(context);
  const auto* surface = Driver::find(driver->surfaces, id);
  if (surface == nullptr) return VA_STATUS_ERROR_INVALID_SURFACE;
  if (lost()) return VA_STATUS_ERROR_OPERATION_FAILED;
  (*surface)->finish_readers();
  return VA_STATUS_SUCCESS;
}

VAStatus sync(VADriverContextP context, VASurfaceID id) { return sync2(context, id, VA_TIMEOUT_INFINITE); }

VAStatus hand_out(VADriverContextP context, VASurfaceID id, std::uint32_t type, std::uint32_t flags, void* descriptor) {
  if (type != VA_SURFACE_ATTRIB_MEM_TYPE_DRM_PRIME_2 || (flags & VA_EXPORT_SURFACE_SEPARATE_LAYERS) == 0) {
    return VA_STATUS_ERROR_UNSUPPORTED_MEMORY_TYPE;
  }
  if (fault(Fault::Export)) return VA_STATUS_ERROR_UNIMPLEMENTED;
  const Locked driver(context);
  const auto* surface = Driver::find(driver->surfaces, id);
  if (surface == nullptr) return VA_STATUS_ERROR_INVALID_SURFACE;
  const Picture& picture = (*surface)->picture;
  auto& out = *static_cast<VADRMPRIMESurfaceDescriptor*>(descriptor);
  out = {};
  out.fourcc = picture.format->fourcc;
  out.width = picture.width;
  out.height = picture.height;
  for (unsigned i = 0; i < ((*surface)->memory.size() == 2 || fault(Fault::Twice) ? 2U : 1U); ++i) {
    const auto& memory = (*surface)->memory.at(std::min<std::size_t>(i, (*surface)->memory.size() - 1));
    auto& object = out.objects[out.num_objects++];
    object.fd = ::fcntl(memory->fd, F_DUPFD_CLOEXEC, 0);
    object.size = static_cast<std::uint32_t>(memory->size);
    object.drm_format_modifier = fault(Fault::Modifier) ? kOddModifier : DRM_FORMAT_MOD_LINEAR;
  }
  const std::size_t lie = fault(Fault::Lie) ? picture.planes[1].pitch : 0;
  out.num_layers = 2;
  for (unsigned i = 0; i < picture.planes.size(); ++i) {
    auto& layer = out.layers[i];
    layer.drm_format = picture.format->layers.at(i);
    layer.num_planes = 1;
    layer.object_index[0] = std::min(i, out.num_objects - 1);
    layer.offset[0] = static_cast<std::uint32_t>(picture.planes.at(i).offset + (i == 1 ? lie : 0));
    layer.pitch[0] = static_cast<std::uint32_t>(picture.planes.at(i).pitch);
  }
  count(&Counts::exports, 1);
  return VA_STATUS_SUCCESS;
}

VAStatus query_formats(VADriverContextP /*context*/, VAImageFormat* list, int* count) {
  *count = static_cast<int>(kFormats.size());
  for (const Format& format : kFormats) {
    *list = {};
    list->fourcc = format.fourcc;
    list->byte_order = VA_LSB_FIRST;
    (list++)->bits_per_pixel = 12 * format.bytes;
  }
  return VA_STATUS_SUCCESS;
}

VAStatus create_image(VADriverContextP context, VAImageFormat* wanted, int width, int height, VAImage* image) {
  Picture picture{find_format(wanted->fourcc), static_cast<unsigned>(width), static_cast<unsigned>(height), {}};
  if (picture.format == nullptr || width <= 0 || height <= 0) return VA_STATUS_ERROR_INVALID_IMAGE_FORMAT;
  const std::size_t bytes = picture.lay_out(16, 0);
  const Locked driver(context);
  *image = {};
  image->format = *wanted;
  image->width = static_cast<std::uint16_t>(width);
  image->height = static_cast<std::uint16_t>(height);
  image->num_planes = 2;
  for (unsigned i = 0; i < picture.planes.size(); ++i) {
    image->offsets[i] = static_cast<std::uint32_t>(picture.planes.at(i).offset);
    image->pitches[i] = static_cast<std::uint32_t>(picture.planes.at(i).pitch);
  }
  image->data_size = static_cast<std::uint32_t>(bytes);
  auto buffer = std::make_shared<Buffer>();
  buffer->type = VAImageBufferType;
  buffer->bytes.assign(bytes, 0xCD);
  image->buf = driver->add(driver->buffers, &Counts::buffers, std::move(buffer));
  image->image_id = driver->add(driver->images, &Counts::images, *image);
  return VA_STATUS_SUCCESS;
}

VAStatus destroy_image(VADriverContextP context, VAImageID id) {
  const Locked driver(context);
  const VAImage* image = Driver::find(driver->images, id);
  if (image == nullptr) return VA_STATUS_ERROR_INVALID_IMAGE;
  Driver::remove(driver->buffers, &Counts::buffers, image->buf);
  Driver::remove(driver->images, &Counts::images, id);
  return VA_STATUS_SUCCESS;
}

/// All of a surface to an image, or the other way round.
VAStatus copy(VADriverContextP context, VASurfaceID id, VAImageID image_id, bool to_image) {
  const Locked driver(context);
  const auto* surface = Driver::find(driver->surfaces, id);
  const VAImage* image = Driver::find(driver->images, image_id);
  if (surface == nullptr || image == nullptr) return VA_STATUS_ERROR_INVALID_PARAMETER;
  const Picture& there = (*surface)->picture;
  Picture here{find_format(image->format.fourcc), image->width, image->height, {}};
  if (here.format != there.format || here.width != there.width || here.height != there.height) {
    return VA_STATUS_ERROR_INVALID_PARAMETER;
  }
  if (lost()) return VA_STATUS_ERROR_OPERATION_FAILED;
  (*surface)->finish_readers();
  here.lay_out(16, 0);
  for (unsigned i = 0; i < here.planes.size(); ++i) {
    here.planes.at(i).data = driver->buffers.at(image->buf)->bytes.data();
    for (std::size_t y = 0; y < here.rows(i); ++y) {
      const auto [from, to] =
          to_image ? std::pair{there.row(i, y), here.row(i, y)} : std::pair{here.row(i, y), there.row(i, y)};
      std::memcpy(to, from, here.row_bytes(i));
    }
  }
  return VA_STATUS_SUCCESS;
}

VAStatus get(VADriverContextP context, VASurfaceID id, int /*x*/, int /*y*/, unsigned int /*width*/,
             unsigned int /*height*/, VAImageID image) {
  return copy(context, id, image, true);
}

VAStatus put(VADriverContextP context, VASurfaceID id, VAImageID image, int /*x*/, int /*y*/, unsigned int /*width*/,
             unsigned int /*height*/, int /*to_x*/, int /*to_y*/, unsigned int /*to_width*/,
             unsigned int /*to_height*/) {
  if (fault_now(Fault::PutImage)) return VA_STATUS_ERROR_OPERATION_FAILED;
  return copy(context, id, image, false);
}

}  // namespace

const std::array<Format, 2>& formats() { return kFormats; }

const Format* find_format(std::uint32_t fourcc) {
  const auto* found = std::ranges::find(kFormats, fourcc, &Format::fourcc);
  return found == kFormats.end() ? nullptr : found;
}

std::size_t Picture::lay_out(std::size_t alignment, std::size_t extra) {
  std::size_t bytes = 0;
  for (unsigned i = 0; i < planes.size(); ++i) {
    planes.at(i).offset = bytes;
    planes.at(i).pitch = (row_bytes(i) + alignment - 1) / alignment * alignment + extra;
    bytes += planes.at(i).pitch * rows(i);
  }
  return bytes;
}

Memory::Memory(std::size_t bytes)
    : size((bytes + 4095) / 4096 * 4096), fd(::memfd_create("softva", MFD_CLOEXEC)), data(nullptr) {
  if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(size)) != 0) return;
  void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return;
  // What nobody wrote must not pass for black.
  data = static_cast<std::uint8_t*>(std::memset(mapped, 0xCD, size));
}

Memory::~Memory() {
  if (data != nullptr) ::munmap(data, size);
  if (fd >= 0) ::close(fd);
}

void fill_surface(VADriverVTable& table) {
  table.vaCreateSurfaces2 = create;
  table.vaDestroySurfaces = destroy;
  table.vaSyncSurface = sync;
  table.vaSyncSurface2 = sync2;
  table.vaExportSurfaceHandle = hand_out;
  table.vaQueryImageFormats = query_formats;
  table.vaCreateImage = create_image;
  table.vaDestroyImage = destroy_image;
  table.vaGetImage = get;
  table.vaPutImage = put;
}

}  // namespace zc::softva
