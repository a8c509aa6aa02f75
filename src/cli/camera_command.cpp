#include "cli/camera_command.h"

#include "cli/table_command.h"
#include "settings/record_arguments.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {
namespace {

using Text = std::string_view;

constexpr std::array kExamples{
    Example{"zerocast camera", "A screen that is chosen, as the camera 'zerocast'."},
    Example{"zerocast camera --name 'Slides' --source portal:window --size 1280x720",
            "One window, in a size that every program takes."},
    Example{"zerocast camera --device /dev/video9 --source test", "For programs that know no PipeWire."},
};
constexpr std::array kConflicts{
    Conflict{"--name", "--device", "a device has its own name"},
    Conflict{"--fps", "--min-fps", "a constant rate repeats pictures already"},
    Conflict{"--fps", "--max-fps", "no more than a constant rate is asked for"},
    Conflict{"--no-restore", "--restore-slot", "one turns off what the other names"},
};
/// Of `record`: how a source is captured, and how its pictures are made.
constexpr std::array<Text, 13> kOfRecord{"--source", "--cursor", "--no-restore", "--restore-slot", "--size",
                                         "--crop",   "--fps",    "--max-fps",    "--min-fps",      "--seconds",
                                         "--gpu",    "--json",   "--quiet"};

struct CameraWords {
  std::string camera = "zerocast";
  RecordWords record = record_defaults(true);
};

const std::vector<ArgumentRow<RecordWords>>& record_rows() {
  static const std::vector<ArgumentRow<RecordWords>> kRows = record_arguments(true);
  return kRows;
}

Result<void> set_of_record(CameraWords& words, Text option, Text text) {
  const auto row = std::ranges::find(record_rows(), option, [](const auto& one) { return one.argument.name; });
  return row->set(words.record, option, text);
}

/// `text` as it follows "camera:", if that is a device or, else, a name.
Result<void> set_camera(CameraWords& words, Text option, Text text, bool device) {
  const auto spec = parse_output("camera:" + std::string(text), std::nullopt, false);
  if (!spec || text.starts_with('/') != device) {
    return fail(ErrorKind::Invalid, std::string(option),
                spec && device ? "a v4l2loopback device is /dev/videoN"
                : spec         ? "it is a name; a device goes into --device"
                               : spec.error().detail);
  }
  words.camera = text;
  return {};
}

std::vector<ArgumentRow<CameraWords>> rows() {
  constexpr Text kCamera = "Camera";
  std::vector<ArgumentRow<CameraWords>> all{
      {{.name = "--name",
        .value = "NAME",
        .group = kCamera,
        .help = "What other programs call the camera.",
        .fallback = "zerocast"},
       [](CameraWords& w, Text option, Text text) { return set_camera(w, option, text, false); }},
      {{.name = "--device",
        .value = "DEVICE",
        .group = kCamera,
        .help = "Write to this device of a loaded v4l2loopback module instead, such as /dev/video9.",
        .fallback = "",
        .files = true},
       [](CameraWords& w, Text option, Text text) { return set_camera(w, option, text, true); }},
  };
  for (const ArgumentRow<RecordWords>& row : record_rows()) {
    if (std::ranges::find(kOfRecord, row.argument.name) == kOfRecord.end()) continue;
    all.push_back({row.argument, set_of_record});
  }
  return all;
}

Result<Invocation> finish(CameraWords words) {
  words.record.output = "camera:" + words.camera;
  // Of the user's own defaults, what a camera has no use for.
  words.record.container.reset();
  words.record.options.audio.inputs.clear();
  words.record.options.adaptive = false;
  auto options = finish_record(std::move(words.record));
  if (!options) return std::unexpected(std::move(options.error()));
  options->reconnect = true;
  return *std::move(options);
}

}  // namespace

std::unique_ptr<Command> make_camera_command() {
  return std::make_unique<TableCommand<CameraWords>>(
      CommandInfo{.name = "camera",
                  .summary = "Show the desktop as a camera to other programs",
                  .details =
                      "Programs that ask PipeWire for cameras (browsers, OBS, GStreamer) find one whose pictures are "
                      "the source's. Several may read it at a time: the first one chooses NV12, I420, YUY2 or BGRx and "
                      "the rate. Nothing is encoded, and while nobody reads it nothing is converted. Ctrl-C takes it "
                      "away. For a camera beside a recording: 'zerocast record --tee camera:NAME'.",
                  .arguments = {},
                  .examples = kExamples},
      rows(), kConflicts, CameraWords{}, finish,
      [](const Config& config, std::span<const std::string_view> given, CameraWords& words) {
        return apply_defaults(config.record, given, SettingScope::Record, words.record);
      });
}

}  // namespace zc
