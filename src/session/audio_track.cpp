#include "session/audio_track.h"

#include "base/log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace zc {
namespace {

/// What is mixed at a time: 10 ms.
constexpr std::size_t kMixed = kAudioRate / 100;
constexpr std::size_t kKeptBefore = kAudioRate / 2;
constexpr std::size_t kPreSkip = 10;  // byte of OpusHead

std::int64_t samples_in(Nanoseconds time) {
  return std::llround(std::chrono::duration<double>(time).count() * kAudioRate);
}

void add(AudioTrackStatus& sum, const AudioResamplerStats& one) {
  sum.slowness_ppm = one.slowness_ppm;
  sum.gaps += one.gaps;
  sum.silence += one.silence;
  sum.late += one.late;
}

}  // namespace

/// A source in the mix.
class AudioTrack::Input final : public AudioReader {
 public:
  Input(const AudioInputOptions& options, std::unique_ptr<AudioSource> source, AudioMixer& mixer, std::uint64_t layout)
      : name_(to_string(options.source)),
        source_(std::move(source)),
        gain_(options.gain),
        format_{.rate = kAudioRate, .layout = layout},
        mixer_(mixer) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool on() const { return !streams_.empty(); }
  void read() { source_->read(*this); }
  void change(const AudioChange& change) {
    gain_ = change.gain.value_or(gain_);
    muted_ = change.muted.value_or(muted_);
    for (const auto& [stream, input] : streams_) mixer_.set_gain(input, heard());
  }

  void on_stream(std::uint32_t stream) override {
    if (const auto added = mixer_.add(format_, heard())) {
      streams_[stream] = *added;
    } else {
      logger("session").error("{}: {}", name_, added.error().message());
    }
  }
  void on_block(std::uint32_t stream, const AudioBlock& block) override {
    const auto found = streams_.find(stream);
    if (found == streams_.end()) return;
    if (const auto taken = mixer_.push(found->second, block); !taken) {
      logger("session").debug("{}: {}", name_, taken.error().message());
    }
  }
  void on_end(std::uint32_t stream) override {
    const auto found = streams_.find(stream);
    if (found == streams_.end()) return;
    if (const auto stats = mixer_.stats(found->second)) add(before_, *stats);
    mixer_.remove(found->second);
    streams_.erase(found);
  }

  void add_to(AudioTrackStatus& status) const {
    status.sources.push_back({.name = name_, .gain = gain_, .muted = muted_, .heard = !streams_.empty()});
    status.gaps += before_.gaps;
    status.silence += before_.silence;
    status.late += before_.late;
    status.lost += source_->lost();
    for (const auto& [stream, input] : streams_) {
      if (const auto stats = mixer_.stats(input)) add(status, *stats);
    }
  }

 private:
  [[nodiscard]] float heard() const { return muted_ ? 0 : gain_; }

  const std::string name_;
  std::unique_ptr<AudioSource> source_;
  float gain_;
  bool muted_ = false;
  const AudioFormat format_;
  AudioMixer& mixer_;
  std::map<std::uint32_t, AudioMixer::Input> streams_;
  AudioTrackStatus before_;  ///< of streams that have gone
};

AudioTrack::AudioTrack(const AudioOptions& options, std::uint32_t number, std::unique_ptr<AudioEncoder> encoder)
    : layout_(options.encoder.layout),
      channels_(AudioFormat{.layout = layout_}.channels()),
      number_(number),
      encoder_(std::move(encoder)),
      stream_(encoder_->stream()),
      start_(monotonic_now()),
      mixer_(options.encoder.layout, kMixed, start_) {
  // So that the packet that the priming is in ends where the stream begins: it is left out, and no time is below zero.
  const auto frame = static_cast<std::int64_t>(encoder_->stream().frame_samples);
  const auto priming = static_cast<std::int64_t>(encoder_->stream().priming);
  encoded_ = -((frame - priming % frame) % frame);
  kept_.assign(static_cast<std::size_t>(-encoded_) * channels_, 0.0F);
  stream_.priming = 0;
  // "pre-skip" (RFC 7845), which decoders would leave out of the stream.
  if (stream_.codec == AudioCodec::Opus && stream_.extradata.size() > kPreSkip + 1) {
    stream_.extradata[kPreSkip] = stream_.extradata[kPreSkip + 1] = std::byte{0};
  }
}

AudioTrack::~AudioTrack() = default;

void AudioTrack::close() { inputs_.clear(); }

Result<std::unique_ptr<AudioTrack>> AudioTrack::open(const AudioOptions& options, unsigned track,
                                                     std::uint32_t number) {
  std::vector<std::string> names;
  for (const AudioInputOptions& input : options.inputs) {
    if (input.track == track) names.push_back(to_string(input.source));
  }
  AudioEncoderOptions coding = options.encoder;
  coding.title = fmt::format("{}", fmt::join(names, ", "));
  auto encoder = AudioEncoder::open(coding);
  if (!encoder) return std::unexpected(std::move(encoder.error()));
  std::unique_ptr<AudioTrack> made(new AudioTrack(options, number, std::move(*encoder)));
  for (const AudioInputOptions& input : options.inputs) {
    if (input.track != track) continue;
    auto source = open_audio_source(input.source, options.encoder.layout, options.file);
    if (!source) return std::unexpected(std::move(source.error()));
    made->inputs_.push_back(std::make_unique<Input>(input, std::move(*source), made->mixer_, options.encoder.layout));
  }
  return made;
}

Result<void> AudioTrack::turn(const StreamClock& clock, bool last, const OnPacket& on_packet) {
  if (clock.unpaced()) return turn_unpaced(clock, last, on_packet);
  // Before it is looked for sound: what comes while this thread stands still is not late.
  const Nanoseconds now = monotonic_now();
  for (const auto& input : inputs_) input->read();
  while (true) {
    const std::int64_t position = mixer_.position();
    const auto frame = mixer_.next(now);
    if (!frame) return {};
    measure(mixer_.level());
    if (span_ == 0 && !clock.span(0)) {
      before_.insert(before_.end(), frame->begin(), frame->end());
      if (before_.size() > kKeptBefore * channels_) {
        before_.erase(before_.begin(), before_.begin() + static_cast<std::ptrdiff_t>(frame->size()));
        before_from_ += static_cast<std::int64_t>(kMixed);
      }
      continue;
    }
    if (!before_.empty()) cut(clock, before_from_, std::exchange(before_, {}));
    cut(clock, position, *frame);
    if (auto done = encode(false, on_packet); !done) return done;
  }
}

Result<void> AudioTrack::turn_unpaced(const StreamClock& clock, bool last, const OnPacket& on_packet) {
  if (mixer_.position() == 0) {
    // The first picture may be older than this track.
    const auto first = clock.span(0);
    if (!first) return {};
    if (start_ != first->from) mixer_ = AudioMixer(layout_, kMixed, start_ = first->from);
  }
  for (const auto& input : inputs_) input->read();
  // What has begun will have sound, or say that it is over: that is no matter of time.
  const bool wait = std::ranges::any_of(inputs_, &Input::on);
  while (const auto reached = clock.reached()) {
    const std::int64_t position = mixer_.position();
    if (position + (last ? 0 : static_cast<std::int64_t>(kMixed)) > samples_in(*reached - start_)) return {};
    const auto frame = mixer_.next(wait ? Nanoseconds::min() : Nanoseconds::max());
    if (!frame) return {};
    measure(mixer_.level());
    cut(clock, position, *frame);
    if (auto done = encode(false, on_packet); !done) return done;
  }
  return {};
}

void AudioTrack::measure(const AudioLevel& level) {
  static const float kFall = std::pow(10.0F, -20.0F / 20 / 100);
  constexpr float kPart = 1.0F / 30;
  constexpr float kNothing = 1e-6F;  // -120 dB
  meter_.peak = std::max(level.peak, meter_.peak * kFall);
  meter_.rms = std::sqrt(std::lerp(meter_.rms * meter_.rms, level.rms * level.rms, kPart));
  if (meter_.peak < kNothing) meter_ = {};
}

void AudioTrack::cut(const StreamClock& clock, std::int64_t position, std::span<const float> mixed) {
  const std::int64_t mixed_end = position + static_cast<std::int64_t>(mixed.size() / channels_);
  while (const auto span = clock.span(span_)) {
    const std::int64_t stream = samples_in(span->stream);
    const std::int64_t from = samples_in(span->from - start_);
    const auto to = span->end ? std::optional(from + samples_in(*span->end) - stream) : std::nullopt;
    const std::int64_t begin = std::max(position, from);
    const std::int64_t end = std::min(mixed_end, to.value_or(mixed_end));
    if (end > begin) {
      const auto first = static_cast<std::size_t>(begin - position) * channels_;
      keep(stream + begin - from, mixed.subspan(first, static_cast<std::size_t>(end - begin) * channels_));
    }
    if (!to || *to > mixed_end) return;
    ++span_;
  }
}

void AudioTrack::keep(std::int64_t at, std::span<const float> samples) {
  // A sample more or less where the recording was interrupted: no two spans meet on one.
  if (at > written_) kept_.insert(kept_.end(), static_cast<std::size_t>(at - written_) * channels_, 0.0F);
  const auto again = static_cast<std::size_t>(std::max<std::int64_t>(written_ - at, 0)) * channels_;
  written_ = std::max(written_, at);
  if (again >= samples.size()) return;
  kept_.insert(kept_.end(), samples.begin() + static_cast<std::ptrdiff_t>(again), samples.end());
  written_ += static_cast<std::int64_t>((samples.size() - again) / channels_);
}

Result<void> AudioTrack::encode(bool all, const OnPacket& on_packet) {
  const std::size_t frame = encoder_->stream().frame_samples * channels_;
  std::size_t used = 0;
  while (kept_.size() - used >= frame || (all && used < kept_.size())) {
    const std::size_t count = std::min(frame, kept_.size() - used);
    if (auto taken = encoder_->submit(encoded_, std::span(kept_).subspan(used, count)); !taken) return taken;
    used += count;
    encoded_ += static_cast<std::int64_t>(count / channels_);
    if (auto received = receive(on_packet); !received) return received;
  }
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(used));
  return {};
}

Result<void> AudioTrack::receive(const OnPacket& on_packet) {
  while (true) {
    auto packet = encoder_->receive();
    if (!packet) return std::unexpected(std::move(packet.error()));
    if (!*packet) return {};
    if ((*packet)->pts < 0) continue;
    (*packet)->track = number_;
    on_packet(**packet);
  }
}

bool AudioTrack::caught_up(const StreamClock& clock) const { return !clock.span(span_); }

Result<void> AudioTrack::drain(const OnPacket& on_packet) {
  if (auto done = encode(true, on_packet); !done) return done;
  if (auto drained = encoder_->drain(); !drained) return drained;
  return receive(on_packet);
}

bool AudioTrack::change(std::string_view source, const AudioChange& change) {
  bool any = false;
  for (const auto& input : inputs_) {
    if (input->name() != source) continue;
    input->change(change);
    any = true;
  }
  return any;
}

AudioTrackStatus AudioTrack::status() const {
  AudioTrackStatus status;
  status.codec = encoder_->stream().codec;
  status.level = meter_;
  for (const auto& input : inputs_) input->add_to(status);
  return status;
}

}  // namespace zc
