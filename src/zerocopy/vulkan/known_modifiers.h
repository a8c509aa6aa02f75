#pragma once

#include "media/pixel_format.h"
#include "zerocopy/vulkan/dmabuf_sources.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace zc {

/// What DmabufSources reads, asked of the driver once per format. Lives no longer than the sources. One thread.
class KnownModifiers {
 public:
  explicit KnownModifiers(const DmabufSources& sources) : sources_(sources) {}

  /// See DmabufSources::modifiers(). Valid until the next call.
  [[nodiscard]] const std::vector<std::uint64_t>& of(PixelFormat format) const;
  [[nodiscard]] bool has(PixelFormat format, std::uint64_t modifier) const;
  /// The driver has refused one since.
  void ask_again() { known_.clear(); }
  /// No tiled ones from now on: what the pass does not take, only LINEAR memory lets others read.
  void keep_linear();

 private:
  using Known = std::pair<PixelFormat, std::vector<std::uint64_t>>;
  const DmabufSources& sources_;
  bool linear_only_ = false;
  mutable std::vector<Known> known_;
};

}  // namespace zc
