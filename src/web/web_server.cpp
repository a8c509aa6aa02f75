#include "web/web_server.h"

#include "base/log.h"
#include "base/private_file.h"
#include "base/quote.h"
#include "base/version.h"
#include "config/names.h"
#include "web/assets.h"
#include "web/certificate.h"
#include "web/connection.h"
#include "web/feed.h"
#include "web/hls_service.h"
#include "web/orders.h"
#include "web/session_list.h"

#include <fmt/format.h>
#include <unistd.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <map>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

namespace zc::web {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using nlohmann::json;
using Failure = boost::system::error_code;

constexpr std::chrono::seconds kTick{1};
/// A session's bit rate is to go down within a second.
constexpr std::chrono::milliseconds kTellEvery{200};
/// How long nobody watches a session until it need not send any more.
constexpr std::chrono::seconds kIdle{10};
constexpr std::size_t kMostConnections = 1024;
constexpr std::string_view kBearer = "Bearer ";

std::chrono::sys_seconds now() {
  return std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
}

std::string dump(const json& message) { return message.dump(-1, ' ', false, json::error_handler_t::replace); }
std::string error_text(const Error& error) { return error.detail.empty() ? error.message() : error.detail; }

/// The value of `name` in a list of "name=value".
std::string_view value_in(std::string_view list, std::string_view name, char separator) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.size(), list.find(separator));
    std::string_view one = list.substr(0, end);
    list.remove_prefix(std::min(list.size(), end + 1));
    while (one.starts_with(' ')) one.remove_prefix(1);
    if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=') {
      return one.substr(name.size() + 1);
    }
  }
  return {};
}

class Server final : public WebServer, public Site {
 public:
  Server(const ServerOptions& options, const Access& access) : options_(options), access_(access) {}

  Result<void> listen() {
    if (options_.tls()) {
      if (auto good = load_certificate(); !good) return good;
    }
    Failure failure;
    const auto address = asio::ip::make_address(options_.address, failure);
    if (failure) return fail(ErrorKind::Invalid, "--listen", in_quotes(options_.address) + " is no numeric address");
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), failure);
    if (!failure) acceptor_.set_option(asio::socket_base::reuse_address(true), failure);
    if (!failure) acceptor_.bind(endpoint, failure);
    if (!failure) acceptor_.listen(256, failure);
    if (failure) return fail_errno(failure.value(), fmt::format("listen on {}:{}", options_.address, options_.port));
    own_.names = options_.hosts;
    own_.any_address = !options_.loopback();
    for (const char* name : {"localhost", "127.0.0.1", "[::1]"}) own_.names.emplace_back(name);
    std::array<char, 256> host{};
    if (own_.any_address && ::gethostname(host.data(), host.size() - 1) == 0) {
      own_.names.emplace_back(host.data());
      own_.names.push_back(std::string(host.data()) + ".local");
    }
    return make_private_folders(options_.runtime_folder);
  }

  Result<std::string> sink_for(const std::string& session) override {
    auto entry = entry_of(session);
    if (!entry) return std::unexpected(std::move(entry.error()));
    (*entry)->asked = true;
    (*entry)->keep = true;
    return (*entry)->feed->sink();
  }

  void run() override {
    asio::signal_set signals(io_, SIGINT, SIGTERM, SIGHUP);
    signals.async_wait([this](const Failure& failure, int) {
      if (!failure) io_.stop();
    });
    accept();
    tick();
    io_.run();
    for (auto& [name, entry] : entries_) {
      entry.feed->close();
      if (!entry.keep && entry.asked) remove_sink(name, entry.feed->sink());
    }
    entries_.clear();
  }

  // ---- What connections ask

  std::uint64_t next_number() override { return ++numbers_; }
  void opened() override { ++connections_; }
  void closed() override { --connections_; }

  void handle(const Question& question, std::function<void(Answer)> answer) override {
    if (!is_own_request(own_, question.host, question.origin)) return answer(stranger());
    if (question.method == "POST" && question.path == "/login") return answer(log_in(question));
    if (question.method == "POST" && question.path == "/logout") {
      return answer({.status = 204, .body = {}, .cookie = cookie("", 0)});
    }
    if (question.method != "GET" && question.method != "HEAD") {
      return answer({.status = 405, .body = "Only GET is of use here.\n"});
    }
    const std::string_view path = question.path == "/" ? "/index.html" : std::string_view(question.path);
    const auto files = assets();
    if (const auto file = std::ranges::find(files, path, &Asset::path); file != files.end()) {
      return answer({.type = std::string(file->type) + "; charset=utf-8", .body = std::string(file->bytes)});
    }
    if (path == "/ws") {
      // A page asks this way why its WebSocket was refused, which browsers do not tell.
      if (auto grant = admit(question); !grant) return answer(std::move(grant.error()));
      return answer({.status = 426, .body = "This is for WebSockets.\n"});
    }
    constexpr std::string_view kSnapshot = "/snapshot/";
    constexpr std::string_view kPng = ".png";
    if (path.starts_with(kSnapshot) && path.ends_with(kPng)) {
      if (auto grant = admit(question); !grant) return answer(std::move(grant.error()));
      return snapshot(std::string(path.substr(kSnapshot.size(), path.size() - kSnapshot.size() - kPng.size())),
                      std::move(answer));
    }
    constexpr std::string_view kHls = "/hls/";
    if (path.starts_with(kHls)) {
      if (auto role = admit(question); !role) return answer(std::move(role.error()));
      return hls_.fetch(path.substr(kHls.size()), question.query, value_in(question.query, "token", '&'),
                        std::move(answer));
    }
    answer({.status = 404, .body = "There is nothing of that name.\n"});
  }

  std::expected<Grant, Answer> admit(const Question& question) override {
    if (!is_own_request(own_, question.host, question.origin)) return std::unexpected(stranger());
    if (connections_ > kMostConnections) {
      return std::unexpected(Answer{.status = 503, .body = "Too many watch already.\n"});
    }
    std::string_view token = value_in(question.cookie, cookie_name(), ';');
    const std::string_view bearer = question.authorization;
    if (bearer.starts_with(kBearer)) token = bearer.substr(kBearer.size());
    if (token.empty()) token = value_in(question.query, "token", '&');
    return check(token, question.address);
  }

  // ---- What viewers want

  void add(Viewer& viewer) override {
    if (viewers_.empty()) tell_congestion();
    viewers_.insert(&viewer);
    viewer.say(dump({{"event", "hello"},
                     {"version", version()},
                     {"role", to_string(viewer.role())},
                     {"templates", options_.templates}}));
    if (!list_.empty()) viewer.say(list_);
    refresh();
  }
  void remove(Viewer& viewer) override { viewers_.erase(&viewer); }

  std::shared_ptr<Feed> feed(const std::string& session, Viewer& viewer) override {
    auto feed = feed_of(session);
    if (!feed) viewer.say(dump({{"event", "error"}, {"message", feed.error().detail}}));
    return feed.value_or(nullptr);
  }

  void order(const std::shared_ptr<Viewer>& viewer, const std::string& text) override {
    auto order = parse_order(text);
    const auto refuse = [&](const std::string& why) {
      viewer->say(dump({{"event", "error"}, {"id", order ? order->id : 0}, {"message", why}}));
    };
    if (!order) return refuse(order.error().detail);
    if (viewer->role() != Role::Control) return refuse("This link is for watching only.");
    if (order->kind == OrderKind::Start) {
      auto entry = entry_of(name_start(*order));
      if (!entry) return refuse(entry.error().detail);
      (*entry)->keep = (*entry)->asked = add_sink_setting(*order, (*entry)->feed->sink());
    }
    const bool posted = orders_.post([this, viewer, order = *order](Result<DaemonClient*> daemon) {
      auto done = daemon ? carry_out(**daemon, order) : std::unexpected(daemon.error());
      asio::post(io_, [this, viewer, order, done = std::move(done)] {
        if (done) {
          viewer->say(dump({{"event", "done"}, {"id", order.id}, {"text", *done}}));
        } else {
          viewer->say(dump({{"event", "error"}, {"id", order.id}, {"message", error_text(done.error())}}));
          if (order.kind == OrderKind::Start) forget(order.session);
        }
        refresh();
      });
    });
    if (!posted) refuse("Too much is going on; try again.");
  }

 private:
  struct Entry {
    std::shared_ptr<Feed> feed;
    bool asked = false;  ///< the session to send
    bool keep = false;   ///< it was started with this as its sink
    std::chrono::steady_clock::time_point watched_last;
  };

  Result<void> load_certificate() {
    auto certificate = certificate_of(options_);
    if (!certificate) return std::unexpected(std::move(certificate.error()));
    const std::string key = options_.private_key.empty() ? *certificate : options_.private_key;
    Failure failure;
    tls_.emplace(asio::ssl::context::tls_server);
    tls_->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                      asio::ssl::context::no_tlsv1_1);
    tls_->use_certificate_chain_file(*certificate, failure);
    if (failure) return fail(ErrorKind::Invalid, *certificate, "it holds no certificate in PEM: " + failure.message());
    tls_->use_private_key_file(key, asio::ssl::context::pem, failure);
    if (failure) return fail(ErrorKind::Invalid, key, "it holds no key of that certificate: " + failure.message());
    return {};
  }

 public:
  static Result<std::string> certificate_of(const ServerOptions& options) {
    if (!options.certificate.empty()) return options.certificate;
    const std::filesystem::path file = options.state_folder / "certificate.pem";
    std::vector<std::string> names{"localhost", "127.0.0.1"};
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) == 0) names.emplace_back(host.data());
    if (options.address.find_first_not_of("0.:") != std::string::npos) names.push_back(options.address);
    for (const std::string& one : options.hosts) names.push_back(one);
    if (auto made = ensure_certificate(file, names); !made) return std::unexpected(std::move(made.error()));
    return file.string();
  }

 private:
  void accept() {
    acceptor_.async_accept([this](const Failure& failure, tcp::socket socket) {
      if (failure == asio::error::operation_aborted) return;
      if (!failure && connections_ <= kMostConnections) {
        serve(std::move(socket), tls_ ? &*tls_ : nullptr, *this);
        return accept();
      }
      if (!failure) return accept();
      // Out of descriptors: those who are here go on.
      pause_.expires_after(std::chrono::milliseconds(100));
      pause_.async_wait([this](const Failure& stopped) {
        if (!stopped) accept();
      });
    });
  }

  void tick() {
    timer_.expires_after(kTick);
    timer_.async_wait([this](const Failure& failure) {
      if (failure) return;
      hls_.tick();
      if (!viewers_.empty() || hls_.busy()) refresh();
      dismiss_expired();
      drop_idle();
      tick();
    });
  }

  /// Whose token is over has to show another one.
  void dismiss_expired() {
    const auto time = now();
    const std::vector<Viewer*> all(viewers_.begin(), viewers_.end());
    for (Viewer* viewer : all) {
      if (viewer->until() <= time) viewer->dismiss();
    }
  }

  void tell_congestion() {
    congestion_timer_.expires_after(kTellEvery);
    congestion_timer_.async_wait([this](const Failure& failure) {
      if (failure) return;
      std::map<Feed*, std::vector<Congestion>> told;
      for (const Viewer* viewer : viewers_) {
        if (viewer->watched()) told[viewer->watched().get()].push_back(viewer->congestion());
      }
      for (const auto& [feed, peers] : told) feed->tell(peers);
      if (!viewers_.empty()) tell_congestion();
    });
  }

  /// Asks the daemon for its sessions and tells all viewers.
  void refresh() {
    if (std::exchange(refreshing_, true)) return;
    const bool posted = orders_.post([this](Result<DaemonClient*> daemon) {
      auto sessions = daemon ? (*daemon)->sessions() : std::unexpected(daemon.error());
      asio::post(io_, [this, sessions = std::move(sessions)] {
        refreshing_ = false;
        show(sessions.value_or(std::vector<SessionView>{}));
      });
    });
    if (!posted) refreshing_ = false;
  }

  void show(const std::vector<SessionView>& sessions) {
    list_ = session_list(sessions, [this](const std::string& name) {
      Audience audience;
      for (const Viewer* viewer : viewers_) {
        if (!viewer->watched() || viewer->watched()->session() != name) continue;
        ++audience.viewers;
        audience.delay_ms = std::max(audience.delay_ms, viewer->delay_ms());
      }
      return audience;
    });
    const std::vector<Viewer*> all(viewers_.begin(), viewers_.end());
    for (Viewer* viewer : all) {
      viewer->say(list_);
      if (!viewer->watched()) continue;
      const std::string name = viewer->watched()->session();
      const auto found = std::ranges::find(sessions, name, &SessionView::name);
      if (found != sessions.end() && !is_over(*found)) {
        seen_.insert(name);
        continue;
      }
      // One that was just started may not be there yet.
      if (found == sessions.end() && !seen_.contains(name)) continue;
      viewer->end(found == sessions.end() || found->error.empty() ? "the session has ended" : found->error);
    }
    for (const SessionView& session : sessions) {
      if (is_over(session)) continue;
      if (hls_.watches(session.name)) seen_.insert(session.name);
      hls_.renew(session.name);
    }
    std::erase_if(entries_, [&](const auto& entry) {
      const auto found = std::ranges::find(sessions, entry.first, &SessionView::name);
      const bool over = found != sessions.end() ? is_over(*found) : seen_.contains(entry.first);
      if (over) hls_.end(entry.first);
      if (over) entry.second.feed->close();
      if (over) seen_.erase(entry.first);
      return over;
    });
  }

  void drop_idle() {
    const auto time = std::chrono::steady_clock::now();
    for (auto& [name, entry] : entries_) {
      if (!entry.feed->empty() || entry.keep) entry.watched_last = time;
    }
    std::erase_if(entries_, [&](const auto& item) {
      const auto& [name, entry] = item;
      if (time - entry.watched_last < kIdle) return false;
      entry.feed->close();
      if (entry.asked) remove_sink(name, entry.feed->sink());
      return true;
    });
  }

  void forget(const std::string& session) {
    const auto found = entries_.find(session);
    if (found == entries_.end()) return;
    found->second.feed->close();
    entries_.erase(found);
  }

  /// One that the session sends to from now on.
  Result<std::shared_ptr<Feed>> feed_of(const std::string& session) {
    auto entry = entry_of(session);
    if (!entry) return std::unexpected(std::move(entry.error()));
    if (!std::exchange((*entry)->asked, true)) add_sink(session, (*entry)->feed->sink());
    return (*entry)->feed;
  }

  Result<Entry*> entry_of(const std::string& session) {
    if (auto good = check_session_name(session); !good) return std::unexpected(std::move(good.error()));
    const auto found = entries_.find(session);
    if (found != entries_.end()) return &found->second;
    auto feed = Feed::create(io_, session, (options_.runtime_folder / session).string());
    if (!feed) return std::unexpected(std::move(feed.error()));
    Entry& entry = entries_[session];
    entry.feed = *std::move(feed);
    entry.watched_last = std::chrono::steady_clock::now();
    return &entry;
  }

  void add_sink(const std::string& session, const std::string& sink) {
    const bool posted = orders_.post([this, session, sink](Result<DaemonClient*> daemon) {
      auto added = daemon ? attach(**daemon, session, sink) : std::unexpected(daemon.error());
      if (added) return;
      asio::post(io_, [this, session, error = added.error()] { fail_watchers(session, error); });
    });
    if (!posted) fail_watchers(session, {.kind = ErrorKind::Busy, .operation = {}, .detail = "too much is going on"});
  }

  void fail_watchers(const std::string& session, const Error& error) {
    hls_.fail(session, error_text(error));
    const std::vector<Viewer*> all(viewers_.begin(), viewers_.end());
    for (Viewer* viewer : all) {
      if (!viewer->watched() || viewer->watched()->session() != session) continue;
      viewer->say(dump({{"event", "error"}, {"message", error_text(error)}}));
      viewer->end(error_text(error));
    }
    forget(session);
  }

  void remove_sink(const std::string& session, const std::string& sink) {
    static_cast<void>(orders_.post([session, sink](Result<DaemonClient*> daemon) {
      if (daemon) static_cast<void>((*daemon)->call(session, "RemoveSink", sink));
    }));
  }

  void snapshot(const std::string& session, std::function<void(Answer)> answer) {
    if (!check_session_name(session)) return answer({.status = 404, .body = "There is no such session.\n"});
    const std::string file = (options_.runtime_folder / fmt::format("snapshot-{}.png", ++snapshots_)).string();
    auto shared = std::make_shared<std::function<void(Answer)>>(std::move(answer));
    const bool posted = orders_.post([this, session, file, shared](Result<DaemonClient*> daemon) {
      auto made = daemon ? (*daemon)->call(session, "Snapshot", file) : std::unexpected(daemon.error());
      Answer reply{.status = 404, .body = made ? std::string() : error_text(made.error()) + "\n"};
      if (made) {
        constexpr std::size_t kMostPicture = std::size_t{256} << 20U;
        auto bytes = read_small_file(*made, kMostPicture);
        std::error_code ignored;
        std::filesystem::remove(*made, ignored);
        reply = bytes ? Answer{.type = "image/png", .body = *std::move(bytes)}
                      : Answer{.status = 500, .body = bytes.error().message() + "\n"};
      }
      asio::post(io_, [shared, reply = std::move(reply)] { (*shared)(reply); });
    });
    if (!posted) (*shared)({.status = 503, .body = "Too much is going on; try again.\n"});
  }

  static Answer stranger() {
    return {.status = 403, .body = "This server has another name, or another site sent you.\n"};
  }

  std::expected<Grant, Answer> check(std::string_view token, const std::string& address) {
    const auto time = LoginLimit::Clock::now();
    if (limit_.exceeded(address, time)) {
      return std::unexpected(Answer{.status = 429, .body = "Too many wrong tokens; wait a minute.\n"});
    }
    if (const auto grant = access_.check(token, now())) return *grant;
    if (!token.empty()) limit_.count_failure(address, time);
    return std::unexpected(Answer{.status = 401, .body = "'zerocast view --link' prints a link that works.\n"});
  }

  Answer log_in(const Question& question) {
    auto grant = check(question.body, question.address);
    if (!grant) return std::move(grant.error());
    constexpr long kYear = 365L * 24 * 3600;  // the token says itself how long it is good for
    return {.status = 204, .body = {}, .cookie = cookie(question.body, kYear)};
  }

  [[nodiscard]] std::string cookie_name() const { return fmt::format("zerocast-{}", options_.port); }
  [[nodiscard]] std::string cookie(std::string_view value, long seconds) const {
    return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}", cookie_name(), value, seconds,
                       tls_ ? "; Secure" : "");
  }

  const ServerOptions options_;
  const Access access_;
  asio::io_context io_{1};
  std::optional<asio::ssl::context> tls_;
  tcp::acceptor acceptor_{io_};
  asio::steady_timer timer_{io_};
  asio::steady_timer pause_{io_};
  asio::steady_timer congestion_timer_{io_};
  HostNames own_;
  LoginLimit limit_;
  std::map<std::string, Entry> entries_;  ///< by session
  HlsService hls_{[this](const std::string& session) { return feed_of(session); }};
  std::set<std::string> seen_;  ///< sessions that were there while they were watched
  std::set<Viewer*> viewers_;
  std::string list_;
  std::size_t connections_ = 0;
  std::uint64_t numbers_ = 0;
  std::uint64_t snapshots_ = 0;
  bool refreshing_ = false;
  Orders orders_;  // its thread posts to io_
};

}  // namespace

bool ServerOptions::loopback() const { return address.starts_with("127.") || address == "::1"; }

Result<std::unique_ptr<WebServer>> WebServer::create(const ServerOptions& options) {
  const auto access = open_access(options.state_folder);
  if (!access) return std::unexpected(access.error());
  auto server = std::make_unique<Server>(options, *access);
  if (auto listening = server->listen(); !listening) return std::unexpected(std::move(listening.error()));
  return server;
}

Result<Access> open_access(const std::filesystem::path& state_folder) {
  return Access::open(state_folder / "view.key");
}

std::string link(const ServerOptions& options, const std::string& token) {
  std::string host = options.hosts.empty() ? options.address : options.hosts.front();
  if (host == "0.0.0.0" || host == "::") {
    std::array<char, 256> name{};
    host = ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
  }
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return fmt::format("{}://{}:{}/#{}", options.tls() ? "https" : "http", host, options.port, token);
}

Result<std::string> shown_fingerprint(const ServerOptions& options) {
  if (!options.tls()) return std::string();
  auto certificate = Server::certificate_of(options);
  if (!certificate) return std::unexpected(std::move(certificate.error()));
  return fingerprint(*certificate);
}

}  // namespace zc::web
