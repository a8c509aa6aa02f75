#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "media/dmabuf.h"

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace zc {

/// A GPU that allocates dmabufs, through libgbm where that is installed. One thread.
class GbmDevice {
 public:
  /// `device` is any of a GPU's nodes; its render node is opened where it has one. NotFound: there is no such node;
  /// Unsupported: no libgbm, or none for this driver; or errno's.
  [[nodiscard]] static Result<GbmDevice> open(dev_t device);

  /// In the best of these layouts that the driver has (kModifierInvalid: whichever it likes), for a GPU to draw into.
  /// Unsupported: none of them.
  [[nodiscard]] Result<std::shared_ptr<const Dmabuf>> allocate(Size size, PixelFormat format,
                                                               std::span<const std::uint64_t> modifiers) const;

 private:
  struct Functions;
  struct Destroy {
    const Functions* fn;
    void operator()(void* device) const;
  };
  [[nodiscard]] static Result<const Functions*> functions();
  GbmDevice(const Functions& fn, UniqueFd node, void* device)
      : fn_(&fn), node_(std::move(node)), device_(device, Destroy{&fn}) {}

  const Functions* fn_;
  UniqueFd node_;
  std::unique_ptr<void, Destroy> device_;
};

}  // namespace zc
