// One connection to the session bus, driven by whoever waits on it: sd-bus in RAII, with waits that end. Private to the
// clients of portal and compositor.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"

#include <systemd/sd-bus.h>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace zc {

struct SdBusFree {
  void operator()(sd_bus* bus) const noexcept { sd_bus_close_unref(bus); }  // no flush: that waits for the peer
  void operator()(sd_bus_message* message) const noexcept { sd_bus_message_unref(message); }
  void operator()(sd_bus_slot* slot) const noexcept { sd_bus_slot_unref(slot); }
};
using BusPtr = std::unique_ptr<sd_bus, SdBusFree>;
using MessagePtr = std::unique_ptr<sd_bus_message, SdBusFree>;
using SlotPtr = std::unique_ptr<sd_bus_slot, SdBusFree>;

/// The user-readable side of a D-Bus error; `code` of the result is the errno that sd-bus maps its name to.
[[nodiscard]] std::unexpected<Error> fail_bus(const sd_bus_error& error, std::string operation);
/// A negative return value of sd-bus.
[[nodiscard]] std::unexpected<Error> fail_bus(int negative_errno, std::string operation);

/// Used by one thread at a time (sd-bus is not thread-safe); may be handed from one to the next.
class PortalBus {
 public:
  /// `peer`: who is to be spoken with, for messages. NotFound: there is no session bus.
  [[nodiscard]] static Result<std::unique_ptr<PortalBus>> connect(std::string peer = "the desktop portal");

  [[nodiscard]] sd_bus* get() const { return bus_.get(); }

  /// Processes the bus until `done()`, asked after each message. Cancelled: `stop` was requested; Timeout: `within` ran
  /// out; Lost: the bus is gone. nullopt waits as long as a person thinks. `operation` goes into the error.
  [[nodiscard]] Result<void> run_until(const std::function<bool()>& done, std::optional<Nanoseconds> within,
                                       const std::stop_token& stop, const std::string& operation);

  /// Sends a method call and waits for its answer; an error answer is an Error.
  [[nodiscard]] Result<MessagePtr> call(sd_bus_message* message, Nanoseconds within, const std::stop_token& stop,
                                        const std::string& operation);

  /// A method call without arguments that nobody waits for (Close); errors do not matter.
  void call_and_forget(const std::string& destination, const std::string& path, const char* interface,
                       const char* method) noexcept;

 private:
  PortalBus(std::string peer, BusPtr bus, UniqueFd wake)
      : peer_(std::move(peer)), bus_(std::move(bus)), wake_(std::move(wake)) {}
  /// Sleeps until the bus or the wake-up has something, at most until `deadline`.
  [[nodiscard]] Result<void> sleep(std::optional<Nanoseconds> deadline, const std::string& operation);

  const std::string peer_;
  BusPtr bus_;
  UniqueFd wake_;  ///< eventfd: a stop was requested
};

}  // namespace zc
