#include "integration/portal/portal_stand_in.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <string_view>

namespace zc::test {
namespace {

constexpr const char* kName = "org.freedesktop.portal.Desktop";
constexpr const char* kScreenCast = "org.freedesktop.portal.ScreenCast";
constexpr const char* kCamera = "org.freedesktop.portal.Camera";

std::string path_for(std::string_view kind, std::string caller, std::string_view token) {
  caller.erase(0, 1);
  std::ranges::replace(caller, '.', '_');
  return fmt::format("/org/freedesktop/portal/desktop/{}/{}/{}", kind, caller, token);
}

/// Reads an a{sv} of b, u and s into text.
std::map<std::string, std::string> read_options(sd_bus_message* message) {
  std::map<std::string, std::string> options;
  if (sd_bus_message_enter_container(message, 'a', "{sv}") < 0) return options;
  while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
    const char* key = nullptr;
    char type = 0;
    const char* signature = nullptr;
    sd_bus_message_read(message, "s", &key);
    sd_bus_message_peek_type(message, &type, &signature);
    if (std::string_view(signature) == "s") {
      const char* value = nullptr;
      sd_bus_message_read(message, "v", "s", &value);
      options[key] = value;
    } else if (std::string_view(signature) == "u") {
      std::uint32_t value = 0;
      sd_bus_message_read(message, "v", "u", &value);
      options[key] = std::to_string(value);
    } else if (std::string_view(signature) == "b") {
      int value = 0;
      sd_bus_message_read(message, "v", "b", &value);
      options[key] = value != 0 ? "true" : "false";
    } else {
      sd_bus_message_skip(message, "v");
      options[key] = std::string("?") + signature;
    }
    sd_bus_message_exit_container(message);
  }
  sd_bus_message_exit_container(message);
  return options;
}

int append_stream(sd_bus_message* message, const ScriptedStream& stream) {
  const auto add = [&](int r, const char* key, const char* type, auto... values) {
    return r < 0 ? r : sd_bus_message_append(message, "{sv}", key, type, values...);
  };
  int r = sd_bus_message_open_container(message, 'r', "ua{sv}");
  if (r >= 0) r = sd_bus_message_append(message, "u", stream.node);
  if (r >= 0) r = sd_bus_message_open_container(message, 'a', "{sv}");
  r = add(r, "source_type", "u", stream.source_type);
  r = add(r, "size", "(ii)", static_cast<int>(stream.size.width), static_cast<int>(stream.size.height));
  if (stream.position) r = add(r, "position", "(ii)", stream.position->x, stream.position->y);
  if (!stream.mapping_id.empty()) r = add(r, "mapping_id", "s", stream.mapping_id.c_str());
  for (int i = 0; i < 2 && r >= 0; ++i) r = sd_bus_message_close_container(message);
  return r;
}

/// The entry "streams" of Start's results.
int append_streams_of(sd_bus_message* message, const std::vector<ScriptedStream>& streams) {
  int r = sd_bus_message_open_container(message, 'e', "sv");
  if (r >= 0) r = sd_bus_message_append(message, "s", "streams");
  if (r >= 0) r = sd_bus_message_open_container(message, 'v', "a(ua{sv})");
  if (r >= 0) r = sd_bus_message_open_container(message, 'a', "(ua{sv})");
  for (const ScriptedStream& stream : streams) r = r < 0 ? r : append_stream(message, stream);
  for (int i = 0; i < 3 && r >= 0; ++i) r = sd_bus_message_close_container(message);
  return r;
}

int append_start_body(sd_bus_message* message, std::uint32_t code, const std::string& restore_token, std::uint32_t node,
                      const std::vector<ScriptedStream>& streams = {}) {
  int r = sd_bus_message_append(message, "u", code);
  if (r < 0) return r;
  if (code != 0) return sd_bus_message_append(message, "a{sv}", 0);
  r = sd_bus_message_open_container(message, 'a', "{sv}");
  if (r >= 0 && !restore_token.empty()) {
    r = sd_bus_message_append(message, "{sv}", "restore_token", "s", restore_token.c_str());
  }
  if (r >= 0 && !streams.empty()) {
    r = append_streams_of(message, streams);
  } else if (r >= 0) {
    r = sd_bus_message_append(message, "{sv}", "streams", "a(ua{sv})", 1, node, 5,  //
                              "size", "(ii)", 1920, 1080,                           //
                              "position", "(ii)", 100, -50,                         //
                              "source_type", "u", std::uint32_t{1},                 //
                              "id", "s", "stream-id",                               //
                              "mapping_id", "s", "DP-1");
  }
  return r < 0 ? r : sd_bus_message_close_container(message);
}

}  // namespace

int append_response(sd_bus_message* message, std::uint32_t code, const char* key, const char* signature,
                    const std::function<int(sd_bus_message*)>& append) {
  int r = sd_bus_message_append(message, "u", code);
  if (r >= 0) r = sd_bus_message_open_container(message, 'a', "{sv}");
  if (r >= 0) r = sd_bus_message_open_container(message, 'e', "sv");
  if (r >= 0) r = sd_bus_message_append(message, "s", key);
  if (r >= 0) r = sd_bus_message_open_container(message, 'v', signature);
  if (r >= 0) r = append(message);
  for (int i = 0; i < 3 && r >= 0; ++i) r = sd_bus_message_close_container(message);
  return r;
}

int append_streams(sd_bus_message* message) { return append_start_body(message, 0, "", PortalScript{}.node); }

std::unique_ptr<PortalStandIn> PortalStandIn::start(PortalScript script) {
  std::unique_ptr<PortalStandIn> portal(new PortalStandIn(std::move(script)));
  sd_bus* raw = nullptr;
  if (sd_bus_open_user(&raw) < 0) return nullptr;
  portal->bus_.reset(raw);
  sd_bus_slot* slot = nullptr;
  if (sd_bus_add_filter(raw, &slot, &PortalStandIn::on_message, portal.get()) < 0) return nullptr;
  portal->filter_.reset(slot);
  if (sd_bus_request_name(raw, kName, 0) < 0) return nullptr;
  portal->wake_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  portal->thread_ = std::jthread([self = portal.get()](const std::stop_token& stop) { self->run(stop); });
  return portal;
}

PortalStandIn::~PortalStandIn() { drop_off(); }

void PortalStandIn::drop_off() {
  if (thread_.joinable()) {
    thread_.request_stop();
    static_cast<void>(::eventfd_write(wake_.get(), 1));
    thread_.join();
  }
  filter_.reset();
  bus_.reset();
}

PortalSeen PortalStandIn::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

bool PortalStandIn::wait(const std::function<bool(const PortalSeen&)>& done) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return done(seen_); });
}

void PortalStandIn::note(const std::function<void(PortalSeen&)>& change) {
  const std::lock_guard lock(mutex_);
  change(seen_);
  changed_.notify_all();
}

void PortalStandIn::close_session() {
  close_asked_ = true;
  static_cast<void>(::eventfd_write(wake_.get(), 1));
}

void PortalStandIn::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const int processed = sd_bus_process(bus_.get(), nullptr);
    if (processed < 0) return;  // the bus was killed
    if (processed > 0) continue;
    if (close_asked_.exchange(false)) {
      sd_bus_message* raw = nullptr;
      if (sd_bus_message_new_signal(bus_.get(), &raw, seen().session.c_str(), "org.freedesktop.portal.Session",
                                    "Closed") >= 0) {
        const MessagePtr signal(raw);
        sd_bus_message_append(raw, "a{sv}", 0);
        sd_bus_message_set_destination(raw, caller_.c_str());
        sd_bus_send(bus_.get(), raw, nullptr);
      }
      continue;
    }
    std::array<pollfd, 2> fds{pollfd{sd_bus_get_fd(bus_.get()), static_cast<short>(sd_bus_get_events(bus_.get())), 0},
                              pollfd{wake_.get(), POLLIN, 0}};
    ::poll(fds.data(), fds.size(), 1000);
    eventfd_t ignored = 0;
    static_cast<void>(::eventfd_read(wake_.get(), &ignored));
  }
}

int PortalStandIn::on_message(sd_bus_message* message, void* self, sd_bus_error* /*error*/) {
  return static_cast<PortalStandIn*>(self)->handle(message);
}

int PortalStandIn::handle(sd_bus_message* message) {
  std::uint8_t type = 0;
  if (sd_bus_message_get_type(message, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL) return 0;
  const std::string member = sd_bus_message_get_member(message);
  const bool first = callers_.insert(sd_bus_message_get_sender(message)).second;
  if (member == "Register") return answer_register(message, first);
  if (member == "GetAll") return answer_properties(message);
  if (member == "Close") {
    note([&](PortalSeen& seen) { seen.closed.emplace_back(sd_bus_message_get_path(message)); });
    return 1;
  }
  note([&](PortalSeen& seen) { seen.methods.push_back(member); });
  if (member == "AccessCamera") return answer_request(message, member, script_.access_camera);
  if (member == "CreateSession") return answer_request(message, member, script_.create_session);
  if (member == "SelectSources") return answer_request(message, member, script_.select_sources);
  if (member == "Start") return answer_request(message, member, script_.start);
  if (member == "OpenPipeWireRemote") return answer_remote(message);
  return 0;
}

/// As xdg-desktop-portal 1.20: the first call fixes who the caller is.
int PortalStandIn::answer_register(sd_bus_message* message, bool first) {
  const PortalStep& step = script_.register_app;
  if (!step.reply) return 1;
  if (!step.error.empty()) return sd_bus_reply_method_errorf(message, step.error.c_str(), "as the script says");
  const char* app_id = nullptr;
  if (!first || sd_bus_message_read(message, "s", &app_id) <= 0) {
    return sd_bus_reply_method_errorf(message, "org.freedesktop.portal.Error.Failed",
                                      "Connection already associated with an application ID");
  }
  note([&](PortalSeen& seen) { seen.app_ids.emplace_back(app_id); });
  return sd_bus_reply_method_return(message, "");
}

int PortalStandIn::answer_properties(sd_bus_message* message) const {
  const char* interface = nullptr;
  if (sd_bus_message_read(message, "s", &interface) > 0 && std::string_view(interface) == kCamera) {
    if (script_.camera) return sd_bus_reply_method_return(message, "a{sv}", 1, "IsCameraPresent", "b", 1);
    return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_INVALID_ARGS, "No such interface “%s”", kCamera);
  }
  if (!script_.screen_cast) {
    return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_INVALID_ARGS, "No such interface “%s”", kScreenCast);
  }
  if (script_.version < 2) {
    return sd_bus_reply_method_return(message, "a{sv}", 2, "version", "u", script_.version, "AvailableSourceTypes", "u",
                                      script_.source_types);
  }
  return sd_bus_reply_method_return(message, "a{sv}", 3, "version", "u", script_.version, "AvailableSourceTypes", "u",
                                    script_.source_types, "AvailableCursorModes", "u", script_.cursor_modes);
}

int PortalStandIn::answer_request(sd_bus_message* message, const std::string& method, const PortalStep& step) {
  const char* session = nullptr;
  const char* parent = nullptr;
  if (method != "CreateSession" && method != "AccessCamera") sd_bus_message_read(message, "o", &session);
  if (method == "Start") sd_bus_message_read(message, "s", &parent);
  auto options = read_options(message);
  const std::string caller = sd_bus_message_get_sender(message);
  const std::string path = step.other_path ? "/org/freedesktop/portal/desktop/request/4711"
                                           : path_for("request", caller, options["handle_token"]);
  note([&](PortalSeen& seen) {
    if (method == "CreateSession") seen.session = path_for("session", caller, options["session_handle_token"]);
    if (method == "SelectSources") seen.select_options = options;
    if (method == "Start") {
      seen.parent_window = parent;
      seen.start_request = path;
    }
  });
  caller_ = caller;
  if (step.on_call) step.on_call(caller, path);
  if (!step.error.empty()) return sd_bus_reply_method_errorf(message, step.error.c_str(), "as the script says");
  if (step.response == PortalStep::When::BeforeReply) respond(caller, path, method, step);
  if (step.reply) sd_bus_reply_method_return(message, "o", path.c_str());
  if (step.response == PortalStep::When::AfterReply && step.reply) respond(caller, path, method, step);
  return 1;
}

void PortalStandIn::respond(const std::string& caller, const std::string& path, const std::string& method,
                            const PortalStep& step) {
  sd_bus_message* raw = nullptr;
  if (sd_bus_message_new_signal(bus_.get(), &raw, path.c_str(), "org.freedesktop.portal.Request", "Response") < 0) {
    return;
  }
  const MessagePtr signal(raw);
  if (step.body) {
    step.body(raw);
  } else if (method == "CreateSession") {
    const std::string session = seen().session;
    sd_bus_message_append(raw, "ua{sv}", step.code, 1, "session_handle", "s", session.c_str());
  } else if (method == "Start") {
    append_start_body(raw, step.code, script_.restore_token, script_.node, script_.streams);
  } else {
    sd_bus_message_append(raw, "ua{sv}", step.code, 0);
  }
  sd_bus_message_set_destination(raw, caller.c_str());
  sd_bus_send(bus_.get(), raw, nullptr);
}

int PortalStandIn::answer_remote(sd_bus_message* message) const {
  const PortalStep& step = script_.open_remote;
  if (!step.reply) return 1;
  if (!step.error.empty()) return sd_bus_reply_method_errorf(message, step.error.c_str(), "as the script says");
  const UniqueFd fd = script_.remote ? script_.remote() : UniqueFd(::eventfd(4711, EFD_CLOEXEC));
  return sd_bus_reply_method_return(message, "h", fd.get());
}

}  // namespace zc::test
