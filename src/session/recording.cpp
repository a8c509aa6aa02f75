#include "session/recording.h"

#include "base/log.h"
#include "base/parked_thread.h"
#include "base/process_stats.h"
#include "capture/reconnecting_source.h"
#include "media/format_table.h"
#include "session/encode_stage.h"
#include "session/frame_mailbox.h"
#include "session/picture_input.h"
#include "session/picture_worker.h"
#include "session/pipeline_factory.h"
#include "session/recording_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

namespace zc {
namespace {

/// So long the first picture may have been on the screen.
constexpr Nanoseconds kOldestFirst = std::chrono::milliseconds(100);
/// Memory is called steady from here on: encoders and pools have allocated what they need.
constexpr Nanoseconds kWarmUp = std::chrono::seconds(2);
/// After this long every driver has painted a picture that it handed over too early.
constexpr Nanoseconds kLatch = std::chrono::milliseconds(50);
constexpr double kMaxConstantRate = 1000.0;

/// Between pictures of which so many come a second at the least; zero: none need to.
Nanoseconds max_gap(double least_rate) {
  return least_rate > 0 ? Nanoseconds(static_cast<std::int64_t>(1e9 / least_rate)) : Nanoseconds{};
}

Nanoseconds interval_of(Rational rate) { return Nanoseconds(static_cast<std::int64_t>(1e9 / rate.value())); }

RingPolicy ring_policy(const RecordingOptions& options) {
  return options.ring_policy.value_or(options.live ? RingPolicy::DropOldest : RingPolicy::Block);
}

std::unexpected<Failure> failed(Part part, Error error) { return std::unexpected(Failure{part, std::move(error)}); }

class RecordingImpl final : public Recording, public SourceListener {
 public:
  explicit RecordingImpl(RecordingOptions options)
      : options_(std::move(options)),
        min_rate_(options_.min_rate),
        mailbox_(options_.toggles.latch ? kLatch : Nanoseconds{},
                 ring_policy(options_) == RingPolicy::Block ? FrameMailbox::kMostFrames : 1),
        outputs_(options_.replay, output_events()),
        factory_(options_, formats_),
        intake_(mailbox_, factory_, formats_) {
    if (options_.encoder.bit_depth > 8) formats_.prefer_deep();
    formats_.limit_rate(options_.constant_rate ? options_.constant_rate : options_.max_rate);
  }
  RecordingImpl(const RecordingImpl&) = delete;
  RecordingImpl& operator=(const RecordingImpl&) = delete;
  ~RecordingImpl() override { close(); }

  std::expected<void, Failure> open(std::stop_token stop);

  bool wait(Nanoseconds timeout) override;
  void request_stop() override { end_with(EndReason::Stopped); }
  RecordingStatus status() const override;
  const EncodeMetrics* metrics() const override {
    return begun_.load(std::memory_order_acquire) ? &stream_.metrics : nullptr;
  }
  void request_keyframe() override;
  Result<void> set_bitrate(std::int64_t bits_per_second) override;
  Result<void> set_rate(Rational rate) override;
  Result<void> set_min_rate(double rate) override;
  void set_paused(bool on) override;
  void set_asleep(bool on) override { intake_.set_asleep(on); }
  bool wait_until_let_go(Nanoseconds timeout) override { return intake_.wait_until_let_go(timeout); }
  Result<void> add_output(const OutputSpec& spec) override;
  Result<void> remove_output(const std::string& name) override { return outputs_.remove(name); }
  Result<void> set_replay_length(Nanoseconds length) override { return outputs_.set_replay_length(length); }
  Result<std::string> save_replay(const OutputSpec& spec) override {
    if (const auto stage = stage_at_work()) stage->bring_out();
    return outputs_.save_replay(spec);
  }
  SourceInfo source() const override { return source_->info(); }
  std::optional<Size> size() const override {
    return begun_.load(std::memory_order_acquire) ? std::optional(size_.load()) : std::nullopt;
  }
  std::optional<Codec> codec() const override {
    return begun_.load(std::memory_order_acquire) ? std::optional(codec_) : std::nullopt;
  }
  const DurationHistogram* import_times() const override {
    return begun_.load(std::memory_order_acquire) ? &pictures_->import_times() : nullptr;
  }
  std::vector<Failover> failovers() const override {
    const std::lock_guard lock(stream_.mutex);
    return stream_.failovers;
  }
  const DurationHistogram* hold_times() const override {
    return begun_.load(std::memory_order_acquire) ? &pictures_->hold_times() : nullptr;
  }
  const DurationHistogram& capture_times() const override { return capture_times_; }
  const DurationHistogram& sink_times() const override { return outputs_.write_times(); }
  RecordingReport finish() override;

  // Source's thread.
  void on_frame(Frame frame) override {
    frame.arrived = monotonic_now();
    if (frame.has_image()) capture_times_.record(frame.arrived - frame.pts);
    mailbox_.put(std::move(frame));
  }
  void on_state(SourceState state, const Error* error) override;

 private:
  void run_worker(const std::stop_token& stop);
  /// Pictures so far that newer ones replaced before the worker took them, or that the source missed.
  [[nodiscard]] std::uint64_t passed_over() const {
    const std::uint64_t at_end = passed_over_at_end_.load();
    return at_end != kUnderWay ? at_end : mailbox_.overwritten() + source_->stats().skipped;
  }
  /// For the first picture: what it must be, its encoder, the outputs.
  [[nodiscard]] std::expected<std::unique_ptr<Encoder>, Failure> begin_stream(Frame& first);
  void begin_stage(std::unique_ptr<Encoder> encoder);
  /// Takes everything down until the machine is awake, and nobody pauses, and builds it up again: the first picture
  /// then. nullopt: the recording has ended.
  [[nodiscard]] std::optional<Frame> sleep(const std::stop_token& stop);
  [[nodiscard]] std::shared_ptr<EncodeStage> stage_at_work() const {
    const std::lock_guard lock(mutex_);
    return stage_;
  }
  void set_stage(std::shared_ptr<EncodeStage> stage) {
    const std::lock_guard lock(mutex_);
    stage_.swap(stage);
  }
  void end_with(EndReason reason, std::optional<Failure> failure = std::nullopt);
  [[nodiscard]] OutputGroupEvents output_events();
  [[nodiscard]] Result<std::unique_ptr<Source>> open_source(std::stop_token stop);
  /// What was asked for before there was an encoder to change.
  void make_early_changes();
  void pace(Rational rate);
  void on_source_change(const Error* lost);
  void on_route_change(std::string_view now, std::string_view reason);
  void close();

  RecordingOptions options_;
  std::atomic<double> min_rate_;  ///< options_'s, or what was asked for since
  FrameMailbox mailbox_;
  DurationHistogram capture_times_;
  OutputGroup outputs_;
  std::unique_ptr<Source> source_;

  FormatTable formats_;      ///< the worker's once that runs
  PipelineFactory factory_;  ///< the worker's once that runs; outlives the stage, which asks it for successors
  PictureInput intake_;

  EncodedStream stream_;
  std::shared_ptr<EncodeStage> stage_;  ///< with mutex_ held; made and ended by the worker; null while there is none
  std::unique_ptr<PictureWorker> pictures_;  ///< made by the worker for the first picture; read behind begun_
  static constexpr auto kUnderWay = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t passed_over_before_ = 0;  ///< the first picture
  std::atomic<std::uint64_t> passed_over_at_end_ = kUnderWay;
  Nanoseconds cpu_start_{};
  Nanoseconds encoder_cpu_start_{};
  Nanoseconds cpu_{};
  Nanoseconds cpu_encoder_{};
  std::atomic<Size> size_;
  Codec codec_{};
  std::atomic<bool> opening_{false};
  std::atomic<bool> begun_{false};  ///< the first picture is on its way to the encoder
  std::atomic<bool> paused_{false};
  std::atomic<std::uint64_t> route_changes_{0};
  std::atomic<std::uint64_t> source_reconnects_{0};

  mutable EngineLoadMeter engine_load_;

  std::mutex change_mutex_;   // of settings, until the encoder has answered
  mutable std::mutex mutex_;  // the end, the route and the stage
  std::condition_variable ended_;
  EndReason end_ = EndReason::Running;
  std::optional<Failure> failure_;
  std::string route_now_;
  std::uint64_t rss_start_ = 0;

  std::jthread worker_;  // last: it uses everything above
};

OutputGroupEvents RecordingImpl::output_events() {
  return {
      .keyframe_wanted = [this] { request_keyframe(); },
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

Result<std::unique_ptr<Source>> RecordingImpl::open_source(std::stop_token stop) {
  options_.source_options.stop = stop;
  auto first = make_source(options_.source, options_.source_options);
  if (!first || !options_.reconnect) return first;
  // The specification is good: later ones are made of it as well.
  return make_reconnecting_source({.make =
                                       [this](std::stop_token ends) {
                                         SourceOptions anew = options_.source_options;
                                         anew.stop = std::move(ends);
                                         return make_source(options_.source, anew);
                                       },
                                   .changed = [this](const Error* lost) { on_source_change(lost); },
                                   .stop = std::move(stop),
                                   .silence = options_.silence});
}

std::expected<void, Failure> RecordingImpl::open(std::stop_token stop) {
  if (options_.outputs.empty() && !options_.replay) {
    return failed(Part::Settings, fail(ErrorKind::Invalid, "start recording", "no output was named").error());
  }
  if (auto opened = factory_.open_importer(); !opened) return failed(Part::Settings, std::move(opened.error()));
  auto source = open_source(std::move(stop));
  if (!source) return failed(Part::Settings, std::move(source.error()));
  // Paths are opened before the desktop's dialog: nobody should choose a monitor for a file that cannot be written.
  for (const OutputSpec& spec : options_.outputs) {
    if (options_.encoder.codec) {
      if (auto fits = check_codec(spec.container, *options_.encoder.codec); !fits) {
        return failed(Part::Output, std::move(fits.error()));
      }
    }
    if (auto claimed = outputs_.claim(spec); !claimed) return failed(Part::Output, std::move(claimed.error()));
  }
  source_ = std::move(*source);
  intake_.set_source(*source_);
  if (options_.events != nullptr) options_.events->on_asking();
  if (auto started = source_->start(formats_.begin(monotonic_now()), *this); !started) {
    return failed(Part::Source, std::move(started.error()));
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
  auto encoder = factory_.open_encoder(first, source_->info());
  if (!encoder) return failed(Part::Encoder, std::move(encoder.error()));
  const StreamParameters& stream = factory_.encoders().stream();
  if (auto started = outputs_.start(stream); !started) return failed(Part::Output, std::move(started.error()));
  size_ = stream.size;
  codec_ = stream.codec;
  logger("session").info("{} -> {} ({}) {}x{}", source_->info().description, (*encoder)->name(),
                         factory_.importer().route(), stream.size.width, stream.size.height);
  return std::move(*encoder);
}

void RecordingImpl::begin_stage(std::unique_ptr<Encoder> encoder) {
  const std::size_t frames = factory_.ring_frames(*encoder);
  set_stage(std::make_shared<EncodeStage>(
      stream_, std::move(encoder), frames, ring_policy(options_),
      [this](const Packet& packet) {
        if (packet.new_stream) size_.store(packet.new_stream->size);
        outputs_.push(packet);
      },
      [this](const Error& error) { end_with(EndReason::Failed, Failure{Part::Encoder, error}); }, &factory_.encoders(),
      options_.patience));
}

void RecordingImpl::run_worker(const std::stop_token& stop) {
  auto first = intake_.wait_for_picture(stop, true);
  if (!first) {
    if (first.error().error.kind != ErrorKind::Cancelled) end_with(EndReason::Failed, std::move(first.error()));
    return;
  }
  opening_ = true;
  auto encoder = begin_stream(*first);
  opening_ = false;
  if (!encoder) {
    end_with(EndReason::Failed, encoder.error());
    return;
  }
  begin_stage(std::move(*encoder));
  // Opening took a moment: begin with what is on the screen now.
  first = intake_.newest(std::move(*first), stop);
  const Rational rate = factory_.nominal_rate(source_->info());
  const Nanoseconds interval = interval_of(rate);
  PictureWorker::Config config;
  config.pacer.constant_rate = options_.constant_rate;
  config.pacer.frame_interval = interval;
  config.pacer.end = options_.duration;
  // A camera has its own rate, whatever it is asked for.
  if (options_.max_rate) config.pacer.min_interval = interval_of(*options_.max_rate);
  config.pacer.max_gap = max_gap(min_rate_.load());
  // The first picture's stamp lies as far from its arrival as those of the next ones will. It may be that of a screen
  // that has stood still since, and a recording does not begin in the past.
  const Nanoseconds late = std::max(first->arrived - first->pts, Nanoseconds{});
  config.epoch = std::max(first->pts, monotonic_now() - std::max(interval, kOldestFirst) - late);
  config.duration = options_.duration;
  config.crop = options_.crop;
  config.follow_size = options_.follow_size && !options_.size;
  config.formats = &formats_;
  config.renegotiate = [this](const FormatOffer& offer) { return source_->renegotiate(offer); };
  config.on_route = [this](std::string_view now, std::string_view reason) { on_route_change(now, reason); };
  config.asleep = [this] { return intake_.asleep(); };
  pictures_ = std::make_unique<PictureWorker>(config, mailbox_);
  passed_over_before_ = passed_over();
  cpu_start_ = process_cpu_time();
  encoder_cpu_start_ = EncodeStage::encoder_cpu_time();
  on_route_change(factory_.importer().route(), {});
  begun_.store(true);
  pictures_->set_paused(paused_.load());
  make_early_changes();
  pictures_->set_max_gap(max_gap(min_rate_.load()));

  std::optional<Frame> next = std::move(*first);
  Result<PictureWorker::End> end = PictureWorker::End::Stopped;
  while (next) {
    end = pictures_->run(*std::exchange(next, std::nullopt), factory_.importer(), *stage_at_work(), stop);
    if (end && *end == PictureWorker::End::Asleep) next = sleep(stop);
  }
  mailbox_.close();  // what the source still gives while the encoder is drained is not part of the recording
  passed_over_at_end_.store(passed_over());
  cpu_ = process_cpu_time() - cpu_start_;
  cpu_encoder_ += EncodeStage::encoder_cpu_time() - encoder_cpu_start_;
  if (const auto stage = stage_at_work()) stage->finish();
  if (!end) {
    end_with(EndReason::Failed, Failure{Part::Encoder, end.error()});
  } else if (*end == PictureWorker::End::Duration) {
    end_with(EndReason::Duration);
  }
}

std::optional<Frame> RecordingImpl::sleep(const std::stop_token& stop) {
  EncoderChoice& encoders = factory_.encoders();
  const std::string before = encoders.encoder();
  logger("session").info("the machine is about to sleep: closing {}", before);
  intake_.quiet();
  engine_load_.set_off(true);
  cpu_encoder_ += EncodeStage::encoder_cpu_time() - encoder_cpu_start_;
  std::shared_ptr<EncodeStage> slow = stage_at_work();
  set_stage(nullptr);
  if (slow->finish_within(options_.patience.sleep)) {
    slow.reset();
    encoders.release();
  } else {
    logger("session").warn("{} has not finished yet", before);
  }
  encoder_cpu_start_ = EncodeStage::encoder_cpu_time();
  auto slept = intake_.sleep(stop, [this] { return paused_.load(); });
  if (slow) slow->finish();
  auto begun = slept ? intake_.begin_again(stop) : std::unexpected(std::move(slept.error()));
  engine_load_.set_off(false);
  if (!begun) {
    if (begun.error().error.kind != ErrorKind::Cancelled) end_with(EndReason::Failed, std::move(begun.error()));
    return std::nullopt;
  }
  begin_stage(std::move(begun->encoder));
  make_early_changes();
  const std::string& now = encoders.encoder();
  logger("session").info("the machine is awake: {} -> {} ({})", source_->info().description, now,
                         factory_.importer().route());
  if (now != before && options_.events != nullptr) options_.events->on_encoder(before, now);
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
  route_changes_.fetch_add(1, std::memory_order_relaxed);
  logger("session").warn("route {} instead of {}: {}", now, before, reason);
  if (options_.events != nullptr) options_.events->on_route(before, now, reason);
}

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

Result<void> RecordingImpl::add_output(const OutputSpec& spec) {
  OutputSpec as_the_others = spec;
  auto* file = std::get_if<FileOutput>(&as_the_others.target);
  for (const OutputSpec& other : options_.outputs) {
    const auto* one = std::get_if<FileOutput>(&other.target);
    if (file != nullptr && one != nullptr) file->split = one->split;
  }
  return outputs_.add(as_the_others);
}

Result<void> RecordingImpl::set_bitrate(std::int64_t bits_per_second) {
  EncoderChoice& encoders = factory_.encoders();
  const std::lock_guard lock(change_mutex_);
  const auto before = encoders.bit_rate();
  const auto stage = stage_at_work();
  if (auto ok = encoders.set_bitrate(bits_per_second); !ok || !stage) return ok;
  auto changed = stage->set_bitrate(bits_per_second, outputs_.takes_new_headers());
  if (!changed && changed.error().kind != ErrorKind::Timeout) encoders.restore_bitrate(before);
  return changed;
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
  if (begun_.load()) pictures_->set_max_gap(max_gap(rate));
  return {};
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
  worker_.request_stop();
}

bool RecordingImpl::wait(Nanoseconds timeout) {
  std::unique_lock lock(mutex_);
  const bool over = ended_.wait_for(lock, timeout, [this] { return end_ != EndReason::Running; });
  if (rss_start_ == 0 && begun_.load(std::memory_order_acquire) && pictures_->counters().elapsed >= kWarmUp) {
    rss_start_ = resident_kib();
  }
  return over;
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
  status.replay_held = outputs_.replay_held();
  const std::optional<Rational> constant = factory_.encoders().rate();
  status.least_rate = constant                 ? constant->value()
                      : options_.constant_rate ? options_.constant_rate->value()
                                               : min_rate_.load();
  status.paused = paused_.load() || intake_.asleep();
  status.source_reconnects = source_reconnects_.load(std::memory_order_relaxed);
  status.route_changes = route_changes_.load(std::memory_order_relaxed);
  status.first_picture = begun_.load(std::memory_order_acquire);
  if (!status.first_picture) return status;
  add_figures(status, *pictures_, stream_.metrics, stage_at_work().get(), passed_over() - passed_over_before_);
  status.gpu_encoder_load = engine_load_.load();
  return status;
}

void RecordingImpl::close() {
  worker_.request_stop();
  if (worker_.joinable()) worker_.join();
  if (source_) source_->stop();
  outputs_.close();
}

RecordingReport RecordingImpl::finish() {
  end_with(EndReason::Stopped);
  RecordingReport report;
  if (worker_.joinable()) worker_.join();
  report.rss_kib_end = resident_kib();
  if (source_) {
    report.source = source_->info();
    report.source_stats = source_->stats();
  }
  close();
  report.stuck_threads = parked_threads();
  report.counters = status();
  report.duration = report.counters.elapsed;
  if (begun_.load(std::memory_order_acquire)) {
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

}  // namespace

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
