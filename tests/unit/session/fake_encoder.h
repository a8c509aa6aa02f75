// Encoders that behave as a test wants, and what they are given.
#pragma once

#include "base/error.h"
#include "encode/encoder.h"
#include "session/encode_stage.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/frame.h>
#include <libavutil/mem.h>
#include <libavutil/pixfmt.h>
}

namespace zc::test {

inline constexpr SurfaceFormat kFormat{PixelFormat::NV12, {64, 64}};
inline constexpr std::uint32_t kForEver = std::numeric_limits<std::uint32_t>::max();

/// Of all stages of the stream so far.
inline std::vector<Failover> failovers(const EncodedStream& stream) {
  const std::lock_guard lock(stream.mutex);
  return stream.failovers;
}

/// A call that returns when it is told to.
class Gate {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    ++inside_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --inside_;
    changed_.notify_all();
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait_until_entered() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return inside_ > 0; });
  }
  /// Until nobody stands in it any more.
  void wait_until_empty() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return inside_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int inside_ = 0;
};

/// What was asked of the encoders, in order.
struct Asked {
  std::mutex mutex;
  std::vector<std::string> words;
  void add(std::string word) {
    const std::lock_guard lock(mutex);
    words.push_back(std::move(word));
  }
};

struct Behaviour {
  std::string name;
  std::uint32_t holds = 0;            ///< pictures it keeps inside
  std::uint32_t fails_at = kForEver;  ///< submit() of this picture (from 0) fails
  bool fails_to_drain = false;
  bool hangs_in_drain = false;  ///< drain() waits for the gate
  bool mute = false;            ///< takes everything, gives nothing
  bool hardware = true;
  PixelFormat input = PixelFormat::NV12;
  std::uint32_t busy_at = kForEver;   ///< from this picture on submit() takes none
  std::uint32_t hangs_at = kForEver;  ///< submit() of this picture waits for the gate
  Gate* gate = nullptr;
  Asked* asked = nullptr;
  std::optional<ErrorKind> refuses_changes{};
  bool reopens = false;
  std::atomic<int>* alive = nullptr;  ///< counts encoders
};

/// "Encodes" a picture to its encoder's first letter; the first one is a keyframe.
class FakeEncoder final : public Encoder {
 public:
  explicit FakeEncoder(Behaviour behaviour) : behaviour_(std::move(behaviour)) {
    input_.format = behaviour_.input;
    if (behaviour_.alive != nullptr) ++*behaviour_.alive;
  }
  FakeEncoder(const FakeEncoder&) = delete;
  FakeEncoder& operator=(const FakeEncoder&) = delete;
  ~FakeEncoder() override {
    if (behaviour_.alive != nullptr) --*behaviour_.alive;
  }
  std::string_view name() const override { return behaviour_.name; }
  const SurfaceFormat& input() const override { return input_; }
  const StreamParameters& stream() const override { return stream_; }
  bool hardware() const override { return behaviour_.hardware; }
  std::size_t most_held() const override { return behaviour_.holds; }
  Result<void> submit(const Surface& surface) override {
    if (surface.format() != input_) return fail(ErrorKind::Internal, "submit", "not my format");
    if (submitted_ >= behaviour_.busy_at) return fail(ErrorKind::Busy, "submit", "later");
    if (submitted_ == behaviour_.hangs_at) behaviour_.gate->wait();
    if (submitted_++ == behaviour_.fails_at) return fail(ErrorKind::Lost, "encode", "the device is gone");
    inside_.push_back(to_packet_clock(surface.stream_time));
    return {};
  }
  Result<std::optional<Packet>> receive() override {
    if (behaviour_.mute || inside_.empty()) return std::nullopt;
    if (!draining_ && flushed_ == 0 && inside_.size() <= behaviour_.holds) return std::nullopt;
    AvBufferPtr buffer(av_buffer_alloc(1));
    auto* letter = reinterpret_cast<std::byte*>(buffer->data);
    *letter = static_cast<std::byte>(behaviour_.name.front());
    Packet packet(std::move(buffer), {letter, 1});
    packet.pts = inside_.front();
    packet.dts = packet.pts - 9'000;  // as if it reordered pictures
    packet.keyframe = std::exchange(first_, false);
    if (flushed_ > 0) first_ = --flushed_ == 0;
    inside_.pop_front();
    return packet;
  }
  void request_keyframe() override { ask("keyframe"); }
  Result<Change> set_bitrate(std::int64_t bits_per_second, bool new_headers) override {
    return changed(std::to_string(bits_per_second), new_headers);
  }
  Result<Change> set_rate(Rational rate, bool /*new_headers*/) override {
    return changed(std::to_string(rate.num) + "/" + std::to_string(rate.den));
  }
  Result<Change> set_size(Size size) override {
    auto change = changed(std::to_string(size.width) + "x" + std::to_string(size.height));
    if (!change) return change;
    input_.size = stream_.size = size;
    flushed_ = inside_.size();
    first_ = inside_.empty();
    return Change::Reopened;
  }
  Result<void> flush() override {
    ask("flush");
    flushed_ = inside_.size();
    return {};
  }
  Result<void> drain() override {
    if (behaviour_.hangs_in_drain) behaviour_.gate->wait();
    if (behaviour_.fails_to_drain) return fail(ErrorKind::Lost, "drain", "the device is gone");
    draining_ = true;
    return {};
  }

 private:
  void ask(std::string word) const {
    if (behaviour_.asked != nullptr) behaviour_.asked->add(std::to_string(submitted_) + " " + std::move(word));
  }
  Result<Change> changed(std::string word, bool new_headers = true) {
    ask(std::move(word));
    if (!new_headers) return fail(ErrorKind::Unsupported, "change", "other headers");
    if (behaviour_.refuses_changes) return fail(*behaviour_.refuses_changes, "change", "not now");
    return behaviour_.reopens ? Change::Reopened : Change::InPlace;
  }

  Behaviour behaviour_;
  SurfaceFormat input_ = kFormat;
  StreamParameters stream_;
  std::deque<std::int64_t> inside_;
  std::size_t flushed_ = 0;  // so many come out before any others
  std::uint32_t submitted_ = 0;
  bool first_ = true;
  bool draining_ = false;
};

class Heirs final : public EncoderSuccession {
 public:
  explicit Heirs(std::vector<Behaviour> heirs) : heirs_(heirs.begin(), heirs.end()) {}
  bool possible() const override { return !heirs_.empty(); }
  Result<std::unique_ptr<Encoder>> next(std::string_view failed, const Error& why) override {
    failures.push_back(std::string(failed) + ": " + why.detail);
    if (heirs_.empty()) return fail(ErrorKind::Lost, "encode", "nobody is left");
    auto heir = std::make_unique<FakeEncoder>(heirs_.front());
    heirs_.pop_front();
    return heir;
  }
  void reopened(const Encoder& encoder) override { reopenings.emplace_back(encoder.name()); }
  std::vector<std::string> failures;
  std::vector<std::string> reopenings;

 private:
  std::deque<Behaviour> heirs_;
};

/// At 50 pictures/s. `alive` counts pictures that anybody holds.
inline Surface picture(std::uint32_t number, std::atomic<int>* alive = nullptr, Size size = kFormat.size) {
  AvFramePtr frame(av_frame_alloc());
  frame->format = AV_PIX_FMT_NV12;
  frame->width = static_cast<int>(size.width);
  frame->height = static_cast<int>(size.height);
  if (av_frame_get_buffer(frame.get(), 0) != 0) std::abort();
  for (int plane = 0; plane < 2; ++plane) {
    const auto bytes = static_cast<std::size_t>(frame->linesize[plane]) * size.height / (plane == 0 ? 1 : 2);
    std::fill_n(frame->data[plane], bytes, std::uint8_t{128});
  }
  if (alive != nullptr) {
    const auto let_go = [](void* count, std::uint8_t* byte) {
      av_free(byte);
      --*static_cast<std::atomic<int>*>(count);
    };
    frame->opaque_ref = av_buffer_create(static_cast<std::uint8_t*>(av_mallocz(1)), 1, let_go, alive, 0);
    if (frame->opaque_ref == nullptr) std::abort();
    ++*alive;
  }
  SurfaceFormat format = kFormat;
  format.size = size;
  Surface surface(std::move(frame), format);
  surface.stream_time = std::chrono::milliseconds(20) * number;
  return surface;
}

}  // namespace zc::test
