#include "gpu/vaapi/device.h"

#include "media/av_error.h"
#include "media/av_log.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/hwcontext.h>
#include <libavutil/hwcontext_vaapi.h>
}

namespace zc::vaapi {
namespace {

constexpr const char* kLibrary = "libva.so.2";

Result<Functions> load() {
  // FFmpeg's libavutil is linked against it, so it is in the process; never closed, as its drivers stay as well.
  void* library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    const char* why = ::dlerror();
    return fail(ErrorKind::Unsupported, "load VA-API", why == nullptr ? "there is no libva.so.2" : why);
  }
  Functions fn;
  std::string missing;
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
    if (function == nullptr && missing.empty()) missing = name;
  };
  find(fn.error_text, "vaErrorStr");
  find(fn.vendor, "vaQueryVendorString");
  find(fn.max_entrypoints, "vaMaxNumEntrypoints");
  find(fn.entrypoints, "vaQueryConfigEntrypoints");
  find(fn.export_surface, "vaExportSurfaceHandle");
  if (!missing.empty()) {
    return fail(ErrorKind::Unsupported, "load VA-API", fmt::format("{} has no {}", kLibrary, missing));
  }
  return fn;
}

struct Profile {
  Codec codec;
  unsigned bits;
  VAProfile profile;
};
constexpr std::array kProfiles = {
    Profile{Codec::H264, 8, VAProfileH264High},   Profile{Codec::H264, 8, VAProfileH264Main},
    Profile{Codec::HEVC, 8, VAProfileHEVCMain},   Profile{Codec::HEVC, 10, VAProfileHEVCMain10},
    Profile{Codec::AV1, 8, VAProfileAV1Profile0}, Profile{Codec::AV1, 10, VAProfileAV1Profile0}};

}  // namespace

Result<std::shared_ptr<const Device>> Device::open(const std::string& render_node) {
  auto functions = load();
  if (!functions) return std::unexpected(std::move(functions.error()));
  const AvLogCapture log;
  AVBufferRef* made = nullptr;
  const int code = av_hwdevice_ctx_create(&made, AV_HWDEVICE_TYPE_VAAPI, render_node.c_str(), nullptr, 0);
  if (code < 0) return fail_ffmpeg(ErrorKind::Unsupported, code, "open VA-API on " + render_node, log.text());
  return std::shared_ptr<const Device>(new Device(*functions, AvBufferPtr(made), render_node));
}

Device::Device(Functions functions, AvBufferPtr device, std::string render_node)
    : fn_(functions), device_(std::move(device)), render_node_(std::move(render_node)) {
  const auto* context = reinterpret_cast<const AVHWDeviceContext*>(device_->data);
  display_ = static_cast<const AVVAAPIDeviceContext*>(context->hwctx)->display;
  const char* vendor = fn_.vendor(display_);
  vendor_ = vendor == nullptr ? "a driver without a name" : vendor;
}

Result<AvBufferPtr> Device::av_device() const {
  AvBufferPtr reference(av_buffer_ref(device_.get()));
  if (!reference) return fail_errno(ENOMEM, "hand the VA-API device to FFmpeg");
  return reference;
}

bool Device::has(VAProfile profile, VAEntrypoint entrypoint) const {
  std::vector<VAEntrypoint> list(static_cast<std::size_t>(std::max(fn_.max_entrypoints(display_), 0)));
  int count = 0;
  if (list.empty() || fn_.entrypoints(display_, profile, list.data(), &count) != VA_STATUS_SUCCESS) return false;
  const auto known = std::span(list).first(std::min(list.size(), static_cast<std::size_t>(std::max(count, 0))));
  return std::ranges::find(known, entrypoint) != known.end();
}

bool Device::encodes(Codec codec, unsigned bits) const {
  return std::ranges::any_of(kProfiles, [&](const Profile& one) {
    return one.codec == codec && one.bits == bits &&
           (has(one.profile, VAEntrypointEncSlice) || has(one.profile, VAEntrypointEncSliceLP));
  });
}

bool Device::encodes() const {
  return std::ranges::any_of(kProfiles, [this](const Profile& one) { return encodes(one.codec, one.bits); });
}

Result<VADRMPRIMESurfaceDescriptor> Device::export_planes(VASurfaceID surface) const {
  VADRMPRIMESurfaceDescriptor descriptor{};
  const VAStatus status =
      fn_.export_surface(display_, surface, VA_SURFACE_ATTRIB_MEM_TYPE_DRM_PRIME_2,
                         VA_EXPORT_SURFACE_READ_WRITE | VA_EXPORT_SURFACE_SEPARATE_LAYERS, &descriptor);
  if (status == VA_STATUS_SUCCESS) return descriptor;
  ErrorKind kind = ErrorKind::Internal;
  switch (status) {
    case VA_STATUS_ERROR_ALLOCATION_FAILED: kind = ErrorKind::Busy; break;
    case VA_STATUS_ERROR_UNIMPLEMENTED:
    case VA_STATUS_ERROR_UNSUPPORTED_MEMORY_TYPE: kind = ErrorKind::Unsupported; break;
    default: break;
  }
  const char* words = fn_.error_text(status);
  return std::unexpected(
      Error{kind, ErrorDomain::Gpu, status, "export a VA-API surface", words == nullptr ? "unknown error" : words});
}

}  // namespace zc::vaapi
