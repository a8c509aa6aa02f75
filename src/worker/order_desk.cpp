#include "worker/order_desk.h"

#include "base/log.h"
#include "settings/setting.h"
#include "settings/values.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>

namespace zc {
namespace {

/// Replays and removals at a time.
constexpr std::size_t kMostAside = 8;
/// The machine sleeps five seconds after it was told to, with or without an answer.
constexpr Nanoseconds kLetGoLimit = std::chrono::seconds(3);

/// The text of an option, or a number as one would type it.
std::string text_of(const Order& order, std::string_view name) {
  if (const auto* text = argument<std::string>(order, name)) return *text;
  if (const auto* whole = argument<std::int64_t>(order, name)) return fmt::format("{}", *whole);
  if (const auto* real = argument<double>(order, name)) return fmt::format("{}", *real);
  return {};
}

/// A sink as settings have them: a URL or an absolute path.
Result<OutputSpec> sink_of(const Order& order, std::string_view name) {
  const std::string text = text_of(order, name);
  const std::array setting{Setting{.name = "sinks", .value = std::vector{text}, .where = {}}};
  if (auto good = check_settings(setting, SettingScope::Session); !good)
    return std::unexpected(std::move(good.error()));
  return parse_output(text, std::nullopt, false);
}

Result<std::string> done(const Result<void>& result) {
  return result ? Result<std::string>(std::string()) : Result<std::string>(std::unexpected(result.error()));
}

Result<std::string> save_replay(Recording& recording, const Order& order) {
  const auto spec = sink_of(order, "file");
  return spec ? recording.save_replay(*spec) : Result<std::string>(std::unexpected(spec.error()));
}

}  // namespace

OrderDesk::OrderDesk(const Channel& channel, Reporter& reporter)
    : channel_(channel), reporter_(reporter), quit_(::eventfd(0, EFD_CLOEXEC)), thread_([this] { run(); }) {}

OrderDesk::~OrderDesk() { ::eventfd_write(quit_.get(), 1); }

void OrderDesk::serve(Recording* recording) {
  std::vector<Aside> aside;
  const std::lock_guard lock(mutex_);
  recording_ = recording;
  if (recording_ != nullptr && paused_by_user_) recording_->set_paused(true);
  if (recording_ != nullptr && std::exchange(has_slept_, false)) {
    recording_->set_asleep(true);
    recording_->set_asleep(asleep_);
  }
  if (recording_ != nullptr && stop_.stop_requested()) recording_->request_stop();  // it came before there was one
  if (recording_ == nullptr) aside = std::move(aside_);  // waits for them: they use the recording
}

void OrderDesk::run() {
  std::array<pollfd, 2> watched{{{channel_.fd(), POLLIN, 0}, {quit_.get(), POLLIN, 0}}};
  while (true) {
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    if ((watched[1].revents & POLLIN) != 0) return;
    const auto text = channel_.receive();
    if (!text) {
      logger("session").warn("the daemon is gone: the session ends");
      return stop();
    }
    if (!*text) continue;
    auto order = parse_order(**text);
    if (order) {
      carry_out(*std::move(order));
    } else {
      logger("session").error("{}", order.error().message());
    }
  }
}

void OrderDesk::stop() {
  stop_.request_stop();
  const std::lock_guard lock(mutex_);
  if (recording_ != nullptr) recording_->request_stop();
}

void OrderDesk::carry_out(Order order) {
  if (order.kind == OrderKind::Stop) {
    reporter_.answer(order.id, std::string());
    return stop();
  }
  if (order.kind == OrderKind::SaveReplay || order.kind == OrderKind::RemoveSink) return do_aside(std::move(order));
  std::unique_lock lock(mutex_);
  const Result<std::string> now = do_now(order);
  if (order.kind != OrderKind::Sleep || recording_ == nullptr) return reporter_.answer(order.id, now);
  lock.unlock();
  do_aside(std::move(order));
}

Result<std::string> OrderDesk::do_now(const Order& order) {
  switch (order.kind) {
    case OrderKind::Pause: paused_by_user_ = true; break;
    case OrderKind::Resume: paused_by_user_ = false; break;
    case OrderKind::Sleep:
      asleep_ = true;
      has_slept_ = recording_ == nullptr;
      break;
    case OrderKind::Wake: asleep_ = false; break;
    default: break;
  }
  if (recording_ == nullptr) {
    const bool kept = order.kind == OrderKind::Pause || order.kind == OrderKind::Resume ||
                      order.kind == OrderKind::Sleep || order.kind == OrderKind::Wake;
    if (kept) return std::string();
    return fail(ErrorKind::Busy, "change the session", "the desktop has not given its picture yet");
  }
  switch (order.kind) {
    case OrderKind::Keyframe: recording_->request_keyframe(); break;
    case OrderKind::Bitrate: {
      const auto rate = bit_rate_value("bitrate", text_of(order, "bitrate"));
      return rate ? done(recording_->set_bitrate(*rate)) : std::unexpected(rate.error());
    }
    case OrderKind::Framerate: {
      const auto rate = rate_value("fps", text_of(order, "fps"));
      return rate ? done(recording_->set_rate(*rate)) : std::unexpected(rate.error());
    }
    case OrderKind::LeastRate: {
      const auto rate = min_rate_value("min-fps", text_of(order, "min-fps"));
      return rate ? done(recording_->set_min_rate(rate->value())) : std::unexpected(rate.error());
    }
    case OrderKind::ReplayLength: {
      const auto length = replay_value("replay-seconds", text_of(order, "replay-seconds"));
      return length ? done(recording_->set_replay_length(*length)) : std::unexpected(length.error());
    }
    case OrderKind::AddSink: {
      const auto sink = sink_of(order, "sink");
      return sink ? done(recording_->add_output(*sink)) : std::unexpected(sink.error());
    }
    case OrderKind::Sleep:
    case OrderKind::Wake: recording_->set_asleep(asleep_); break;
    default: recording_->set_paused(paused_by_user_); break;
  }
  return std::string();
}

void OrderDesk::do_aside(Order order) {
  const std::lock_guard lock(mutex_);
  std::erase_if(aside_, [](const Aside& one) { return one.over->load(); });
  // Sleep is not refused: the daemon holds the machine up for its answer.
  const bool too_many = aside_.size() >= kMostAside && order.kind != OrderKind::Sleep;
  if (recording_ == nullptr || too_many) {
    return reporter_.answer(order.id, fail(ErrorKind::Busy, "change the session",
                                           recording_ == nullptr ? "it is not recording" : "it is busy with others"));
  }
  auto over = std::make_shared<std::atomic<bool>>(false);
  aside_.push_back({over, std::jthread([this, over, order = std::move(order), recording = recording_] {
                      reporter_.answer(order.id, take_time(*recording, order));
                      over->store(true);
                    })});
}

Result<std::string> OrderDesk::take_time(Recording& recording, const Order& order) {
  if (order.kind == OrderKind::RemoveSink) return done(recording.remove_output(sink_name(text_of(order, "sink"))));
  if (order.kind == OrderKind::SaveReplay) return save_replay(recording, order);
  if (recording.wait_until_let_go(kLetGoLimit)) return std::string();
  return fail(
      ErrorKind::Timeout, "let go of the graphics card",
      fmt::format("it takes longer than {} s", std::chrono::duration_cast<std::chrono::seconds>(kLetGoLimit).count()));
}

}  // namespace zc
