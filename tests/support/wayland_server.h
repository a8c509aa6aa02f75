// A stand-in for a Wayland compositor, on libwayland's server side: it takes a client's requests as a compositor does
// and composes nothing.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

struct wl_client;
struct wl_display;
struct wl_resource;

namespace zc::test {

class WaylandServer {
 public:
  struct Options {
    bool layers = true;
    int outputs = 2;
    bool paints = true;                          ///< frame callbacks are called
    bool answers = true;                         ///< false: it takes connections and is silent
    bool refuses = false;                        ///< dmabuf feedback is an error of the protocol
    std::uint32_t dmabuf_version = 0;            ///< 0: none
    std::optional<dev_t> device = std::nullopt;  ///< nullopt: feedback without one
  };
  /// Listens at `path`.
  WaylandServer(const std::string& path, Options options);
  WaylandServer(const WaylandServer&) = delete;
  WaylandServer& operator=(const WaylandServer&) = delete;
  ~WaylandServer();

  // Layer surfaces so far that were shown, that went again, and what was done wrong with them. Any thread.
  [[nodiscard]] int shown() const { return shown_; }
  [[nodiscard]] int gone() const { return gone_; }
  [[nodiscard]] int wrong() const { return wrong_; }

 private:
  friend struct WaylandRequests;
  struct Destroy {
    void operator()(wl_display* display) const;
  };

  const Options options_;
  std::atomic<int> shown_ = 0, gone_ = 0, wrong_ = 0;
  std::unique_ptr<wl_display, Destroy> display_;
  std::jthread thread_;
};

}  // namespace zc::test
