#include "capture/gbm_device.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace zc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOperation = "allocate a buffer for the compositor's picture";

// libgbm's stable C interface (gbm.h), declared here so that neither the build nor the program needs it.
constexpr std::uint32_t kUseRendering = 1U << 2U;  // GBM_BO_USE_RENDERING
constexpr std::uint32_t kUseLinear = 1U << 4U;     // GBM_BO_USE_LINEAR

/// The render node of the GPU that this node belongs to, else the node itself: "/dev/dri/renderD128".
std::string node_path(dev_t device) {
  const fs::path siblings = fmt::format("/sys/dev/char/{}:{}/device/drm", major(device), minor(device));
  std::string card;
  std::error_code error;
  for (fs::directory_iterator entry(siblings, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (name.starts_with("renderD")) return "/dev/dri/" + name;
    if (name.starts_with("card")) card = "/dev/dri/" + name;
  }
  return card;
}

}  // namespace

struct GbmDevice::Functions {
  using Buffer = void*;
  void* (*create_device)(int fd) = nullptr;
  void (*destroy_device)(void* device) = nullptr;
  Buffer (*create)(void* device, std::uint32_t width, std::uint32_t height, std::uint32_t format,
                   std::uint32_t flags) = nullptr;
  Buffer (*create_with_modifiers)(void* device, std::uint32_t width, std::uint32_t height, std::uint32_t format,
                                  const std::uint64_t* modifiers, unsigned count) = nullptr;
  void (*destroy)(Buffer) = nullptr;
  std::uint64_t (*modifier)(Buffer) = nullptr;
  int (*plane_count)(Buffer) = nullptr;
  std::uint32_t (*stride)(Buffer, int plane) = nullptr;
  std::uint32_t (*offset)(Buffer, int plane) = nullptr;
  int (*fd)(Buffer) = nullptr;
  int (*plane_fd)(Buffer, int plane) = nullptr;  ///< null before Mesa 21.1: planes share one memory there

  [[nodiscard]] static Result<Functions> load() {
    void* library = ::dlopen("libgbm.so.1", RTLD_NOW | RTLD_LOCAL);  // drivers leave threads behind: never closed
    if (library == nullptr) return fail(ErrorKind::Unsupported, kOperation, "libgbm.so.1 is not installed");
    const auto get = [&](const char* name, auto& function) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
      return function != nullptr;
    };
    Functions fn;
    const bool complete =
        get("gbm_create_device", fn.create_device) && get("gbm_device_destroy", fn.destroy_device) &&
        get("gbm_bo_create", fn.create) && get("gbm_bo_create_with_modifiers", fn.create_with_modifiers) &&
        get("gbm_bo_destroy", fn.destroy) && get("gbm_bo_get_modifier", fn.modifier) &&
        get("gbm_bo_get_plane_count", fn.plane_count) && get("gbm_bo_get_stride_for_plane", fn.stride) &&
        get("gbm_bo_get_offset", fn.offset) && get("gbm_bo_get_fd", fn.fd);
    if (!complete) return fail(ErrorKind::Unsupported, kOperation, "libgbm.so.1 lacks functions");
    static_cast<void>(get("gbm_bo_get_fd_for_plane", fn.plane_fd));
    return fn;
  }

  [[nodiscard]] Buffer make(void* device, Size size, std::uint32_t fourcc,
                            std::span<const std::uint64_t> modifiers) const {
    const auto has = [&](std::uint64_t one) { return std::ranges::find(modifiers, one) != modifiers.end(); };
    std::vector<std::uint64_t> explicit_ones;
    std::ranges::copy_if(modifiers, std::back_inserter(explicit_ones),
                         [](std::uint64_t one) { return one != kModifierInvalid; });
    Buffer made = nullptr;
    if (!explicit_ones.empty()) {
      made = create_with_modifiers(device, size.width, size.height, fourcc, explicit_ones.data(),
                                   static_cast<unsigned>(explicit_ones.size()));
    }
    // Drivers without modifiers.
    if (made == nullptr && has(kModifierInvalid)) made = create(device, size.width, size.height, fourcc, kUseRendering);
    if (made == nullptr && has(kModifierLinear)) {
      made = create(device, size.width, size.height, fourcc, kUseRendering | kUseLinear);
    }
    return made;
  }

  [[nodiscard]] Result<std::shared_ptr<const Dmabuf>> describe(Buffer buffer, Size size, PixelFormat format,
                                                               std::span<const std::uint64_t> modifiers) const {
    auto dmabuf = std::make_shared<Dmabuf>();
    dmabuf->size = size;
    dmabuf->format = format;
    dmabuf->modifier = modifier(buffer);
    // What a driver without modifiers has chosen goes by the name that it was asked for.
    if (std::ranges::find(modifiers, dmabuf->modifier) == modifiers.end()) {
      const bool implicit = std::ranges::find(modifiers, kModifierInvalid) != modifiers.end();
      dmabuf->modifier = implicit ? kModifierInvalid : kModifierLinear;
    }
    const int planes = plane_count(buffer);
    if (planes < 1 || planes > static_cast<int>(Dmabuf::kMaxPlanes)) {
      return fail(ErrorKind::Unsupported, kOperation, fmt::format("it has {} planes", planes));
    }
    dmabuf->plane_count = static_cast<unsigned>(planes);
    for (int i = 0; i < planes; ++i) {
      Dmabuf::Plane& plane = dmabuf->planes.at(static_cast<std::size_t>(i));
      plane.fd = UniqueFd(plane_fd != nullptr ? plane_fd(buffer, i) : fd(buffer));
      if (!plane.fd) return fail_errno(errno == 0 ? EIO : errno, kOperation);
      plane.offset_bytes = offset(buffer, i);
      plane.stride_bytes = stride(buffer, i);
    }
    if (auto good = dmabuf->validate(); !good) return std::unexpected(std::move(good.error()));
    return dmabuf;
  }
};

Result<const GbmDevice::Functions*> GbmDevice::functions() {
  static const auto loaded = Functions::load();
  if (!loaded) return std::unexpected(loaded.error());
  return &*loaded;
}

void GbmDevice::Destroy::operator()(void* device) const { fn->destroy_device(device); }

Result<GbmDevice> GbmDevice::open(dev_t device) {
  const std::string path = node_path(device);
  if (path.empty()) {
    return fail(ErrorKind::NotFound, kOperation,
                fmt::format("the device {}:{} is no GPU of this machine", major(device), minor(device)));
  }
  const auto fn = functions();
  if (!fn) return std::unexpected(fn.error());
  UniqueFd node(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!node) return fail_errno(errno, "open " + path);
  void* made = (*fn)->create_device(node.get());
  if (made == nullptr) return fail(ErrorKind::Unsupported, "start GBM on " + path, "its driver has none");
  return GbmDevice(**fn, std::move(node), made);
}

Result<std::shared_ptr<const Dmabuf>> GbmDevice::allocate(Size size, PixelFormat format,
                                                          std::span<const std::uint64_t> modifiers) const {
  void* buffer = fn_->make(device_.get(), size, info(format).drm_fourcc, modifiers);
  if (buffer == nullptr) {
    return fail(ErrorKind::Unsupported, kOperation,
                fmt::format("the driver makes no {}x{} {} in these layouts", size.width, size.height, name(format)));
  }
  auto described = fn_->describe(buffer, size, format, modifiers);
  fn_->destroy(buffer);  // its memory lives on in the descriptors
  return described;
}

}  // namespace zc
