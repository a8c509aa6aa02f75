#include "capture/mutter_cast.h"

#include "base/process_stats.h"
#include "base/quote.h"
#include "capture/portal_bus.h"
#include "capture/spec_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace zc {
namespace {

constexpr const char* kOperation = "ask Mutter for a stream";
constexpr const char* kService = "org.gnome.Mutter.ScreenCast";
constexpr const char* kPath = "/org/gnome/Mutter/ScreenCast";
constexpr const char* kSession = "org.gnome.Mutter.ScreenCast.Session";
constexpr const char* kStream = "org.gnome.Mutter.ScreenCast.Stream";
constexpr const char* kConfig = "org.gnome.Mutter.DisplayConfig";
constexpr const char* kConfigPath = "/org/gnome/Mutter/DisplayConfig";
constexpr Nanoseconds kPatience = std::chrono::seconds(10);

std::unexpected<Error> nonsense(int r) {
  return std::unexpected(Error{.kind = ErrorKind::Internal,
                               .domain = ErrorDomain::DBus,
                               .code = -r,
                               .operation = kOperation,
                               .detail = "its answer is not what its interface says"});
}

struct Method {
  const char* service;
  const std::string& path;
  const char* interface;
  const char* name;
};

Result<MessagePtr> new_call(const PortalBus& bus, const Method& method) {
  sd_bus_message* raw = nullptr;
  const int r = sd_bus_message_new_method_call(bus.get(), &raw, method.service, method.path.c_str(), method.interface,
                                               method.name);
  if (r < 0) return fail_bus(r, kOperation);
  return MessagePtr(raw);
}

/// org.gnome.Mutter.ScreenCast.Version.
Result<int> read_version(PortalBus& bus, Nanoseconds patience, const std::stop_token& stop) {
  const std::string path = kPath;
  auto call = new_call(bus, {kService, path, "org.freedesktop.DBus.Properties", "Get"});
  if (!call) return std::unexpected(std::move(call.error()));
  if (const int r = sd_bus_message_append(call->get(), "ss", kService, "Version"); r < 0)
    return fail_bus(r, kOperation);
  auto answer = bus.call(call->get(), patience, stop, kOperation);
  if (!answer) return std::unexpected(std::move(answer.error()));
  std::int32_t version = 0;
  if (const int r = sd_bus_message_read(answer->get(), "v", "i", &version); r < 0) return nonsense(r);
  return version;
}

/// One of GetCurrentState's a((ssss)a(siiddada{sv})a{sv}), once inside.
int read_monitor(sd_bus_message* m, MutterMonitor& monitor) {
  const char* connector = nullptr;
  const char* vendor = nullptr;
  const char* product = nullptr;
  const char* serial = nullptr;
  int r = sd_bus_message_read(m, "(ssss)", &connector, &vendor, &product, &serial);
  if (r < 0) return r;
  monitor.connector = connector;
  monitor.name = fmt::format("{} {}", vendor, product);
  if ((r = sd_bus_message_enter_container(m, 'a', "(siiddada{sv})")) < 0) return r;
  while ((r = sd_bus_message_enter_container(m, 'r', "siiddada{sv}")) > 0) {
    const char* id = nullptr;
    std::int32_t width = 0;
    std::int32_t height = 0;
    double rate = 0;
    if ((r = sd_bus_message_read(m, "siid", &id, &width, &height, &rate)) < 0) return r;
    if ((r = sd_bus_message_skip(m, "dad")) < 0) return r;
    bool current = false;
    if ((r = sd_bus_message_enter_container(m, 'a', "{sv}")) < 0) return r;
    while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
      const char* key = nullptr;
      if ((r = sd_bus_message_read(m, "s", &key)) < 0) return r;
      if (std::string_view(key) == "is-current") {
        int yes = 0;
        if ((r = sd_bus_message_read(m, "v", "b", &yes)) < 0) return r;
        current = yes != 0;
      } else if ((r = sd_bus_message_skip(m, "v")) < 0) {
        return r;
      }
      if ((r = sd_bus_message_exit_container(m)) < 0) return r;
    }
    if (r < 0 || (r = sd_bus_message_exit_container(m)) < 0) return r;
    if (current && width > 0 && height > 0) {
      monitor.mode = {static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height)};
      monitor.rate = rate;
    }
    if ((r = sd_bus_message_exit_container(m)) < 0) return r;
  }
  if (r < 0 || (r = sd_bus_message_exit_container(m)) < 0) return r;
  return sd_bus_message_skip(m, "a{sv}");
}

int read_monitors(sd_bus_message* m, std::vector<MutterMonitor>& monitors) {
  std::uint32_t serial = 0;
  int r = sd_bus_message_read(m, "u", &serial);
  if (r < 0) return r;
  if ((r = sd_bus_message_enter_container(m, 'a', "((ssss)a(siiddada{sv})a{sv})")) < 0) return r;
  while ((r = sd_bus_message_enter_container(m, 'r', "(ssss)a(siiddada{sv})a{sv}")) > 0) {
    if ((r = read_monitor(m, monitors.emplace_back())) < 0) return r;
    if ((r = sd_bus_message_exit_container(m)) < 0) return r;
  }
  return r;
}

Result<std::vector<MutterMonitor>> list_monitors(PortalBus& bus, Nanoseconds patience, const std::stop_token& stop) {
  const std::string path = kConfigPath;
  auto call = new_call(bus, {kConfig, path, kConfig, "GetCurrentState"});
  if (!call) return std::unexpected(std::move(call.error()));
  auto answer = bus.call(call->get(), patience, stop, kOperation);
  if (!answer) return std::unexpected(std::move(answer.error()));
  std::vector<MutterMonitor> monitors;
  if (const int r = read_monitors(answer->get(), monitors); r < 0) return nonsense(r);
  return monitors;
}

std::uint32_t cursor_number(CursorMode cursor) {
  switch (cursor) {
    case CursorMode::Hidden: return 0;
    case CursorMode::Embedded: return 1;
    case CursorMode::Metadata: return 2;
  }
  return 0;
}

/// The method that begins such a stream, since which version, and its arguments before the properties.
struct Recorder {
  const char* method;
  int version;
};
Recorder recorder(const CastSpec::Output& /*output*/) { return {"RecordMonitor", 1}; }
Recorder recorder(const CastSpec::Window& /*window*/) { return {"RecordWindow", 2}; }
Recorder recorder(const CastSpec::Area& /*area*/) { return {"RecordArea", 3}; }
Recorder recorder(const CastSpec::Virtual& /*monitor*/) { return {"RecordVirtual", 3}; }

int append(sd_bus_message* m, const CastSpec::Output& output, std::uint32_t cursor) {
  return sd_bus_message_append(m, "sa{sv}", output.name.c_str(), 1, "cursor-mode", "u", cursor);
}
int append(sd_bus_message* m, const CastSpec::Window& window, std::uint32_t cursor) {
  const std::uint64_t id = parse_number<std::uint64_t>(window.id).value_or(0);
  return sd_bus_message_append(m, "a{sv}", 2, "window-id", "t", id, "cursor-mode", "u", cursor);
}
int append(sd_bus_message* m, const CastSpec::Area& area, std::uint32_t cursor) {
  const auto& [x, y, width, height] = area.place;
  return sd_bus_message_append(m, "iiiia{sv}", x, y, static_cast<std::int32_t>(width),
                               static_cast<std::int32_t>(height), 1, "cursor-mode", "u", cursor);
}
int append(sd_bus_message* m, const CastSpec::Virtual& /*monitor*/, std::uint32_t cursor) {
  return sd_bus_message_append(m, "a{sv}", 1, "cursor-mode", "u", cursor);
}

/// The connector that is meant, of those there are.
Result<std::string> choose_monitor(const std::string& wanted, const std::vector<MutterMonitor>& monitors) {
  std::vector<std::string> names;
  for (const MutterMonitor& monitor : monitors) names.push_back("mutter:" + monitor.connector);
  const bool known = std::ranges::any_of(monitors, [&](const auto& monitor) { return monitor.connector == wanted; });
  if (known) return wanted;
  if (wanted.empty() && monitors.size() == 1) return monitors.front().connector;
  if (!wanted.empty() || monitors.empty()) {
    return fail(ErrorKind::NotFound, kOperation,
                monitors.empty()
                    ? std::string("it has no monitor")
                    : fmt::format("there is no monitor {}; there are {}", in_quotes(wanted), fmt::join(names, ", ")));
  }
  return fail(ErrorKind::Invalid, "--source mutter",
              fmt::format("there are several monitors; choose {}, or --region", fmt::join(names, ", ")));
}

/// A service that is not there is Mutter that is not.
Error without_mutter(Error error) {
  if (error.kind == ErrorKind::NotFound && error.operation == kOperation) {
    error.detail = "there is no Mutter on the session bus: it is GNOME's compositor";
  }
  return error;
}

class MutterCast final : public ScreenCast {
 public:
  explicit MutterCast(std::unique_ptr<PortalBus> bus) : bus_(std::move(bus)) {}
  MutterCast(const MutterCast&) = delete;
  MutterCast& operator=(const MutterCast&) = delete;
  ~MutterCast() override {
    ends_.request_stop();
    if (thread_.joinable()) thread_.join();
    // Mutter ends the session with the connection in any case.
    if (!session_.empty()) bus_->call_and_forget(kService, session_, kSession, "Stop");
  }

  [[nodiscard]] Result<void> open(CastSpec spec, CursorMode cursor, const std::stop_token& stop) {
    auto version = read_version(*bus_, kPatience, stop);
    if (!version) return std::unexpected(without_mutter(std::move(version.error())));
    const Recorder how = std::visit([](const auto& what) { return recorder(what); }, spec.what);
    if (*version < how.version) {
      return fail(ErrorKind::Unsupported, kOperation,
                  fmt::format("{} needs version {} of its interface, and this one has {}", text_of(spec), how.version,
                              *version));
    }
    if (auto* output = std::get_if<CastSpec::Output>(&spec.what)) {
      const auto monitors = list_monitors(*bus_, kPatience, stop);
      if (!monitors) return std::unexpected(monitors.error());
      auto chosen = choose_monitor(output->name, *monitors);
      if (!chosen) return std::unexpected(std::move(chosen.error()));
      output->name = *std::move(chosen);
    }
    if (auto session = make_session(stop); !session) return session;
    auto stream = record(spec, how, cursor, stop);
    if (!stream) return std::unexpected(std::move(stream.error()));
    return start(*stream, stop);
  }

  std::uint32_t node() const override { return *node_; }

  void watch(std::function<void(const Error&)> ended) override {
    thread_ = std::jthread([this, ended = std::move(ended)] {
      name_this_thread("zc-mutter");
      const auto told =
          bus_->run_until([this] { return closed_; }, std::nullopt, ends_.get_token(), "capture from Mutter");
      if (ends_.stop_requested()) return;
      ended({.kind = ErrorKind::Lost,
             .operation = "capture from Mutter",
             .detail = told ? "it has ended the stream" : told.error().detail});
    });
  }

 private:
  [[nodiscard]] Result<std::string> call_for_path(sd_bus_message* call, const std::stop_token& stop) {
    auto answer = bus_->call(call, kPatience, stop, kOperation);
    if (!answer) return std::unexpected(std::move(answer.error()));
    const char* path = nullptr;
    if (const int r = sd_bus_message_read(answer->get(), "o", &path); r < 0) return nonsense(r);
    return std::string(path);
  }

  [[nodiscard]] Result<void> make_session(const std::stop_token& stop) {
    const std::string path = kPath;
    auto call = new_call(*bus_, {kService, path, kService, "CreateSession"});
    if (!call) return std::unexpected(std::move(call.error()));
    if (const int r = sd_bus_message_append(call->get(), "a{sv}", 0); r < 0) return fail_bus(r, kOperation);
    auto session = call_for_path(call->get(), stop);
    if (!session) return std::unexpected(std::move(session.error()));
    session_ = *std::move(session);
    return listen(session_, kSession, "Closed", closed_slot_, [](sd_bus_message*, void* self, sd_bus_error*) {
      static_cast<MutterCast*>(self)->closed_ = true;
      return 0;
    });
  }

  [[nodiscard]] Result<std::string> record(const CastSpec& spec, const Recorder& how, CursorMode cursor,
                                           const std::stop_token& stop) {
    auto call = new_call(*bus_, {kService, session_, kSession, how.method});
    if (!call) return std::unexpected(std::move(call.error()));
    const int r =
        std::visit([&](const auto& what) { return append(call->get(), what, cursor_number(cursor)); }, spec.what);
    if (r < 0) return fail_bus(r, kOperation);
    return call_for_path(call->get(), stop);
  }

  [[nodiscard]] Result<void> start(const std::string& stream, const std::stop_token& stop) {
    auto listening =
        listen(stream, kStream, "PipeWireStreamAdded", added_slot_, [](sd_bus_message* m, void* self, sd_bus_error*) {
          std::uint32_t node = 0;
          if (sd_bus_message_read(m, "u", &node) >= 0) static_cast<MutterCast*>(self)->node_ = node;
          return 0;
        });
    if (!listening) return listening;
    auto call = new_call(*bus_, {kService, session_, kSession, "Start"});
    if (!call) return std::unexpected(std::move(call.error()));
    if (auto started = bus_->call(call->get(), kPatience, stop, kOperation); !started) {
      return std::unexpected(std::move(started.error()));
    }
    if (auto told = bus_->run_until([this] { return node_ || closed_; }, kPatience, stop, kOperation); !told)
      return told;
    if (node_) return {};
    return fail(ErrorKind::Lost, kOperation, "it has closed it at once");
  }

  [[nodiscard]] Result<void> listen(const std::string& path, const char* interface, const char* signal, SlotPtr& slot,
                                    sd_bus_message_handler_t handler) {
    sd_bus_slot* raw = nullptr;
    const int r =
        sd_bus_match_signal_async(bus_->get(), &raw, kService, path.c_str(), interface, signal, handler, nullptr, this);
    if (r < 0) return fail_bus(r, kOperation);
    slot.reset(raw);
    return {};
  }

  std::stop_source ends_;
  std::unique_ptr<PortalBus> bus_;
  SlotPtr closed_slot_, added_slot_;
  std::string session_;  ///< its path
  std::optional<std::uint32_t> node_;
  bool closed_ = false;
  std::jthread thread_;  // last: it uses everything above
};

}  // namespace

Result<std::unique_ptr<ScreenCast>> open_mutter_cast(const CastSpec& spec, CursorMode cursor,
                                                     const std::stop_token& stop) {
  auto bus = PortalBus::connect("Mutter");
  if (!bus) return std::unexpected(std::move(bus.error()));
  auto cast = std::make_unique<MutterCast>(*std::move(bus));
  if (auto opened = cast->open(spec, cursor, stop); !opened) return std::unexpected(std::move(opened.error()));
  return cast;
}

Result<MutterAbilities> query_mutter(Nanoseconds patience) {
  auto bus = PortalBus::connect("Mutter");
  if (!bus) return std::unexpected(std::move(bus.error()));
  const std::stop_token never;
  auto version = read_version(**bus, patience, never);
  if (!version) return std::unexpected(without_mutter(std::move(version.error())));
  auto monitors = list_monitors(**bus, patience, never);
  if (!monitors) return std::unexpected(std::move(monitors.error()));
  return MutterAbilities{.version = *version, .monitors = *std::move(monitors)};
}

}  // namespace zc
