#include "worker/request_server.h"

#include "base/log.h"
#include "base/quote.h"
#include "session/snapshot.h"
#include "settings/audio_arguments.h"
#include "settings/layer_arguments.h"
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

/// Replays, snapshots and removals at a time.
constexpr std::size_t kMostAside = 8;
/// The machine sleeps five seconds after it was told to, with or without an answer.
constexpr Nanoseconds kLetGoLimit = std::chrono::seconds(3);

/// The text of an option, or a number as one would type it.
std::string text_of(const Request& request, std::string_view name) {
  if (const auto* text = argument<std::string>(request, name)) return *text;
  if (const auto* whole = argument<std::int64_t>(request, name)) return fmt::format("{}", *whole);
  if (const auto* real = argument<double>(request, name)) return fmt::format("{}", *real);
  return {};
}

/// A sink as settings have them: a URL or an absolute path.
Result<OutputSpec> sink_of(const Request& request, std::string_view name) {
  const std::string text = text_of(request, name);
  const std::array setting{Setting{.name = "sinks", .value = std::vector{text}, .where = {}}};
  if (auto good = check_settings(setting, SettingScope::Session); !good)
    return std::unexpected(std::move(good.error()));
  return parse_output(text, std::nullopt, false);
}

Result<std::string> done(const Result<void>& result) {
  return result ? Result<std::string>(std::string()) : Result<std::string>(std::unexpected(result.error()));
}

Result<std::string> save_replay(Recording& recording, const Request& request) {
  const auto spec = sink_of(request, "file");
  return spec ? recording.save_replay(*spec) : Result<std::string>(std::unexpected(spec.error()));
}

Result<std::string> save_picture(Recording& recording, const Request& request) {
  std::string path = text_of(request, "file");
  if (auto good = check_png_name(path); !good) return std::unexpected(std::move(good.error()));
  if (!path.starts_with('/')) return fail(ErrorKind::Invalid, "write " + in_quotes(path), "it is no absolute path");
  const auto saved = recording.save_picture({.path = path});
  return saved ? Result<std::string>(std::move(path)) : Result<std::string>(std::unexpected(saved.error()));
}

Result<std::string> add_layer(Recording& recording, const Request& request) {
  const auto layer = layer_value("layer", text_of(request, "layer"));
  return layer ? recording.add_layer(*layer) : Result<std::string>(std::unexpected(layer.error()));
}

/// These may take as long as a disk or a person does.
bool takes_long(RequestKind kind) {
  return kind == RequestKind::SaveReplay || kind == RequestKind::Snapshot || kind == RequestKind::RemoveSink ||
         kind == RequestKind::AddLayer || kind == RequestKind::RemoveLayer;
}

}  // namespace

RequestServer::RequestServer(const Channel& channel, Reporter& reporter)
    : channel_(channel), reporter_(reporter), quit_(::eventfd(0, EFD_CLOEXEC)), thread_([this] { run(); }) {}

RequestServer::~RequestServer() { ::eventfd_write(quit_.get(), 1); }

void RequestServer::serve(Recording* recording) {
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

void RequestServer::run() {
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
    auto request = parse_request(**text);
    if (request) {
      carry_out(*std::move(request));
    } else {
      logger("session").error("{}", request.error().message());
    }
  }
}

void RequestServer::stop() {
  stop_.request_stop();
  const std::lock_guard lock(mutex_);
  if (recording_ != nullptr) recording_->request_stop();
}

void RequestServer::carry_out(Request request) {
  if (request.kind == RequestKind::Stop) {
    reporter_.reply(request.id, std::string());
    return stop();
  }
  if (takes_long(request.kind)) return do_aside(std::move(request));
  std::unique_lock lock(mutex_);
  const Result<std::string> now = do_now(request);
  if (request.kind != RequestKind::Sleep || recording_ == nullptr) return reporter_.reply(request.id, now);
  lock.unlock();
  do_aside(std::move(request));
}

Result<std::string> RequestServer::do_now(const Request& request) {
  switch (request.kind) {
    case RequestKind::Pause: paused_by_user_ = true; break;
    case RequestKind::Resume: paused_by_user_ = false; break;
    case RequestKind::Sleep:
      asleep_ = true;
      has_slept_ = recording_ == nullptr;
      break;
    case RequestKind::Wake: asleep_ = false; break;
    default: break;
  }
  if (recording_ == nullptr) {
    const bool kept = request.kind == RequestKind::Pause || request.kind == RequestKind::Resume ||
                      request.kind == RequestKind::Sleep || request.kind == RequestKind::Wake;
    if (kept) return std::string();
    return fail(ErrorKind::Busy, "change the session", "the desktop has not given its picture yet");
  }
  switch (request.kind) {
    case RequestKind::Keyframe: recording_->request_keyframe(); break;
    case RequestKind::Bitrate: {
      const auto rate = bit_rate_value("bitrate", text_of(request, "bitrate"));
      return rate ? done(recording_->set_bitrate(*rate)) : std::unexpected(rate.error());
    }
    case RequestKind::Framerate: {
      const auto rate = rate_value("fps", text_of(request, "fps"));
      return rate ? done(recording_->set_rate(*rate)) : std::unexpected(rate.error());
    }
    case RequestKind::LeastRate: {
      const auto rate = min_rate_value("min-fps", text_of(request, "min-fps"));
      return rate ? done(recording_->set_min_rate(rate->value())) : std::unexpected(rate.error());
    }
    case RequestKind::ReplayLength: {
      const auto length = replay_value("replay-seconds", text_of(request, "replay-seconds"));
      return length ? done(recording_->set_replay_length(*length)) : std::unexpected(length.error());
    }
    case RequestKind::Audio: {
      AudioChange change;
      if (const auto* wanted = argument<double>(request, "volume")) {
        const auto volume = volume_value("volume", fmt::format("{}dB", *wanted));
        if (!volume) return std::unexpected(volume.error());
        change.gain = gain_of(*volume);
      }
      if (const auto* muted = argument<bool>(request, "muted")) change.muted = *muted;
      return done(recording_->change_audio(text_of(request, "source"), change));
    }
    case RequestKind::ChangeLayer:
      return done(recording_->change_layer(text_of(request, "layer"), [&](LayerOptions& layer) {
        return change_layer("layer", text_of(request, "changes"), layer);
      }));
    case RequestKind::AddSink: {
      const auto sink = sink_of(request, "sink");
      return sink ? done(recording_->add_output(*sink)) : std::unexpected(sink.error());
    }
    case RequestKind::Sleep:
    case RequestKind::Wake: recording_->set_asleep(asleep_); break;
    default: recording_->set_paused(paused_by_user_); break;
  }
  return std::string();
}

void RequestServer::do_aside(Request request) {
  const std::lock_guard lock(mutex_);
  std::erase_if(aside_, [](const Aside& one) { return one.over->load(); });
  // Sleep is not refused: the daemon holds the machine up for its answer.
  const bool too_many = aside_.size() >= kMostAside && request.kind != RequestKind::Sleep;
  if (recording_ == nullptr || too_many) {
    return reporter_.reply(request.id, fail(ErrorKind::Busy, "change the session",
                                            recording_ == nullptr ? "it is not recording" : "it is busy with others"));
  }
  auto over = std::make_shared<std::atomic<bool>>(false);
  aside_.push_back({over, std::jthread([this, over, request = std::move(request), recording = recording_] {
                      reporter_.reply(request.id, take_time(*recording, request));
                      over->store(true);
                    })});
}

Result<std::string> RequestServer::take_time(Recording& recording, const Request& request) {
  if (request.kind == RequestKind::RemoveSink)
    return done(recording.remove_output(sink_name(text_of(request, "sink"))));
  if (request.kind == RequestKind::AddLayer) return add_layer(recording, request);
  if (request.kind == RequestKind::RemoveLayer) return done(recording.remove_layer(text_of(request, "layer")));
  if (request.kind == RequestKind::SaveReplay) return save_replay(recording, request);
  if (request.kind == RequestKind::Snapshot) return save_picture(recording, request);
  if (recording.wait_until_let_go(kLetGoLimit)) return std::string();
  return fail(
      ErrorKind::Timeout, "let go of the graphics card",
      fmt::format("it takes longer than {} s", std::chrono::duration_cast<std::chrono::seconds>(kLetGoLimit).count()));
}

}  // namespace zc
