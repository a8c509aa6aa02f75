#pragma once

#include "base/unique_fd.h"
#include "output/camera_picture.h"
#include "output/output_spec.h"
#include "output/picture_sink.h"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace zc {

/// A v4l2loopback device, for programs that know no PipeWire. Whether anybody reads it cannot be told by all versions
/// of the module, so every picture is written.
class V4l2Sink final : public PictureSink {
 public:
  /// Opens the device. NotFound, Denied; Unsupported: it is no device that takes pictures.
  [[nodiscard]] static Result<std::unique_ptr<V4l2Sink>> create(const CameraOutput& output);

  [[nodiscard]] const std::string& name() const override { return name_; }
  /// Unsupported: the device is held to another format or size.
  [[nodiscard]] Result<void> open(const StreamParameters& stream) override;
  [[nodiscard]] Result<void> attend(const std::function<void()>& picture_wanted) override;
  [[nodiscard]] Result<void> close() override;
  void interrupt() noexcept override;

  [[nodiscard]] bool watched() const override { return open_.load(std::memory_order_relaxed); }
  void show(const Surface& picture, Nanoseconds captured) override;
  [[nodiscard]] Counters counters() const override;

 private:
  explicit V4l2Sink(const CameraOutput& output);
  [[nodiscard]] Result<void> open_device();
  [[nodiscard]] Result<CameraLayout> agree(const StreamParameters& stream) const;
  /// Errors end the sink; a picture that cannot be made is left out.
  [[nodiscard]] Result<void> write_picture(const Surface& picture);

  const std::string device_;
  const std::string name_;
  UniqueFd fd_;
  CameraLayout layout_;
  CameraPicture picture_;
  std::vector<std::byte> memory_;
  bool failure_told_ = false;
  std::atomic<bool> open_{false};
  std::atomic<std::uint64_t> shown_{0};
  std::atomic<std::uint64_t> dropped_{0};

  std::mutex mutex_;
  std::condition_variable changed_;
  bool interrupted_ = false;
  std::optional<Surface> waiting_;  ///< the newest
};

}  // namespace zc
