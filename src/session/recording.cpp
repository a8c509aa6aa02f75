#include "session/recording.h"

#include "base/log.h"
#include "base/parked_thread.h"
#include "base/process_stats.h"
#include "capture/make_source.h"
#include "capture/reconnecting_source.h"
#include "session/recording_impl.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <variant>

namespace zc {
namespace {

/// So long the first picture may have been on the screen.
constexpr Nanoseconds kOldestFirst = std::chrono::milliseconds(100);
/// Memory is called steady from here on: encoders and pools have allocated what they need.
constexpr Nanoseconds kWarmUp = std::chrono::seconds(2);
/// After this long every driver has painted a picture that it handed over too early.
constexpr Nanoseconds kLatch = std::chrono::milliseconds(50);

/// How often the outputs are asked how they keep up.
constexpr Nanoseconds kNetworkTick = std::chrono::milliseconds(100);

Nanoseconds interval_of(Rational rate) { return Nanoseconds(static_cast<std::int64_t>(1e9 / rate.value())); }

RingPolicy ring_policy(const RecordingOptions& options) {
  if (options.source_options.unpaced) return RingPolicy::Block;
  return options.ring_policy.value_or(options.live ? RingPolicy::DropOldest : RingPolicy::Block);
}

bool of_file(const AudioInputOptions& input) { return std::holds_alternative<FileAudio>(input.source); }

/// What the source has no sound for.
Result<void> check_sound(const RecordingOptions& options) {
  const auto& inputs = options.audio.inputs;
  if (std::ranges::any_of(inputs, of_file) && !std::holds_alternative<FileSpec>(options.source)) {
    return fail(ErrorKind::Invalid, "take sound from 'file'", "it is that of a media file as the source, file:PATH");
  }
  if (options.source_options.unpaced && !std::ranges::all_of(inputs, of_file)) {
    return fail(ErrorKind::Invalid, "start recording",
                "sound comes in real time, and unpaced pictures do not, but for a file's own: take that or none");
  }
  return {};
}

std::unexpected<Failure> failed(Part part, Error error) { return std::unexpected(Failure{part, std::move(error)}); }

/// What cameras cannot show.
Result<void> check_cameras(const RecordingOptions& options) {
  const bool any = std::ranges::any_of(options.outputs, &OutputSpec::camera);
  if (any && !options.audio.inputs.empty() && !options.replay &&
      std::ranges::all_of(options.outputs, &OutputSpec::camera)) {
    return fail(ErrorKind::Invalid, options.outputs.front().name(), "a camera has no sound; leave --audio out");
  }
  return any ? check_camera_colour(options.encoder.colour) : Result<void>();
}

}  // namespace

RecordingImpl::RecordingImpl(RecordingOptions options)
    : options_(std::move(options)),
      min_rate_(options_.min_rate),
      mailbox_(options_.toggles.latch ? kLatch : Nanoseconds{},
               ring_policy(options_) == RingPolicy::Block ? FrameMailbox::kMostFrames : 1),
      outputs_(options_.replay, output_events()),
      layers_(layer_events()),
      factory_(options_, formats_),
      intake_(mailbox_, factory_, formats_, layers_),
      clock_(options_.source_options.unpaced ? std::function([this] { return drawn(); }) : nullptr) {
  if (options_.encoder.bit_depth > 8) formats_.prefer_deep();
  if (options_.adaptive && options_.encoder.bit_rate) controller_.emplace(*options_.adaptive);
  formats_.limit_rate(options_.constant_rate ? options_.constant_rate : options_.max_rate);
}

OutputGroupEvents RecordingImpl::output_events() {
  return {
      .keyframe_wanted = [this] { request_keyframe(); },
      .picture_wanted =
          [this] {
            if (begun_.load(std::memory_order_acquire)) pictures_->show_again();
          },
      .failed =
          [this](const std::string& name, const Error& error, bool fatal) {
            if (options_.events != nullptr) return options_.events->on_output(name, error, fatal);
            if (fatal) {
              logger("output").error("{} has failed: {}", name, error.message());
            } else {
              logger("output").warn("{} does not answer, trying again: {}", name, error.message());
            }
          },
      .all_failed = [this](const Error& error) { end_with(EndReason::OutputsFailed, Failure{Part::Output, error}); }};
}

Layers::Events RecordingImpl::layer_events() {
  return {.news = [this] { mailbox_.wake(); },
          .changed =
              [this](const std::string& name, const Error* gone) {
                if (gone == nullptr) {
                  logger("session").info("layer {} is back", name);
                } else {
                  logger("session").warn("layer {} is gone and waited for: {}", name, gone->message());
                }
                if (options_.events != nullptr) options_.events->on_layer(name, gone);
              }};
}

Result<std::string> RecordingImpl::add_layer(const LayerOptions& options) {
  SourceOptions source_options = options_.source_options;
  source_options.stop = stop_layers_.get_token();
  return layers_.add(options, source_options);
}

Result<std::unique_ptr<Source>> RecordingImpl::open_source(std::stop_token stop) {
  options_.source_options.stop = stop;
  const auto make = [this](SourceOptions options) {
    options.sound = options_.audio.file;  // layers have none
    return make_source(options_.source, options);
  };
  auto first = make(options_.source_options);
  if (!first || !options_.reconnect) return first;
  // The specification is good: later ones are made of it as well.
  return make_reconnecting_source({.make =
                                       [this, make](std::stop_token ends) {
                                         SourceOptions anew = options_.source_options;
                                         anew.stop = std::move(ends);
                                         return make(std::move(anew));
                                       },
                                   .changed = [this](const Error* lost) { on_source_change(lost); },
                                   .stop = std::move(stop),
                                   .silence = options_.silence});
}

Nanoseconds RecordingImpl::drawn() const {
  return begun_.load(std::memory_order_acquire) ? pictures_->counters().elapsed : Nanoseconds{};
}

std::expected<void, Failure> RecordingImpl::open(std::stop_token stop) {
  if (options_.outputs.empty() && !options_.replay) {
    return failed(Part::Settings, fail(ErrorKind::Invalid, "start recording", "no output was named").error());
  }
  if (auto fits = check_cameras(options_); !fits) return failed(Part::Settings, std::move(fits.error()));
  if (auto good = layers_.check(options_.layers); !good) return failed(Part::Settings, std::move(good.error()));
  if (auto good = check_sound(options_); !good) return failed(Part::Settings, std::move(good.error()));
  if (std::ranges::any_of(options_.audio.inputs, of_file)) {
    options_.audio.file = std::make_shared<FileSound>(options_.audio.encoder.layout, options_.source_options.unpaced);
  }
  if (auto opened = factory_.open_importer(); !opened) return failed(Part::Settings, std::move(opened.error()));
  auto source = open_source(std::move(stop));
  if (!source) return failed(Part::Settings, std::move(source.error()));
  const bool audible = !options_.audio.inputs.empty();
  if (audible) {
    if (auto tried = AudioEncoder::open(options_.audio.encoder); !tried) {
      return failed(Part::Settings, std::move(tried.error()));
    }
  }
  // Paths are opened before the desktop's dialog: nobody should choose a monitor for a file that cannot be written.
  for (const OutputSpec& spec : options_.outputs) {
    if (options_.encoder.codec) {
      if (auto fits = check_codec(spec.container, *options_.encoder.codec); !fits) {
        return failed(Part::Output, std::move(fits.error()));
      }
    }
    if (auto fits = audible ? check_codec(spec.container, options_.audio.encoder.codec) : Result<void>(); !fits) {
      return failed(Part::Output, std::move(fits.error()));
    }
    if (auto claimed = outputs_.claim(for_following(spec)); !claimed)
      return failed(Part::Output, std::move(claimed.error()));
  }
  source_ = std::move(*source);
  intake_.set_source(*source_);
  if (options_.events != nullptr) options_.events->on_asking();
  if (auto started = source_->start(formats_.begin(monotonic_now()), *this); !started) {
    return failed(Part::Source, std::move(started.error()));
  }
  layers_.set_offer(factory_.importer().offer());
  for (const LayerOptions& layer : options_.layers) {
    if (auto added = layers_.add(layer, options_.source_options); !added) {
      return failed(Part::Source, std::move(added.error()));
    }
  }
  // Not before the user has agreed to be recorded.
  if (audible) {
    auto audio = AudioRecorder::open(options_.audio, clock_);
    if (!audio) return failed(Part::Source, std::move(audio.error()));
    audio_ = std::move(*audio);
  }
  worker_ = std::jthread([this](const std::stop_token& token) {
    name_this_thread("zc-worker");
    run_worker(token);
    factory_.close_importer();
  });
  return {};
}

std::expected<std::unique_ptr<Encoder>, Failure> RecordingImpl::begin_stream(Frame& first) {
  if (auto fits = factory_.check_crop(first); !fits) return failed(Part::Settings, std::move(fits.error()));
  if (auto fits = factory_.check_colour(first); !fits) return failed(Part::Settings, std::move(fits.error()));
  if (!outputs_.takes_packets()) {
    const auto pictures = factory_.prepare_pictures(first, source_->info());
    if (!pictures) return failed(Part::Source, pictures.error());
    if (auto started = outputs_.start(*pictures, false); !started) return failed(Part::Output, started.error());
    size_ = pictures->size;
    logger("session").info("{} -> cameras ({}) {}x{}", source_->info().description, factory_.importer().route(),
                           pictures->size.width, pictures->size.height);
    return nullptr;
  }
  auto encoder = factory_.open_encoder(first, source_->info());
  if (!encoder) return failed(Part::Encoder, std::move(encoder.error()));
  StreamParameters stream = factory_.encoders().stream();
  if (audio_) stream.audio = audio_->streams();
  if (auto started = outputs_.start(stream); !started) return failed(Part::Output, std::move(started.error()));
  size_ = stream.size;
  codec_ = stream.codec;
  coded_ = true;
  if (controller_ && outputs_.congestion().empty()) {
    logger("session").warn("the bit rate follows no network: none of the outputs tells how it keeps up");
  }
  const auto live = [](const OutputSpec& output) { return output.live(); };
  if (controller_ && std::ranges::any_of(options_.outputs, live) && !std::ranges::all_of(options_.outputs, live)) {
    logger("session").warn(
        "the bit rate follows the network: the file beside it has the same encoder, and gets less, too");
  }
  logger("session").info("{} -> {} ({}) {}x{}", source_->info().description, (*encoder)->name(),
                         factory_.importer().route(), stream.size.width, stream.size.height);
  return std::move(*encoder);
}

void RecordingImpl::begin_stage(std::unique_ptr<Encoder> encoder) {
  if (!encoder) return;
  const std::size_t frames = factory_.ring_frames(*encoder);
  set_stage(std::make_shared<EncodeStage>(
      stream_, std::move(encoder), frames, ring_policy(options_), [this](const Packet& packet) { push(packet); },
      [this](const Error& error) { end_with(EndReason::Failed, Failure{Part::Encoder, error}); }, &factory_.encoders(),
      options_.patience));
}

void RecordingImpl::push(const Packet& packet) {
  if (!packet.new_stream) return outputs_.push(packet);
  size_.store(packet.new_stream->size);
  if (!audio_) return outputs_.push(packet);
  StreamParameters with_sound = *packet.new_stream;
  with_sound.audio = audio_->streams();
  Packet whole = packet;
  whole.new_stream = std::make_shared<const StreamParameters>(std::move(with_sound));
  outputs_.push(whole);
}

void RecordingImpl::run_worker(const std::stop_token& stop) {
  auto first = intake_.wait_for_picture(stop, true);
  if (!first) {
    if (audio_) audio_->stop();
    if (first.error().error.kind != ErrorKind::Cancelled) end_with(EndReason::Failed, std::move(first.error()));
    return;
  }
  opening_ = true;
  auto encoder = begin_stream(*first);
  opening_ = false;
  if (!encoder) {
    if (audio_) audio_->stop();
    end_with(EndReason::Failed, encoder.error());
    return;
  }
  begin_stage(std::move(*encoder));
  // Opening took a moment: begin with what is on the screen now.
  if (!options_.source_options.unpaced) first = intake_.newest(std::move(*first), stop);
  const Rational rate = factory_.nominal_rate(source_->info());
  const Nanoseconds interval = interval_of(rate);
  PictureWorker::Config config;
  config.pacer.constant_rate = options_.constant_rate;
  config.pacer.frame_interval = interval;
  config.pacer.end = options_.duration;
  // A camera has its own rate, whatever it is asked for.
  if (options_.max_rate) config.pacer.min_interval = interval_of(*options_.max_rate);
  config.pacer.max_gap = max_gap(min_rate_.load());
  gap_.store(config.pacer.max_gap.count());
  // The first picture's stamp lies as far from its arrival as those of the next ones will. It may be that of a screen
  // that has stood still since, and a recording does not begin in the past.
  const Nanoseconds late = std::max(first->arrived - first->pts, Nanoseconds{});
  config.epoch = std::max(first->pts, monotonic_now() - std::max(interval, kOldestFirst) - late);
  if (options_.source_options.unpaced) {
    const Rational own = source_->info().rate;
    config.unpaced = own.zero() ? interval : interval_of(own);
    config.epoch = first->pts;
  }
  config.duration = options_.duration;
  config.crop = options_.crop;
  config.layers = &layers_;
  config.surface = size_.load();
  config.follow_size = options_.follow_size && !options_.size;
  config.formats = &formats_;
  config.renegotiate = [this](const FormatOffer& offer) { return source_->renegotiate(offer); };
  config.on_route = [this](std::string_view now, std::string_view reason) { on_route_change(now, reason); };
  config.asleep = [this] { return intake_.asleep(); };
  config.on_picture = [this](const Surface& picture, Nanoseconds captured) { outputs_.show(picture, captured); };
  config.watched = [this] { return outputs_.watched(); };
  config.clock = &clock_;
  pictures_ = std::make_unique<PictureWorker>(config, mailbox_);
  passed_over_before_ = passed_over();
  cpu_start_ = process_cpu_time();
  encoder_cpu_start_ = EncodeStage::encoder_cpu_time();
  on_route_change(factory_.importer().route(), {});
  begun_.store(true);
  pictures_->set_paused(paused_.load());
  if (stage_at_work()) make_early_changes();
  follow_outputs();

  if (audio_) audio_->start([this](const Packet& packet) { outputs_.push(packet); });
  if (!stage_at_work() && outputs_.takes_packets()) add_encoder();  // one came meanwhile

  std::optional<Frame> next = std::move(*first);
  Result<PictureWorker::End> end = PictureWorker::End::Stopped;
  while (next) {
    end = pictures_->run(*std::exchange(next, std::nullopt), factory_.importer(), stage_at_work().get(), stop);
    if (end && *end == PictureWorker::End::Asleep) next = sleep(stop);
  }
  mailbox_.close();  // what the source still gives while the encoder is drained is not part of the recording
  source_at_end_ = source_->stats();
  passed_over_at_end_.store(mailbox_.overwritten() + source_at_end_.skipped);
  cpu_ = process_cpu_time() - cpu_start_;
  cpu_encoder_ += EncodeStage::encoder_cpu_time() - encoder_cpu_start_;
  if (const auto stage = stage_at_work()) stage->finish();
  clock_.halt(pictures_->counters().elapsed);
  if (audio_) audio_->finish();
  if (!end) {
    end_with(EndReason::Failed, Failure{Part::Encoder, end.error()});
  } else if (*end == PictureWorker::End::Duration) {
    end_with(EndReason::Duration);
  }
}

std::optional<Frame> RecordingImpl::sleep(const std::stop_token& stop) {
  EncoderChoice& encoders = factory_.encoders();
  const std::string before = encoders.encoder();
  std::shared_ptr<EncodeStage> slow = stage_at_work();
  if (slow) {
    logger("session").info("the machine is about to sleep: closing {}", before);
  } else {
    logger("session").info("beginning anew: the machine is about to sleep, or an encoder is needed");
  }
  intake_.quiet();
  engine_load_.set_off(true);
  cpu_encoder_ += EncodeStage::encoder_cpu_time() - encoder_cpu_start_;
  set_stage(nullptr);
  if (!slow || slow->finish_within(options_.patience.sleep)) {
    slow.reset();
    encoders.release();
  } else {
    logger("session").warn("{} has not finished yet", before);
  }
  encoder_cpu_start_ = EncodeStage::encoder_cpu_time();
  auto slept = intake_.sleep(stop, [this] { return paused_.load(); });
  if (slow) slow->finish();
  auto begun = slept ? intake_.begin_again(stop, [this] { return outputs_.takes_packets(); })
                     : std::unexpected(std::move(slept.error()));
  engine_load_.set_off(false);
  if (!begun) {
    if (begun.error().error.kind != ErrorKind::Cancelled) end_with(EndReason::Failed, std::move(begun.error()));
    return std::nullopt;
  }
  const bool coded = begun->encoder != nullptr;
  if (coded && before.empty()) {
    StreamParameters stream = encoders.stream();
    if (audio_) stream.audio = audio_->streams();
    if (auto started = outputs_.start(stream); !started) {
      end_with(EndReason::Failed, Failure{Part::Output, std::move(started.error())});
      return std::nullopt;
    }
    size_ = stream.size;
    codec_ = stream.codec;
    coded_ = true;
  }
  begin_stage(std::move(begun->encoder));
  if (coded) make_early_changes();
  const std::string& now = encoders.encoder();
  logger("session").info("going on: {} -> {} ({})", source_->info().description, coded ? now : "cameras",
                         factory_.importer().route());
  if (!before.empty() && now != before && options_.events != nullptr) options_.events->on_encoder(before, now);
  return intake_.newest(std::move(begun->first), stop);
}

void RecordingImpl::on_state(SourceState state, const Error* error) {
  if (state != SourceState::Ended) return;
  std::optional<Failure> why;
  if (error != nullptr) why = Failure{Part::Source, *error};
  end_with(EndReason::SourceEnded, std::move(why));
}

void RecordingImpl::on_source_change(const Error* lost) {
  if (lost == nullptr) {
    source_reconnects_.fetch_add(1, std::memory_order_relaxed);
    request_keyframe();
  }
  if (options_.events != nullptr) options_.events->on_source(lost);
}

void RecordingImpl::on_route_change(std::string_view now, std::string_view reason) {
  std::string before;
  {
    const std::lock_guard lock(mutex_);
    before = std::exchange(route_now_, std::string(now));
  }
  if (before.empty() || before == now) return;
  layers_.set_offer(factory_.importer().offer());  // of the worker, as this is
  route_changes_.fetch_add(1, std::memory_order_relaxed);
  logger("session").warn("route {} instead of {}: {}", now, before, reason);
  if (options_.events != nullptr) options_.events->on_route(before, now, reason);
}

void RecordingImpl::end_with(EndReason reason, std::optional<Failure> failure) {
  {
    const std::lock_guard lock(mutex_);
    if (end_ != EndReason::Running) return;
    end_ = reason;
    failure_ = std::move(failure);
  }
  ended_.notify_all();
  outputs_.hurry();
  intake_.end();
  stop_layers_.request_stop();
  worker_.request_stop();
}

bool RecordingImpl::wait(Nanoseconds timeout) {
  follow_outputs();
  if (!options_.adaptive) return wait_for_end(timeout);
  const Nanoseconds until = monotonic_now() + timeout;
  while (true) {
    const Nanoseconds left = until - monotonic_now();
    if (wait_for_end(std::clamp(left, Nanoseconds{}, kNetworkTick))) return true;
    if (const Nanoseconds now = monotonic_now(); now - followed_at_ >= kNetworkTick) {
      followed_at_ = now;
      follow_network();
    }
    if (left <= kNetworkTick) return false;
  }
}

bool RecordingImpl::wait_for_end(Nanoseconds timeout) {
  std::unique_lock lock(mutex_);
  const bool over = ended_.wait_for(lock, timeout, [this] { return end_ != EndReason::Running; });
  if (rss_start_ == 0 && begun_.load(std::memory_order_acquire) && pictures_->counters().elapsed >= kWarmUp) {
    rss_start_ = resident_kib();
  }
  return over;
}

void RecordingImpl::close() {
  worker_.request_stop();
  if (worker_.joinable()) worker_.join();
  if (source_) source_->stop();
  layers_.stop();
  outputs_.close();
}

RecordingReport RecordingImpl::finish() {
  end_with(EndReason::Stopped);
  RecordingReport report;
  if (worker_.joinable()) worker_.join();
  report.rss_kib_end = resident_kib();
  if (source_) {
    report.source = source_->info();
    report.source_stats = begun_.load(std::memory_order_acquire) ? source_at_end_ : source_->stats();
  }
  close();
  report.stuck_threads = parked_threads();
  report.counters = status();
  report.duration = report.counters.elapsed;
  if (begun_.load(std::memory_order_acquire)) {
    report.size = size_.load();
    add_encoding(report, stream_, factory_.encoders());
    report.route = report.counters.route;
    report.cpu = cpu_;
    report.cpu_not_encoder = std::max(Nanoseconds{}, cpu_ - cpu_encoder_);
  }
  const std::lock_guard lock(mutex_);
  report.end = end_;
  report.failure = failure_;
  report.rss_kib_start = rss_start_ == 0 ? report.rss_kib_end : rss_start_;
  report.outputs = outputs_.reports();
  return report;
}

std::string_view to_string(EndReason reason) {
  switch (reason) {
    case EndReason::Running: return "running";
    case EndReason::Stopped: return "stopped";
    case EndReason::Duration: return "duration reached";
    case EndReason::SourceEnded: return "source ended";
    case EndReason::OutputsFailed: return "outputs failed";
    case EndReason::Failed: return "failed";
  }
  return "failed";
}

std::expected<std::unique_ptr<Recording>, Failure> Recording::start(RecordingOptions options, std::stop_token stop) {
  auto recording = std::make_unique<RecordingImpl>(std::move(options));
  if (auto opened = recording->open(std::move(stop)); !opened) return std::unexpected(std::move(opened.error()));
  return recording;
}

}  // namespace zc
