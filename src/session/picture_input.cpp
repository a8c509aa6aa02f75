#include "session/picture_input.h"

#include "base/log.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace zc {
namespace {

using namespace std::chrono_literals;

/// A graphics card may be back a moment later than the machine.
constexpr Nanoseconds kReturnPatience = std::chrono::seconds(10);
constexpr Nanoseconds kTryEvery = std::chrono::milliseconds(500);
/// A source that gives no first picture for so long has nothing new to show: its screen stands still, its window is
/// minimised, its node idle.
constexpr Nanoseconds kTellAfter = 4s;
/// One whose rate is steady (a camera) does not work then.
constexpr Nanoseconds kSteadyPatience = 10s;

std::unexpected<Failure> failed(Part part, Error error) { return std::unexpected(Failure{part, std::move(error)}); }

std::unexpected<Failure> stopped() {
  return failed(Part::Source, fail(ErrorKind::Cancelled, "wait for a picture", "stopped").error());
}

}  // namespace

void PictureInput::set_asleep(bool on) {
  {
    const std::lock_guard lock(mutex_);
    asleep_ = on;
    if (on && !let_go_) due_ = true;
  }
  changed_.notify_all();
  mailbox_.wake();
}

bool PictureInput::asleep() const {
  const std::lock_guard lock(mutex_);
  return asleep_ || due_;
}

bool PictureInput::wait_until_let_go(Nanoseconds timeout) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [this] { return let_go_ || !asleep_ || over_; });
}

void PictureInput::end() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
}

bool PictureInput::rise() {
  const std::lock_guard lock(mutex_);
  if (asleep_) return false;
  let_go_ = false;
  return true;
}

std::expected<Frame, Failure> PictureInput::wait_for_picture(const std::stop_token& stop, bool may_be_dead) {
  Nanoseconds since = monotonic_now();
  bool told = false;
  std::optional<CursorState> cursor;
  while (true) {
    if (asleep()) {
      if (auto slept = sleep(stop, {}); !slept) return std::unexpected(std::move(slept.error()));
      since = monotonic_now();
      may_be_dead = false;
    }
    std::optional<Frame> frame = mailbox_.take(stop, since + (told ? kSteadyPatience : kTellAfter));
    if (stop.stop_requested()) return stopped();
    if (frame) {
      if (!frame->cursor) frame->cursor = cursor;
      if (frame->has_image()) return std::move(*frame);
      cursor = frame->cursor;
      continue;
    }
    const Nanoseconds waited = monotonic_now() - since;
    const SourceInfo source = source_->info();
    if (waited >= kTellAfter && !std::exchange(told, true)) {
      logger("session").warn("no picture from {} yet: waiting for it to change", source.description);
    }
    if (waited < kSteadyPatience) continue;
    if (source.steady && may_be_dead) {
      return failed(Part::Source, fail(ErrorKind::Timeout, "capture " + source.description,
                                       fmt::format("it gave no picture within {} s", kSteadyPatience / 1s))
                                      .error());
    }
    since = monotonic_now();
  }
}

void PictureInput::quiet() {
  source_->rest();
  layers_.rest();
  mailbox_.close();
}

std::expected<void, Failure> PictureInput::sleep(const std::stop_token& stop, const std::function<bool()>& held) {
  quiet();
  factory_.close_importer();
  {
    const std::lock_guard lock(mutex_);
    due_ = false;
    let_go_ = true;
  }
  changed_.notify_all();
  while ((held && held()) || !rise()) {
    static_cast<void>(mailbox_.take(stop, std::nullopt));
    if (stop.stop_requested()) return stopped();
  }
  if (auto opened = open_importer(stop); !opened) return opened;
  mailbox_.reopen();
  layers_.wake(factory_.importer().offer());
  if (auto woken = source_->wake(formats_.begin(monotonic_now())); !woken) {
    return failed(Part::Source, std::move(woken.error()));
  }
  return {};
}

std::expected<void, Failure> PictureInput::open_importer(const std::stop_token& stop) {
  const Nanoseconds deadline = monotonic_now() + kReturnPatience;
  while (true) {
    auto opened = factory_.open_importer();
    if (opened) return {};
    if (monotonic_now() >= deadline) return failed(Part::Settings, std::move(opened.error()));
    logger("session").info("trying again: {}", opened.error().message());
    static_cast<void>(mailbox_.take(stop, monotonic_now() + kTryEvery));
    if (stop.stop_requested()) return stopped();
  }
}

Result<std::unique_ptr<Encoder>> PictureInput::open_for(Frame& first, bool coded) {
  if (coded) return factory_.open_encoder(first, source_->info());
  // Cameras keep the size and rate that they began with.
  const auto pictures = factory_.prepare_pictures(first, source_->info());
  return pictures ? Result<std::unique_ptr<Encoder>>(nullptr) : std::unexpected(pictures.error());
}

std::expected<PictureInput::Begun, Failure> PictureInput::begin_again(const std::stop_token& stop,
                                                                      const std::function<bool()>& needed) {
  auto first = wait_for_picture(stop, false);
  for (Nanoseconds deadline = monotonic_now() + kReturnPatience; first;) {
    auto encoder = open_for(*first, needed());
    if (encoder) return Begun{std::move(*first), std::move(*encoder)};
    if (stop.stop_requested()) return stopped();
    if (monotonic_now() >= deadline) return failed(Part::Encoder, std::move(encoder.error()));
    logger("session").info("trying again: {}", encoder.error().message());
    first = newest(std::move(*first), stop, kTryEvery);
    if (!asleep()) continue;
    *first = {};
    first = wait_for_picture(stop, false);
    deadline = monotonic_now() + kReturnPatience;
  }
  return std::unexpected(std::move(first.error()));
}

Frame PictureInput::newest(Frame picture, const std::stop_token& stop, Nanoseconds patience) {
  if (std::optional<Frame> newer = mailbox_.take_newest(stop, monotonic_now() + patience)) {
    newer->supersede(std::move(picture));
    return std::move(*newer);
  }
  return picture;
}

}  // namespace zc
