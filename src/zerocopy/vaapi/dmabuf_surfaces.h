#pragma once

#include "base/error.h"
#include "gpu/vaapi/device.h"
#include "media/dmabuf.h"
#include "media/surface.h"
#include "zerocopy/dmabuf_cache.h"

#include <memory>
#include <vector>

namespace zc {

struct VaFormat;

/// Dmabufs as VA-API surfaces, each mapped once (AV_PIX_FMT_DRM_PRIME to AV_PIX_FMT_VAAPI; DmabufCache). One thread.
class DmabufSurfaces {
 public:
  explicit DmabufSurfaces(std::shared_ptr<const vaapi::Device> device) : device_(std::move(device)) {}

  /// The mapped frame; its data[3] is the surface. Valid until trim() after the dmabuf's end, a reference to it longer.
  /// Invalid: see Dmabuf::validate(). Unsupported: the driver or libavutil refuses it.
  [[nodiscard]] Result<const AVFrame*> find_or_map(const std::shared_ptr<const Dmabuf>& dmabuf);
  /// Lets go of dmabufs whose object is gone.
  void trim() { mapped_.trim(); }
  [[nodiscard]] std::size_t size() const { return mapped_.size(); }

 private:
  /// The pictures of one size and format, in libavutil's two views of them.
  struct Views {
    Size size;
    PixelFormat format = PixelFormat::Unknown;
    AvBufferPtr drm;    ///< AVHWFramesContext
    AvBufferPtr vaapi;  ///< derived from it
  };
  [[nodiscard]] Result<const Views*> views(Size size, const VaFormat& format);
  [[nodiscard]] Result<AvFramePtr> map(const Dmabuf& dmabuf);

  std::shared_ptr<const vaapi::Device> device_;
  AvBufferPtr drm_device_;  ///< AVHWDeviceContext without a device: the descriptors say it all
  std::vector<Views> views_;
  DmabufCache<AvFramePtr> mapped_;
};

}  // namespace zc
