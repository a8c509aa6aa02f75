#include "support/private_pipewire.h"

#include "pipewire/pipewire_handles.h"

#include <pipewire/pipewire.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>

namespace zc::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{60};

using MainLoopPtr = std::unique_ptr<pw_main_loop, PipeWireDeleter<pw_main_loop_destroy>>;

/// Looks through the daemon's clients for one that says it provides the linking policy. WirePlumber writes its services
/// into the property session.services when everything is loaded, which only a bound client object shows.
class PolicyWatch {
 public:
  bool ready_by(Clock::time_point deadline) {
    ensure_pipewire_initialised();
    const MainLoopPtr loop(pw_main_loop_new(nullptr));
    const ContextPtr context(pw_context_new(pw_main_loop_get_loop(loop.get()), nullptr, 0));
    const CorePtr core(pw_context_connect(context.get(), nullptr, 0));
    if (!core) return false;
    registry_ = pw_core_get_registry(core.get(), PW_VERSION_REGISTRY, 0);
    const ProxyPtr registry_proxy(reinterpret_cast<pw_proxy*>(registry_));
    pw_registry_events events{};
    events.version = PW_VERSION_REGISTRY_EVENTS;
    events.global = on_global;
    Hook hook;
    pw_registry_add_listener(registry_, hook.get(), &events, this);
    while (!ready_ && Clock::now() < deadline) {
      pw_loop_enter(pw_main_loop_get_loop(loop.get()));
      pw_loop_iterate(pw_main_loop_get_loop(loop.get()), 50);
      pw_loop_leave(pw_main_loop_get_loop(loop.get()));
    }
    clients_.clear();
    return ready_;
  }

 private:
  struct Client {
    explicit Client(pw_proxy* proxy) : handle(proxy) {}
    ProxyPtr handle;
    Hook hook;
  };

  static void on_global(void* data, std::uint32_t id, std::uint32_t, const char* type, std::uint32_t,
                        const spa_dict*) noexcept {
    if (std::string_view(type) != PW_TYPE_INTERFACE_Client) return;
    auto& self = *static_cast<PolicyWatch*>(data);
    auto* proxy = static_cast<pw_proxy*>(pw_registry_bind(self.registry_, id, type, PW_VERSION_CLIENT, 0));
    if (proxy == nullptr) return;
    static constexpr pw_client_events kEvents = [] {
      pw_client_events events{};
      events.version = PW_VERSION_CLIENT_EVENTS;
      events.info = on_info;
      return events;
    }();
    auto& client = *self.clients_.emplace_back(std::make_unique<Client>(proxy));
    pw_client_add_listener(reinterpret_cast<pw_client*>(proxy), client.hook.get(), &kEvents, &self);
  }

  static void on_info(void* data, const pw_client_info* info) noexcept {
    const char* services = info->props == nullptr ? nullptr : spa_dict_lookup(info->props, "session.services");
    if (services != nullptr && std::strstr(services, "policy.linking.standard") != nullptr) {
      static_cast<PolicyWatch*>(data)->ready_ = true;
    }
  }

  pw_registry* registry_ = nullptr;
  std::vector<std::unique_ptr<Client>> clients_;
  bool ready_ = false;
};

}  // namespace

Result<std::unique_ptr<PrivatePipeWire>> PrivatePipeWire::start(SessionManager manager) {
  std::unique_ptr<PrivatePipeWire> p(new PrivatePipeWire(manager));
  std::string pattern = (std::filesystem::temp_directory_path() / "zc-pipewire.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return fail_errno(errno, "make " + pattern);
  p->folder_ = pattern;
  for (const char* name : {"XDG_RUNTIME_DIR", "HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"}) {
    p->set_variable(name, p->folder_.string());
  }
  for (const char* name : {"PIPEWIRE_RUNTIME_DIR", "PIPEWIRE_REMOTE", "DISPLAY", "WAYLAND_DISPLAY"}) {
    p->set_variable(name, std::nullopt);
  }
  // An address that nothing answers at: without it libdbus would try to start a bus of its own.
  p->set_variable("DBUS_SESSION_BUS_ADDRESS", "unix:path=" + (p->folder_ / "no-bus").string());

  if (auto runs = p->restart(); !runs) return std::unexpected(std::move(runs.error()));
  return p;
}

Result<void> PrivatePipeWire::restart() {
  const auto deadline = Clock::now() + kPatience;
  manager_.reset();
  daemon_.reset();
  auto daemon = ChildProcess::start({"pipewire"}, folder_ / "pipewire.log");
  if (!daemon) return std::unexpected(daemon.error());
  daemon_.emplace(std::move(*daemon));
  while (!connect()) {
    if (!daemon_->running() || Clock::now() > deadline) {
      return fail(ErrorKind::Timeout, "start pipewire", "its socket does not answer");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (wanted_ == SessionManager::None) return {};
  auto wireplumber = ChildProcess::start({"wireplumber", "--profile=policy"}, folder_ / "wireplumber.log");
  if (!wireplumber) return std::unexpected(wireplumber.error());
  manager_.emplace(std::move(*wireplumber));
  if (!PolicyWatch().ready_by(deadline)) {
    return fail(ErrorKind::Timeout, "start wireplumber", "it does not provide its linking policy");
  }
  return {};
}

PrivatePipeWire::~PrivatePipeWire() {
  manager_.reset();
  daemon_.reset();
  for (const SavedVariable& v : saved_) {
    if (v.value) {
      ::setenv(v.name.c_str(), v.value->c_str(), 1);
    } else {
      ::unsetenv(v.name.c_str());
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void PrivatePipeWire::set_variable(const std::string& name, const std::optional<std::string>& value) {
  const char* old = std::getenv(name.c_str());
  saved_.push_back({name, old == nullptr ? std::nullopt : std::optional<std::string>(old)});
  if (value) {
    ::setenv(name.c_str(), value->c_str(), 1);
  } else {
    ::unsetenv(name.c_str());
  }
}

Result<UniqueFd> PrivatePipeWire::connect() const {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket().string();
  if (!fd || path.size() >= sizeof(address.sun_path)) return fail_errno(ENAMETOOLONG, "connect to " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return fail_errno(errno, "connect to " + path);
  }
  return fd;
}

void PrivatePipeWire::kill_daemon() noexcept {
  if (daemon_) daemon_->end(true);
}

}  // namespace zc::test
