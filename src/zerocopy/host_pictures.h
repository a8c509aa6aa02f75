#pragma once

#include "base/error.h"
#include "zerocopy/importer.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace zc {

/// The host memory behind an importer whose surfaces are elsewhere: for an encoder that takes pictures there, and for
/// the upload of those that the GPU does not make. One thread.
class HostPictures {
 public:
  /// `strict`: see make_host_importer().
  explicit HostPictures(bool strict) : strict_(strict) {}

  /// All pictures are made here from now on, and no more only one now and then, for which no other driver is loaded:
  /// from the next one on by the best importer for host memory there is.
  void make_all();
  /// Rises whenever offer() has become smaller, as far as make_all() did not replace what it was.
  [[nodiscard]] std::uint64_t version() const { return narrowed_ + (importer_ ? importer_->offer_version() : 0); }
  /// What it reads; nullopt: nothing has been made yet, so it would read as much as any does.
  [[nodiscard]] std::optional<FormatOffer> offer() const;
  [[nodiscard]] std::string_view route() const { return importer_ ? importer_->route() : "cpu"; }
  /// As Importer's.
  [[nodiscard]] std::string take_setback() { return importer_ ? importer_->take_setback() : std::string(); }

  /// For surfaces that go out as they are.
  [[nodiscard]] Result<void> configure(const SurfaceFormat& target);
  /// The frame after configure(). `cursor`: as it is now, should this be the first one to tell of it.
  [[nodiscard]] Result<Surface> import(Frame frame, const std::optional<CursorState>& cursor);

  /// The frame as a surface in host memory otherwise of `target`'s format, for upload().
  [[nodiscard]] Result<Surface> import_as(const SurfaceFormat& target, Frame frame,
                                          const std::optional<CursorState>& cursor);
  /// Some picture was made elsewhere, or not at all: the next one here is made as a whole.
  void missed();
  /// The format of import_as() changes: surfaces of before are of no use.
  void forget();

  /// `picture` is what the last upload() copied, so that its copy can be given again.
  [[nodiscard]] bool uploaded(const Surface& picture) const;
  /// Copies the picture into a surface of a device by FFmpeg. Lost: FFmpeg's reason why it cannot; `operation` is part
  /// of the message.
  [[nodiscard]] Result<void> upload(const Surface& picture, Surface& to, std::string operation);

 private:
  [[nodiscard]] Importer& importer();

  bool strict_;
  bool all_ = false;
  std::unique_ptr<Importer> importer_;  ///< null until it is needed
  std::uint64_t narrowed_ = 0;
  bool current_ = false;  ///< it has seen every picture so far
  std::optional<SurfaceFormat> format_;
  Surface uploaded_;  ///< keeps its memory as it is
};

}  // namespace zc
