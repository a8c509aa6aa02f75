#include "session/output_group.h"

#include "output/track_order.h"
#include "output/watch_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <string_view>
#include <thread>
#include <utility>

namespace zc {
namespace {

/// An output that cannot be finished in this time is given up; a file or pipe that writes nothing for so long.
constexpr std::chrono::milliseconds kCloseTimeout{2000};
/// A stream that stands still gives no keyframe.
constexpr Nanoseconds kLeaveTimeout = std::chrono::seconds(1);
constexpr std::string_view kNoReplay = "the session keeps none; start it with replay-seconds";

Result<void> check_codecs(Container container, const StreamParameters& stream) {
  auto fits = check_codec(container, stream.codec);
  for (const AudioStreamParameters& track : stream.audio) {
    if (fits) fits = check_codec(container, track.codec);
  }
  return fits;
}

}  // namespace

OutputGroup::OutputGroup(std::optional<Nanoseconds> replay, OutputGroupEvents events)
    : events_(std::move(events)),
      replay_(replay ? std::make_unique<ReplayBuffer>(*replay) : nullptr),
      outputs_(std::make_shared<const Outputs>()) {}

OutputGroup::~OutputGroup() { close(); }

std::shared_ptr<const OutputGroup::Outputs> OutputGroup::outputs() const {
  const std::lock_guard lock(mutex_);
  return outputs_;
}

Result<OutputGroup::OutputPtr> OutputGroup::make(const OutputSpec& spec) {
  auto runner = make_sink_runner(spec, *this, &write_times_);
  if (!runner) return std::unexpected(std::move(runner.error()));
  auto output = std::make_shared<Output>();
  output->runner = *std::move(runner);
  output->container = spec.container;
  output->watch = watch_command(spec);
  return output;
}

Result<void> OutputGroup::claim(const OutputSpec& spec) {
  auto output = make(spec);
  if (!output) return std::unexpected(std::move(output.error()));
  const std::lock_guard lock(mutex_);
  insert(*std::move(output));
  return {};
}

void OutputGroup::insert(OutputPtr output) {
  output->id = ++last_id_;
  auto more = std::make_shared<Outputs>(*outputs_);
  more->push_back(std::move(output));
  outputs_ = std::move(more);
  if (outputs_->size() < 2) return;  // who has one pipe only may leave it standing
  for (const OutputPtr& one : *outputs_) one->runner->limit_patience();
}

void OutputGroup::hurry() const {
  const auto present = outputs();
  for (const OutputPtr& output : *present) output->runner->limit_patience();
}

bool OutputGroup::takes_new_headers() const {
  if (replay_) return false;  // which container it is saved in is not known
  const std::lock_guard lock(mutex_);
  return std::ranges::all_of(*outputs_, [](const OutputPtr& one) {
    return one->error || one->left || info(one->container).takes_new_headers;
  });
}

Result<void> OutputGroup::start(const StreamParameters& stream, bool coded) {
  const std::lock_guard lock(mutex_);
  const auto due = [&](const Output& output) { return !output.started && (coded || output.runner->takes_pictures()); };
  for (const OutputPtr& output : *outputs_) {
    if (!due(*output)) continue;
    if (auto fits = check_codecs(output->container, stream); !fits) return fits;
  }
  for (const OutputPtr& output : *outputs_) {
    if (!due(*output)) continue;
    if (auto started = output->runner->start(stream); !started) return started;
    output->started = true;
  }
  if (replay_ && coded) replay_->start(stream);
  stream_ = stream;
  coded_ = coded;
  return {};
}

void OutputGroup::show(const Surface& picture, Nanoseconds captured) const {
  const auto present = outputs();
  for (const OutputPtr& output : *present) output->runner->show(picture, captured);
}

bool OutputGroup::watched() const {
  return std::ranges::any_of(*outputs(), [](const OutputPtr& one) { return one->runner->watched(); });
}

bool OutputGroup::takes_packets() const {
  return replay_ ||
         !std::ranges::all_of(*outputs(), [](const OutputPtr& one) { return one->runner->takes_pictures(); });
}

void OutputGroup::push(const Packet& packet) {
  const std::lock_guard one_at_a_time(push_mutex_);
  if (packet.new_stream) {
    const std::lock_guard lock(mutex_);
    stream_ = *packet.new_stream;
  }
  if (replay_ && replay_->push(packet)) events_.keyframe_wanted();
  const std::shared_ptr<const Outputs> all = outputs();
  for (const OutputPtr& output : *all) {
    if (output->runner->takes_pictures()) continue;
    const bool begins = output->from_keyframe;
    if (!admit(*output, packet)) continue;
    output->runner->push(packet);
    if (!begins) continue;
    for (const Packet& sound : recent_sound_) {
      if (sound.pts >= packet.pts) output->runner->push(sound);
    }
  }
  if (packet.track != 0) keep_sound(packet);
}

void OutputGroup::keep_sound(const Packet& packet) {
  recent_sound_.push_back(packet);
  while (recent_sound_.front().pts + to_packet_clock(TrackOrder::kPatience) < packet.pts) recent_sound_.pop_front();
}

bool OutputGroup::admit(Output& output, const Packet& packet) {
  if (output.from_keyframe && !packet.keyframe) return false;
  output.from_keyframe = false;
  if (packet.track != 0 && output.left) {
    // Sound comes later than the pictures it belongs to.
    if (packet.pts < output.left_at) return true;
    const std::lock_guard lock(mutex_);
    output.sound_left |= 1U << packet.track;
    left_.notify_all();
    return false;
  }
  if (!packet.keyframe) return !output.left;
  const std::lock_guard lock(mutex_);
  if (!output.leaving) return true;
  output.left = true;
  output.left_at = packet.pts;
  left_.notify_all();
  return false;
}

Result<void> OutputGroup::add(const OutputSpec& spec) {
  const std::string name = spec.name();
  {
    const std::lock_guard lock(mutex_);
    if (std::ranges::any_of(*outputs_, [&](const OutputPtr& one) { return one->runner->name() == name; })) {
      return fail(ErrorKind::Invalid, "add " + name, "it is a sink of this session already");
    }
    if (coded_) {
      if (auto fits = check_codecs(spec.container, *stream_); !fits) return fits;
    }
  }
  auto output = make(spec);
  if (!output) return std::unexpected(std::move(output.error()));
  {
    const std::lock_guard lock(mutex_);
    if (stream_ && (coded_ || spec.camera())) {
      (*output)->from_keyframe = true;
      (*output)->started = true;
      if (auto started = (*output)->runner->start(*stream_); !started) return started;
    }
    insert(*std::move(output));
  }
  if (!spec.camera()) events_.keyframe_wanted();
  return {};
}

Result<void> OutputGroup::remove(const std::string& name) {
  OutputPtr output;
  bool told = false;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(
        *outputs_, name, [](const OutputPtr& one) -> const std::string& { return one->runner->name(); });
    if (found == outputs_->end()) {
      std::vector<std::string> names;
      for (const OutputPtr& one : *outputs_) names.push_back(one->runner->name());
      return fail(ErrorKind::NotFound, "remove " + name,
                  names.empty() ? "the session has no sink"
                                : fmt::format("the session's sinks are {}", fmt::join(names, ", ")));
    }
    output = *found;
    if (std::exchange(output->leaving, true)) return fail(ErrorKind::Busy, "remove " + name, "it is being removed");
  }
  const bool camera = output->runner->takes_pictures();
  if (!camera) events_.keyframe_wanted();
  {
    std::unique_lock lock(mutex_);
    told = camera ? output->error.has_value() : wait_until_left(lock, *output);
    auto fewer = std::make_shared<Outputs>(*outputs_);
    std::erase(*fewer, output);
    outputs_ = std::move(fewer);
  }
  finish(*output, kCloseTimeout);
  const std::lock_guard lock(mutex_);
  removed_.push_back(report(*output));
  return output->error && !told ? Result<void>(std::unexpected(*output->error)) : Result<void>{};
}

bool OutputGroup::wait_until_left(std::unique_lock<std::mutex>& lock, const Output& output) {
  const bool told = output.error.has_value();
  if (!output.started) return told;
  left_.wait_for(lock, kLeaveTimeout, [&] { return output.left || output.error; });
  const std::size_t tracks = stream_ ? stream_->audio.size() : 0;
  left_.wait_for(lock, kLeaveTimeout, [&] {
    return !output.left || output.error || std::cmp_greater_equal(std::popcount(output.sound_left), tracks);
  });
  return told;
}

Result<void> OutputGroup::set_replay_length(Nanoseconds length) const {
  if (!replay_) return fail(ErrorKind::Unsupported, "change the replay", std::string(kNoReplay));
  replay_->set_length(length);
  return {};
}

Result<std::string> OutputGroup::save_replay(const OutputSpec& spec) const {
  if (!replay_) return fail(ErrorKind::Unsupported, "save the replay", std::string(kNoReplay));
  return replay_->save(spec);
}

void OutputGroup::finish(Output& output, std::chrono::milliseconds limit) {
  // A failure was told through on_error() when it happened; one of closing itself is kept for the report.
  const auto closed = output.runner->stop(limit);
  const std::lock_guard lock(mutex_);
  if (!closed && !output.error) output.error = closed.error();
}

void OutputGroup::close() {
  if (std::exchange(closed_, true)) return;
  std::vector<std::jthread> closing;  // a slow one takes none of the others' time
  const auto present = outputs();
  for (const OutputPtr& output : *present) {
    closing.emplace_back([this, output] { finish(*output, kCloseTimeout); });
  }
}

void OutputGroup::on_error(const std::string& name, const Error& error, bool fatal) {
  bool last = false;
  if (fatal) {
    const std::lock_guard lock(mutex_);
    for (const OutputPtr& output : *outputs_) {
      if (output->runner->name() == name && !output->error) output->error = error;
    }
    last = all_failed();
  }
  events_.failed(name, error, fatal);
  if (last) events_.all_failed(error);
}

bool OutputGroup::all_failed() const {
  const auto failed = [](const OutputPtr& output) { return output->error.has_value(); };
  return !replay_ && !outputs_->empty() && std::ranges::all_of(*outputs_, failed);
}

void OutputGroup::on_keyframe_wanted(const std::string& /*name*/) { events_.keyframe_wanted(); }

void OutputGroup::on_picture_wanted(const std::string& /*name*/) {
  if (events_.picture_wanted) events_.picture_wanted();
}

std::vector<OutputStatus> OutputGroup::status() const {
  const std::lock_guard lock(mutex_);
  std::vector<OutputStatus> all;
  for (const OutputPtr& output : *outputs_) {
    all.push_back({output->id, output->runner->name(), output->runner->stats(), output->error, output->watch});
  }
  return all;
}

OutputReport OutputGroup::report(const Output& output) const {
  const SinkStats stats = output.runner->stats();
  return {.name = output.runner->name(),
          .camera = output.runner->takes_pictures(),
          .bytes = stats.bytes,
          .packets = stats.packets,
          .dropped = stats.dropped,
          .further_files = output.runner->further_files(),
          .error = output.error};
}

std::vector<OutputReport> OutputGroup::reports() const {
  const std::lock_guard lock(mutex_);
  std::vector<OutputReport> all = removed_;
  for (const OutputPtr& output : *outputs_) all.push_back(report(*output));
  return all;
}

std::vector<SinkCongestion> OutputGroup::congestion() const {
  std::vector<SinkCongestion> all;
  const auto present = outputs();
  for (const OutputPtr& output : *present) {
    auto one = output->runner->congestion();
    if (!one) continue;
    one->sink = output->id;
    all.push_back(*std::move(one));
  }
  return all;
}

std::optional<Nanoseconds> OutputGroup::longest_gap() const {
  std::optional<Nanoseconds> least;
  const auto present = outputs();
  for (const OutputPtr& output : *present) {
    if (const auto gap = output->runner->longest_gap()) least = std::min(least.value_or(*gap), *gap);
  }
  return least;
}

Nanoseconds OutputGroup::replay_held() const { return replay_ ? replay_->held() : Nanoseconds{}; }

}  // namespace zc
