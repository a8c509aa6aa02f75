#pragma once

#include "media/coded_image.h"
#include "media/geometry.h"
#include "media/pixel_format.h"
#include "media/surface.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace zc {

/// What a consumer can take, in order of preference: made by an importer (what it can really read), turned into the
/// source's own negotiation by the source.
struct FormatOffer {
  struct Entry {
    PixelFormat format = PixelFormat::Unknown;
    /// DRM modifiers acceptable as dmabuf, best first; kModifierInvalid: whatever layout the driver has chosen. Empty:
    /// this format only as shared memory.
    std::vector<std::uint64_t> modifiers;
    bool operator==(const Entry&) const = default;
  };
  std::vector<Entry> formats;
  bool shared_memory = true;  ///< MemFd buffers are acceptable too (always offered last)
  /// Decoded pictures (DeviceImage) are read in these memories, without a copy in host memory; best first. Without any,
  /// a decoder's pictures are wanted in host memory.
  std::vector<MemoryKind> device_memory;
  /// Coded pictures are acceptable, too, best first; whoever asks for them decodes them.
  std::vector<CodedFormat> coded;
  /// No other size or rate is wanted; unset: any.
  std::optional<Size> size;
  std::optional<Rational> rate;
  Size preferred_size{1920, 1080};
  Rational preferred_rate{60, 1};
  /// No more pictures a second are wanted: a source that draws for us need not draw more. One that cannot be asked
  /// gives what it has. 1000 and more: no limit.
  Rational max_rate{1000, 1};
  bool operator==(const FormatOffer&) const = default;

  [[nodiscard]] bool has_dmabufs() const;
  [[nodiscard]] bool has(PixelFormat format, std::uint64_t modifier) const;
  /// Nothing would be acceptable.
  [[nodiscard]] bool nothing() const;
  void drop_dmabufs();
  void drop(PixelFormat format, std::span<const std::uint64_t> modifiers);
};

/// "dmabufs (BGRx with modifier 0x300000000606014, 0x0) or shared memory": of the first format that has any.
[[nodiscard]] std::string describe(const FormatOffer& offer);

}  // namespace zc
