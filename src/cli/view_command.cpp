#include "cli/view_command.h"

#include "base/private_file.h"
#include "capture/source_spec.h"
#include "cli/layer_words.h"
#include "cli/report.h"
#include "cli/table_command.h"
#include "ipc/daemon_client.h"
#include "settings/values.h"
#include "web/web_server.h"

#include <fmt/format.h>
#include <qrencode.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace zc {
namespace {

using Text = std::string_view;
using Row = ArgumentRow<ViewOptions>;

constexpr std::string_view kDefaultAddress = "127.0.0.1:8990";
constexpr unsigned kMostHours = 24 * 366;
constexpr unsigned kDefaultHours = 24 * 30;

constexpr std::array kExamples{
    Example{"zerocast view", "Watch what is recorded, and control it, in a browser on this machine."},
    Example{"zerocast view --source portal", "Show a screen there and nowhere else."},
    Example{"zerocast view --listen 0.0.0.0:8990", "From other machines, by TLS."},
    Example{"zerocast view --link --read-only --hours 2", "A link for a guest of a server that runs."},
};

std::vector<Row> view_rows() {
  constexpr Text kServer = "Server";
  constexpr Text kLinks = "Links";
  return {
      {{.name = "--listen",
        .value = "ADDRESS:PORT",
        .group = kServer,
        .help = "Where to serve. Beyond 127.0.0.1 it is served by TLS alone.",
        .fallback = kDefaultAddress},
       [](ViewOptions& o, Text option, Text text) -> Result<void> {
         auto address = parse_listen_address(text, kDefaultAddress);
         if (!address) return fail(ErrorKind::Invalid, std::string(option), std::move(address.error().detail));
         o.web.listen = *std::move(address);
         return {};
       }},
      {{.name = "--host",
        .value = "NAME",
        .group = kServer,
        .help = "A further name that leads to the server, such as a reverse proxy's; may be given several times. The "
                "first one is put into links.",
        .fallback = "",
        .repeatable = true},
       [](ViewOptions& o, Text, Text text) -> Result<void> {
         o.web.hosts.emplace_back(text);
         return {};
       }},
      {{.name = "--certificate",
        .value = "FILE",
        .group = kServer,
        .help = "PEM file of the certificate for TLS. Without it one is made on first use; its fingerprint is shown.",
        .fallback = "",
        .files = true},
       [](ViewOptions& o, Text, Text text) -> Result<void> {
         o.web.certificate = text;
         return {};
       }},
      {{.name = "--key",
        .value = "FILE",
        .group = kServer,
        .help = "PEM file of its key, if that is not in the same file.",
        .fallback = "",
        .files = true},
       [](ViewOptions& o, Text, Text text) -> Result<void> {
         o.web.key = text;
         return {};
       }},
      {{.name = "--source",
        .value = "SOURCE",
        .group = kServer,
        .help = "Start a session that shows this source to viewers alone, as 'record --source' names it; it ends with "
                "the server.",
        .fallback = ""},
       [](ViewOptions& o, Text, Text text) -> Result<void> {
         o.source = text;
         return {};
       }},
      {{.name = "--layer",
        .value = "LAYER",
        .group = kServer,
        .help = "With --source: what lies above it, as 'record --layer' has it. May be given several times.",
        .fallback = "",
        .repeatable = true},
       [](ViewOptions& o, Text option, Text text) -> Result<void> {
         auto layer = absolute_layer(option, text);
         if (!layer) return std::unexpected(std::move(layer.error()));
         o.layers.push_back(*std::move(layer));
         return {};
       }},
      {{.name = "--link",
        .value = "",
        .group = kLinks,
        .help = "Print a link to a server that runs, and leave.",
        .fallback = ""},
       [](ViewOptions& o, Text, Text) -> Result<void> {
         o.link_only = true;
         return {};
       }},
      {{.name = "--read-only",
        .value = "",
        .group = kLinks,
        .help = "The link is for watching; without this it is for control, too.",
        .fallback = ""},
       [](ViewOptions& o, Text, Text) -> Result<void> {
         o.read_only = true;
         return {};
       }},
      {{.name = "--hours", .value = "N", .group = kLinks, .help = "How long the link works.", .fallback = "720"},
       [](ViewOptions& o, Text option, Text text) {
         return store(number_value(option, text, 1, kMostHours), o.hours);
       }},
  };
}

Result<web::ServerOptions> server_options(const ViewOptions& options) {
  web::ServerOptions server;
  const ListenAddress address = options.web.listen.value_or(*parse_listen_address(kDefaultAddress, kDefaultAddress));
  server.address = address.host;
  server.port = address.port;
  server.hosts = options.web.hosts;
  server.certificate = options.web.certificate;
  server.private_key = options.web.key;
  server.templates = options.templates;
  auto state = xdg_folder("XDG_STATE_HOME", ".local/state");
  if (!state) return std::unexpected(std::move(state.error()));
  server.state_folder = *state / "zerocast";
  // Sockets belong to the user's runtime folder; a machine without one has a folder for temporary files.
  const auto runtime = xdg_folder("XDG_RUNTIME_DIR", "");
  const bool private_folder = runtime.has_value() && std::getenv("XDG_RUNTIME_DIR") != nullptr;
  const std::filesystem::path base =
      private_folder ? *runtime / "zerocast" : std::filesystem::path(fmt::format("/tmp/zerocast-{}", ::getuid()));
  server.runtime_folder = base / fmt::format("view-{}", server.port);
  return server;
}

/// For a phone's camera: two modules to a character, dark on light whatever the terminal's colours.
std::string qr_code(const std::string& text) {
  const std::unique_ptr<QRcode, decltype(&QRcode_free)> code(
      QRcode_encodeString(text.c_str(), 0, QR_ECLEVEL_L, QR_MODE_8, 1), QRcode_free);
  if (!code) return {};
  constexpr int kMargin = 2;
  const auto dark = [&](int x, int y) {
    return x >= 0 && y >= 0 && x < code->width && y < code->width && (code->data[y * code->width + x] & 1) != 0;
  };
  std::string out;
  for (int y = -kMargin; y < code->width + kMargin; y += 2) {
    out += "\x1b[30;107m";
    for (int x = -kMargin; x < code->width + kMargin; ++x) {
      constexpr std::array<std::string_view, 4> kHalves{" ", "▀", "▄", "█"};
      out += kHalves.at((dark(x, y) ? 1U : 0U) + (dark(x, y + 1) ? 2U : 0U));
    }
    out += "\x1b[0m\n";
  }
  return out;
}

Result<std::string> make_link(const ViewOptions& options, const web::ServerOptions& server) {
  const auto access = web::open_access(server.state_folder);
  if (!access) return std::unexpected(access.error());
  const auto until = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now()) +
                     std::chrono::hours(options.hours);
  return web::link(server, access->make_token(options.read_only ? web::Role::View : web::Role::Control, until));
}

int refuse(const Error& error) { return to_int(report_error(error, Stage::Output)); }

Result<std::string> start_source(web::WebServer& server, const ViewOptions& options) {
  const std::string name = fmt::format("view-{}", ::getpid());
  auto sink = server.sink_for(name);
  if (!sink) return std::unexpected(std::move(sink.error()));
  auto daemon = DaemonClient::connect();
  if (!daemon) return std::unexpected(std::move(daemon.error()));
  std::vector<Setting> settings{{.name = "name", .value = name, .where = {}},
                                {.name = "source", .value = absolute_source(options.source), .where = {}},
                                {.name = "sinks", .value = std::vector<std::string>{*sink}, .where = {}}};
  if (!options.layers.empty()) settings.push_back({.name = "layer", .value = options.layers, .where = {}});
  return (*daemon)->start(settings);
}

}  // namespace

std::unique_ptr<Command> make_view_command() {
  return std::make_unique<TableCommand<ViewOptions>>(
      CommandInfo{.name = "view",
                  .summary = "Show sessions in a browser",
                  .details =
                      "Serves a page with the daemon's sessions, live: picture and sound as they are recorded, encoded "
                      "once for files and viewers alike. Nobody sees anything without the token in the link that it "
                      "prints. A viewer that is slow loses pictures; nobody else does. [web] in the configuration has "
                      "the daemon serve the same page.",
                  .arguments = {},
                  .examples = kExamples},
      view_rows(), std::span<const Conflict>{}, ViewOptions{},
      [](ViewOptions options) -> Result<Invocation> {
        if (!options.layers.empty() && options.source.empty()) {
          return fail(ErrorKind::Invalid, "--layer", "it lies above --source, which is not given");
        }
        return options;
      },
      [](const Config& config, std::span<const std::string_view>, ViewOptions& options) -> Result<void> {
        auto web = web_settings_from(config.web);
        if (!web) return std::unexpected(std::move(web.error()));
        options.web = *std::move(web);
        for (const SessionTemplate& one : config.sessions) options.templates.push_back(one.name);
        return {};
      });
}

int run_view(const ViewOptions& options) {
  const auto server_settings = server_options(options);
  if (!server_settings) return refuse(server_settings.error());
  const auto link = make_link(options, *server_settings);
  if (!link) return refuse(link.error());
  const auto fingerprint = web::shown_fingerprint(*server_settings);
  if (!fingerprint) return refuse(fingerprint.error());
  std::string text = *link + "\n";
  if (!fingerprint->empty()) text += fmt::format("certificate, SHA-256: {}\n", *fingerprint);
  if (!server_settings->loopback() && ::isatty(STDOUT_FILENO) == 1) text += qr_code(*link);
  if (options.link_only) return to_int(print_out(text));

  auto server = web::WebServer::create(*server_settings);
  if (!server) return refuse(server.error());
  if (print_out(text) != ExitCode::Ok) return to_int(ExitCode::Output);
  std::fflush(stdout);
  std::string session;
  if (!options.source.empty()) {
    auto started = start_source(**server, options);
    if (!started) return to_int(report_error(started.error(), Stage::Daemon));
    session = *std::move(started);
  }
  (*server)->run();
  if (session.empty()) return 0;
  auto daemon = DaemonClient::connect();
  const auto stopped = daemon ? (*daemon)->stop(session) : std::unexpected(daemon.error());
  // It may have come to its end before.
  return stopped || stopped.error().kind == ErrorKind::NotFound ? 0
                                                                : to_int(report_error(stopped.error(), Stage::Daemon));
}

}  // namespace zc
