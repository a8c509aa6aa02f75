#include "zerocopy/vaapi/surface_memory.h"

#include "media/dmabuf.h"
#include "zerocopy/vulkan/drm_modifiers.h"

#include <drm_fourcc.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <span>
#include <utility>

namespace zc {
namespace {

constexpr const char* kOperation = "import a VA-API surface into Vulkan";
/// What ConversionPass asks of planes.
constexpr std::uint32_t kPassAlignment = 64;

/// The names that drivers have for a plane; RG means the same bytes here as GR.
constexpr std::array<std::array<std::uint32_t, 2>, 2> kNarrow = {
    {{DRM_FORMAT_R8, DRM_FORMAT_R8}, {DRM_FORMAT_GR88, DRM_FORMAT_RG88}}};
constexpr std::array<std::array<std::uint32_t, 2>, 2> kWide = {
    {{DRM_FORMAT_R16, DRM_FORMAT_R16}, {DRM_FORMAT_GR1616, DRM_FORMAT_RG1616}}};

using Planes = std::array<Dmabuf, 2>;

struct Exported {
  Planes planes;
  bool together = false;  ///< in one piece of memory
};

/// Mesa hands out an object for each plane, of one buffer all the same.
bool all_one(std::span<const UniqueFd> objects) {
  struct stat first{};
  return std::ranges::all_of(objects, [&](const UniqueFd& object) {
    struct stat other{};
    if (::fstat(object.get(), &other) != 0) return false;
    if (&object == objects.data()) first = other;
    return other.st_ino == first.st_ino && other.st_dev == first.st_dev;
  });
}

Result<Exported> describe(const VADRMPRIMESurfaceDescriptor& from, std::span<const UniqueFd> objects,
                          PixelFormat format, Size size) {
  const auto refuse = [](std::string why) { return fail(ErrorKind::Unsupported, kOperation, std::move(why)); };
  if (from.num_layers != 2) return refuse(fmt::format("it has {} layers, not one for each plane", from.num_layers));
  Exported out;
  out.together = all_one(objects);
  for (unsigned i = 0; i < out.planes.size(); ++i) {
    const auto& layer = from.layers[i];
    const auto& known = (info(format).bits > 8 ? kWide : kNarrow).at(i);
    if (std::ranges::find(known, layer.drm_format) == known.end()) {
      return refuse(fmt::format("plane {} comes as DRM format {:#x}", i, layer.drm_format));
    }
    Dmabuf& plane = out.planes.at(i);
    plane.size = {plane_width(format, i, size.width), plane_height(format, i, size.height)};
    plane.format = format;
    plane.plane_count = layer.num_planes;
    if (plane.plane_count == 0 || plane.plane_count > Dmabuf::kMaxPlanes) return refuse("a layer has no memory");
    for (unsigned j = 0; j < plane.plane_count; ++j) {
      const std::uint32_t object = layer.object_index[j];
      if (object >= objects.size()) return refuse("a plane is in no object");
      auto fd = objects[object].dup();
      if (!fd) return std::unexpected(std::move(fd.error()));
      plane.planes.at(j) = {std::move(*fd), layer.offset[j], layer.pitch[j]};
      plane.modifier = from.objects[object].drm_format_modifier;
    }
  }
  return out;
}

Result<Exported> export_planes(const vaapi::Device& device, VASurfaceID surface, PixelFormat format, Size size) {
  const auto descriptor = device.export_planes(surface);
  if (!descriptor) return std::unexpected(descriptor.error());
  std::vector<UniqueFd> objects;
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(descriptor->num_objects, 4); ++i) {
    objects.emplace_back(descriptor->objects[i].fd);
  }
  return describe(*descriptor, objects, format, size);
}

/// nullopt: not such that a pass can write it.
std::optional<SurfaceLayout> pass_layout(const Exported& exported, PixelFormat format, Size size) {
  SurfaceLayout layout{.format = format, .size = size, .planes = {}, .bytes = 0};
  if (!exported.together) return std::nullopt;
  for (unsigned i = 0; i < exported.planes.size(); ++i) {
    const Dmabuf& dmabuf = exported.planes.at(i);
    const Dmabuf::Plane& plane = dmabuf.planes[0];
    const bool fits = plane.offset_bytes % kPassAlignment == 0 && plane.stride_bytes % kPassAlignment == 0 &&
                      plane.stride_bytes >= row_bytes(format, i, size.width);
    if (dmabuf.modifier != kModifierLinear || dmabuf.plane_count != 1 || !fits) return std::nullopt;
    layout.planes.at(i) = {plane.offset_bytes, plane.stride_bytes};
    layout.bytes = std::max(layout.bytes, plane.offset_bytes + std::size_t{plane.stride_bytes} * dmabuf.size.height);
  }
  return layout;
}

}  // namespace

const std::array<VkFormat, 2>& plane_formats(PixelFormat format) {
  static constexpr std::array kOfNarrow{VK_FORMAT_R8_UNORM, VK_FORMAT_R8G8_UNORM};
  static constexpr std::array kOfWide{VK_FORMAT_R16_UNORM, VK_FORMAT_R16G16_UNORM};
  return info(format).bits > 8 ? kOfWide : kOfNarrow;
}

std::vector<std::uint64_t> writable_modifiers(const VulkanDevice& vulkan, PixelFormat format) {
  const auto writable = [&](unsigned plane) {
    return importable_modifiers(vulkan.instance_fn(), vulkan.gpu(),
                                {.format = plane_formats(format).at(plane), .usage = VK_IMAGE_USAGE_TRANSFER_DST_BIT});
  };
  const auto chroma = writable(1);
  std::vector<std::uint64_t> both;
  for (const DrmModifier& luma : writable(0)) {
    // Compressed layouts have more memory planes; no encoder is known to read them.
    const bool plain = luma.planes == 1 && luma.modifier != kModifierLinear;
    if (plain && std::ranges::find(chroma, luma.modifier, &DrmModifier::modifier) != chroma.end()) {
      both.push_back(luma.modifier);
    }
  }
  both.push_back(kModifierLinear);
  return both;
}

Result<SurfaceMemory> import_surface(const std::shared_ptr<VulkanDevice>& vulkan, const vaapi::Device& device,
                                     VASurfaceID surface, PixelFormat format, Size size, bool as_buffer) {
  const auto exported = export_planes(device, surface, format, size);
  if (!exported) return std::unexpected(exported.error());
  SurfaceMemory memory;
  memory.surface = surface;
  if (const auto layout = as_buffer ? pass_layout(*exported, format, size) : std::nullopt) {
    auto whole = VulkanBuffer::import_dmabuf(vulkan, exported->planes[0].planes[0].fd.get(), layout->bytes);
    if (whole) {
      memory.whole = std::move(*whole);
      memory.layout = *layout;
      return memory;
    }
    if (whole.error().kind != ErrorKind::Unsupported) return std::unexpected(std::move(whole.error()));
  }
  for (unsigned i = 0; i < memory.planes.size(); ++i) {
    auto image = VulkanImage::import_plane(vulkan, exported->planes.at(i), plane_formats(format).at(i));
    if (!image) return std::unexpected(std::move(image.error()));
    memory.planes.at(i) = std::move(*image);
  }
  return memory;
}

}  // namespace zc
