#include "cli/config_command.h"

#include "cli/config_report.h"
#include "cli/report.h"
#include "settings/config_file.h"

namespace zc {

int run_config(const ConfigOptions& options, const Toggles& toggles) {
  if (options.action == ConfigAction::Example) return to_int(print_out(config_example()));
  const auto path = config_path();
  if (!path) {
    const Error error{.kind = ErrorKind::NotFound,
                      .operation = "find the configuration",
                      .detail = "none of ZEROCAST_CONFIG, XDG_CONFIG_HOME and HOME is set"};
    return to_int(report_error(error, Stage::Arguments));
  }
  if (options.action == ConfigAction::Path) return to_int(print_out(*path + "\n"));
  const auto config = read_config();
  if (!config) return to_int(report_error(config.error(), Stage::Arguments));
  if (options.action == ConfigAction::Check) {
    const auto tables = read_config_tables();
    const auto exposed = tables ? exposure_warning(*tables) : std::nullopt;
    if (exposed) report_warning(*exposed);
    return to_int(ExitCode::Ok);
  }
  return to_int(print_out(config_text(*config, *path, toggles)));
}

}  // namespace zc
