#include "zerocopy/host_pictures.h"

#include "media/av_log.h"
#include "zerocopy/cpu_importer.h"
#include "zerocopy/dmabuf_converter.h"
#include "zerocopy/vulkan_importer.h"

#include <utility>

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

namespace zc {

Importer& HostPictures::importer() {
  if (importer_) return *importer_;
  if (all_) {
    if (auto vulkan = make_vulkan_importer({.strict = strict_})) importer_ = std::move(*vulkan);
  }
  if (!importer_) importer_ = make_host_importer(kDefaultSurfaceLimit, nullptr, strict_);
  return *importer_;
}

void HostPictures::make_all() {
  all_ = true;
  narrowed_ = version();
  importer_.reset();
  forget();
}

std::optional<FormatOffer> HostPictures::offer() const {
  if (!importer_) return std::nullopt;
  return importer_->offer();
}

Result<void> HostPictures::configure(const SurfaceFormat& target) {
  format_ = target;
  missed();
  return importer().configure(target);
}

Result<Surface> HostPictures::import(Frame frame, const std::optional<CursorState>& cursor) {
  if (!std::exchange(current_, true)) frame.cursor = cursor;
  return importer().import(std::move(frame));
}

Result<Surface> HostPictures::import_as(const SurfaceFormat& target, Frame frame,
                                        const std::optional<CursorState>& cursor) {
  SurfaceFormat format = target;
  format.memory = MemoryKind::Host;
  if (format_ != format) {
    if (auto configured = importer().configure(format); !configured) {
      return std::unexpected(std::move(configured.error()));
    }
    format_ = format;
    missed();
  }
  if (!current_) {
    frame.damage = Damage::all();
    uploaded_ = {};
  }
  if (!frame.cursor) frame.cursor = cursor;
  auto picture = importer().import(std::move(frame));
  current_ = picture.has_value();
  return picture;
}

void HostPictures::missed() {
  current_ = false;
  uploaded_ = {};
}

void HostPictures::forget() {
  format_.reset();
  missed();
}

bool HostPictures::uploaded(const Surface& picture) const {
  // The importer gives the same surface again when nothing has changed.
  return uploaded_ && uploaded_.av_frame()->data[0] == picture.av_frame()->data[0];
}

Result<void> HostPictures::upload(const Surface& picture, Surface& to, std::string operation) {
  const AvLogCapture log;
  if (const int code = av_hwframe_transfer_data(to.av_frame(), picture.av_frame(), 0); code < 0) {
    return std::unexpected(Error{ErrorKind::Lost, ErrorDomain::FFmpeg, code, std::move(operation), log.text()});
  }
  uploaded_ = picture.share();
  return {};
}

}  // namespace zc
