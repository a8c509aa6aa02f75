#include "support/chromium.h"

#include "base/clock.h"
#include "support/child_process.h"
#include "support/temporary_folder.h"

#include <fmt/format.h>
#include <unistd.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>
#include <utility>

namespace zc::test {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using nlohmann::json;

constexpr std::array kPrograms{"chromium", "google-chrome"};
constexpr std::chrono::milliseconds kPollInterval{20};
constexpr std::size_t kMostSaid = 200;  // lines

/// Runs what waits in `io` until `done` or the deadline; true: it is done.
bool run_until(asio::io_context& io, Nanoseconds deadline, const bool& done) {
  while (!done && monotonic_now() < deadline) {
    io.restart();
    io.run_one_for(deadline - monotonic_now());
  }
  return done;
}

std::string find_program() {
  const char* path = std::getenv("PATH");
  for (const char* program : kPrograms) {
    std::istringstream folders(path != nullptr ? path : "");
    for (std::string folder; std::getline(folders, folder, ':');) {
      const std::string file = folder + "/" + program;
      if (::access(file.c_str(), X_OK) == 0) return file;
    }
  }
  return {};
}

std::vector<std::string> command_line(const std::string& program, const std::filesystem::path& folder,
                                      const ChromiumOptions& options) {
  // A session of its own, so that all its processes have one group; what it makes beside its profile stays in there.
  std::vector<std::string> argv{"setsid",
                                "env",
                                "TMPDIR=" + folder.native(),
                                "HOME=" + folder.native(),
                                "XDG_CONFIG_HOME=" + folder.native(),
                                "XDG_CACHE_HOME=" + folder.native(),
                                program};
  constexpr std::array kFlags{"--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
                              "--no-first-run", "--disable-dev-shm-usage", "--disable-breakpad", "--disable-extensions",
                              "--disable-component-update", "--disable-background-networking",
                              "--no-default-browser-check", "--no-proxy-server", "--window-size=1280,720",
                              // Tabs that are behind others play on.
                              "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
                              "--disable-backgrounding-occluded-windows"};
  argv.insert(argv.end(), kFlags.begin(), kFlags.end());
  argv.push_back("--user-data-dir=" + (folder / "profile").native());
  if (options.autoplay) argv.emplace_back("--autoplay-policy=no-user-gesture-required");
  if (options.ignore_certificate_errors) argv.emplace_back("--ignore-certificate-errors");
  argv.insert(argv.end(), options.flags.begin(), options.flags.end());
  argv.emplace_back("about:blank");
  return argv;
}

std::string last_lines(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  constexpr std::size_t kMost = 2000;
  return text.size() > kMost ? text.substr(text.size() - kMost) : text;
}

/// One request to the browser itself.
Result<json> ask(std::uint16_t port, http::verb verb, const std::string& target) {
  const std::string operation = "ask the browser for " + target;
  asio::io_context io;
  beast::tcp_stream stream(io);
  boost::system::error_code error;
  http::request<http::empty_body> request{verb, target, 11};
  request.set(http::field::host, fmt::format("127.0.0.1:{}", port));
  request.set(http::field::connection, "close");
  http::response<http::string_body> answer;
  beast::flat_buffer buffer;
  bool done = false;
  const auto finish = [&](const boost::system::error_code& code) {
    error = code;
    done = true;
  };
  stream.async_connect({asio::ip::address_v4::loopback(), port}, [&](const boost::system::error_code& connected) {
    if (connected) return finish(connected);
    http::async_write(stream, request, [&](const boost::system::error_code& written, std::size_t) {
      if (written) return finish(written);
      http::async_read(stream, buffer, answer,
                       [&](const boost::system::error_code& read, std::size_t) { finish(read); });
    });
  });
  if (!run_until(io, monotonic_now() + kPageTimeout, done)) {
    return fail(ErrorKind::Timeout, operation, "it does not answer");
  }
  if (error) return fail(ErrorKind::Lost, operation, error.message());
  json value = json::parse(answer.body(), nullptr, false);
  if (answer.result() != http::status::ok || value.is_discarded()) {
    return fail(ErrorKind::Internal, operation, answer.body());
  }
  return value;
}

/// What an argument of console.log() or an exception is, in words.
std::string in_words(const json& object) {
  if (object.contains("description")) return object["description"].get<std::string>();
  const json value = object.value("value", json());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string exception_text(const json& details) {
  const std::string text = details.value("text", "exception");
  return details.contains("exception") ? text + ": " + in_words(details["exception"]) : text;
}

}  // namespace

struct Page::Impl {
  explicit Impl(std::uint16_t browser) : port(browser), socket(io) {}
  ~Impl() {
    if (target.empty()) return;
    try {
      boost::system::error_code ignored;
      beast::get_lowest_layer(socket).socket().close(ignored);
      static_cast<void>(ask(port, http::verb::get, "/json/close/" + target));
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the tab ends with its browser at the latest
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  Impl(Impl&&) = delete;
  Impl& operator=(Impl&&) = delete;

  std::uint16_t port;
  std::string target;
  asio::io_context io;
  websocket::stream<beast::tcp_stream> socket;
  beast::flat_buffer buffer;
  bool reading = false;
  std::optional<boost::system::error_code> read;  ///< how the newest read ended
  int last_id = 0;
  std::vector<std::string> console;

  [[nodiscard]] Result<void> connect() {
    boost::system::error_code error;
    bool done = false;
    beast::get_lowest_layer(socket).async_connect(
        {asio::ip::address_v4::loopback(), port}, [&](const boost::system::error_code& connected) {
          error = connected;
          if (connected) {
            done = true;
            return;
          }
          socket.async_handshake(fmt::format("127.0.0.1:{}", port), "/devtools/page/" + target,
                                 [&](const boost::system::error_code& greeted) {
                                   error = greeted;
                                   done = true;
                                 });
        });
    if (!run_until(io, monotonic_now() + kPageTimeout, done)) {
      return fail(ErrorKind::Timeout, "attach to a page", "the browser does not answer");
    }
    if (error) return fail(ErrorKind::Lost, "attach to a page", error.message());
    socket.read_message_max(0);
    return {};
  }

  /// The next message; nothing: none came in time.
  [[nodiscard]] Result<std::optional<json>> receive(Nanoseconds deadline) {
    if (!reading) {
      read.reset();
      reading = true;
      socket.async_read(buffer, [this](const boost::system::error_code& error, std::size_t) { read = error; });
    }
    do {
      io.restart();
      io.run_one_for(std::max(deadline - monotonic_now(), Nanoseconds{}));
    } while (!read && monotonic_now() < deadline);
    if (!read) return std::nullopt;
    reading = false;
    if (*read) return fail(ErrorKind::Lost, "hear from the page", read->message());
    json message = json::parse(beast::buffers_to_string(buffer.data()), nullptr, false);
    buffer.clear();
    return message;
  }

  void note(const json& event) {
    const std::string method = event.value("method", "");
    std::string line;
    if (method == "Runtime.consoleAPICalled") {
      line = event["params"].value("type", "log") + ":";
      for (const json& argument : event["params"]["args"]) line += " " + in_words(argument);
    } else if (method == "Runtime.exceptionThrown") {
      line = exception_text(event["params"]["exceptionDetails"]);
    } else if (method == "Log.entryAdded") {
      const json& entry = event["params"]["entry"];
      line = entry.value("level", "log") + ": " + entry.value("text", "") + " " + entry.value("url", "");
    }
    if (!line.empty() && console.size() < kMostSaid) console.push_back(std::move(line));
  }

  [[nodiscard]] Result<json> command(std::string_view method, const json& parameters, std::chrono::milliseconds limit) {
    const Nanoseconds deadline = monotonic_now() + limit;
    const int id = ++last_id;
    const std::string text = json{{"id", id}, {"method", method}, {"params", parameters}}.dump();
    boost::system::error_code error;
    bool sent = false;
    socket.async_write(asio::buffer(text), [&](const boost::system::error_code& code, std::size_t) {
      error = code;
      sent = true;
    });
    if (!run_until(io, deadline, sent)) {
      // What was to be written is gone with this call.
      boost::system::error_code ignored;
      beast::get_lowest_layer(socket).socket().close(ignored);
      static_cast<void>(run_until(io, monotonic_now() + kPageTimeout, sent));
      return fail(ErrorKind::Timeout, std::string(method), "the browser takes nothing");
    }
    if (error) return fail(ErrorKind::Lost, std::string(method), error.message());
    while (true) {
      auto message = receive(deadline);
      if (!message) return std::unexpected(std::move(message.error()));
      if (!*message) return fail(ErrorKind::Timeout, std::string(method), "the page does not answer");
      json& answer = **message;
      if (!answer.is_object()) continue;
      note(answer);
      if (answer.value("id", 0) != id) continue;
      if (answer.contains("error")) return fail(ErrorKind::Invalid, std::string(method), answer["error"].dump());
      return std::move(answer["result"]);
    }
  }
};

Page::Page(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Page::Page(Page&&) noexcept = default;
Page& Page::operator=(Page&&) noexcept = default;
Page::~Page() = default;

Result<json> Page::command(std::string_view method, const json& parameters, std::chrono::milliseconds limit) {
  return impl_->command(method, parameters, limit);
}

Result<void> Page::go_to(std::string_view url) {
  auto gone = command("Page.navigate", {{"url", url}});
  if (!gone) return std::unexpected(std::move(gone.error()));
  if (const std::string why = gone->value("errorText", ""); !why.empty()) {
    return fail(ErrorKind::NotFound, "open " + std::string(url), why);
  }
  return wait_until("document.readyState === 'complete'");
}

Result<json> Page::evaluate(std::string_view expression, std::chrono::milliseconds limit) {
  auto answer = command(
      "Runtime.evaluate",
      {{"expression", expression}, {"awaitPromise", true}, {"returnByValue", true}, {"userGesture", true}}, limit);
  if (!answer) return std::unexpected(std::move(answer.error()));
  if (answer->contains("exceptionDetails")) {
    return fail(ErrorKind::Invalid, "evaluate " + std::string(expression),
                exception_text((*answer)["exceptionDetails"]));
  }
  return (*answer)["result"].value("value", json());
}

Result<void> Page::wait_until(std::string_view expression, std::chrono::milliseconds limit) {
  const Nanoseconds deadline = monotonic_now() + limit;
  std::string instead = "nothing";
  do {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - monotonic_now());
    auto value = evaluate(expression, left);
    if (value && *value == true) return {};
    if (!value && value.error().kind == ErrorKind::Lost) return std::unexpected(std::move(value.error()));
    instead = value ? value->dump() : value.error().message();
    std::this_thread::sleep_for(kPollInterval);
  } while (monotonic_now() < deadline);
  return fail(ErrorKind::Timeout, "wait for " + std::string(expression),
              fmt::format("it was {}; the page said:\n{}", instead, said()));
}

Result<void> Page::screenshot(const std::filesystem::path& file) {
  auto picture = command("Page.captureScreenshot", {{"format", "png"}});
  if (!picture) return std::unexpected(std::move(picture.error()));
  const std::string coded = (*picture)["data"].get<std::string>();
  std::string bytes(beast::detail::base64::decoded_size(coded.size()), '\0');
  bytes.resize(beast::detail::base64::decode(bytes.data(), coded.data(), coded.size()).first);
  std::ofstream out(file, std::ios::binary);
  if (!(out << bytes).flush()) return fail_errno(errno, "write " + file.string());
  return {};
}

std::string Page::said() {
  // Answers that nobody waits for any more are let go.
  while (true) {
    auto message = impl_->receive(monotonic_now());
    if (!message || !*message) break;
    if ((*message)->is_object()) impl_->note(**message);
  }
  std::string text;
  for (const std::string& line : impl_->console) text += line + "\n";
  return text;
}

struct Chromium::Impl {
  TemporaryFolder folder;
  std::optional<ChildProcess> browser;
  pid_t group = -1;
  std::uint16_t port = 0;

  ~Impl() {
    browser.reset();
    if (group <= 0) return;
    // Those of its processes that outlive it: they hold files of the profile.
    const Nanoseconds deadline = monotonic_now() + kPageTimeout;
    while (::kill(-group, SIGKILL) == 0 && monotonic_now() < deadline) std::this_thread::sleep_for(kPollInterval);
  }
  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  Impl(Impl&&) = delete;
  Impl& operator=(Impl&&) = delete;
};

Chromium::Chromium() : impl_(std::make_unique<Impl>()) {}
Chromium::~Chromium() = default;

Result<std::unique_ptr<Chromium>> Chromium::start(const ChromiumOptions& options) {
  const std::string program = find_program();
  if (program.empty()) return fail(ErrorKind::NotFound, "start chromium", "it is not installed");
  std::unique_ptr<Chromium> chromium(new Chromium);
  Impl& impl = *chromium->impl_;
  const std::filesystem::path& folder = impl.folder.path();
  const std::filesystem::path log = folder / "log";
  auto browser = ChildProcess::start(command_line(program, folder, options), log);
  if (!browser) return std::unexpected(std::move(browser.error()));
  impl.browser = std::move(*browser);
  impl.group = impl.browser->pid();
  const Nanoseconds deadline = monotonic_now() + kPageTimeout;
  while (true) {
    // Its port and its own path, a line each.
    std::ifstream in(folder / "profile" / "DevToolsActivePort");
    std::string path;
    if (in >> impl.port >> path) return chromium;
    if (!impl.browser->running()) return fail(ErrorKind::Lost, "start chromium", "it ended: " + last_lines(log));
    if (monotonic_now() >= deadline) {
      return fail(ErrorKind::Timeout, "start chromium", "it does not listen: " + last_lines(log));
    }
    std::this_thread::sleep_for(kPollInterval);
  }
}

Result<Page> Chromium::open(std::string_view url) {
  auto tab = ask(impl_->port, http::verb::put, "/json/new?about:blank");
  if (!tab) return std::unexpected(std::move(tab.error()));
  auto page = std::make_unique<Page::Impl>(impl_->port);
  page->target = tab->value("id", "");
  if (auto connected = page->connect(); !connected) return std::unexpected(std::move(connected.error()));
  Page opened(std::move(page));
  for (const char* domain : {"Page.enable", "Runtime.enable", "Log.enable"}) {
    if (auto enabled = opened.command(domain); !enabled) return std::unexpected(std::move(enabled.error()));
  }
  if (auto there = opened.go_to(url); !there) return std::unexpected(std::move(there.error()));
  return opened;
}

bool Chromium::stop() { return ::kill(-impl_->group, SIGSTOP) == 0; }
void Chromium::go_on() { static_cast<void>(::kill(-impl_->group, SIGCONT)); }

}  // namespace zc::test
