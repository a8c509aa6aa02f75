#include "probe/gbm_memory.h"

#include "base/unique_fd.h"
#include "probe/library.h"
#include "probe/system_facts.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace zc::probe {
namespace {

// libgbm's stable C interface (gbm.h), declared here so that neither the build nor the program needs it.
using Device = void*;
using Buffer = void*;
constexpr std::uint32_t kUseRendering = 1U << 2U;   // GBM_BO_USE_RENDERING
constexpr std::uint32_t kUseLinear = 1U << 4U;      // GBM_BO_USE_LINEAR
constexpr std::uint32_t kTransferWrite = 1U << 1U;  // GBM_BO_TRANSFER_WRITE

struct Functions {
  Device (*create_device)(int fd) = nullptr;
  void (*destroy_device)(Device) = nullptr;
  Buffer (*create)(Device, std::uint32_t width, std::uint32_t height, std::uint32_t format,
                   std::uint32_t flags) = nullptr;
  Buffer (*create_with_modifiers)(Device, std::uint32_t width, std::uint32_t height, std::uint32_t format,
                                  const std::uint64_t* modifiers, unsigned count) = nullptr;
  void (*destroy)(Buffer) = nullptr;
  void* (*map)(Buffer, std::uint32_t x, std::uint32_t y, std::uint32_t width, std::uint32_t height, std::uint32_t flags,
               std::uint32_t* stride_bytes, void** token) = nullptr;
  void (*unmap)(Buffer, void* token) = nullptr;
  std::uint64_t (*modifier)(Buffer) = nullptr;
  int (*plane_count)(Buffer) = nullptr;
  std::uint32_t (*stride)(Buffer, int plane) = nullptr;
  std::uint32_t (*offset)(Buffer, int plane) = nullptr;
  int (*fd)(Buffer) = nullptr;
  int (*plane_fd)(Buffer, int plane) = nullptr;  ///< null before Mesa 21.1: planes share one memory there
};

Result<Functions> load() {
  const auto gbm = Library::open("libgbm.so.1");
  if (!gbm) return std::unexpected(gbm.error());
  Functions fn;
  const bool complete =
      gbm->get("gbm_create_device", fn.create_device) && gbm->get("gbm_device_destroy", fn.destroy_device) &&
      gbm->get("gbm_bo_create", fn.create) && gbm->get("gbm_bo_create_with_modifiers", fn.create_with_modifiers) &&
      gbm->get("gbm_bo_destroy", fn.destroy) && gbm->get("gbm_bo_map", fn.map) && gbm->get("gbm_bo_unmap", fn.unmap) &&
      gbm->get("gbm_bo_get_modifier", fn.modifier) && gbm->get("gbm_bo_get_plane_count", fn.plane_count) &&
      gbm->get("gbm_bo_get_stride_for_plane", fn.stride) && gbm->get("gbm_bo_get_offset", fn.offset) &&
      gbm->get("gbm_bo_get_fd", fn.fd);
  if (!complete) return fail(ErrorKind::Unsupported, "load libgbm.so.1", "it lacks functions");
  static_cast<void>(gbm->get("gbm_bo_get_fd_for_plane", fn.plane_fd));
  return fn;
}

/// Ends a buffer and then its device.
class Allocation {
 public:
  Allocation(const Functions& fn, Device device, Buffer buffer) : fn_(&fn), device_(device), buffer_(buffer) {}
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;
  ~Allocation() {
    if (buffer_ != nullptr) fn_->destroy(buffer_);
    if (device_ != nullptr) fn_->destroy_device(device_);
  }

 private:
  const Functions* fn_;
  Device device_;
  Buffer buffer_;
};

Result<void> fill(const Functions& fn, Buffer buffer, const TestPicture& picture) {
  std::uint32_t stride = 0;
  void* token = nullptr;
  void* address = fn.map(buffer, 0, 0, picture.size.width, picture.size.height, kTransferWrite, &stride, &token);
  if (address == nullptr) return fail_errno(errno == 0 ? EIO : errno, "map a GBM buffer");
  for (std::size_t y = 0; y < picture.size.height; ++y) {
    std::memcpy(static_cast<std::byte*>(address) + y * stride, picture.pixels.data() + y * picture.stride_bytes(),
                picture.stride_bytes());
  }
  fn.unmap(buffer, token);
  return {};
}

Result<std::shared_ptr<const Dmabuf>> describe(const Functions& fn, Buffer buffer, const TestPicture& picture) {
  auto dmabuf = std::make_shared<Dmabuf>();
  dmabuf->size = picture.size;
  dmabuf->format = picture.format;
  dmabuf->modifier = fn.modifier(buffer);
  const int planes = fn.plane_count(buffer);
  if (planes < 1 || planes > static_cast<int>(Dmabuf::kMaxPlanes)) {
    return fail(ErrorKind::Unsupported, "make a GBM buffer", fmt::format("it has {} planes", planes));
  }
  dmabuf->plane_count = static_cast<unsigned>(planes);
  for (int i = 0; i < planes; ++i) {
    Dmabuf::Plane& plane = dmabuf->planes.at(static_cast<std::size_t>(i));
    plane.fd = UniqueFd(fn.plane_fd != nullptr ? fn.plane_fd(buffer, i) : fn.fd(buffer));
    if (!plane.fd) return fail_errno(errno, "export a GBM buffer");
    plane.offset_bytes = fn.offset(buffer, i);
    plane.stride_bytes = fn.stride(buffer, i);
  }
  return dmabuf;
}

Result<std::shared_ptr<const Dmabuf>> make_on(const Functions& fn, const std::string& node, const TestPicture& picture,
                                              std::span<const std::uint64_t> modifiers) {
  const UniqueFd card(::open(node.c_str(), O_RDWR | O_CLOEXEC));
  if (!card) return fail_errno(errno, "open " + node);
  Device device = fn.create_device(card.get());
  if (device == nullptr) return fail(ErrorKind::Unsupported, "start GBM on " + node, "its driver has none");
  const std::uint32_t fourcc = info(picture.format).drm_fourcc;
  const auto [width, height] = picture.size;
  Buffer buffer = fn.create_with_modifiers(device, width, height, fourcc, modifiers.data(),
                                           static_cast<unsigned>(modifiers.size()));
  const bool linear = std::ranges::find(modifiers, kModifierLinear) != modifiers.end();
  if (buffer == nullptr && linear) {
    buffer = fn.create(device, width, height, fourcc, kUseRendering | kUseLinear);  // drivers without modifiers
  }
  const Allocation owned(fn, device, buffer);
  if (buffer == nullptr) return fail_errno(errno == 0 ? EIO : errno, "make a GBM buffer on " + node);
  if (auto filled = fill(fn, buffer, picture); !filled) return std::unexpected(std::move(filled.error()));
  return describe(fn, buffer, picture);
}

}  // namespace

Result<std::shared_ptr<const Dmabuf>> make_gbm_buffer(const TestPicture& picture,
                                                      std::span<const std::uint64_t> modifiers) {
  std::string reasons;
  const std::vector<DrmFacts> devices = drm_devices();
  // Before libgbm: without a render node there is nothing to load it for.
  if (std::ranges::all_of(devices, &std::string::empty, &DrmFacts::render_node)) {
    return fail(ErrorKind::NotFound, "make a GBM buffer", "there is no render node below /dev/dri");
  }
  static const auto functions = load();
  if (!functions) return std::unexpected(functions.error());
  for (const DrmFacts& drm : devices) {
    if (drm.render_node.empty()) continue;
    auto made = make_on(*functions, drm.render_node, picture, modifiers);
    if (made) return made;
    reasons += (reasons.empty() ? "" : "; ") + made.error().message();
  }
  return fail(ErrorKind::Unsupported, "", reasons);
}

}  // namespace zc::probe
