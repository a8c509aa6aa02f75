// What the importers into frames of an FFmpeg device (VA-API, Vulkan Video) have in common.
#pragma once

#include "media/dmabuf.h"
#include "zerocopy/cpu/cursor_painter.h"
#include "zerocopy/host_pictures.h"
#include "zerocopy/importer.h"
#include "zerocopy/picture_plan.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// Pictures in frames of an FFmpeg device: made by the GPU from dmabufs; else, and for good once it has failed, in host
/// memory and uploaded; and when the device is gone, left in host memory. Knows what was handed out last, so that it
/// can be given again or get another cursor. How a GPU does its part is the derived class's. One worker thread.
class FramesImporter : public Importer {
 public:
  [[nodiscard]] std::size_t surface_limit() const final { return surface_limit_; }
  [[nodiscard]] std::string_view route() const final { return on_host_ ? host_.route() : made_by_; }
  [[nodiscard]] std::string take_setback() final;
  [[nodiscard]] FormatOffer offer() const final;
  [[nodiscard]] std::uint64_t offer_version() const final { return narrowed_ + host_.version(); }
  [[nodiscard]] std::shared_ptr<const PictureDevice> device_for(const Frame& frame) const final;
  [[nodiscard]] Result<void> configure(const SurfaceFormat& target) final;
  [[nodiscard]] Result<Surface> import(Frame frame) final;

 protected:
  /// What messages and routes call it.
  struct Names {
    std::string_view route;        ///< of pictures that the GPU makes: "vaapi"
    std::string_view from_cpu;     ///< of pictures that were uploaded: "cpu+vaapi"
    std::string_view from_vulkan;  ///< likewise, when Vulkan made them: "vulkan+vaapi"
    std::string_view api;          ///< "VA-API"
    std::string_view device;       ///< whose loss ends it all: "VA-API"
    std::string_view configure;    ///< an operation: "configure the VA-API importer"
    std::string_view upload;       ///< likewise
  };
  /// What was handed out last.
  struct Newest {
    Surface surface;  ///< keeps its memory from being taken
    bool by_gpu = false;
    PicturePlan plan;
    CursorPlacement cursor;
    bool current = false;  ///< no frame has told of a change since that did not make it into a surface
  };

  /// `strict`: only what the GPU makes. `names` are literals.
  FramesImporter(const Names& names, std::size_t surface_limit, bool strict);

  // ---- What the derived class does

  /// The device whose memory the surfaces are in.
  [[nodiscard]] virtual std::shared_ptr<const PictureDevice> device() const = 0;
  /// What the GPU reads of this format now.
  [[nodiscard]] virtual std::vector<std::uint64_t> modifiers(PixelFormat format) const = 0;
  /// Whether that is one of modifiers(format).
  [[nodiscard]] virtual bool reads(PixelFormat format, std::uint64_t modifier) const = 0;
  /// Whether the GPU makes such a picture of a dmabuf of whose format and modifier it reads.
  [[nodiscard]] virtual bool takes(const PicturePlan& plan) const = 0;
  /// Whether it draws cursors into pictures.
  [[nodiscard]] virtual bool draws_cursors() const { return true; }
  /// modifiers() has only LINEAR from now on.
  virtual void keep_linear() = 0;
  /// For target(): what take() takes from, and unless gpu_left() all that pictures are made with.
  [[nodiscard]] virtual Result<void> make_surfaces() = 0;
  /// Lets go of what make_surfaces() made.
  virtual void drop_surfaces() = 0;
  /// Likewise, where the device is gone and what it works on must be left alone.
  virtual void leave_surfaces() = 0;
  /// Lets go of what was imported: it is configured for host memory.
  virtual void drop_sources() = 0;
  /// A surface to be filled. Busy: there is none.
  [[nodiscard]] virtual Result<Surface> take() = 0;
  /// The frame's dmabuf as a surface, given to publish(); the frame's lease is let go of when it is done. nullopt: the
  /// GPU does not make it (leave_gpu(), refused() may have been told), the next way is to be tried.
  [[nodiscard]] virtual std::optional<Result<Surface>> make(Frame& frame, const PicturePlan& plan,
                                                            const CursorPlacement& cursor) = 0;
  /// newest(), which the GPU made, with this cursor, given to publish_again(); newest() itself when that cannot be.
  [[nodiscard]] virtual Result<Surface> make_again(const CursorPlacement& cursor) = 0;

  // ---- What it does that with

  [[nodiscard]] bool strict() const { return strict_; }
  [[nodiscard]] bool gpu_left() const { return gpu_left_; }
  [[nodiscard]] const SurfaceFormat& target() const { return target_; }
  [[nodiscard]] CursorPainter& painter() { return painter_; }
  [[nodiscard]] const Newest& newest() const { return newest_; }
  /// The surface is the newest picture, made by the GPU.
  [[nodiscard]] Result<Surface> publish(Surface surface, const PicturePlan& plan, const CursorPlacement& cursor);
  /// The same picture as newest(), with another cursor.
  [[nodiscard]] Result<Surface> publish_again(Surface surface, const CursorPlacement& cursor);
  /// newest() once more.
  [[nodiscard]] Result<Surface> repeat() const;
  /// modifiers() has become smaller: the GPU does not take what it said it would.
  void refused(const Dmabuf& dmabuf, const Error& error);
  /// The GPU makes no pictures any more: from now on they are made in host memory.
  void leave_gpu(const Error& error);
  /// The device is gone: pictures go out in host memory, and the encoder that cannot take them is replaced.
  void leave_device(const Error& error);

 private:
  [[nodiscard]] bool reads(const Dmabuf& dmabuf) const { return !gpu_left_ && reads(dmabuf.format, dmabuf.modifier); }
  void forget();
  [[nodiscard]] Result<Surface> import_picture(Frame& frame);
  [[nodiscard]] Result<Surface> redraw(Frame frame);
  [[nodiscard]] Result<Surface> import_on_host(Frame frame);
  [[nodiscard]] Result<Surface> upload(const Surface& picture);

  Names names_;
  std::size_t surface_limit_;
  bool strict_;
  FormatOffer plain_offer_;     ///< every format there is, in shared memory
  std::string_view made_by_;    ///< how the newest picture came to be
  std::uint64_t narrowed_ = 0;  ///< how often offer() has become smaller
  bool gpu_left_ = false;
  bool device_left_ = false;
  bool on_host_ = false;     ///< configured for host memory
  bool configured_ = false;  ///< for the device's
  HostPictures host_;
  SurfaceFormat target_;
  CursorPainter painter_;
  std::optional<CursorState> cursor_;
  Newest newest_;
};

}  // namespace zc
