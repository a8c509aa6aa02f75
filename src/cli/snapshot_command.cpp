#include "cli/snapshot_command.h"

#include "base/file_names.h"
#include "base/quote.h"
#include "cli/record_report.h"
#include "cli/report.h"
#include "cli/signals.h"
#include "cli/table_command.h"
#include "encode/png.h"
#include "ipc/daemon_client.h"
#include "media/av_log.h"
#include "output/new_file.h"
#include "session/snapshot.h"
#include "settings/record_arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {
namespace {

using Text = std::string_view;

constexpr std::array kExamples{
    Example{"zerocast snapshot now.png", "The picture of the only session that runs, or of a screen that is chosen."},
    Example{"zerocast snapshot --session meeting 'slide {n}.png'", "What is being recorded, without its coding."},
    Example{"zerocast snapshot --source portal:window window.png", "One window."},
    Example{"zerocast snapshot --source test:640x480 pattern.png", "The test pattern."},
};
constexpr std::array kConflicts{Conflict{"--session", "--source", "a session has its source"}};
/// Of `record`: how a source is captured.
constexpr std::array<Text, 6> kOfRecord{"--source", "--cursor", "--region", "--no-restore", "--restore-slot", "--gpu"};

struct SnapshotWords {
  SnapshotOptions options;
  RecordWords record = record_defaults(false);
};

const std::vector<ArgumentRow<RecordWords>>& record_rows() {
  static const std::vector<ArgumentRow<RecordWords>> kRows = record_arguments(false);
  return kRows;
}

Result<void> set_of_record(SnapshotWords& words, Text option, Text text) {
  if (option == "--source") words.options.source = true;
  const auto row = std::ranges::find(record_rows(), option, [](const auto& one) { return one.argument.name; });
  return row->set(words.record, option, text);
}

std::vector<ArgumentRow<SnapshotWords>> rows() {
  constexpr Text kPicture = "Picture";
  std::vector<ArgumentRow<SnapshotWords>> all{
      {{.name = "OUT",
        .value = "OUT",
        .group = kPicture,
        .help = "The new file, whose name ends in .png and may be a pattern as FILE of 'record' is; '-' is stdout.",
        .fallback = "",
        .files = true},
       [](SnapshotWords& w, Text, Text text) -> Result<void> {
         w.options.output.path = text == "-" ? "" : text;
         return text == "-" ? Result<void>() : check_png_name(text);
       }},
      {{.name = "--overwrite", .value = "", .group = kPicture, .help = "Replace OUT where it exists.", .fallback = ""},
       [](SnapshotWords& w, Text, Text) -> Result<void> {
         w.options.output.overwrite = true;
         return {};
       }},
      {{.name = "--session",
        .value = "NAME",
        .group = kPicture,
        .help =
            "The newest picture of this session, as 'zerocast session list' has it. Without it and --source, of the "
            "only one that runs.",
        .fallback = ""},
       [](SnapshotWords& w, Text, Text text) -> Result<void> {
         w.options.session = text;
         return {};
       }},
  };
  for (const ArgumentRow<RecordWords>& row : record_rows()) {
    if (std::ranges::find(kOfRecord, row.argument.name) == kOfRecord.end()) continue;
    all.push_back({row.argument, set_of_record});
  }
  return all;
}

Result<Invocation> finish(SnapshotWords words) {
  words.options.record = std::move(words.record.options);
  if (auto stored = store(parse_source(words.record.source), words.options.record.source); !stored) {
    return std::unexpected(std::move(stored.error()));
  }
  return std::move(words.options);
}

/// Whose picture is wanted; nullopt: a source's.
Result<std::optional<std::string>> choose(const SnapshotOptions& options) {
  if (options.source) return std::nullopt;
  if (!options.session.empty()) return options.session;
  const auto daemon = DaemonClient::connect();
  const auto sessions = daemon ? (*daemon)->sessions() : std::unexpected(daemon.error());
  if (!sessions && sessions.error().kind == ErrorKind::NotFound) return std::nullopt;
  if (!sessions) return std::unexpected(sessions.error());
  std::vector<std::string> running;
  for (const SessionView& one : *sessions) {
    if (one.state != "ended" && one.state != "failed") running.push_back(one.name);
  }
  if (running.empty()) return std::nullopt;
  if (running.size() == 1) return running.front();
  return fail(ErrorKind::Invalid, "snapshot",
              fmt::format("several sessions run: name one with --session: {}", fmt::join(running, ", ")));
}

/// A folder of our own, gone with this.
class PrivateFolder {
 public:
  PrivateFolder() {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    path_ = fmt::format("{}/zerocast-snapshot.XXXXXX", runtime != nullptr && *runtime == '/' ? runtime : "/tmp");
    if (::mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;
  ~PrivateFolder() {
    std::error_code gone;
    if (!path_.empty()) std::filesystem::remove_all(path_, gone);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

ExitCode print_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  return print_out(bytes);
}

/// The daemon takes patterns, too, and overwrites nothing.
Result<std::string> ask(DaemonClient& daemon, const std::string& session, const std::string& path) {
  return daemon.call(session, "Snapshot", literal_file_name(path));
}

int snapshot_session(const std::string& session, FileOutput output) {
  const auto daemon = DaemonClient::connect();
  if (!daemon) return to_int(report_error(daemon.error(), Stage::Daemon));
  if (output.path.empty()) {
    const PrivateFolder folder;
    if (folder.path().empty()) return to_int(report_error(fail_errno(errno, "make a folder").error(), Stage::Output));
    const auto saved = ask(**daemon, session, folder.path() + "/picture.png");
    return to_int(saved ? print_file(*saved) : report_error(saved.error(), Stage::Daemon));
  }
  std::error_code unknown;
  output.path = std::filesystem::absolute(output.path, unknown).lexically_normal().string();
  // Beside the one that it is to replace.
  const bool replaces = output.overwrite && ::access(output.path.c_str(), F_OK) == 0;
  const auto saved = ask(**daemon, session, replaces ? free_path(output.path) : output.path);
  if (!saved) return to_int(report_error(saved.error(), Stage::Daemon));
  if (replaces && std::rename(saved->c_str(), output.path.c_str()) != 0) {
    const auto failed = fail_errno(errno, "write " + output.path);
    std::filesystem::remove(*saved, unknown);
    return to_int(report_error(failed.error(), Stage::Output));
  }
  return to_int(ExitCode::Ok);
}

int snapshot_source(const SnapshotOptions& options, const Toggles& toggles) {
  block_signals();
  const std::stop_source stop;
  const auto signals = Signals::create(stop);
  if (!signals) return to_int(report_error(signals.error(), Stage::Arguments));
  auto picture = first_picture(recording_options(options.record, toggles), stop.get_token());
  if (!picture) {
    static_cast<void>(report_error(picture.error().error, Stage::Source));
    return to_int(failure_exit(picture.error()));
  }
  if (!options.output.path.empty()) {
    const auto saved = save_png(std::move(*picture), options.output);
    return to_int(saved ? ExitCode::Ok : report_error(saved.error(), Stage::Output));
  }
  const auto png = png_of(std::move(*picture));
  if (!png) return to_int(report_error(png.error(), Stage::Output));
  return to_int(print_out({reinterpret_cast<const char*>(png->data()), png->size()}));
}

}  // namespace

std::unique_ptr<Command> make_snapshot_command() {
  return std::make_unique<TableCommand<SnapshotWords>>(
      CommandInfo{.name = "snapshot",
                  .summary = "Save one picture as a PNG file",
                  .details =
                      "Of a session of the daemon, the newest picture as it is made for the encoder, in the session's "
                      "size and with its chroma, without the encoder's losses; a session that is paused gives the last "
                      "one before. The session does not notice. Of a source, its first picture with every colour as "
                      "it is, PQ mapped to SDR. A session that records HDR, and a source of HLG, give 16 bits a "
                      "component, tagged as what they are. OUT appears when it is whole.",
                  .arguments = {},
                  .examples = kExamples},
      rows(), kConflicts, SnapshotWords{}, finish,
      [](const Config& config, std::span<const std::string_view> given, SnapshotWords& words) {
        return apply_defaults(config.record, given, SettingScope::Record, words.record);
      });
}

int run_snapshot(const SnapshotOptions& options, const Toggles& toggles) {
  set_ffmpeg_logging(toggles.ffmpeg_debug);
  if (options.output.path.empty() && ::isatty(STDOUT_FILENO) == 1) {
    const auto refused =
        fail(ErrorKind::Invalid, "write to stdout", "it is a terminal; pipe it into a program or a file");
    return to_int(report_error(refused.error(), Stage::Output));
  }
  const auto session = choose(options);
  if (!session) return to_int(report_error(session.error(), Stage::Daemon));
  SnapshotOptions named = options;
  auto path = expand_file_name(options.output.path, session->value_or("zerocast"));
  if (!path) return to_int(report_error(path.error(), Stage::Arguments));
  named.output.path = *std::move(path);
  // Nobody should choose a monitor for a file that cannot be written.
  if (!named.output.path.empty()) {
    if (const auto free = NewFile::create(named.output); !free) {
      return to_int(report_error(free.error(), Stage::Output));
    }
  }
  return *session ? snapshot_session(**session, named.output) : snapshot_source(named, toggles);
}

}  // namespace zc
