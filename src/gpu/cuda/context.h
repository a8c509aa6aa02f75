#pragma once

#include "base/error.h"
#include "gpu/cuda/driver.h"
#include "media/picture_device.h"

#include <memory>
#include <optional>
#include <utility>

namespace zc::cuda {

/// A reference to a device's primary context: the one context of this process on the device, which importers, FFmpeg
/// and the encoder share, so that a device pointer of one means the same to the others. Waiting threads sleep
/// (CU_CTX_SCHED_BLOCKING_SYNC), unless another library in the process has made the primary context with other flags.
class Context final : public PictureDevice, public std::enable_shared_from_this<Context> {
 public:
  /// The live context of the device, or a new reference. Errors as Driver::check().
  [[nodiscard]] static Result<std::shared_ptr<const Context>> open(const std::shared_ptr<const Driver>& driver,
                                                                   const Device& device);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() override;

  [[nodiscard]] MemoryKind memory() const override { return MemoryKind::Cuda; }
  /// See make_av_device().
  [[nodiscard]] Result<AvBufferPtr> av_device() const override;

  [[nodiscard]] CUcontext handle() const { return handle_; }
  [[nodiscard]] const Driver& driver() const { return *driver_; }
  [[nodiscard]] const Device& device() const { return device_; }

 private:
  Context(std::shared_ptr<const Driver> driver, Device device, CUcontext handle)
      : driver_(std::move(driver)), device_(std::move(device)), handle_(handle) {}

  std::shared_ptr<const Driver> driver_;
  Device device_;
  CUcontext handle_;
};

/// Driver::load(), its devices and Context::open() in one: the device with this UUID, or the first. NotFound: no device
/// has it, naming those there are.
[[nodiscard]] Result<std::shared_ptr<const Context>> open_context(const std::optional<Uuid>& uuid = std::nullopt);

/// Makes a context current on this thread while it lives. Must die on the thread that made it, the last made first.
class CurrentContext {
 public:
  [[nodiscard]] static Result<CurrentContext> push(const Context& context);
  CurrentContext(CurrentContext&& other) noexcept : context_(std::exchange(other.context_, nullptr)) {}
  CurrentContext& operator=(CurrentContext&&) = delete;
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;
  ~CurrentContext();

 private:
  explicit CurrentContext(const Context& context) : context_(&context) {}
  const Context* context_;
};

/// Waits for what was queued on the context's default stream. Errors as Driver::check().
[[nodiscard]] Result<void> synchronize(const Context& context);

}  // namespace zc::cuda
