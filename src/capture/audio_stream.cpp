#include "capture/audio_stream.h"

#include "base/log.h"

#include <pipewire/keys.h>
#include <spa/node/io.h>
#include <spa/param/audio/format-utils.h>
#include <spa/param/param.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <utility>

namespace zc {
namespace {

constexpr const char* kOperation = "receive sound from PipeWire";
constexpr std::size_t kRingSeconds = 2;

/// FFmpeg's loudspeakers, which stand in the order of the channels, as SPA's.
constexpr std::array kLoudspeakers{
    std::pair{0x1U, SPA_AUDIO_CHANNEL_FL},   std::pair{0x2U, SPA_AUDIO_CHANNEL_FR},
    std::pair{0x4U, SPA_AUDIO_CHANNEL_FC},   std::pair{0x8U, SPA_AUDIO_CHANNEL_LFE},
    std::pair{0x10U, SPA_AUDIO_CHANNEL_RL},  std::pair{0x20U, SPA_AUDIO_CHANNEL_RR},
    std::pair{0x200U, SPA_AUDIO_CHANNEL_SL}, std::pair{0x400U, SPA_AUDIO_CHANNEL_SR},
};

spa_audio_info_raw spa_format(const AudioFormat& format) {
  spa_audio_info_raw info{};
  info.format = SPA_AUDIO_FORMAT_F32;
  info.rate = format.rate;
  if (format.layout == kMono) {
    info.channels = 1;
    info.position[0] = SPA_AUDIO_CHANNEL_MONO;
    return info;
  }
  for (const auto& [bit, position] : kLoudspeakers) {
    if ((format.layout & bit) != 0) info.position[info.channels++] = position;
  }
  return info;
}

}  // namespace

/// libpipewire's C callbacks: nothing may be thrown through them, hence noexcept.
struct AudioStream::Callbacks {
  static AudioStream& self(void* data) { return *static_cast<AudioStream*>(data); }

  static void state_changed(void* data, pw_stream_state /*old*/, pw_stream_state state, const char* message) noexcept {
    logger("capture").debug("sound: {}{}{}", pw_stream_state_as_string(state), message != nullptr ? ": " : "",
                            message != nullptr ? message : "");
    // What is told may be an error of a link or parameter alone: the stream's own state says whether it is over.
    AudioStream& stream = self(data);
    const pw_stream_state own = stream.stream_ ? pw_stream_get_state(stream.stream_.get(), nullptr) : state;
    if (own == PW_STREAM_STATE_ERROR || own == PW_STREAM_STATE_UNCONNECTED) stream.over_.store(true);
  }
  static void io_changed(void* data, std::uint32_t id, void* area, std::uint32_t size) noexcept {
    if (id != SPA_IO_Position) return;
    const bool any = area != nullptr && size >= sizeof(spa_io_position);
    self(data).driver_.store(any ? static_cast<const spa_io_position*>(area)->clock.id : SPA_ID_INVALID);
  }
  static void process(void* data) noexcept { self(data).process(); }

  static constexpr pw_stream_events table() {
    pw_stream_events events{};
    events.version = PW_VERSION_STREAM_EVENTS;
    events.state_changed = state_changed;
    events.io_changed = io_changed;
    events.process = process;
    return events;
  }
  static const pw_stream_events kEvents;
};

constexpr pw_stream_events AudioStream::Callbacks::kEvents = table();

AudioStream::AudioStream(std::uint64_t layout)
    : format_{.rate = kAudioRate, .layout = layout},
      memory_(std::bit_ceil(kRingSeconds * kAudioRate * format_.channels() * sizeof(float))) {
  spa_ringbuffer_init(&ring_);
}

AudioStream::~AudioStream() {
  hook_.remove();
  stream_.reset();
}

Result<std::unique_ptr<AudioStream>> AudioStream::connect(pw_core* core, const Target& target, std::uint64_t layout) {
  std::unique_ptr<AudioStream> made(new AudioStream(layout));
  if (auto opened = made->open(core, target); !opened) return std::unexpected(std::move(opened.error()));
  return made;
}

Result<void> AudioStream::open(pw_core* core, const Target& target) {
  // The session manager keeps volume, mute and target by the role of a stream, and gives them to the next one of it:
  // one that somebody has moved to a microphone once would be the desktop's sound from then on.
  PropertiesPtr properties(pw_properties_new(PW_KEY_MEDIA_TYPE, "Audio", PW_KEY_MEDIA_CATEGORY, "Capture",
                                             PW_KEY_MEDIA_ROLE, "Production", "state.restore-target", "false",
                                             "state.restore-props", "false", nullptr));
  if (!properties) return fail_errno(ENOMEM, kOperation);
  // An application would take being recorded for the way to its loudspeaker, and show its pictures too early.
  pw_properties_set(properties.get(), PW_KEY_PORT_IGNORE_LATENCY, "true");
  if (target.monitor) pw_properties_set(properties.get(), PW_KEY_STREAM_CAPTURE_SINK, "true");
  if (!target.object.empty()) {
    pw_properties_set(properties.get(), PW_KEY_TARGET_OBJECT, target.object.c_str());
    // Somebody else's sound is never taken for it, and a target whose ports are not there yet is waited for.
    for (const char* key : {"node.dont-move", "node.dont-fallback", "node.linger"}) {
      pw_properties_set(properties.get(), key, "true");
    }
  }
  stream_.reset(pw_stream_new(core, "zerocast", properties.release()));
  if (!stream_) return fail_errno(errno, kOperation);
  pw_stream_add_listener(stream_.get(), hook_.get(), &Callbacks::kEvents, this);
  std::array<std::byte, 1024> memory{};
  spa_pod_builder builder{};
  spa_pod_builder_init(&builder, memory.data(), memory.size());
  const spa_audio_info_raw info = spa_format(format_);
  const spa_pod* params[] = {spa_format_audio_raw_build(&builder, SPA_PARAM_EnumFormat, &info)};
  constexpr int kFlags = PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_MAP_BUFFERS | PW_STREAM_FLAG_RT_PROCESS;
  // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange): several of them
  const auto flags = static_cast<pw_stream_flags>(kFlags);
  const int result = pw_stream_connect(stream_.get(), PW_DIRECTION_INPUT, PW_ID_ANY, flags, params, 1);
  if (result < 0) return fail_errno(-result, kOperation);
  return {};
}

/// PipeWire's real-time thread: nothing here waits or allocates.
void AudioStream::process() {
  pw_time now{};
  pw_stream_get_time_n(stream_.get(), &now, sizeof now);
  // How long ago the first sample was at the device, as far as PipeWire knows: for microphones.
  const double tick = now.rate.denom == 0 ? 0.0 : static_cast<double>(now.rate.num) / now.rate.denom;
  const double ago = static_cast<double>(now.delay) * tick + static_cast<double>(now.buffered) / kAudioRate;
  const auto delay = std::chrono::duration_cast<Nanoseconds>(std::chrono::duration<double>(ago));
  while (pw_buffer* buffer = pw_stream_dequeue_buffer(stream_.get())) {
    const spa_data& data = buffer->buffer->datas[0];
    if (buffer->buffer->n_datas > 0 && now.now != 0 && data.data != nullptr) {
      const std::uint32_t offset = std::min(data.chunk->offset, data.maxsize);
      const std::uint32_t bytes = std::min(data.chunk->size, data.maxsize - offset);
      write(Nanoseconds(now.now) - delay, static_cast<const std::byte*>(data.data) + offset, bytes);
    }
    pw_stream_queue_buffer(stream_.get(), buffer);
  }
}

void AudioStream::write(Nanoseconds time, const void* samples, std::uint32_t bytes) {
  bytes -= bytes % static_cast<std::uint32_t>(format_.channels() * sizeof(float));
  if (bytes == 0) return;
  const auto size = static_cast<std::uint32_t>(memory_.size());
  std::uint32_t index = 0;
  const std::int32_t filled = spa_ringbuffer_get_write_index(&ring_, &index);
  const Head head{.time = time.count(), .samples = bytes / static_cast<std::uint32_t>(sizeof(float))};
  if (filled < 0 || static_cast<std::uint32_t>(filled) + sizeof head + bytes > size) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  spa_ringbuffer_write_data(&ring_, memory_.data(), size, index & (size - 1), &head, sizeof head);
  index += sizeof head;
  spa_ringbuffer_write_data(&ring_, memory_.data(), size, index & (size - 1), samples, bytes);
  spa_ringbuffer_write_update(&ring_, static_cast<std::int32_t>(index + bytes));
}

bool AudioStream::any() const {
  std::uint32_t index = 0;
  return spa_ringbuffer_get_read_index(&ring_, &index) >= static_cast<std::int32_t>(sizeof(Head));
}

std::optional<AudioBlock> AudioStream::read() {
  if (!any()) return std::nullopt;
  const auto size = static_cast<std::uint32_t>(memory_.size());
  std::uint32_t index = 0;
  spa_ringbuffer_get_read_index(&ring_, &index);
  Head head{};
  spa_ringbuffer_read_data(&ring_, memory_.data(), size, index & (size - 1), &head, sizeof head);
  index += sizeof head;
  block_.resize(head.samples);
  const auto bytes = static_cast<std::uint32_t>(head.samples * sizeof(float));
  spa_ringbuffer_read_data(&ring_, memory_.data(), size, index & (size - 1), block_.data(), bytes);
  spa_ringbuffer_read_update(&ring_, static_cast<std::int32_t>(index + bytes));
  return AudioBlock{.time = Nanoseconds(head.time), .samples = block_};
}

}  // namespace zc
