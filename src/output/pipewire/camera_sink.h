#pragma once

#include "output/output_spec.h"
#include "output/picture_sink.h"
#include "output/pipewire/camera_node.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace zc {

/// A virtual camera that every program which asks PipeWire for cameras finds. There while PipeWire is.
class CameraSink final : public PictureSink {
 public:
  /// Errors as PipeWireConnection::open(): a camera that nobody can find is no output.
  [[nodiscard]] static Result<std::unique_ptr<CameraSink>> create(const CameraOutput& output);

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] Result<void> open(const StreamParameters& stream) override;
  [[nodiscard]] Result<void> attend(const std::function<void()>& picture_wanted) override;
  [[nodiscard]] Result<void> close() override;
  void interrupt() noexcept override;

  [[nodiscard]] bool watched() const override;
  void show(const Surface& picture, Nanoseconds captured) override;
  [[nodiscard]] Counters counters() const override;
  /// Programs that read it.
  [[nodiscard]] std::optional<std::size_t> viewers() const override;

 private:
  explicit CameraSink(const CameraOutput& output);

  const std::string camera_;  ///< the name that programs show
  const std::string name_;
  CameraCounters counters_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool interrupted_ = false;
  bool picture_wanted_ = false;
  std::optional<Error> lost_;
  std::unique_ptr<CameraNode> node_;  ///< null while it is not there
};

}  // namespace zc
