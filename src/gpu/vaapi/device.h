#pragma once

#include "base/error.h"
#include "media/packet.h"
#include "media/picture_device.h"

#include <va/va.h>
#include <va/va_vpp.h>

#include <memory>
#include <string>
#include <string_view>

namespace zc::vaapi {

/// What is called of libva.so.2 besides what libavutil calls of it.
struct Functions {
  decltype(&vaErrorStr) error_text = nullptr;
  decltype(&vaQueryVendorString) vendor = nullptr;
  decltype(&vaMaxNumProfiles) max_profiles = nullptr;
  decltype(&vaQueryConfigProfiles) profiles = nullptr;
  decltype(&vaMaxNumEntrypoints) max_entrypoints = nullptr;
  decltype(&vaQueryConfigEntrypoints) entrypoints = nullptr;
  decltype(&vaCreateConfig) create_config = nullptr;
  decltype(&vaDestroyConfig) destroy_config = nullptr;
  decltype(&vaQuerySurfaceAttributes) surface_attributes = nullptr;
  decltype(&vaCreateContext) create_context = nullptr;
  decltype(&vaDestroyContext) destroy_context = nullptr;
  decltype(&vaQueryVideoProcPipelineCaps) pipeline_caps = nullptr;
  decltype(&vaCreateBuffer) create_buffer = nullptr;
  decltype(&vaDestroyBuffer) destroy_buffer = nullptr;
  decltype(&vaMapBuffer) map_buffer = nullptr;
  decltype(&vaUnmapBuffer) unmap_buffer = nullptr;
  decltype(&vaBeginPicture) begin_picture = nullptr;
  decltype(&vaRenderPicture) render_picture = nullptr;
  decltype(&vaEndPicture) end_picture = nullptr;
  decltype(&vaQuerySurfaceStatus) surface_status = nullptr;
  decltype(&vaMaxNumImageFormats) max_image_formats = nullptr;
  decltype(&vaQueryImageFormats) image_formats = nullptr;
  decltype(&vaCreateImage) create_image = nullptr;
  decltype(&vaDestroyImage) destroy_image = nullptr;
  decltype(&vaGetImage) get_image = nullptr;
  decltype(&vaPutImage) put_image = nullptr;
  VAStatus (*sync_surface2)(VADisplay, VASurfaceID, std::uint64_t timeout_ns) = nullptr;  ///< null before libva 2.9
};

/// The VA-API driver of a render node, on a display that libavutil opened: surfaces of its own and those that FFmpeg
/// and its encoders make mean the same.
class Device final : public PictureDevice, public std::enable_shared_from_this<Device> {
 public:
  /// Unsupported: no such node, no libva, no driver; the detail says which.
  [[nodiscard]] static Result<std::shared_ptr<const Device>> open(const std::string& render_node);

  [[nodiscard]] MemoryKind memory() const override { return MemoryKind::Vaapi; }
  /// A reference to the one AVHWDeviceContext.
  [[nodiscard]] Result<AvBufferPtr> av_device() const override;

  [[nodiscard]] VADisplay display() const { return display_; }
  [[nodiscard]] const Functions& fn() const { return fn_; }
  [[nodiscard]] const std::string& render_node() const { return render_node_; }
  /// The driver's name and version, as it says them.
  [[nodiscard]] const std::string& vendor() const { return vendor_; }
  [[nodiscard]] bool has(VAProfile profile, VAEntrypoint entrypoint) const;
  /// Some profile can be encoded.
  [[nodiscard]] bool encodes() const;

  /// A status of VA-API as a result: Busy out of memory, Timeout, Unsupported what is not implemented, else Internal.
  [[nodiscard]] Result<void> check(VAStatus status, std::string_view operation) const;

 private:
  Device(Functions functions, AvBufferPtr device, std::string render_node);

  Functions fn_;
  AvBufferPtr device_;  ///< AVHWDeviceContext; owns the display
  VADisplay display_;
  std::string render_node_;
  std::string vendor_;
};

}  // namespace zc::vaapi
