// A stand-in for a compositor that copies its outputs into clients' buffers: it follows the texts of
// ext-image-copy-capture-v1 and wlr-screencopy-unstable-v1, and is strict where these are. What it shows are plain
// colours that a test paints. Debian 12 has no compositor with the former.
#pragma once

#include "media/geometry.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

struct wl_display;

namespace zc::test {

class CaptureServer {
 public:
  enum class Protocol : std::uint8_t { None, Screencopy, Ext };
  struct Output {
    std::string name;
    Rect place;  ///< logical px
    Size mode;   ///< px of its pictures, before `transform` is undone
    Transform transform = Transform::Normal;
  };
  struct Options {
    Protocol protocol = Protocol::Ext;
    std::vector<Output> outputs;
    bool upside_down = false;  ///< pictures of screencopy are
    bool window = false;       ///< a window "window-1", whose picture is the first output's
  };

  /// Listens at `path`.
  CaptureServer(const std::string& path, Options options);
  CaptureServer(const CaptureServer&) = delete;
  CaptureServer& operator=(const CaptureServer&) = delete;
  ~CaptureServer();

  // Any thread. Outputs by their number.
  /// Fills a rectangle of the output's picture; copies that wait for a change are made.
  void paint(std::size_t output, const Rect& rect, std::uint32_t colour);
  /// Another mode: its picture is filled anew.
  void resize(std::size_t output, Size size, std::uint32_t colour);
  void unplug(std::size_t output);
  /// Says that a session of ext-image-copy-capture's is over.
  void stop_sessions();
  /// The next so many copies fail.
  void fail(int copies) { failures_ = copies; }
  /// The picture as it is now: mode.width * mode.height colours.
  [[nodiscard]] std::vector<std::uint32_t> picture(std::size_t output);

  [[nodiscard]] int copies() const { return copies_; }    ///< that were asked for
  [[nodiscard]] int clients() const { return clients_; }  ///< that are connected
  [[nodiscard]] int wrong() const { return wrong_; }      ///< what a client may not do

 private:
  friend struct CaptureRequests;
  struct Screen;
  struct Session;
  struct Copy;
  struct Destroy {
    void operator()(wl_display* display) const;
  };
  void locked(const std::function<void()>& work);

  const Options options_;
  std::atomic<int> copies_ = 0, clients_ = 0, wrong_ = 0, failures_ = 0;
  std::mutex mutex_;  ///< libwayland's server is for one thread at a time
  std::vector<std::unique_ptr<Screen>> screens_;
  std::vector<Session*> sessions_;
  std::vector<Copy*> open_;     ///< all there are
  std::vector<Copy*> waiting_;  ///< for a change
  std::unique_ptr<wl_display, Destroy> display_;
  std::jthread thread_;
};

}  // namespace zc::test
