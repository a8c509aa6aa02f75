#include "pipewire/pipewire_connection.h"

#include "base/log.h"

#include <fmt/format.h>
#include <pipewire/node.h>
#include <pipewire/pipewire.h>
#include <pipewire/port.h>
#include <spa/utils/result.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

namespace zc {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string{} : std::string(value);
}

Error connect_error(int error, bool default_daemon) {
  constexpr const char* kOperation = "connect to PipeWire";
  if (!default_daemon) {
    Error e = fail_errno(error, kOperation).error();
    e.kind = ErrorKind::Lost;
    return e;
  }
  const std::string path = default_socket_path();
  if (path.empty()) {
    return fail(ErrorKind::NotFound, kOperation, "PipeWire is not running (XDG_RUNTIME_DIR is not set)").error();
  }
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return fail(ErrorKind::NotFound, kOperation, fmt::format("PipeWire is not running (no socket at {})", path))
        .error();
  }
  if (error == EACCES || error == EPERM) {
    return fail(ErrorKind::Denied, kOperation, fmt::format("permission denied on {}", path)).error();
  }
  return fail(ErrorKind::NotFound, kOperation, fmt::format("PipeWire is not running (nothing answers at {})", path))
      .error();
}

}  // namespace

void ensure_pipewire_initialised() {
  struct Library {
    Library() { pw_init(nullptr, nullptr); }
  };
  static const Library library;
}

std::string default_socket_path() {
  std::string name = environment("PIPEWIRE_REMOTE");
  if (name.empty()) name = "pipewire-0";
  if (name.starts_with('/')) return name;
  for (const char* variable : {"PIPEWIRE_RUNTIME_DIR", "XDG_RUNTIME_DIR", "USERPROFILE"}) {  // libpipewire's order
    const std::string folder = environment(variable);
    if (!folder.empty()) return fmt::format("{}/{}", folder, name);
  }
  return {};
}

std::string_view RegistryObject::property(std::string_view key) const {
  const auto found = properties.find(key);
  return found == properties.end() ? std::string_view{} : std::string_view(found->second);
}

/// libpipewire's C callbacks. Each returns to C code, so none lets an exception out (noexcept: std::terminate).
struct PipeWireConnection::Events {
  static PipeWireConnection& self(void* data) { return *static_cast<PipeWireConnection*>(data); }

  static void done(void* data, std::uint32_t id, int sequence) noexcept {
    if (id == PW_ID_CORE) self(data).core_done(sequence);
  }
  static void error(void* data, std::uint32_t id, int /*sequence*/, int result, const char* message) noexcept {
    self(data).core_error(id, result, message);
  }
  static void global(void* data, std::uint32_t id, std::uint32_t /*permissions*/, const char* type,
                     std::uint32_t version, const spa_dict* properties) noexcept {
    const std::string_view name(type);
    if (name != PW_TYPE_INTERFACE_Node && name != PW_TYPE_INTERFACE_Port && name != PW_TYPE_INTERFACE_Link) return;
    RegistryObject object{id, type, version, {}};
    for (std::uint32_t i = 0; properties != nullptr && i < properties->n_items; ++i) {
      const spa_dict_item& item = properties->items[i];
      if (item.key != nullptr && item.value != nullptr) object.properties.emplace(item.key, item.value);
    }
    self(data).object_appeared(std::move(object));
  }
  static void global_remove(void* data, std::uint32_t id) noexcept { self(data).object_removed(id); }

  static constexpr pw_core_events core_table() {
    pw_core_events events{};
    events.version = PW_VERSION_CORE_EVENTS;
    events.done = done;
    events.error = error;
    return events;
  }
  static constexpr pw_registry_events registry_table() {
    pw_registry_events events{};
    events.version = PW_VERSION_REGISTRY_EVENTS;
    events.global = global;
    events.global_remove = global_remove;
    return events;
  }
  static const pw_core_events kCore;
  static const pw_registry_events kRegistry;
};

constexpr pw_core_events PipeWireConnection::Events::kCore = core_table();
constexpr pw_registry_events PipeWireConnection::Events::kRegistry = registry_table();

Result<std::unique_ptr<PipeWireConnection>> PipeWireConnection::open(UniqueFd remote, Callbacks callbacks) {
  ensure_pipewire_initialised();
  std::unique_ptr<PipeWireConnection> c(new PipeWireConnection(std::move(callbacks)));
  const auto failed = [](const char* what) { return fail_errno(errno, what); };
  c->loop_.reset(pw_thread_loop_new("zc-pipewire", nullptr));
  if (!c->loop_) return failed("create the PipeWire thread");
  // With its real-time module (rtkit): the data thread only moves buffers from one queue to another, but one that it
  // leaves lying when the producer's next one comes is lost.
  c->context_.reset(pw_context_new(c->loop(), nullptr, 0));
  if (!c->context_) return failed("create the PipeWire context");
  const bool default_daemon = !remote;
  c->core_.reset(default_daemon ? pw_context_connect(c->context_.get(), nullptr, 0)
                                : pw_context_connect_fd(c->context_.get(), remote.release(), nullptr, 0));
  if (!c->core_) return std::unexpected(connect_error(errno, default_daemon));
  pw_core_add_listener(c->core_.get(), c->core_hook_.get(), &Events::kCore, c.get());
  c->registry_ = pw_core_get_registry(c->core_.get(), PW_VERSION_REGISTRY, 0);
  if (c->registry_ == nullptr) return failed("read the PipeWire registry");
  c->registry_proxy_.reset(reinterpret_cast<pw_proxy*>(c->registry_));
  pw_registry_add_listener(c->registry_, c->registry_hook_.get(), &Events::kRegistry, c.get());
  if (pw_thread_loop_start(c->loop_.get()) < 0) return failed("start the PipeWire thread");
  return c;
}

PipeWireConnection::~PipeWireConnection() {
  stop_thread();
  core_hook_.remove();
  registry_hook_.remove();
}

void PipeWireConnection::stop_thread() noexcept {
  if (loop_) pw_thread_loop_stop(loop_.get());
}

void PipeWireConnection::object_appeared(RegistryObject object) {
  update([&] { objects_.insert_or_assign(object.id, std::move(object)); });
  if (callbacks_.changed) callbacks_.changed();
}

void PipeWireConnection::object_removed(std::uint32_t id) {
  RegistryObject gone;
  bool known = false;
  update([&] {
    const auto found = objects_.find(id);
    if (found == objects_.end()) return;
    known = true;
    gone = std::move(found->second);
    objects_.erase(found);
  });
  if (!known) return;
  if (callbacks_.changed) callbacks_.changed();
  if (callbacks_.removed) callbacks_.removed(gone);
}

void PipeWireConnection::core_error(std::uint32_t id, int result, const char* message) {
  logger("capture").debug("PipeWire object {}: {} ({})", id, message, spa_strerror(result));
  if (id != PW_ID_CORE || result != -EPIPE) return;
  Error error{ErrorKind::Lost, ErrorDomain::PipeWire, EPIPE, "PipeWire", "the daemon has gone away"};
  bool first = false;
  update([&] {
    first = !lost_;
    lost_ = error;
  });
  if (first && callbacks_.lost) callbacks_.lost(error);
}

void PipeWireConnection::core_done(int sequence) {
  update([&] { done_sequence_ = sequence; });
}

Result<void> PipeWireConnection::roundtrip(Clock::time_point deadline, const std::stop_token& stop) {
  int sequence = 0;
  run([&] { sequence = pw_core_sync(core_.get(), PW_ID_CORE, 0); });
  return wait(deadline, stop, [&] { return done_sequence_ == sequence; });
}

}  // namespace zc
