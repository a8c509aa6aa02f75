// A stand-in for KWin's side of zkde_screencast_unstable_v1, made of KWin's own description of it. It makes no streams.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

struct wl_display;
struct wl_resource;

namespace zc::test {

class KWinServer {
 public:
  struct Options {
    int version = 3;                                    ///< of the protocol; 0: it is not offered
    std::uint32_t node = 42;                            ///< of every stream
    std::optional<std::string> refusal = std::nullopt;  ///< what it says instead
  };
  /// Listens at `path`, with the outputs DP-1 at 0,0 640x360 and DP-2 at 640,0 with twice the pixels.
  KWinServer(const std::string& path, Options options);
  KWinServer(const KWinServer&) = delete;
  KWinServer& operator=(const KWinServer&) = delete;
  ~KWinServer();

  /// What was asked for: "output DP-1 pointer 2".
  [[nodiscard]] std::vector<std::string> asked();
  /// KWin ends all streams.
  void close();
  [[nodiscard]] int streams() const { return streams_; }  ///< that a client has now

 private:
  friend struct KWinRequests;
  struct Destroy {
    void operator()(wl_display* display) const;
  };
  void locked(const std::function<void()>& work);

  const Options options_;
  std::atomic<int> streams_ = 0;
  std::mutex mutex_;  ///< libwayland's server is for one thread at a time
  std::vector<std::string> asked_;
  std::vector<wl_resource*> open_;
  std::unique_ptr<wl_display, Destroy> display_;
  std::jthread thread_;
};

}  // namespace zc::test
