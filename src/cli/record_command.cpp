#include "cli/record_command.h"

#include "base/clock.h"
#include "base/file_names.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "cli/record_report.h"
#include "cli/report.h"
#include "media/av_log.h"
#include "session/recording.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

namespace zc {
namespace {

constexpr Nanoseconds kTick = std::chrono::milliseconds(250);

/// Takes SIGINT, SIGTERM and SIGHUP on its own thread: the first requests a clean end, the second ends the process at
/// once (what is written stays playable, as after any kill). SIGUSR1 asks for a keyframe.
class Signals {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Signals>> create(std::stop_source stop) {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&signals, signal);
    UniqueFd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC));
    UniqueFd quit_fd(::eventfd(0, EFD_CLOEXEC));
    if (!signal_fd || !quit_fd) return fail_errno(errno, "watch for signals");
    return std::unique_ptr<Signals>(new Signals(std::move(signal_fd), std::move(quit_fd), std::move(stop)));
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals() { ::eventfd_write(quit_fd_.get(), 1); }

  /// Whom SIGUSR1 is for from now on; it outlives its being set. nullptr: nobody.
  void set_recording(Recording* recording) {
    const std::lock_guard lock(mutex_);
    recording_ = recording;
  }

 private:
  Signals(UniqueFd signal_fd, UniqueFd quit_fd, std::stop_source stop)
      : signal_fd_(std::move(signal_fd)),
        quit_fd_(std::move(quit_fd)),
        stop_(std::move(stop)),
        thread_([this] { watch(); }) {}

  void watch() {
    std::array<pollfd, 2> watched{{{signal_fd_.get(), POLLIN, 0}, {quit_fd_.get(), POLLIN, 0}}};
    while (true) {
      if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
      if ((watched[1].revents & POLLIN) != 0) return;
      signalfd_siginfo info{};
      if ((watched[0].revents & POLLIN) == 0 || ::read(signal_fd_.get(), &info, sizeof info) != sizeof info) continue;
      if (info.ssi_signo == SIGUSR1) {
        const std::lock_guard lock(mutex_);
        if (recording_ != nullptr) recording_->request_keyframe();
        continue;
      }
      if (!stop_.request_stop()) std::_Exit(128 + static_cast<int>(info.ssi_signo));
    }
  }

  UniqueFd signal_fd_;
  UniqueFd quit_fd_;
  std::stop_source stop_;
  std::mutex mutex_;
  Recording* recording_ = nullptr;
  std::jthread thread_;
};

void follow(Recording& recording, StatusLine& line, const std::stop_token& stop) {
  const std::stop_callback on_signal(stop, [&recording] { recording.request_stop(); });
  RecordingStatus before;
  while (!recording.wait(kTick)) {
    const Nanoseconds now = monotonic_now();
    if (!line.due(now)) continue;
    const RecordingStatus status = recording.status();
    line.show(make_snapshot(status, before), now);
    before = status;
  }
  line.erase();
}

Result<void> name_files(std::vector<OutputSpec>& outputs) {
  for (OutputSpec& output : outputs) {
    auto* file = std::get_if<FileOutput>(&output.target);
    if (file == nullptr) continue;
    auto path =
        file->path.empty() ? default_file(info(output.container).name) : expand_file_name(file->path, "zerocast");
    if (!path) return std::unexpected(std::move(path.error()));
    file->path = *std::move(path);
  }
  return {};
}

}  // namespace

int run_record(RecordOptions options, const Toggles& toggles) {
  if (options.quiet) set_quiet_logging();
  set_ffmpeg_logging(toggles.ffmpeg_debug);
  if (auto named = name_files(options.outputs); !named) return to_int(report_error(named.error(), Stage::Arguments));
  const std::stop_source stop;
  const auto signals = Signals::create(stop);
  if (!signals) return to_int(report_error(signals.error(), Stage::Arguments));
  auto recording = Recording::start(recording_options(options, toggles), stop.get_token());
  if (!recording) {
    if (stop.stop_requested()) return to_int(ExitCode::Ok);
    static_cast<void>(report_error(recording.error().error, Stage::Source));
    return to_int(failure_exit(recording.error()));
  }
  if (!options.quiet) {
    for (const OutputStatus& output : (*recording)->status().outputs) {
      if (!output.watch.empty()) say(fmt::format("watch: {}\n", output.watch));
    }
  }
  {
    StatusLine line(STDERR_FILENO, StatusLine::mode_for(STDERR_FILENO, options.quiet));
    (*signals)->set_recording(recording->get());
    follow(**recording, line, stop.get_token());
    (*signals)->set_recording(nullptr);
  }
  const RecordingReport report = (*recording)->finish();
  auto [code, error] = recording_exit(report);
  if (error) static_cast<void>(report_error(*error, Stage::Recording));
  if (!options.quiet) say(report_text(report));
  if (options.json) {
    if (const ExitCode printed = print_out(report_json(report) + "\n"); printed != ExitCode::Ok) code = printed;
  }
  if (report.stuck_threads > 0) {
    // A driver keeps a thread in a call for good; ending in an orderly way could wait for it.
    logger("cli").warn("a driver's call never returned");
    std::fflush(nullptr);
    std::_Exit(to_int(code));
  }
  return to_int(code);
}

}  // namespace zc
