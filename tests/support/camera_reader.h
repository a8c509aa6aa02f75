#pragma once

#include "media/test_mark.h"

#include <pipewire/pipewire.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace zc::test {

/// What a program that uses a camera asks for, and how it behaves.
struct ReaderOptions {
  std::string camera = "zerocast";        ///< its node's name
  std::vector<std::uint32_t> formats;     ///< SPA_VIDEO_FORMAT_* in the order of liking; empty: NV12, I420, YUY2, BGRx
  std::optional<spa_fraction> most_rate;  ///< pictures/s; nullopt: any
  bool keeps_all = false;                 ///< gives no picture back
  unsigned looks_for_ms = 0;              ///< at each picture, before it gives that back
};

struct ReadPicture {
  std::optional<TestMark> mark;  ///< of its luma, or green
  std::int64_t pts = 0;          ///< ns
  std::uint64_t sequence = 0;
  std::int64_t arrived = 0;  ///< ns, CLOCK_MONOTONIC
  std::uint32_t bytes = 0;
  std::int32_t stride = 0;
  bool changed = false;  ///< while it was looked at: another picture was written into it
};

/// A program that reads a camera of PipeWire's by its name, as browsers and GStreamer do; it knows nothing of what it
/// tests. Needs a session manager, which links it.
class CameraReader {
 public:
  explicit CameraReader(ReaderOptions options);
  CameraReader(const CameraReader&) = delete;
  CameraReader& operator=(const CameraReader&) = delete;
  ~CameraReader();

  /// Waits, 60 s at most, until `good` says so of what has been read so far.
  [[nodiscard]] bool wait(const std::function<bool(const std::vector<ReadPicture>&)>& good);
  [[nodiscard]] bool wait_for(std::size_t pictures);
  [[nodiscard]] std::vector<ReadPicture> pictures();
  [[nodiscard]] std::string error();
  // As negotiated.
  [[nodiscard]] std::uint32_t format();
  [[nodiscard]] spa_rectangle size();
  [[nodiscard]] std::optional<std::uint32_t> matrix();
  [[nodiscard]] std::optional<std::uint32_t> range();
  /// The thread that reads stands still from now on, as a program does that hangs.
  void hang();

 private:
  struct Events;
  void read();
  void format_changed(const spa_pod* format);

  const ReaderOptions options_;
  pw_thread_loop* loop_ = nullptr;
  pw_context* context_ = nullptr;
  pw_core* core_ = nullptr;
  pw_stream* stream_ = nullptr;
  spa_hook hook_{};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ReadPicture> pictures_;
  std::string error_;
  std::uint32_t format_ = 0;
  spa_rectangle size_{};
  std::optional<std::uint32_t> matrix_;
  std::optional<std::uint32_t> range_;
  bool hangs_ = false;
};

/// How many nodes of that name and of the class Video/Source the daemon has now, and their property.
[[nodiscard]] unsigned cameras_named(const std::string& name);
/// Of the first one; empty: there is none, or it has no such property.
[[nodiscard]] std::string camera_property(const std::string& name, const std::string& key);

}  // namespace zc::test
