#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "media/surface.h"
#include "output/camera_picture.h"
#include "output/pipewire/camera_pods.h"
#include "pipewire/pipewire_connection.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

struct spa_meta_busy;

namespace zc {

/// Of all the nodes that a camera has had. Written on PipeWire's thread.
struct CameraCounters {
  std::atomic<std::uint64_t> shown{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> dropped{0};
};

/// A camera among PipeWire's nodes: a stream of the class Video/Source, role Camera, that drives its readers' graph
/// with every picture. The stream has one format, which the first reader chooses, and one set of buffers, which all
/// readers are linked to; PipeWire counts who still reads one (SPA_META_Busy). Where none is free, one that was kept
/// for kPatience is written to all the same, so that a stuck or killed reader takes no buffers from the others; and
/// while that goes on, sooner. Pictures are converted on PipeWire's thread, into the readers' memory.
class CameraNode {
 public:
  static constexpr Nanoseconds kPatience = std::chrono::seconds(2);
  static constexpr Nanoseconds kShortPatience = std::chrono::milliseconds(100);

  /// Called on PipeWire's thread; return at once.
  struct Callbacks {
    std::function<void()> picture_wanted;  ///< somebody reads from now on, and has no picture yet
    std::function<void(const Error&)> lost;
  };

  /// The node is there when this returns. Errors as PipeWireConnection::open(); `counters` outlives it.
  [[nodiscard]] static Result<std::unique_ptr<CameraNode>> open(const std::string& name, const CameraOffer& offer,
                                                                CameraCounters& counters, Callbacks callbacks);
  CameraNode(const CameraNode&) = delete;
  CameraNode& operator=(const CameraNode&) = delete;
  ~CameraNode();

  // Any thread.
  [[nodiscard]] bool watched() const { return streaming_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t readers() const { return readers_.load(std::memory_order_relaxed); }
  /// As PictureSink::show().
  void show(const Surface& picture, Nanoseconds captured);

 private:
  struct Events;
  /// A reader's link, as far as PipeWire tells of it.
  struct Link {
    ProxyPtr proxy;
    Hook hook;
    CameraNode* node = nullptr;
    bool active = false;
  };
  struct Waiting {
    Surface picture;
    Nanoseconds captured{};
  };
  struct Buffer {
    pw_buffer* buffer = nullptr;
    spa_meta_busy* busy = nullptr;  ///< null: PipeWire does not count its readers
    Nanoseconds given_out{};
  };

  CameraNode(const CameraOffer& offer, CameraCounters& counters, Callbacks callbacks)
      : offer_(offer), counters_(counters), callbacks_(std::move(callbacks)) {}

  // PipeWire's thread.
  [[nodiscard]] Result<void> create_stream(const std::string& name);
  void state_changed(pw_stream_state state, const char* message);
  void format_changed(const spa_pod* format);
  void look_at_links();
  void count_readers();
  void link_active();
  void remind();
  void give_picture();
  [[nodiscard]] bool due(Nanoseconds captured);
  /// One that nobody reads; null: there is none.
  [[nodiscard]] pw_buffer* dequeue();
  [[nodiscard]] pw_buffer* free_buffer();
  /// A reader has one for too long: it may be written to.
  [[nodiscard]] bool take_back();
  [[nodiscard]] Result<void> fill(const pw_buffer& buffer, const Waiting& waiting);

  const CameraOffer offer_;
  CameraCounters& counters_;
  const Callbacks callbacks_;
  std::atomic<bool> streaming_{false};
  std::atomic<std::size_t> readers_{0};

  std::mutex mutex_;
  std::optional<Waiting> waiting_;  ///< the newest picture, not yet converted

  // PipeWire's thread's.
  std::optional<CameraFormat> format_;
  CameraPicture picture_;
  std::vector<Buffer> buffers_;
  Nanoseconds taken_back_at_{};  ///< a buffer
  std::uint64_t sequence_ = 0;
  Nanoseconds newest_{};            ///< time of the newest picture
  Nanoseconds next_due_{};          ///< with a rate of the readers': nothing before
  bool whatever_the_rate_ = false;  ///< the next picture is for somebody who has none
  bool failure_told_ = false;

  std::unique_ptr<PipeWireConnection> connection_;
  StreamPtr stream_;
  Hook stream_hook_;
  spa_source* arrival_ = nullptr;
  spa_source* reminder_ = nullptr;  ///< a timer
  int reminders_ = 0;               ///< that are left
  std::map<std::uint32_t, std::unique_ptr<Link>> links_;
};

}  // namespace zc
