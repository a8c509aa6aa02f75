#pragma once

#include "base/error.h"
#include "daemon/bus_values.h"
#include "daemon/event_loop.h"
#include "daemon/operations.h"

#include <systemd/sd-bus.h>

#include <functional>
#include <memory>
#include <string>

namespace zc::daemon {

/// The daemon on the session bus: org.zerocast.Daemon1 as config/org.zerocast.Daemon1.xml describes it. Who may
/// call is the bus's to say, which admits its own user alone. A bus that goes away is looked for again, with back-off,
/// until it is there.
class BusService : public SessionObserver {
 public:
  BusService(EventLoop& loop, Operations& operations) : loop_(loop), operations_(operations) {}
  BusService(const BusService&) = delete;
  BusService& operator=(const BusService&) = delete;
  ~BusService() override;

  /// NotFound: there is no session bus. Busy: another daemon has the name.
  [[nodiscard]] Result<void> connect();
  /// nullptr: there is none now.
  [[nodiscard]] sd_bus* bus() const { return bus_.get(); }
  /// A session became visible, or goes away.
  void added(const Session& session);
  void removed(const Session& session);
  void encoders_changed();
  void templates_changed();

  void on_state(const Session& session, SessionState before, const std::string& reason) override;
  void on_facts(const Session& session) override;
  void on_change(const Session& session, const ChangeEvent& change) override;
  void on_sink_error(const Session& session, const SinkEvent& event) override;
  void on_layer(const Session& session, const LayerEvent& event) override;
  void on_stall(const Session& session, const StallEvent& event) override;
  void on_statistics(const Session& session) override;

  /// "/org/zerocast/Daemon1/sessions/meeting".
  [[nodiscard]] static std::string path_of(const Session& session);

  [[nodiscard]] Operations& operations() { return operations_; }

 private:
  struct BusUnref {
    void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
  };
  struct SlotUnref {
    void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
  };
  using SlotPtr = std::unique_ptr<sd_bus_slot, SlotUnref>;

  [[nodiscard]] Result<void> publish();
  void lost();
  void look_again();
  void manager_changed(const char* property);
  template <class... Arguments>
  void signal(const Session& session, const char* member, const char* types, Arguments... arguments);

  EventLoop& loop_;
  Operations& operations_;
  std::unique_ptr<sd_bus, BusUnref> bus_;
  std::vector<SlotPtr> slots_;  // after bus_: gone before it
  EventSource retry_;
  Nanoseconds back_off_{};
  bool capturing_told_ = false;
};

}  // namespace zc::daemon
