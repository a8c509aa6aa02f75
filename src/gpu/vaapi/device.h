#pragma once

#include "base/error.h"
#include "media/codec.h"
#include "media/packet.h"
#include "media/picture_device.h"

#include <va/va.h>
#include <va/va_drmcommon.h>

#include <memory>
#include <string>
#include <string_view>

namespace zc::vaapi {

/// What is called of libva.so.2 besides what libavutil calls of it.
struct Functions {
  decltype(&vaErrorStr) error_text = nullptr;
  decltype(&vaQueryVendorString) vendor = nullptr;
  decltype(&vaMaxNumEntrypoints) max_entrypoints = nullptr;
  decltype(&vaQueryConfigEntrypoints) entrypoints = nullptr;
  decltype(&vaExportSurfaceHandle) export_surface = nullptr;
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

  [[nodiscard]] const std::string& render_node() const { return render_node_; }
  /// The driver's name and version, as it says them.
  [[nodiscard]] const std::string& vendor() const { return vendor_; }
  /// The driver encodes such pictures, by whichever entry point: FFmpeg's wrapper takes the low-power one, too.
  [[nodiscard]] bool encodes(Codec codec, unsigned bits) const;
  /// It encodes anything.
  [[nodiscard]] bool encodes() const;

  /// The memory of a surface of this display, each plane a layer of its own, to be read and written. The descriptors of
  /// its objects are the caller's to close. Busy: out of memory. Unsupported: the driver does not do it.
  [[nodiscard]] Result<VADRMPRIMESurfaceDescriptor> export_planes(VASurfaceID surface) const;

 private:
  Device(Functions functions, AvBufferPtr device, std::string render_node);
  [[nodiscard]] bool has(VAProfile profile, VAEntrypoint entrypoint) const;

  Functions fn_;
  AvBufferPtr device_;  ///< AVHWDeviceContext; owns the display
  VADisplay display_;
  std::string render_node_;
  std::string vendor_;
};

}  // namespace zc::vaapi
