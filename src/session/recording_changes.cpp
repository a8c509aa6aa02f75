// What changes of a recording while it runs, and how it does.
#include "base/log.h"
#include "session/recording_impl.h"
#include "session/snapshot.h"

#include <fmt/format.h>

#include <algorithm>

namespace zc {
namespace {

constexpr double kMaxConstantRate = 1000.0;

}  // namespace

void RecordingImpl::set_paused(bool on) {
  paused_.store(on);
  if (begun_.load()) pictures_->set_paused(on);
}

void RecordingImpl::request_keyframe() {
  if (const auto stage = stage_at_work()) stage->request_keyframe();
}

void RecordingImpl::make_early_changes() {
  EncoderChoice& encoders = factory_.encoders();
  const std::lock_guard lock(change_mutex_);
  if (const auto bit_rate = encoders.bit_rate()) {
    if (const auto changed = stage_at_work()->set_bitrate(*bit_rate, outputs_.takes_new_headers()); !changed) {
      logger("session").warn("{}", changed.error().message());
      encoders.restore_bitrate(std::nullopt);
    }
  }
  if (const auto rate = encoders.rate()) pace(*rate);
}

void RecordingImpl::pace(Rational rate) {
  // Pictures come at that rate whatever the encoder expects.
  const auto stage = stage_at_work();
  const auto known = stage ? stage->set_rate(rate, outputs_.takes_new_headers()) : Result<void>();
  if (!known) {
    logger("session").warn("the encoder keeps the bit budget of the frame rate before: {}", known.error().message());
  }
  pictures_->set_rate(rate);
}

OutputSpec RecordingImpl::for_following(OutputSpec spec) const {
  if (auto* rtmp = std::get_if<RtmpOutput>(&spec.target)) rtmp->short_buffer = options_.adaptive.has_value();
  return spec;
}

Result<void> RecordingImpl::add_output(const OutputSpec& spec) {
  if (auto fits = spec.camera() ? check_camera_colour(options_.encoder.colour) : Result<void>(); !fits) return fits;
  OutputSpec as_the_others = for_following(spec);
  auto* file = std::get_if<FileOutput>(&as_the_others.target);
  for (const OutputSpec& other : options_.outputs) {
    const auto* one = std::get_if<FileOutput>(&other.target);
    if (file != nullptr && one != nullptr) file->split = one->split;
  }
  auto added = outputs_.add(as_the_others);
  if (added && !spec.camera() && begun_.load() && !stage_at_work()) add_encoder();
  return added;
}

void RecordingImpl::add_encoder() {
  // As after a sleep, where one is chosen anyway.
  if (intake_.asleep()) return;
  intake_.set_asleep(true);
  intake_.set_asleep(false);
}

Result<void> RecordingImpl::save_picture(const FileOutput& output) {
  const std::lock_guard one_at_a_time(picture_mutex_);
  Surface newest = begun_.load(std::memory_order_acquire) ? pictures_->newest() : Surface();
  if (!newest) {
    return fail(ErrorKind::Busy, "take a snapshot",
                intake_.asleep() ? "the machine is asleep" : "there is no picture yet");
  }
  return save_png(std::move(newest), output);
}

Result<void> RecordingImpl::set_bitrate(std::int64_t bits_per_second) {
  const std::lock_guard lock(change_mutex_);
  auto changed = change_bitrate(bits_per_second);
  if (changed && controller_) {
    const BitrateController::Limits limits = controller_->limits();
    controller_->set_limits({.most = bits_per_second, .least = std::min(limits.least, bits_per_second)});
  }
  return changed;
}

Result<void> RecordingImpl::change_bitrate(std::int64_t bits_per_second) {
  EncoderChoice& encoders = factory_.encoders();
  const auto before = encoders.bit_rate();
  const auto stage = stage_at_work();
  if (auto ok = encoders.set_bitrate(bits_per_second); !ok || !stage) return ok;
  auto changed = stage->set_bitrate(bits_per_second, outputs_.takes_new_headers());
  if (!changed && changed.error().kind != ErrorKind::Timeout) encoders.restore_bitrate(before);
  return changed;
}

void RecordingImpl::follow_network() {
  if (!begun_.load() || paused_.load() || intake_.asleep()) return;
  const std::lock_guard lock(change_mutex_);
  if (!controller_) return;
  const std::int64_t before = controller_->target();
  const auto rate = controller_->step(monotonic_now(), outputs_.congestion());
  if (!rate) return;
  const std::uint64_t reopens = stream_.metrics.reopens.load(std::memory_order_relaxed);
  if (const auto changed = change_bitrate(*rate); !changed) {
    const ErrorKind kind = changed.error().kind;
    if (kind == ErrorKind::Busy || kind == ErrorKind::Timeout || kind == ErrorKind::Lost) {
      controller_->take_back(before);
      return;
    }
    logger("session").warn("the bit rate does not follow the network: {}", changed.error().message());
    controller_.reset();
    return;
  }
  controller_->set_costly(stream_.metrics.reopens.load(std::memory_order_relaxed) != reopens);
  bitrate_reductions_.store(controller_->reductions(), std::memory_order_relaxed);
  if (*rate < before) {
    logger("session").info("the network takes less than {} bit/s: {} bit/s from here on", before, *rate);
  } else {
    logger("session").debug("{} bit/s again", *rate);
  }
}

Result<void> RecordingImpl::change_audio(std::string_view source, const AudioChange& change) {
  if (!audio_) return fail(ErrorKind::Unsupported, "change the volume", "the session has no sound");
  return audio_->change(source, change);
}

Result<void> RecordingImpl::set_rate(Rational rate) {
  if (!options_.constant_rate) {
    return fail(ErrorKind::Unsupported, "set the frame rate", "it is variable: every picture has its own time");
  }
  if (rate.zero() || rate.value() > kMaxConstantRate) {
    return fail(ErrorKind::Invalid, "set the frame rate",
                fmt::format("{} is not above 0 and at most {}", rate.value(), kMaxConstantRate));
  }
  EncoderChoice& encoders = factory_.encoders();
  const std::lock_guard lock(change_mutex_);
  encoders.set_rate(rate);
  if (begun_.load()) pace(rate);
  return {};
}

Result<void> RecordingImpl::set_min_rate(double rate) {
  if (options_.constant_rate) {
    return fail(ErrorKind::Unsupported, "set the least frame rate",
                "the rate is constant: pictures are repeated to hold it");
  }
  min_rate_.store(rate);
  follow_outputs();
  return {};
}

void RecordingImpl::follow_outputs() {
  if (options_.constant_rate || !begun_.load()) return;
  Nanoseconds gap = max_gap(min_rate_.load());
  if (const auto most = outputs_.longest_gap()) gap = gap.count() > 0 ? std::min(gap, *most) : *most;
  if (gap_.exchange(gap.count()) != gap.count()) pictures_->set_max_gap(gap);
}

RecordingStatus RecordingImpl::status() const {
  RecordingStatus status;
  status.opening = opening_;
  {
    const std::lock_guard lock(mutex_);
    status.end = end_;
    status.route = route_now_;
  }
  status.outputs = outputs_.status();
  for (const OutputStatus& output : status.outputs) {
    status.output_queue = std::max(status.output_queue, output.stats.queued);
    status.output_dropped += output.stats.dropped;
  }
  if (audio_) status.audio = audio_->status();
  status.layers = layers_.status();
  status.replay_held = outputs_.replay_held();
  const std::optional<Rational> constant = factory_.encoders().rate();
  const bool coded = stage_at_work() != nullptr;
  status.least_rate = !coded                   ? 0
                      : constant               ? constant->value()
                      : options_.constant_rate ? options_.constant_rate->value()
                                               : min_rate_.load();
  status.bitrate_target = factory_.encoders().bit_rate().value_or(options_.encoder.bit_rate.value_or(0));
  status.bitrate_reductions = bitrate_reductions_.load(std::memory_order_relaxed);
  status.paused = paused_.load() || intake_.asleep();
  status.source_reconnects = source_reconnects_.load(std::memory_order_relaxed);
  status.route_changes = route_changes_.load(std::memory_order_relaxed);
  status.first_picture = begun_.load(std::memory_order_acquire);
  if (!status.first_picture) return status;
  add_figures(status, *pictures_, stream_.metrics, stage_at_work().get(), passed_over() - passed_over_before_);
  status.gpu_encoder_load = engine_load_.load();
  return status;
}

}  // namespace zc
