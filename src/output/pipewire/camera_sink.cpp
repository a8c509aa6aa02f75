#include "output/pipewire/camera_sink.h"

#include "pipewire/pipewire_connection.h"

#include <utility>

namespace zc {

CameraSink::CameraSink(const CameraOutput& output)
    : camera_(output.name), name_(OutputSpec{.container = Container::Pictures, .target = output}.name()) {}

Result<std::unique_ptr<CameraSink>> CameraSink::create(const CameraOutput& output) {
  if (auto there = PipeWireConnection::open(UniqueFd(), {}); !there) return std::unexpected(std::move(there.error()));
  return std::unique_ptr<CameraSink>(new CameraSink(output));
}

Result<void> CameraSink::open(const StreamParameters& stream) {
  {
    const std::lock_guard lock(mutex_);
    if (interrupted_) return fail(ErrorKind::Cancelled, "show " + name_, "stopped on request");
    lost_.reset();
  }
  CameraNode::Callbacks callbacks{.picture_wanted =
                                      [this] {
                                        const std::lock_guard lock(mutex_);
                                        picture_wanted_ = true;
                                        changed_.notify_all();
                                      },
                                  .lost =
                                      [this](const Error& error) {
                                        const std::lock_guard lock(mutex_);
                                        if (!lost_) lost_ = error;
                                        changed_.notify_all();
                                      }};
  auto node = CameraNode::open(camera_, {.size = stream.size, .rate = stream.nominal_rate, .colour = stream.colour},
                               counters_, std::move(callbacks));
  if (!node) return std::unexpected(std::move(node.error()));
  const std::lock_guard lock(mutex_);
  node_ = std::move(*node);
  return {};
}

Result<void> CameraSink::attend(const std::function<void()>& picture_wanted) {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return interrupted_ || lost_ || picture_wanted_; });
    if (interrupted_) return fail(ErrorKind::Cancelled, "show " + name_, "stopped on request");
    if (lost_) return std::unexpected(*lost_);
    picture_wanted_ = false;
    lock.unlock();
    picture_wanted();
    lock.lock();
  }
}

Result<void> CameraSink::close() {
  std::unique_ptr<CameraNode> node;
  {
    const std::lock_guard lock(mutex_);
    node = std::move(node_);
  }
  // Not with the lock held: its thread may want it.
  node.reset();
  return {};
}

void CameraSink::interrupt() noexcept {
  const std::lock_guard lock(mutex_);
  interrupted_ = true;
  changed_.notify_all();
}

bool CameraSink::watched() const {
  const std::lock_guard lock(mutex_);
  return node_ && node_->watched();
}

void CameraSink::show(const Surface& picture, Nanoseconds captured) {
  const std::lock_guard lock(mutex_);
  if (node_) node_->show(picture, captured);
}

PictureSink::Counters CameraSink::counters() const {
  return {.shown = counters_.shown.load(std::memory_order_relaxed),
          .bytes = counters_.bytes.load(std::memory_order_relaxed),
          .dropped = counters_.dropped.load(std::memory_order_relaxed)};
}

std::optional<std::size_t> CameraSink::viewers() const {
  const std::lock_guard lock(mutex_);
  return node_ ? node_->readers() : 0;
}

}  // namespace zc
