#include "capture/portal_bus.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>

namespace zc {
namespace {

struct ErrorRow {
  std::string_view name;
  ErrorKind kind;
};
/// Names whose meaning sd-bus's mapping to errno loses.
constexpr std::array kErrorRows = {
    ErrorRow{SD_BUS_ERROR_SERVICE_UNKNOWN, ErrorKind::NotFound},
    ErrorRow{SD_BUS_ERROR_NAME_HAS_NO_OWNER, ErrorKind::NotFound},
    ErrorRow{SD_BUS_ERROR_UNKNOWN_INTERFACE, ErrorKind::NotFound},
    ErrorRow{SD_BUS_ERROR_UNKNOWN_METHOD, ErrorKind::NotFound},
    ErrorRow{SD_BUS_ERROR_UNKNOWN_OBJECT, ErrorKind::NotFound},
    ErrorRow{SD_BUS_ERROR_NO_REPLY, ErrorKind::Lost},
    ErrorRow{SD_BUS_ERROR_DISCONNECTED, ErrorKind::Lost},
    ErrorRow{SD_BUS_ERROR_TIMEOUT, ErrorKind::Timeout},
    ErrorRow{SD_BUS_ERROR_ACCESS_DENIED, ErrorKind::Denied},
    ErrorRow{SD_BUS_ERROR_AUTH_FAILED, ErrorKind::Denied},
    ErrorRow{"org.freedesktop.portal.Error.NotAllowed", ErrorKind::Denied},
    ErrorRow{"org.freedesktop.portal.Error.Cancelled", ErrorKind::Denied},
    ErrorRow{"org.freedesktop.portal.Error.NotFound", ErrorKind::NotFound},
};
constexpr std::string_view kSpawnErrors = "org.freedesktop.DBus.Error.Spawn.";

ErrorKind kind_of(const sd_bus_error& error) {
  const std::string_view name = error.name == nullptr ? "" : error.name;
  if (name.starts_with(kSpawnErrors)) return ErrorKind::NotFound;
  for (const ErrorRow& row : kErrorRows) {
    if (row.name == name) return row.kind;
  }
  return ErrorKind::Internal;
}

/// The answer to a method call, or its error, kept by sd-bus's callback.
struct Answer {
  MessagePtr message;
};
int on_answer(sd_bus_message* message, void* userdata, sd_bus_error* /*error*/) {
  static_cast<Answer*>(userdata)->message.reset(sd_bus_message_ref(message));
  return 0;
}

}  // namespace

std::unexpected<Error> fail_bus(const sd_bus_error& error, std::string operation) {
  const std::string_view name = error.name == nullptr ? "" : error.name;
  const std::string_view text = error.message == nullptr ? name : error.message;
  return std::unexpected(Error{kind_of(error), ErrorDomain::DBus, sd_bus_error_get_errno(&error), std::move(operation),
                               std::string(text)});
}

std::unexpected<Error> fail_bus(int negative_errno, std::string operation) {
  const int code = -negative_errno;
  const bool gone = code == ENOTCONN || code == ECONNRESET || code == EPIPE || code == ESHUTDOWN;
  const ErrorKind kind = gone ? ErrorKind::Lost : code == EBADMSG ? ErrorKind::Internal : kind_from_errno(code);
  return std::unexpected(
      Error{kind, ErrorDomain::DBus, code, std::move(operation),
            gone ? "the connection to the session bus broke" : std::generic_category().message(code)});
}

Result<std::unique_ptr<PortalBus>> PortalBus::connect(std::string peer) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return fail_errno(errno, "make an eventfd");
  sd_bus* raw = nullptr;
  if (const int r = sd_bus_open_user(&raw); r < 0) {
    return std::unexpected(Error{ErrorKind::NotFound, ErrorDomain::DBus, -r, "reach " + peer,
                                 fmt::format("there is no session bus ({}): is this a desktop session, and is "
                                             "DBUS_SESSION_BUS_ADDRESS right?",
                                             std::generic_category().message(-r))});
  }
  return std::unique_ptr<PortalBus>(new PortalBus(std::move(peer), BusPtr(raw), std::move(wake)));
}

Result<void> PortalBus::run_until(const std::function<bool()>& done, std::optional<Nanoseconds> within,
                                  const std::stop_token& stop, const std::string& operation) {
  std::optional<Nanoseconds> deadline;
  if (within) deadline = monotonic_now() + *within;
  const std::stop_callback wake_up(stop, [fd = wake_.get()] { static_cast<void>(::eventfd_write(fd, 1)); });
  while (!done()) {
    if (stop.stop_requested()) return fail(ErrorKind::Cancelled, operation, "stopped");
    const int processed = sd_bus_process(bus_.get(), nullptr);
    if (processed < 0) return fail_bus(processed, operation);
    if (processed > 0) continue;
    if (deadline && monotonic_now() >= *deadline) {
      return fail(ErrorKind::Timeout, operation, peer_ + " does not answer");
    }
    if (auto slept = sleep(deadline, operation); !slept) return slept;
  }
  return {};
}

Result<void> PortalBus::sleep(std::optional<Nanoseconds> deadline, const std::string& operation) {
  const int events = sd_bus_get_events(bus_.get());
  if (events < 0) return fail_bus(events, operation);
  std::uint64_t bus_deadline_us = UINT64_MAX;  // CLOCK_MONOTONIC; the library's own timers
  if (const int r = sd_bus_get_timeout(bus_.get(), &bus_deadline_us); r < 0) return fail_bus(r, operation);
  Nanoseconds until = Nanoseconds::max();
  if (bus_deadline_us < static_cast<std::uint64_t>(INT64_MAX) / 1000) {
    until = std::chrono::microseconds(bus_deadline_us);
  }
  if (deadline) until = std::min(until, *deadline);
  timespec left{};
  const bool forever = until == Nanoseconds::max();
  if (!forever) {
    const Nanoseconds wait = std::max(until - monotonic_now(), Nanoseconds(0));
    left.tv_sec = wait.count() / 1'000'000'000;
    left.tv_nsec = wait.count() % 1'000'000'000;
  }
  std::array<pollfd, 2> fds{pollfd{sd_bus_get_fd(bus_.get()), static_cast<short>(events), 0},
                            pollfd{wake_.get(), POLLIN, 0}};
  if (::ppoll(fds.data(), fds.size(), forever ? nullptr : &left, nullptr) < 0 && errno != EINTR) {
    return fail_errno(errno, operation);
  }
  // A wake-up of an earlier wait's stop token must not make this one spin; this one's token is looked at anyway.
  if (fds[1].revents != 0) {
    eventfd_t ignored = 0;
    static_cast<void>(::eventfd_read(wake_.get(), &ignored));
  }
  return {};
}

Result<MessagePtr> PortalBus::call(sd_bus_message* message, Nanoseconds within, const std::stop_token& stop,
                                   const std::string& operation) {
  Answer answer;
  sd_bus_slot* raw = nullptr;
  const auto limit = std::chrono::duration_cast<std::chrono::microseconds>(within);
  const int r =
      sd_bus_call_async(bus_.get(), &raw, message, &on_answer, &answer, static_cast<std::uint64_t>(limit.count()));
  if (r < 0) return fail_bus(r, operation);
  const SlotPtr slot(raw);  // dies before `answer`: no callback after this function
  if (auto ran = run_until([&] { return answer.message != nullptr; }, within, stop, operation); !ran) {
    return std::unexpected(ran.error());
  }
  if (const sd_bus_error* error = sd_bus_message_get_error(answer.message.get())) {
    // A connection that breaks answers all its open calls itself first.
    if (sd_bus_is_open(bus_.get()) <= 0) return fail_bus(-ENOTCONN, operation);
    return fail_bus(*error, operation);
  }
  return std::move(answer.message);
}

void PortalBus::call_and_forget(const std::string& destination, const std::string& path, const char* interface,
                                const char* method) noexcept {
  sd_bus_message* raw = nullptr;
  if (sd_bus_message_new_method_call(bus_.get(), &raw, destination.c_str(), path.c_str(), interface, method) < 0) {
    return;
  }
  const MessagePtr message(raw);
  if (sd_bus_message_set_expect_reply(raw, 0) < 0) return;
  static_cast<void>(sd_bus_send(bus_.get(), raw, nullptr));
}

}  // namespace zc
