#include "support/tone.h"

#include "media/test_sound.h"

#include <pipewire/pipewire.h>
#include <spa/node/io.h>
#include <spa/param/audio/format-utils.h>
#include <spa/param/latency-utils.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

namespace zc::test {
namespace {

constexpr unsigned kRate = 48'000;

/// A thread of PipeWire's and a connection.
class Client {
 public:
  explicit Client(const char* name)
      : loop(make_loop(name)),
        context(pw_context_new(pw_thread_loop_get_loop(loop), nullptr, 0)),
        core(pw_context_connect(context, nullptr, 0)) {
    if (core == nullptr) throw std::runtime_error("no PipeWire to play to");
    pw_thread_loop_start(loop);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() {
    pw_thread_loop_stop(loop);
    pw_core_disconnect(core);
    pw_context_destroy(context);
    pw_thread_loop_destroy(loop);
  }
  template <class Call>
  void locked(const Call& call) {
    pw_thread_loop_lock(loop);
    call();
    pw_thread_loop_unlock(loop);
  }

  pw_thread_loop* loop;
  pw_context* context;
  pw_core* core;

 private:
  static pw_thread_loop* make_loop(const char* name) {
    pw_init(nullptr, nullptr);
    return pw_thread_loop_new(name, nullptr);
  }
};

}  // namespace

int rounds(int few) {
  const char* wanted = std::getenv("ZEROCAST_ROUNDS");
  return wanted == nullptr ? few : std::stoi(wanted);
}

struct NullSink::Impl {
  Client client{"test-sink"};
  pw_proxy* node = nullptr;
};

NullSink::NullSink(const std::string& name, int priority) : impl_(std::make_unique<Impl>()) {
  impl_->client.locked([&] {
    pw_properties* properties =
        pw_properties_new(PW_KEY_FACTORY_NAME, "support.null-audio-sink", PW_KEY_NODE_NAME, name.c_str(),
                          PW_KEY_MEDIA_CLASS, "Audio/Sink", "audio.position", "FL,FR", "monitor.channel-volumes",
                          "false", PW_KEY_PRIORITY_SESSION, std::to_string(priority).c_str(), nullptr);
    impl_->node = static_cast<pw_proxy*>(pw_core_create_object(impl_->client.core, "adapter", PW_TYPE_INTERFACE_Node,
                                                               PW_VERSION_NODE, &properties->dict, 0));
    pw_properties_free(properties);
  });
}
NullSink::~NullSink() {
  impl_->client.locked([&] { pw_proxy_destroy(impl_->node); });
}

namespace {

constexpr pw_stream_events events_of(decltype(pw_stream_events::process) process,
                                     decltype(pw_stream_events::io_changed) io_changed = nullptr) {
  pw_stream_events events{};
  events.version = PW_VERSION_STREAM_EVENTS;
  events.process = process;
  events.io_changed = io_changed;
  return events;
}

pw_stream* connect_stream(pw_core* core, const char* name, pw_properties* properties, spa_hook& hook,
                          const pw_stream_events& events, void* data, pw_direction direction, pw_stream_flags flags) {
  pw_stream* stream = pw_stream_new(core, name, properties);
  pw_stream_add_listener(stream, &hook, &events, data);
  std::array<std::byte, 512> memory{};
  spa_pod_builder builder{};
  spa_pod_builder_init(&builder, memory.data(), memory.size());
  spa_audio_info_raw info{};
  info.format = SPA_AUDIO_FORMAT_F32;
  info.rate = kRate;
  info.channels = 2;
  info.position[0] = SPA_AUDIO_CHANNEL_FL;
  info.position[1] = SPA_AUDIO_CHANNEL_FR;
  const spa_pod* params[] = {spa_format_audio_raw_build(&builder, SPA_PARAM_EnumFormat, &info)};
  const auto all = static_cast<pw_stream_flags>(flags | PW_STREAM_FLAG_MAP_BUFFERS | PW_STREAM_FLAG_RT_PROCESS);
  pw_stream_connect(stream, direction, PW_ID_ANY, all, params, 1);
  return stream;
}

}  // namespace

struct FarSink::Impl {
  static void process(void* data) noexcept {
    auto& self = *static_cast<Impl*>(data);
    if (pw_buffer* buffer = pw_stream_dequeue_buffer(self.stream)) pw_stream_queue_buffer(self.stream, buffer);
  }

  Client client{"test-far-sink"};
  pw_stream* stream = nullptr;
  spa_hook hook{};
};

FarSink::FarSink(const std::string& name, std::int64_t nanoseconds) : impl_(std::make_unique<Impl>()) {
  static constexpr pw_stream_events kEvents = events_of(Impl::process);
  impl_->client.locked([&] {
    pw_properties* properties = pw_properties_new(PW_KEY_MEDIA_CLASS, "Audio/Sink", PW_KEY_NODE_NAME, name.c_str(),
                                                  PW_KEY_PRIORITY_SESSION, "1000", nullptr);
    impl_->stream = connect_stream(impl_->client.core, name.c_str(), properties, impl_->hook, kEvents, impl_.get(),
                                   PW_DIRECTION_INPUT, PW_STREAM_FLAG_NONE);
    std::array<std::byte, 512> memory{};
    spa_pod_builder builder{};
    spa_pod_builder_init(&builder, memory.data(), memory.size());
    spa_latency_info latency{};
    latency.direction = SPA_DIRECTION_INPUT;
    latency.min_ns = latency.max_ns = static_cast<decltype(latency.max_ns)>(nanoseconds);
    const spa_pod* params[] = {spa_latency_build(&builder, SPA_PARAM_Latency, &latency)};
    pw_stream_update_params(impl_->stream, params, 1);
  });
}
FarSink::~FarSink() {
  impl_->client.locked([&] { pw_stream_destroy(impl_->stream); });
}

struct Device::Impl {
  explicit Impl(double slowness) : slow(slowness) {}

  static void io_changed(void* data, std::uint32_t id, void* area, std::uint32_t /*size*/) noexcept {
    auto& self = *static_cast<Impl*>(data);
    if (id == SPA_IO_Clock) self.clock = static_cast<spa_io_clock*>(area);
  }
  /// In PipeWire's thread: a cycle, of which the clock is told.
  static void process(void* data) noexcept {
    auto& self = *static_cast<Impl*>(data);
    spa_io_clock* clock = self.clock;
    const double begin = self.time;
    pw_buffer* buffer = pw_stream_dequeue_buffer(self.stream);
    if (buffer == nullptr || clock == nullptr) return;
    const auto frames = static_cast<std::uint32_t>(clock->target_duration);
    clock->rate = clock->target_rate;
    clock->duration = clock->target_duration;
    clock->nsec = static_cast<std::uint64_t>(begin * 1e9);
    clock->position += frames;
    clock->rate_diff = 1 / (1 + self.slow);
    const spa_data& memory = buffer->buffer->datas[0];
    auto* samples = static_cast<float*>(memory.data);
    for (std::uint32_t i = 0; i < frames; ++i) {
      const double at = begin + static_cast<double>(i) * (1 + self.slow) / kRate;
      const float heard = test_sound(Nanoseconds(static_cast<std::int64_t>(at * 1e9))) + kPresence;
      samples[2 * i] = samples[2 * i + 1] = heard;
    }
    memory.chunk->offset = 0;
    memory.chunk->stride = 2 * sizeof(float);
    memory.chunk->size = frames * 2 * static_cast<std::uint32_t>(sizeof(float));
    pw_stream_queue_buffer(self.stream, buffer);
    self.length = frames;
  }
  void run(const std::stop_token& stop) {
    time = std::chrono::duration<double>(monotonic_now()).count();
    while (!stop.stop_requested()) {
      time += static_cast<double>(length.load()) * (1 + slow) / kRate + static_cast<double>(lost.exchange(0)) / 1e9;
      std::this_thread::sleep_until(
          std::chrono::steady_clock::time_point(Nanoseconds(static_cast<std::int64_t>(time * 1e9))));
      if (!pw_stream_is_driving(stream)) continue;
      pw_stream_trigger_process(stream);
    }
  }

  const double slow;
  std::atomic<std::int64_t> lost = 0;
  std::atomic<std::uint32_t> length = 1024;  ///< samples of a cycle
  std::atomic<double> time = 0;              ///< seconds, of a cycle's first sample
  std::atomic<spa_io_clock*> clock = nullptr;
  Client client{"test-device"};
  pw_stream* stream = nullptr;
  spa_hook hook{};
  std::jthread thread;
};

Device::Device(const std::string& name, double slow) : impl_(std::make_unique<Impl>(slow)) {
  static constexpr pw_stream_events kEvents = events_of(Impl::process, Impl::io_changed);
  impl_->client.locked([&] {
    pw_properties* properties =
        pw_properties_new(PW_KEY_MEDIA_CLASS, "Audio/Source", PW_KEY_NODE_NAME, name.c_str(), PW_KEY_PRIORITY_SESSION,
                          "3000", PW_KEY_PRIORITY_DRIVER, "3000", nullptr);
    impl_->stream = connect_stream(impl_->client.core, name.c_str(), properties, impl_->hook, kEvents, impl_.get(),
                                   PW_DIRECTION_OUTPUT, PW_STREAM_FLAG_DRIVER);
  });
  impl_->thread = std::jthread([this](const std::stop_token& stop) { impl_->run(stop); });
}
Device::~Device() {
  impl_->thread = {};
  impl_->client.locked([&] { pw_stream_destroy(impl_->stream); });
}
void Device::lose(std::int64_t nanoseconds) { impl_->lost += nanoseconds; }

struct Tone::Impl {
  explicit Impl(ToneOptions wanted) : options(std::move(wanted)) {}

  static void process(void* data) noexcept {
    auto& self = *static_cast<Impl*>(data);
    pw_buffer* buffer = pw_stream_dequeue_buffer(self.stream);
    if (buffer == nullptr) return;
    pw_time time{};
    pw_stream_get_time_n(self.stream, &time, sizeof time);
    const spa_data& memory = buffer->buffer->datas[0];
    const std::uint32_t stride = 2 * sizeof(float);
    std::uint32_t frames = memory.maxsize / stride;
    if (buffer->requested != 0 && buffer->requested < frames) frames = static_cast<std::uint32_t>(buffer->requested);
    auto* samples = static_cast<float*>(memory.data);
    // When it will be heard, as players reckon (pw_time).
    const double tick = time.rate.denom == 0 ? 0.0 : static_cast<double>(time.rate.num) / time.rate.denom;
    const std::uint64_t waiting = time.queued / stride + time.buffered;  // frames
    const double start = static_cast<double>(time.now) / 1e9 + static_cast<double>(time.delay) * tick +
                         static_cast<double>(waiting) / kRate;
    for (std::uint32_t i = 0; i < frames; ++i) {
      const double at = start + static_cast<double>(i) / kRate;
      const double wave = self.options.hertz == 0
                              ? zc::test_sound(zc::Nanoseconds(static_cast<std::int64_t>(at * 1e9)))
                              : self.options.amplitude * std::sin(2 * std::numbers::pi * self.options.hertz * at);
      samples[2 * i] = samples[2 * i + 1] = static_cast<float>(wave);
    }
    memory.chunk->offset = 0;
    memory.chunk->stride = static_cast<std::int32_t>(stride);
    memory.chunk->size = frames * stride;
    pw_stream_queue_buffer(self.stream, buffer);
  }

  const ToneOptions options;
  Client client{"test-tone"};
  pw_stream* stream = nullptr;
  spa_hook hook{};
};

Tone::Tone(ToneOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {
  static constexpr pw_stream_events kEvents = events_of(Impl::process);
  impl_->client.locked([&] {
    const ToneOptions& o = impl_->options;
    pw_properties* properties =
        pw_properties_new(PW_KEY_MEDIA_TYPE, "Audio", PW_KEY_MEDIA_CATEGORY, "Playback", PW_KEY_MEDIA_ROLE, "Music",
                          PW_KEY_APP_NAME, o.application.c_str(), PW_KEY_NODE_NAME, o.application.c_str(), nullptr);
    if (o.microphone) {
      pw_properties_set(properties, PW_KEY_MEDIA_CLASS, "Audio/Source");
      pw_properties_set(properties, PW_KEY_PRIORITY_SESSION, "3000");
    }
    if (o.graph_rate != 0) {
      pw_properties_set(properties, PW_KEY_NODE_FORCE_RATE, std::to_string(o.graph_rate).c_str());
    }
    if (!o.sink.empty()) {
      pw_properties_set(properties, PW_KEY_TARGET_OBJECT, o.sink.c_str());
      // Otherwise it follows the default when that was its target.
      pw_properties_set(properties, "node.dont-move", "true");
    }
    impl_->stream =
        connect_stream(impl_->client.core, o.application.c_str(), properties, impl_->hook, kEvents, impl_.get(),
                       PW_DIRECTION_OUTPUT, o.microphone ? PW_STREAM_FLAG_NONE : PW_STREAM_FLAG_AUTOCONNECT);
  });
}
Tone::~Tone() {
  impl_->client.locked([&] { pw_stream_destroy(impl_->stream); });
}

}  // namespace zc::test
