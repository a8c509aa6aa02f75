#include "support/producer_loop.h"

#include <pipewire/pipewire.h>

#include <cerrno>

namespace zc::test {

struct ProducerLoop::Events {
  static ProducerLoop& self(void* data) { return *static_cast<ProducerLoop*>(data); }
  static void error(void* data, std::uint32_t id, int /*seq*/, int result, const char* /*message*/) noexcept {
    if (id != PW_ID_CORE || result != -EPIPE) return;
    self(data).lost_ = true;
    self(data).wake();
  }
  static void appeared(void* data, std::uint32_t id, std::uint32_t /*permissions*/, const char* /*type*/,
                       std::uint32_t /*version*/, const spa_dict* /*properties*/) noexcept {
    self(data).objects_.insert(id);
    self(data).wake();
  }
  static void removed(void* data, std::uint32_t id) noexcept { self(data).objects_.erase(id); }

  static constexpr pw_core_events kCore = [] {
    pw_core_events events{};
    events.version = PW_VERSION_CORE_EVENTS;
    events.error = error;
    return events;
  }();
  static constexpr pw_registry_events kRegistry = [] {
    pw_registry_events events{};
    events.version = PW_VERSION_REGISTRY_EVENTS;
    events.global = appeared;
    events.global_remove = removed;
    return events;
  }();
};

Result<std::unique_ptr<ProducerLoop>> ProducerLoop::open() {
  static const bool initialised = [] {
    pw_init(nullptr, nullptr);
    return true;
  }();
  static_cast<void>(initialised);
  constexpr const char* kOperation = "connect the test producer";
  std::unique_ptr<ProducerLoop> made(new ProducerLoop);
  made->thread_ = pw_thread_loop_new("test-producer", nullptr);
  if (made->thread_ == nullptr) return fail_errno(errno, kOperation);
  made->context_ = pw_context_new(made->loop(), nullptr, 0);
  if (made->context_ == nullptr) return fail_errno(errno, kOperation);
  made->core_ = pw_context_connect(made->context_, nullptr, 0);
  if (made->core_ == nullptr) return fail_errno(errno, kOperation);
  pw_core_add_listener(made->core_, &made->core_hook_, &Events::kCore, made.get());
  made->registry_ = pw_core_get_registry(made->core_, PW_VERSION_REGISTRY, 0);
  if (made->registry_ == nullptr) return fail_errno(errno, kOperation);
  pw_registry_add_listener(made->registry_, &made->registry_hook_, &Events::kRegistry, made.get());
  if (const int result = pw_thread_loop_start(made->thread_); result < 0) return fail_errno(-result, kOperation);
  return made;
}

ProducerLoop::~ProducerLoop() {
  if (thread_ == nullptr) return;
  stop();
  if (registry_ != nullptr) {
    spa_hook_remove(&registry_hook_);
    pw_proxy_destroy(reinterpret_cast<pw_proxy*>(registry_));
  }
  if (core_ != nullptr) {
    spa_hook_remove(&core_hook_);
    pw_core_disconnect(core_);
  }
  if (context_ != nullptr) pw_context_destroy(context_);
  pw_thread_loop_destroy(thread_);
}

}  // namespace zc::test
