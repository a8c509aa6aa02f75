// RAII for libpipewire's objects.
#pragma once

#include <pipewire/context.h>
#include <pipewire/core.h>
#include <pipewire/properties.h>
#include <pipewire/proxy.h>
#include <pipewire/stream.h>
#include <pipewire/thread-loop.h>
#include <spa/utils/hook.h>

#include <memory>

namespace zc {

template <auto Destroy>
struct PipeWireDeleter {
  template <class T>
  void operator()(T* object) const noexcept {
    Destroy(object);
  }
};

using ThreadLoopPtr = std::unique_ptr<pw_thread_loop, PipeWireDeleter<pw_thread_loop_destroy>>;
using ContextPtr = std::unique_ptr<pw_context, PipeWireDeleter<pw_context_destroy>>;
using CorePtr = std::unique_ptr<pw_core, PipeWireDeleter<pw_core_disconnect>>;
using StreamPtr = std::unique_ptr<pw_stream, PipeWireDeleter<pw_stream_destroy>>;
using ProxyPtr = std::unique_ptr<pw_proxy, PipeWireDeleter<pw_proxy_destroy>>;
using PropertiesPtr = std::unique_ptr<pw_properties, PipeWireDeleter<pw_properties_free>>;

/// A listener's place in a list of hooks; takes itself out. Must die before the object that it listens to, or when that
/// one has dropped its listeners already.
class Hook {
 public:
  Hook() = default;
  ~Hook() { remove(); }
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;

  [[nodiscard]] spa_hook* get() noexcept { return &hook_; }
  void remove() noexcept {
    if (hook_.link.prev != nullptr) spa_hook_remove(&hook_);
    hook_ = {};
  }

 private:
  spa_hook hook_{};
};

/// pw_init(), once per process.
void ensure_pipewire_initialised();

}  // namespace zc
