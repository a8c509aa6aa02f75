#include "capture/portal_session.h"

#include "base/log.h"
#include "capture/portal_bus.h"
#include "capture/portal_calls.h"
#include "capture/portal_request.h"
#include "capture/portal_results.h"

#include <fmt/format.h>

#include <cerrno>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace zc {
namespace {

constexpr const char* kReach = "reach the desktop portal";
constexpr const char* kSessionInterface = "org.freedesktop.portal.Session";

spdlog::logger& log() { return logger("capture"); }

/// What a failed first call to the portal means for a person.
Error explain_unreachable(Error error) {
  // GDBus answers InvalidArgs where the specification has UnknownInterface.
  const bool no_interface = error.code == EINVAL || error.code == EBADR;
  if (!no_interface && error.kind != ErrorKind::NotFound) return error;
  error.kind = ErrorKind::NotFound;
  error.detail = fmt::format("{} ({})",
                             no_interface ? "the desktop portal has no screen cast: install and start the backend of "
                                            "your desktop, such as xdg-desktop-portal-gnome, -kde, -wlr or -hyprland"
                                          : "no desktop portal on the session bus: is xdg-desktop-portal and a backend "
                                            "for your desktop running?",
                             error.detail);
  return error;
}

}  // namespace

struct PortalSession::Impl {
  std::unique_ptr<PortalBus> bus;
  std::string owner;  ///< the portal's unique bus name
  std::unique_ptr<PortalRequests> requests;
  SlotPtr closed_match;
  SlotPtr owner_match;
  std::string session;  ///< object path; empty before CreateSession
  bool closed = false;
  bool portal_gone = false;
  PortalGrant grant;
  std::jthread watcher;

  // Denied: whoever sits there has ended it, and is not to be captured again without being asked.
  const Error closed_error{ErrorKind::Denied, ErrorDomain::DBus, 0, "capture the screen",
                           "the desktop ended the capture"};
  const Error gone_error{ErrorKind::Lost, ErrorDomain::DBus, 0, "capture the screen", "the desktop portal went away"};

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    watcher = {};
    if (!session.empty()) bus->call_and_forget(owner, session, kSessionInterface, "Close");
  }

  [[nodiscard]] const Error* interruption() const {
    return closed ? &closed_error : portal_gone ? &gone_error : nullptr;
  }

  static int on_closed(sd_bus_message* message, void* self, sd_bus_error* /*error*/) noexcept {
    auto& impl = *static_cast<Impl*>(self);
    const char* path = sd_bus_message_get_path(message);
    if (path != nullptr && impl.session == path) impl.closed = true;
    return 0;
  }
  static int on_owner_changed(sd_bus_message* message, void* self, sd_bus_error* /*error*/) noexcept {
    auto& impl = *static_cast<Impl*>(self);
    const char* name = nullptr;
    const char* before = nullptr;
    const char* after = nullptr;
    if (sd_bus_message_read(message, "sss", &name, &before, &after) > 0 && impl.owner == before) {
      impl.portal_gone = true;
    }
    return 0;
  }

  [[nodiscard]] Result<PortalAbilities> query(const PortalWish& wish, const std::stop_token& stop);
  [[nodiscard]] Result<void> listen();
  [[nodiscard]] Result<void> create_session(const PortalWish& wish, const std::stop_token& stop);
  [[nodiscard]] Result<void> select_sources(const PortalWish& wish, const PortalAbilities& abilities,
                                            const std::stop_token& stop);
  [[nodiscard]] Result<void> start(const PortalWish& wish, const std::stop_token& stop);
  [[nodiscard]] Result<void> open_remotes(const PortalWish& wish, const std::stop_token& stop);
  [[nodiscard]] Result<PortalResults> perform(const PortalCall& call, const std::stop_token& stop) {
    return requests->perform(call, stop, [this] { return interruption(); });
  }
};

/// Also finds out who the portal is: its first answer comes from its unique name.
Result<PortalAbilities> PortalSession::Impl::query(const PortalWish& wish, const std::stop_token& stop) {
  auto answer = portal_properties(*bus, kScreenCastInterface, wish.answer_within, stop);
  if (!answer) return std::unexpected(explain_unreachable(std::move(answer.error())));
  owner = std::move(answer->owner);
  return read_portal_abilities(answer->message.get());
}

Result<void> PortalSession::Impl::listen() {
  auto made = PortalRequests::create(*bus, owner);
  if (!made) return std::unexpected(made.error());
  requests = std::move(*made);
  sd_bus_slot* slot = nullptr;
  int r = sd_bus_match_signal_async(bus->get(), &slot, owner.c_str(), nullptr, kSessionInterface, "Closed", &on_closed,
                                    nullptr, this);
  if (r < 0) return fail_bus(r, kReach);
  closed_match.reset(slot);
  slot = nullptr;
  const std::string rule = fmt::format(
      "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
      "member='NameOwnerChanged',arg0='{}'",
      kPortalName);
  r = sd_bus_add_match_async(bus->get(), &slot, rule.c_str(), &on_owner_changed, nullptr, this);
  if (r < 0) return fail_bus(r, kReach);
  owner_match.reset(slot);
  return {};
}

Result<void> PortalSession::Impl::create_session(const PortalWish& wish, const std::stop_token& stop) {
  constexpr const char* kOperation = "open a session with the desktop portal";
  const std::string token = unique_token();
  // Known before the answer, so that a session whose answer we do not wait for any longer is closed all the same.
  session = requests->object_path("session", token);
  const auto results = perform({.method = "CreateSession",
                                .operation = kOperation,
                                .session = {},
                                .parent_window = false,
                                .options = {{"session_handle_token", token}},
                                .reply_within = wish.answer_within,
                                .result_within = wish.answer_within},
                               stop);
  if (!results) return std::unexpected(results.error());
  if (results->session_handle.empty()) {
    session.clear();
    return fail(ErrorKind::Internal, kOperation, "the desktop portal's response names no session");
  }
  session = results->session_handle;
  return {};
}

Result<void> PortalSession::Impl::select_sources(const PortalWish& wish, const PortalAbilities& abilities,
                                                 const std::stop_token& stop) {
  const auto types = choose_source_types(wish.type, abilities);
  if (!types) return std::unexpected(types.error());
  grant.asked_types = *types;
  PortalOptions options{{"types", *types}, {"multiple", wish.multiple}};
  grant.cursor = choose_cursor_mode(wish.cursor, abilities);
  if (grant.cursor) options.emplace_back("cursor_mode", cursor_bit(*grant.cursor));
  if (grant.cursor && grant.cursor != wish.cursor) {
    log().warn("the desktop portal has no cursor mode '{}'; '{}' is used", to_string(wish.cursor),
               to_string(*grant.cursor));
  } else if (!grant.cursor) {
    log().info("the desktop portal (version {}) has no cursor modes: whether the pointer is in the picture is up to it",
               abilities.version);
  }
  if (const auto persist = choose_persist(wish.persist, abilities)) {
    options.emplace_back("persist_mode", static_cast<std::uint32_t>(*persist));
    grant.asked_to_restore = !wish.restore_token.empty();
    if (grant.asked_to_restore) options.emplace_back("restore_token", wish.restore_token);
  }
  const auto results = perform({.method = "SelectSources",
                                .operation = "choose what the desktop portal offers",
                                .session = session,
                                .parent_window = false,
                                .options = std::move(options),
                                .reply_within = wish.answer_within,
                                .result_within = wish.answer_within},
                               stop);
  return results ? Result<void>{} : std::unexpected(results.error());
}

Result<void> PortalSession::Impl::start(const PortalWish& wish, const std::stop_token& stop) {
  constexpr const char* kOperation = "ask for permission to capture the screen";
  auto results = perform({.method = "Start",
                          .operation = kOperation,
                          .session = session,
                          .parent_window = true,
                          .options = {},
                          .reply_within = wish.answer_within,
                          .result_within = std::nullopt},
                         stop);
  if (!results) return std::unexpected(results.error());
  if (results->streams.empty()) {
    return fail(ErrorKind::Internal, kOperation, "the desktop granted the capture but named no stream");
  }
  if (results->streams.size() > 1 && !wish.multiple) {
    log().warn("the desktop portal gave {} streams although one was asked for; the first is captured",
               results->streams.size());
    results->streams.resize(1);
  }
  for (PortalStream& stream : results->streams) {
    grant.streams.push_back(
        {.remote = {}, .node = stream.node, .serial = stream.serial, .identity = std::move(stream.identity)});
  }
  grant.restore_token = std::move(results->restore_token);
  return {};
}

Result<void> PortalSession::Impl::open_remotes(const PortalWish& wish, const std::stop_token& stop) {
  for (GrantedStream& stream : grant.streams) {
    auto remote = open_portal_remote(*bus, owner, kScreenCastInterface, session, wish.answer_within, stop);
    if (!remote) return std::unexpected(std::move(remote.error()));
    stream.remote = std::move(*remote);
  }
  return {};
}

PortalSession::PortalSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PortalSession::~PortalSession() = default;

PortalGrant& PortalSession::grant() { return impl_->grant; }

Result<std::unique_ptr<PortalSession>> PortalSession::open(const PortalWish& wish, const std::stop_token& stop) {
  auto impl = std::make_unique<Impl>();
  auto bus = PortalBus::connect();
  if (!bus) return std::unexpected(bus.error());
  impl->bus = std::move(*bus);
  if (auto done = register_with_portal(*impl->bus, wish.answer_within, stop); !done)
    return std::unexpected(done.error());
  const auto abilities = impl->query(wish, stop);
  if (!abilities) return std::unexpected(abilities.error());
  log().debug("desktop portal: screen cast version {}, source types {:#x}, cursor modes {:#x}", abilities->version,
              abilities->source_types, abilities->cursor_modes);
  // Before anything is created: an impossible wish needs no session.
  if (const auto types = choose_source_types(wish.type, *abilities); !types) return std::unexpected(types.error());
  if (auto done = impl->listen(); !done) return std::unexpected(done.error());
  if (auto done = impl->create_session(wish, stop); !done) return std::unexpected(done.error());
  if (auto done = impl->select_sources(wish, *abilities, stop); !done) return std::unexpected(done.error());
  if (auto done = impl->start(wish, stop); !done) return std::unexpected(done.error());
  if (auto done = impl->open_remotes(wish, stop); !done) return std::unexpected(done.error());
  return std::unique_ptr<PortalSession>(new PortalSession(std::move(impl)));
}

Result<PortalAbilities> PortalSession::query(Nanoseconds answer_within, const std::stop_token& stop) {
  auto bus = PortalBus::connect();
  if (!bus) return std::unexpected(bus.error());
  Impl asking;
  asking.bus = std::move(*bus);
  PortalWish wish;
  wish.answer_within = answer_within;
  return asking.query(wish, stop);
}

void PortalSession::watch(std::function<void(const Error&)> on_closed) {
  impl_->watcher = std::jthread([impl = impl_.get(), on_closed = std::move(on_closed)](const std::stop_token& stop) {
    try {
      const auto ran = impl->bus->run_until([impl] { return impl->interruption() != nullptr; }, std::nullopt, stop,
                                            "watch the desktop portal");
      if (impl->closed) {
        on_closed(impl->closed_error);
      } else if (stop.stop_requested()) {
        return;
      } else {
        log().warn("{}; the capture goes on as long as the compositor sends pictures",
                   ran ? impl->gone_error.message() : ran.error().message());
      }
    } catch (const std::exception& e) {
      log().error("watch the desktop portal: {}", e.what());
    }
  });
}

}  // namespace zc
