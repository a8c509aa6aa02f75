// Surfaces: in memory of their own, or in a dmabuf's; their export.
#include "softva/driver.h"

#include <drm_fourcc.h>
#include <fcntl.h>

#include <algorithm>
#include <span>
#include <thread>

namespace zc::softva {
namespace {

constexpr std::size_t kPitchAlignment = 64;

struct Wish {
  std::uint32_t fourcc = 0;
  std::uint32_t memory = VA_SURFACE_ATTRIB_MEM_TYPE_VA;
  const void* external = nullptr;
  const VADRMFormatModifierList* modifiers = nullptr;
};

std::uint32_t default_fourcc(unsigned rt_format) {
  const auto* format = std::ranges::find(formats(), rt_format, &Format::rt_format);
  return format == formats().end() ? 0 : format->fourcc;
}

std::optional<Wish> read(std::span<const VASurfaceAttrib> attributes) {
  Wish wish;
  for (const VASurfaceAttrib& a : attributes) {
    switch (a.type) {
      case VASurfaceAttribPixelFormat: wish.fourcc = static_cast<std::uint32_t>(a.value.value.i); break;
      case VASurfaceAttribMemoryType: wish.memory = static_cast<std::uint32_t>(a.value.value.i); break;
      case VASurfaceAttribExternalBufferDescriptor: wish.external = a.value.value.p; break;
      case VASurfaceAttribDRMFormatModifiers:
        wish.modifiers = static_cast<const VADRMFormatModifierList*>(a.value.value.p);
        break;
      case VASurfaceAttribUsageHint: break;
      default: return std::nullopt;
    }
  }
  return wish;
}

/// Imported memory says itself what it holds.
std::uint32_t external_fourcc(const Wish& wish) {
  if (wish.external == nullptr) return 0;
  switch (wish.memory) {
    case VA_SURFACE_ATTRIB_MEM_TYPE_DRM_PRIME:
      return static_cast<const VASurfaceAttribExternalBuffers*>(wish.external)->pixel_format;
    case VA_SURFACE_ATTRIB_MEM_TYPE_DRM_PRIME_2:
      return static_cast<const VADRMPRIMESurfaceDescriptor*>(wish.external)->fourcc;
    default: return 0;
  }
}

/// Where the last row of the last plane ends.
std::size_t end_of(const Picture& picture) {
  std::size_t end = 0;
  for (unsigned i = 0; i < picture.format->planes; ++i) {
    const Plane& plane = picture.planes.at(i);
    end = std::max(end, plane.offset + (plane_rows(*picture.format, i, picture.height) - 1) * plane.pitch +
                            plane_bytes(*picture.format, i, picture.width));
  }
  return end;
}

VAStatus adopt(Surface& surface, int fd, std::span<const std::uint32_t> offsets,
               std::span<const std::uint32_t> pitches) {
  Picture& picture = surface.picture;
  for (unsigned i = 0; i < picture.format->planes; ++i) {
    picture.planes.at(i) = {offsets[i], pitches[i]};
    if (pitches[i] < plane_bytes(*picture.format, i, picture.width)) return VA_STATUS_ERROR_INVALID_PARAMETER;
  }
  surface.memory = SharedMemory::map(fd, end_of(picture));
  if (!surface.memory) return VA_STATUS_ERROR_INVALID_PARAMETER;
  surface.imported = true;
  picture.base = surface.memory->data();
  return VA_STATUS_SUCCESS;
}

VAStatus import(Surface& surface, const VADRMPRIMESurfaceDescriptor& from) {
  if (from.fourcc != surface.picture.format->fourcc || from.num_objects != 1) return VA_STATUS_ERROR_INVALID_PARAMETER;
  if (from.objects[0].drm_format_modifier != DRM_FORMAT_MOD_LINEAR) return VA_STATUS_ERROR_INVALID_PARAMETER;
  std::array<std::uint32_t, 4> offsets{};
  std::array<std::uint32_t, 4> pitches{};
  unsigned planes = 0;
  for (unsigned layer = 0; layer < std::min<std::uint32_t>(from.num_layers, 4); ++layer) {
    for (unsigned i = 0; i < std::min<std::uint32_t>(from.layers[layer].num_planes, 4) && planes < 4; ++i, ++planes) {
      offsets.at(planes) = from.layers[layer].offset[i];
      pitches.at(planes) = from.layers[layer].pitch[i];
    }
  }
  if (planes != surface.picture.format->planes) return VA_STATUS_ERROR_INVALID_PARAMETER;
  return adopt(surface, from.objects[0].fd, offsets, pitches);
}

VAStatus import(Surface& surface, const VASurfaceAttribExternalBuffers& from) {
  if (from.num_buffers != 1 || from.num_planes != surface.picture.format->planes ||
      from.pixel_format != surface.picture.format->fourcc) {
    return VA_STATUS_ERROR_INVALID_PARAMETER;
  }
  return adopt(surface, static_cast<int>(from.buffers[0]), from.offsets, from.pitches);
}

VAStatus allocate(Surface& surface, const VADRMFormatModifierList* modifiers) {
  if (modifiers != nullptr) {
    const std::span wanted(modifiers->modifiers, modifiers->num_modifiers);
    if (std::ranges::find(wanted, DRM_FORMAT_MOD_LINEAR) == wanted.end()) return VA_STATUS_ERROR_ATTR_NOT_SUPPORTED;
  }
  if (lost() || fault_now(Fault::Alloc)) return VA_STATUS_ERROR_ALLOCATION_FAILED;
  Picture& picture = surface.picture;
  std::size_t bytes = 0;
  for (unsigned i = 0; i < picture.format->planes; ++i) {
    const std::size_t row = plane_bytes(*picture.format, i, picture.width);
    picture.planes.at(i) = {bytes, (row + kPitchAlignment - 1) / kPitchAlignment * kPitchAlignment};
    bytes += picture.planes.at(i).pitch * plane_rows(*picture.format, i, picture.height);
  }
  surface.memory = SharedMemory::make(bytes);
  if (!surface.memory) return VA_STATUS_ERROR_ALLOCATION_FAILED;
  picture.base = surface.memory->data();
  return VA_STATUS_SUCCESS;
}

VAStatus make(Surface& surface, const Wish& wish) {
  switch (wish.memory) {
    case VA_SURFACE_ATTRIB_MEM_TYPE_VA: return allocate(surface, wish.modifiers);
    case VA_SURFACE_ATTRIB_MEM_TYPE_DRM_PRIME:
    case VA_SURFACE_ATTRIB_MEM_TYPE_DRM_PRIME_2:
      if (wish.external == nullptr) return VA_STATUS_ERROR_INVALID_PARAMETER;
      if (fault(Fault::Import)) return VA_STATUS_ERROR_ALLOCATION_FAILED;
      return wish.memory == VA_SURFACE_ATTRIB_MEM_TYPE_DRM_PRIME
                 ? import(surface, *static_cast<const VASurfaceAttribExternalBuffers*>(wish.external))
                 : import(surface, *static_cast<const VADRMPRIMESurfaceDescriptor*>(wish.external));
    default: return VA_STATUS_ERROR_UNSUPPORTED_MEMORY_TYPE;
  }
}

void destroyed(const Surface& surface) {
  count(&Counts::surfaces, -1);
  if (surface.imported) count(&Counts::imported, -1);
}

VAStatus create2(VADriverContextP context, unsigned int format, unsigned int width, unsigned int height,
                 VASurfaceID* ids, unsigned int number, VASurfaceAttrib* list, unsigned int attributes) {
  const auto wish = read(std::span(list, attributes));
  if (!wish) return VA_STATUS_ERROR_ATTR_NOT_SUPPORTED;
  const std::uint32_t fourcc = wish->fourcc != 0 ? wish->fourcc : external_fourcc(*wish);
  const Format* known = find_format(fourcc != 0 ? fourcc : default_fourcc(format));
  if (known == nullptr || known->rt_format != format) return VA_STATUS_ERROR_UNSUPPORTED_RT_FORMAT;
  if (width == 0 || height == 0) return VA_STATUS_ERROR_INVALID_PARAMETER;
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  for (unsigned i = 0; i < number; ++i) {
    auto surface = std::make_shared<Surface>();
    surface->picture = {known, width, height, nullptr, {}};
    const VAStatus status = make(*surface, *wish);
    if (status != VA_STATUS_SUCCESS) {
      for (unsigned made = 0; made < i; ++made) {
        destroyed(*driver.surface(ids[made]));
        driver.surfaces.erase(ids[made]);
      }
      return status;
    }
    count(&Counts::surfaces, 1);
    if (surface->imported) {
      count(&Counts::imported, 1);
      count(&Counts::imports, 1);
    }
    ids[i] = driver.next_id();
    driver.surfaces.emplace(ids[i], std::move(surface));
  }
  return VA_STATUS_SUCCESS;
}

VAStatus create(VADriverContextP context, int width, int height, int format, int number, VASurfaceID* ids) {
  return create2(context, static_cast<unsigned>(format), static_cast<unsigned>(width), static_cast<unsigned>(height),
                 ids, static_cast<unsigned>(number), nullptr, 0);
}

VAStatus destroy(VADriverContextP context, VASurfaceID* ids, int number) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  for (const VASurfaceID id : std::span(ids, static_cast<std::size_t>(number))) {
    const auto surface = driver.surface(id);
    if (!surface) return VA_STATUS_ERROR_INVALID_SURFACE;
    destroyed(*surface);
    driver.surfaces.erase(id);
  }
  return VA_STATUS_SUCCESS;
}

VAStatus sync2(VADriverContextP context, VASurfaceID id, std::uint64_t timeout_ns) {
  Driver& driver = driver_of(context);
  const std::unique_lock lock(driver.mutex);
  const auto surface = driver.surface(id);
  if (!surface) return VA_STATUS_ERROR_INVALID_SURFACE;
  if (lost()) return VA_STATUS_ERROR_OPERATION_FAILED;
  if (surface->hung) {
    // A test need not wait as long as a program would.
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min<std::uint64_t>(timeout_ns, 20'000'000)));
    return VA_STATUS_ERROR_TIMEDOUT;
  }
  surface->finish();
  surface->finish_readers();
  return VA_STATUS_SUCCESS;
}

VAStatus sync(VADriverContextP context, VASurfaceID id) { return sync2(context, id, VA_TIMEOUT_INFINITE); }

VAStatus status_of(VADriverContextP context, VASurfaceID id, VASurfaceStatus* status) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  const auto surface = driver.surface(id);
  if (!surface) return VA_STATUS_ERROR_INVALID_SURFACE;
  if (!surface->hung) {
    surface->finish();
    surface->finish_readers();
  }
  *status = surface->hung ? VASurfaceRendering : VASurfaceReady;
  return VA_STATUS_SUCCESS;
}

VAStatus hand_out(VADriverContextP context, VASurfaceID id, std::uint32_t type, std::uint32_t flags, void* descriptor) {
  if (type != VA_SURFACE_ATTRIB_MEM_TYPE_DRM_PRIME_2) return VA_STATUS_ERROR_UNSUPPORTED_MEMORY_TYPE;
  if (fault(Fault::Export)) return VA_STATUS_ERROR_UNIMPLEMENTED;
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  const auto surface = driver.surface(id);
  if (!surface || surface->memory->fd() < 0) return VA_STATUS_ERROR_INVALID_SURFACE;
  surface->finish();
  const Picture& picture = surface->picture;
  auto& out = *static_cast<VADRMPRIMESurfaceDescriptor*>(descriptor);
  out = {};
  out.fourcc = picture.format->fourcc;
  out.width = picture.width;
  out.height = picture.height;
  out.num_objects = 1;
  out.objects[0].fd = ::fcntl(surface->memory->fd(), F_DUPFD_CLOEXEC, 0);
  out.objects[0].size = static_cast<std::uint32_t>(surface->memory->size());
  out.objects[0].drm_format_modifier = DRM_FORMAT_MOD_LINEAR;
  if (out.objects[0].fd < 0) return VA_STATUS_ERROR_OPERATION_FAILED;
  const bool separate = (flags & VA_EXPORT_SURFACE_SEPARATE_LAYERS) != 0;
  out.num_layers = separate ? picture.format->planes : 1;
  for (unsigned i = 0; i < picture.format->planes; ++i) {
    auto& layer = out.layers[separate ? i : 0];
    layer.drm_format = separate ? picture.format->layers.at(i) : picture.format->drm;
    const unsigned plane = separate ? 0 : i;
    layer.num_planes = plane + 1;
    layer.offset[plane] = static_cast<std::uint32_t>(picture.planes.at(i).offset);
    layer.pitch[plane] = static_cast<std::uint32_t>(picture.planes.at(i).pitch);
  }
  return VA_STATUS_SUCCESS;
}

}  // namespace

void fill_surface(VADriverVTable& table) {
  table.vaCreateSurfaces = create;
  table.vaCreateSurfaces2 = create2;
  table.vaDestroySurfaces = destroy;
  table.vaSyncSurface = sync;
  table.vaSyncSurface2 = sync2;
  table.vaQuerySurfaceStatus = status_of;
  table.vaExportSurfaceHandle = hand_out;
}

}  // namespace zc::softva
