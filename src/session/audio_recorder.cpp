#include "session/audio_recorder.h"

#include "base/log.h"
#include "base/process_stats.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <utility>

namespace zc {
namespace {

constexpr std::chrono::milliseconds kTurn{20};
constexpr std::chrono::seconds kBringOut{3};  // longer than the mixer's longest patience
/// Unpaced, at the end: a file that gives no sound for so long gives none any more.
constexpr std::chrono::seconds kEndPatience{3};
/// Minutes of sound, for a disk that stands still.
constexpr QueueLimits kLimits{.packets = 16'384, .bytes = std::size_t{64} << 20U};

}  // namespace

AudioRecorder::AudioRecorder(const StreamClock& clock) : clock_(clock), queue_(QueuePolicy::Block, kLimits) {}

AudioRecorder::~AudioRecorder() {
  listener_.request_stop();
  queue_.close();
}

Result<std::unique_ptr<AudioRecorder>> AudioRecorder::open(const AudioOptions& options, const StreamClock& clock) {
  std::unique_ptr<AudioRecorder> made(new AudioRecorder(clock));
  std::set<unsigned> tracks;
  for (const AudioInputOptions& input : options.inputs) tracks.insert(input.track);
  for (const unsigned track : tracks) {
    const auto number = static_cast<std::uint32_t>(made->tracks_.size() + 1);
    auto opened = AudioTrack::open(options, track, number);
    if (!opened) return std::unexpected(std::move(opened.error()));
    made->tracks_.push_back(std::move(*opened));
  }
  made->failed_.resize(made->tracks_.size());
  made->handed_over_.resize(made->tracks_.size());
  made->listener_ = std::jthread([recorder = made.get()](const std::stop_token& stop) {
    name_this_thread("zc-audio");
    recorder->listen(stop);
  });
  return made;
}

std::vector<AudioStreamParameters> AudioRecorder::streams() const {
  std::vector<AudioStreamParameters> streams;
  streams.reserve(tracks_.size());
  for (const auto& track : tracks_) streams.push_back(track->stream());
  return streams;
}

void AudioRecorder::start(std::function<void(const Packet&)> on_packet) {
  deliverer_ = std::jthread([this, on_packet = std::move(on_packet)] {
    name_this_thread("zc-audio-out");
    hand_over(on_packet);
  });
}

void AudioRecorder::hand_over(const std::function<void(const Packet&)>& on_packet) {
  Packet packet;
  while (true) {
    const PacketQueue::Pop popped = queue_.pop(packet, std::chrono::seconds(1));
    if (popped == PacketQueue::Pop::Closed) return;
    if (popped != PacketQueue::Pop::Packet) continue;
    on_packet(packet);
    const std::lock_guard lock(mutex_);
    handed_over_[packet.track - 1] = packet.pts + packet.duration;
    changed_.notify_all();
    packet = Packet();
  }
}

bool AudioRecorder::handed_over(std::int64_t time) const {
  for (std::size_t i = 0; i < tracks_.size(); ++i) {
    const auto packet = static_cast<std::int64_t>(tracks_[i]->stream().frame_samples) * kPacketClock / kAudioRate;
    // One frame that is not full yet, and one in the encoder.
    if (!failed_[i] && handed_over_[i] + 2 * packet < time) return false;
  }
  return true;
}

void AudioRecorder::bring_out() {
  const std::int64_t now = to_packet_clock(clock_.now());
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kBringOut, [&] { return handed_over(now); });
}

void AudioRecorder::listen(const std::stop_token& stop) {
  while (!stop.stop_requested() && turn()) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, kTurn, [] { return false; });
  }
  queue_.close();
}

bool AudioRecorder::turn() {
  const bool more = encode();
  // Not with the mutex held: a disk that stands still fills the queue.
  for (const Packet& packet : ready_) static_cast<void>(queue_.push(packet));
  ready_.clear();
  return more;
}

bool AudioRecorder::encode() {
  const auto keep = [this](const Packet& packet) { ready_.push_back(packet); };
  const std::lock_guard lock(mutex_);
  bool more = !finishing_;
  for (std::size_t i = 0; i < tracks_.size(); ++i) {
    if (failed_[i]) continue;
    Result<void> done = tracks_[i]->turn(clock_, finishing_, keep);
    if (done && finishing_ && !tracks_[i]->caught_up(clock_)) more = true;
    if (done) continue;
    failed_[i] = true;
    tracks_[i]->close();
    logger("session").error("track {} of the sound ends here: {}", i + 1, done.error().message());
  }
  if (!ready_.empty()) progressed_ = monotonic_now();
  if (more && finishing_ && clock_.unpaced() && monotonic_now() > progressed_ + kEndPatience) {
    logger("session").warn("the end of the sound is missing: its file does not give it");
    more = false;
  }
  for (std::size_t i = 0; !more && i < tracks_.size(); ++i) {
    if (failed_[i]) continue;
    if (const auto drained = tracks_[i]->drain(keep); !drained) {
      logger("session").error("the end of track {} of the sound is missing: {}", i + 1, drained.error().message());
    }
  }
  return more;
}

void AudioRecorder::finish() {
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
    progressed_ = monotonic_now();
  }
  if (listener_.joinable()) listener_.join();
  if (deliverer_.joinable()) deliverer_.join();
}

Result<void> AudioRecorder::change(std::string_view source, const AudioChange& change) {
  const std::lock_guard lock(mutex_);
  bool any = false;
  for (const auto& track : tracks_) any |= track->change(source, change);
  if (any) return {};
  std::vector<std::string> names;
  for (const auto& track : tracks_) {
    for (const AudioSourceStatus& one : track->status().sources) names.push_back(one.name);
  }
  return fail(ErrorKind::NotFound, fmt::format("change the volume of {}", source),
              fmt::format("the session's sources of sound are {}", fmt::join(names, ", ")));
}

std::vector<AudioTrackStatus> AudioRecorder::status() const {
  const std::lock_guard lock(mutex_);
  std::vector<AudioTrackStatus> all;
  all.reserve(tracks_.size());
  for (const auto& track : tracks_) all.push_back(track->status());
  return all;
}

}  // namespace zc
