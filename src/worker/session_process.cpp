#include "worker/session_process.h"

#include "base/log.h"
#include "base/version.h"
#include "ipc/channel.h"
#include "ipc/message.h"
#include "ipc/worker_arguments.h"
#include "media/av_log.h"
#include "session/recording.h"
#include "settings/record_arguments.h"
#include "settings/setting.h"
#include "worker/continuation.h"
#include "worker/reporter.h"
#include "worker/request_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>

#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace zc {
namespace {

constexpr Nanoseconds kTick = std::chrono::milliseconds(250);
constexpr int kOk = 0;
constexpr int kRefused = 2;

/// The first message; nullopt: the daemon is gone.
std::optional<Request> first_request(const Channel& channel) {
  while (true) {
    const auto text = channel.receive();
    if (!text) return std::nullopt;
    if (*text) {
      auto request = parse_request(**text);
      return request && request->kind == RequestKind::Start ? std::optional(*std::move(request)) : std::nullopt;
    }
    pollfd readable{channel.fd(), POLLIN, 0};
    ::poll(&readable, 1, -1);
  }
}

/// What the daemon asks for, as options. Unsupported: the daemon is of another version, as after an upgrade.
Result<RecordOptions> session_options(const Request& request, const StartContext& context) {
  if (context.version != version()) {
    return fail(ErrorKind::Unsupported, "start",
                fmt::format("the daemon that runs is zerocast {}, the installed program {}: end the daemon, or type "
                            "'systemctl --user restart zerocast'",
                            context.version, version()));
  }
  auto options = record_options_from(request.arguments, context.defaults);
  if (!options) return options;
  if (auto encodable = check_encoder(*options); !encodable) return std::unexpected(std::move(encodable.error()));
  return options;
}

/// Completes the recording; the daemon hears meanwhile how far that is.
RecordingReport finish(Recording& recording, Reporter& reporter) {
  std::mutex mutex;
  std::condition_variable_any ended;
  const std::jthread teller([&](const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (!ended.wait_for(lock, stop, kTick, [&] { return stop.stop_requested(); })) reporter.look_at_end(recording);
  });
  return recording.finish();
}

int run_session(Channel channel, const Toggles& toggles) {
  auto request = first_request(channel);
  if (!request) return kRefused;
  const StartContext context = std::move(request->start).value_or(StartContext{});
  Reporter reporter(channel);
  const auto options = session_options(*request, context);
  if (!options) {
    reporter.reply(request->id, std::unexpected(options.error()));
    reporter.end(options.error());
    return kRefused;
  }
  RecordingOptions recording_options_now = recording_options(*options, toggles);
  if (context.restarts > 0) continue_files(recording_options_now.outputs);
  recording_options_now.outputs_change = true;
  recording_options_now.events = &reporter;
  reporter.reply(request->id, std::string());
  reporter.state(SessionState::Starting, "");

  // Requests are read from here on, also while the desktop asks its user: Stop ends that.
  RequestServer server(channel, reporter);
  auto recording = Recording::start(std::move(recording_options_now), server.stop_token());
  if (!recording) {
    if (server.stop_token().stop_requested()) {
      reporter.end("stopped");
    } else {
      reporter.end(recording.error().error);
    }
    return kOk;
  }
  server.serve(recording->get());
  while (!(*recording)->wait(kTick)) reporter.look_at(**recording);
  server.serve(nullptr);
  const RecordingReport report = finish(**recording, reporter);
  reporter.end(report);
  if (report.stuck_threads > 0) std::_Exit(kOk);  // a driver keeps a thread in a call for good
  return kOk;
}

}  // namespace

bool is_session_process(std::span<const char* const> arguments) {
  return arguments.size() == 1 && std::string_view(arguments.front()) == kWorkerArgument;
}

int run_session_process(const Toggles& toggles) {
  if (::fcntl(kWorkerFd, F_SETFD, FD_CLOEXEC) != 0) {
    logger("session").error("only the daemon runs this command");
    return kRefused;
  }
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  set_ffmpeg_logging(toggles.ffmpeg_debug);
  return run_session(Channel(UniqueFd(kWorkerFd)), toggles);
}

}  // namespace zc
