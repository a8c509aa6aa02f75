#include "ipc/daemon_client.h"

#include "base/quote.h"
#include "config/names.h"
#include "ipc/bus_types.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <systemd/sd-bus.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

namespace zc {
namespace {

constexpr const char* kSessionsPath = "/org/zerocast/Daemon1/sessions";
constexpr std::uint64_t kPatienceUs = 120'000'000;
/// Files are completed as fast as their disk goes on, which the daemon watches; its own end answers every call.
constexpr std::uint64_t kSessionPatienceUs = std::numeric_limits<std::uint64_t>::max();

struct BusUnref {
  void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
};

class BusError {
 public:
  BusError() = default;
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;
  ~BusError() { sd_bus_error_free(&error_); }
  [[nodiscard]] sd_bus_error* get() { return &error_; }

 private:
  sd_bus_error error_ = SD_BUS_ERROR_NULL;
};

Error no_daemon() {
  return {.kind = ErrorKind::NotFound,
          .operation = "reach the daemon",
          .detail = "none runs; start it with 'systemctl --user start zerocast' or 'zerocast daemon'"};
}

bool is_absence(const sd_bus_error& error) {
  for (const char* name : {SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER}) {
    if (sd_bus_error_has_name(&error, name) > 0) return true;
  }
  return error.name != nullptr && std::string_view(error.name).starts_with("org.freedesktop.DBus.Error.Spawn.");
}

std::unexpected<Error> broken(int r) { return fail_errno(-r, "talk to the daemon"); }

struct ListProperty {
  std::string_view name;
  std::vector<std::vector<Setting>> SessionView::* place;
};
constexpr std::array kLists{
    ListProperty{"Layers", &SessionView::layers}, ListProperty{"SinkStatistics", &SessionView::sink_statistics},
    ListProperty{"AudioSources", &SessionView::audio_sources}, ListProperty{"AudioTracks", &SessionView::audio_tracks}};

/// Reads the variant that comes next; what is of no interest is passed over.
std::optional<SettingValue> read_property(sd_bus_message* message, const char* name, SessionView& view) {
  char type = 0;
  const char* contents = nullptr;
  if (sd_bus_message_peek_type(message, &type, &contents) < 0 || contents == nullptr) return std::nullopt;
  const std::string signature = contents;
  if (sd_bus_message_enter_container(message, 'v', signature.c_str()) < 0) return std::nullopt;
  std::optional<SettingValue> value;
  if (signature == "s") {
    const char* text = nullptr;
    if (sd_bus_message_read_basic(message, 's', static_cast<void*>(&text)) > 0) value = std::string(text);
  } else if (signature == "as") {
    std::vector<std::string> texts;
    char** list = nullptr;
    if (sd_bus_message_read_strv(message, &list) >= 0) {
      for (char** one = list; one != nullptr && *one != nullptr; ++one) {
        texts.emplace_back(*one);
        std::free(*one);  // NOLINT(cppcoreguidelines-no-malloc): sd-bus allocates with malloc
      }
      std::free(static_cast<void*>(list));  // NOLINT(cppcoreguidelines-no-malloc)
    }
    value = std::move(texts);
  } else if (signature == "(uu)") {
    sd_bus_message_read(message, "(uu)", &view.width, &view.height);
  } else if (signature == "(ss)") {
    const char* kind = nullptr;
    const char* text = nullptr;
    if (sd_bus_message_read(message, "(ss)", &kind, &text) > 0) value = std::string(text);
  } else if (signature == "a{sv}") {
    if (auto settings = bus::read_settings(message); settings && std::string_view(name) == "Statistics") {
      view.statistics = *std::move(settings);
    }
  } else if (signature == "aa{sv}") {
    const auto* const list = std::ranges::find(kLists, std::string_view(name), &ListProperty::name);
    if (sd_bus_message_enter_container(message, 'a', "a{sv}") > 0) {
      while (sd_bus_message_at_end(message, 0) == 0) {
        auto settings = bus::read_settings(message);
        if (!settings) break;
        if (list != kLists.end()) (view.*(list->place)).push_back(*std::move(settings));
      }
      sd_bus_message_exit_container(message);
    }
  } else {
    sd_bus_message_skip(message, signature.c_str());
  }
  sd_bus_message_exit_container(message);
  return value;
}

struct TextProperty {
  std::string_view name;
  std::string SessionView::* place;
};
constexpr std::array kTexts{TextProperty{"Name", &SessionView::name},   TextProperty{"State", &SessionView::state},
                            TextProperty{"Error", &SessionView::error}, TextProperty{"Source", &SessionView::source},
                            TextProperty{"Route", &SessionView::route}, TextProperty{"Encoder", &SessionView::encoder},
                            TextProperty{"Codec", &SessionView::codec}};

/// The a{sv} of a session's properties.
Result<SessionView> read_session(sd_bus_message* message) {
  SessionView view;
  if (const int r = sd_bus_message_enter_container(message, 'a', "{sv}"); r < 0) return broken(r);
  while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
    const char* name = nullptr;
    if (const int r = sd_bus_message_read_basic(message, 's', static_cast<void*>(&name)); r < 0) return broken(r);
    auto value = read_property(message, name, view);
    if (value) {
      const auto* const text = std::ranges::find(kTexts, std::string_view(name), &TextProperty::name);
      if (text != kTexts.end()) view.*(text->place) = std::get<std::string>(*value);
      if (std::string_view(name) == "Sinks") view.sinks = std::get<std::vector<std::string>>(*std::move(value));
    }
    sd_bus_message_exit_container(message);
  }
  if (const int r = sd_bus_message_exit_container(message); r < 0) return broken(r);
  return view;
}

class BusClient final : public DaemonClient {
 public:
  explicit BusClient(sd_bus* bus) : bus_(bus) {}

  Result<std::string> start(const std::vector<Setting>& options) override {
    auto answer = manager("StartSession", &options);
    if (!answer) return std::unexpected(std::move(answer.error()));
    const char* path = nullptr;
    if (const int r = sd_bus_message_read(answer->get(), "o", &path); r <= 0) return broken(r);
    char* name = nullptr;
    if (const int r = sd_bus_path_decode(path, kSessionsPath, &name); r <= 0) return broken(r);
    const std::unique_ptr<char, decltype(&std::free)> owner(name, &std::free);
    return std::string(name);
  }

  Result<void> reload() override {
    const auto answer = manager("Reload", nullptr);
    return answer ? Result<void>{} : std::unexpected(answer.error());
  }

  Result<std::vector<SessionView>> sessions() override {
    auto answer =
        send(kManagerPath, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", [](auto*) { return 0; });
    if (!answer) return std::unexpected(std::move(answer.error()));
    sd_bus_message* m = answer->get();
    std::vector<SessionView> all;
    if (const int r = sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}"); r < 0) return broken(r);
    while (sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}") > 0) {
      if (const int r = sd_bus_message_skip(m, "o"); r < 0) return broken(r);
      if (const int r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}"); r < 0) return broken(r);
      while (sd_bus_message_enter_container(m, 'e', "sa{sv}") > 0) {
        const char* interface = nullptr;
        if (const int r = sd_bus_message_read_basic(m, 's', static_cast<void*>(&interface)); r < 0) return broken(r);
        if (std::string_view(interface) == kSessionInterface) {
          auto view = read_session(m);
          if (!view) return std::unexpected(std::move(view.error()));
          all.push_back(*std::move(view));
        } else {
          sd_bus_message_skip(m, "a{sv}");
        }
        sd_bus_message_exit_container(m);
      }
      sd_bus_message_exit_container(m);
      sd_bus_message_exit_container(m);
    }
    std::ranges::sort(all, {}, &SessionView::name);
    return all;
  }

  Result<SessionView> session(const std::string& name) override {
    auto all = sessions();
    if (!all) return std::unexpected(std::move(all.error()));
    const auto found = std::ranges::find(*all, name, &SessionView::name);
    if (found != all->end()) return *found;
    std::vector<std::string> names;
    for (const SessionView& one : *all) names.push_back(one.name);
    return fail(ErrorKind::NotFound, in_quotes(name),
                names.empty() ? "there is no session"
                              : fmt::format("there is no such session; there are {}", fmt::join(names, ", ")));
  }

  Result<std::string> stop(const std::string& name) override {
    auto answer = ask(name, "Stop", [](auto*) { return 0; });
    return answer ? text_of(answer->get()) : std::unexpected(std::move(answer.error()));
  }

  Result<void> call(const std::string& name, const char* method) override {
    const auto answer = ask(name, method, [](auto*) { return 0; });
    return answer ? Result<void>{} : std::unexpected(answer.error());
  }

  Result<std::string> call(const std::string& name, const char* method, const std::string& text) override {
    auto answer = ask(name, method, [&](sd_bus_message* m) { return bus::append_text(m, text); });
    return answer ? text_of(answer->get()) : std::unexpected(std::move(answer.error()));
  }

  Result<void> set_layer(const std::string& name, const std::string& layer, const std::string& changes) override {
    const auto answer = ask(name, "SetLayer", [&](sd_bus_message* m) {
      const int r = bus::append_text(m, layer);
      return r < 0 ? r : bus::append_text(m, changes);
    });
    return answer ? Result<void>{} : std::unexpected(answer.error());
  }

  Result<void> set_volume(const std::string& name, const std::string& source, double volume) override {
    const auto answer = ask(name, "SetVolume", [&](sd_bus_message* m) {
      const int r = bus::append_text(m, source);
      return r < 0 ? r : sd_bus_message_append_basic(m, 'd', &volume);
    });
    return answer ? Result<void>{} : std::unexpected(answer.error());
  }

  Result<void> set_muted(const std::string& name, const std::string& source, bool muted) override {
    const auto answer = ask(name, "SetMuted", [&](sd_bus_message* m) {
      const int r = bus::append_text(m, source);
      return r < 0 ? r : sd_bus_message_append(m, "b", static_cast<int>(muted));
    });
    return answer ? Result<void>{} : std::unexpected(answer.error());
  }

  Result<void> reconfigure(const std::string& name, const std::vector<Setting>& options) override {
    const auto answer = ask(name, "Reconfigure", [&](sd_bus_message* m) { return bus::append_settings(m, options); });
    return answer ? Result<void>{} : std::unexpected(answer.error());
  }

 private:
  [[nodiscard]] Result<bus::MessagePtr> manager(const char* method, const std::vector<Setting>* options) {
    return send(kManagerPath, kManagerInterface, method,
                [&](sd_bus_message* m) { return options == nullptr ? 0 : bus::append_settings(m, *options); });
  }

  /// A method of a session; who names one that is not there hears which there are.
  template <class Append>
  [[nodiscard]] Result<bus::MessagePtr> ask(const std::string& name, const char* method, Append append) {
    if (const auto known = session(name); !known) return std::unexpected(known.error());
    char* path = nullptr;
    if (const int r = sd_bus_path_encode(kSessionsPath, name.c_str(), &path); r < 0) return broken(r);
    const std::unique_ptr<char, decltype(&std::free)> owner(path, &std::free);
    return send(path, kSessionInterface, method, append);
  }

  template <class Append>
  [[nodiscard]] Result<bus::MessagePtr> send(const char* path, const char* interface, const char* method,
                                             Append append) {
    sd_bus_message* raw = nullptr;
    if (const int r = sd_bus_message_new_method_call(bus_.get(), &raw, kBusName, path, interface, method); r < 0) {
      return broken(r);
    }
    const bus::MessagePtr request(raw);
    if (const int r = append(raw); r < 0) return broken(r);
    BusError error;
    sd_bus_message* answer = nullptr;
    const std::uint64_t patience = std::string_view(interface) == kSessionInterface ? kSessionPatienceUs : kPatienceUs;
    if (const int r = sd_bus_call(bus_.get(), raw, patience, error.get(), &answer); r < 0) {
      if (is_absence(*error.get())) return std::unexpected(no_daemon());
      return std::unexpected(bus::error_from(*error.get(), fmt::format("{} of the daemon", method)));
    }
    return bus::MessagePtr(answer);
  }

  [[nodiscard]] static Result<std::string> text_of(sd_bus_message* answer) {
    const char* text = nullptr;
    if (sd_bus_message_has_signature(answer, "s") <= 0) return std::string();
    if (const int r = sd_bus_message_read(answer, "s", &text); r <= 0) return broken(r);
    return std::string(text);
  }

  std::unique_ptr<sd_bus, BusUnref> bus_;
};

}  // namespace

Result<std::unique_ptr<DaemonClient>> DaemonClient::connect() {
  sd_bus* bus = nullptr;
  if (sd_bus_open_user(&bus) < 0) {
    return fail(ErrorKind::NotFound, "reach the daemon",
                "there is no session bus: is this a desktop session, and is DBUS_SESSION_BUS_ADDRESS right?");
  }
  return std::make_unique<BusClient>(bus);
}

}  // namespace zc
