#include "cli/remux_command.h"

#include "base/quote.h"
#include "cli/report.h"
#include "cli/stop_signals.h"
#include "cli/table_command.h"
#include "media/av_log.h"
#include "output/remux.h"

extern "C" {
#include <libavutil/log.h>
}

#include <array>
#include <utility>
#include <variant>
#include <vector>

namespace zc {
namespace {

constexpr std::array kRemuxExamples{
    Example{"zerocast remux killed.mp4 whole.mp4", "A plain MP4 of one whose recording was killed."},
    Example{"zerocast remux talk.mkv talk.mp4", "The same pictures for an editor that takes no Matroska."},
};
constexpr std::array kRemuxExits{
    CommandExit{0, "The new file is whole. What does not fit into it has been told."},
    CommandExit{2, "Bad usage, an input that is no such recording, or an output that exists."},
    CommandExit{6, "The new file could not be written, or the command was stopped; there is none."},
};

}  // namespace

std::unique_ptr<Command> make_remux_command() {
  using Row = ArgumentRow<RemuxOptions>;
  using Options = RemuxOptions;
  using Text = std::string_view;
  constexpr std::string_view kFiles = "Files";
  std::vector<Row> rows{
      {{.name = "IN",
        .value = "IN",
        .group = kFiles,
        .help = "A recording in Matroska, MP4 or MPEG-TS, also one that was cut off where it was being written.",
        .fallback = "",
        .files = true},
       [](Options& o, Text, Text text) -> Result<void> {
         o.input = text;
         return {};
       }},
      {{.name = "OUT",
        .value = "OUT",
        .group = kFiles,
        .help = "The new file; the extension .mkv, .mp4 or .ts chooses the container.",
        .fallback = "",
        .files = true},
       [](Options& o, Text, Text text) -> Result<void> {
         const auto spec = parse_output(text, std::nullopt, false);
         const auto* file = spec ? std::get_if<FileOutput>(&spec->target) : nullptr;
         if (file == nullptr) {
           return fail(ErrorKind::Invalid, "OUT",
                       in_quotes(text) + " is no file's name that ends in .mkv, .mp4 or .ts");
         }
         o.output.path = file->path;
         o.container = spec->container;
         return {};
       }},
      {{.name = "--overwrite", .value = "", .group = kFiles, .help = "Replace OUT where it exists.", .fallback = ""},
       [](Options& o, Text, Text) -> Result<void> {
         o.output.overwrite = true;
         return {};
       }},
  };
  return std::make_unique<TableCommand<Options>>(
      CommandInfo{.name = "remux",
                  .summary = "Put a recording into another container",
                  .details =
                      "Copies the coded pictures as they are, with their times, colours and HDR metadata, and every "
                      "other stream that the container takes. An MP4 becomes a plain one, as editors want it. "
                      "OUT appears when it is whole; until then it is written beside, with '.part' in its name.",
                  .arguments = {},
                  .examples = kRemuxExamples,
                  .exits = kRemuxExits},
      std::move(rows), std::span<const Conflict>{}, Options{},
      [](Options options) -> Result<Invocation> { return options; });
}

int run_remux(const RemuxOptions& options, const Toggles& toggles) {
  set_ffmpeg_logging(toggles.ffmpeg_debug);
  // What is missing of a recording that was cut off is told below.
  if (!toggles.ffmpeg_debug) av_log_set_level(AV_LOG_QUIET);
  const auto input = RecordedFile::open(options.input);
  if (!input) return to_int(report_error(input.error(), Stage::Arguments));
  const auto left_out = (*input)->copy_to(options.output, options.container, stop_pending);
  if (!left_out) return to_int(report_error(left_out.error(), Stage::Output));
  for (const std::string& what : *left_out) report_warning(what);
  return to_int(ExitCode::Ok);
}

}  // namespace zc
