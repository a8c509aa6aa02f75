// A recording's parts and threads. recording.cpp has its life, recording_changes.cpp what changes while it runs.
#pragma once

#include "base/error.h"
#include "capture/source.h"
#include "media/format_table.h"
#include "session/audio_recorder.h"
#include "session/bitrate_controller.h"
#include "session/encode_stage.h"
#include "session/frame_mailbox.h"
#include "session/layers.h"
#include "session/output_group.h"
#include "session/picture_input.h"
#include "session/picture_worker.h"
#include "session/pipeline_factory.h"
#include "session/recording.h"
#include "session/recording_figures.h"
#include "session/stream_clock.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <expected>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace zc {

/// Between pictures of which so many come a second at the least; zero: none need to.
[[nodiscard]] inline Nanoseconds max_gap(double least_rate) {
  return least_rate > 0 ? Nanoseconds(static_cast<std::int64_t>(1e9 / least_rate)) : Nanoseconds{};
}

class RecordingImpl final : public Recording, public SourceListener {
 public:
  explicit RecordingImpl(RecordingOptions options);
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
  Result<void> change_audio(std::string_view source, const AudioChange& change) override;
  void set_paused(bool on) override;
  void set_asleep(bool on) override { intake_.set_asleep(on); }
  bool wait_until_let_go(Nanoseconds timeout) override { return intake_.wait_until_let_go(timeout); }
  Result<void> add_output(const OutputSpec& spec) override;
  Result<void> remove_output(const std::string& name) override { return outputs_.remove(name); }
  Result<std::string> add_layer(const LayerOptions& options) override;
  Result<void> change_layer(std::string_view name,
                            const std::function<Result<void>(LayerOptions& options)>& change) override {
    return layers_.change(name, change);
  }
  Result<void> remove_layer(std::string_view name) override { return layers_.remove(name); }
  Result<void> set_replay_length(Nanoseconds length) override { return outputs_.set_replay_length(length); }
  Result<std::string> save_replay(const OutputSpec& spec) override {
    if (const auto stage = stage_at_work()) stage->bring_out();
    if (audio_) audio_->bring_out();
    return outputs_.save_replay(spec);
  }
  Result<void> save_picture(const FileOutput& output) override;
  SourceInfo source() const override { return source_->info(); }
  std::optional<Size> size() const override {
    return begun_.load(std::memory_order_acquire) ? std::optional(size_.load()) : std::nullopt;
  }
  std::optional<Codec> codec() const override {
    return coded_.load(std::memory_order_acquire) ? std::optional(codec_.load()) : std::nullopt;
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
  /// Stream time at which the newest picture is over. Any thread.
  [[nodiscard]] Nanoseconds drawn() const;
  /// For the first picture: what it must be, its encoder (null: none is needed), the outputs.
  [[nodiscard]] std::expected<std::unique_ptr<Encoder>, Failure> begin_stream(Frame& first);
  void begin_stage(std::unique_ptr<Encoder> encoder);
  void push(const Packet& packet);
  /// Takes everything down until the machine is awake, and nobody pauses, and builds it up again: the first picture
  /// then. nullopt: the recording has ended.
  [[nodiscard]] std::optional<Frame> sleep(const std::stop_token& stop);
  /// An output has come that needs the encoder which there is not.
  void add_encoder();
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
  [[nodiscard]] Layers::Events layer_events();
  [[nodiscard]] Result<std::unique_ptr<Source>> open_source(std::stop_token stop);
  /// What was asked for before there was an encoder to change.
  void make_early_changes();
  void pace(Rational rate);
  /// With change_mutex_ held: an encoder that does not take it goes on as it was.
  [[nodiscard]] Result<void> change_bitrate(std::int64_t bits_per_second);
  /// With what it needs to tell soon how it keeps up, where that matters.
  [[nodiscard]] OutputSpec for_following(OutputSpec spec) const;
  /// The bit rate follows the network. Controlling thread.
  void follow_network();
  /// Pictures are repeated as often as the settings say, and as outputs need them.
  void follow_outputs();
  [[nodiscard]] bool wait_for_end(Nanoseconds timeout);
  void on_source_change(const Error* lost);
  void on_route_change(std::string_view now, std::string_view reason);
  void close();

  RecordingOptions options_;
  std::atomic<std::int64_t> gap_ = 0;  ///< ns between pictures at the most, as the worker has been told
  std::atomic<double> min_rate_;       ///< options_'s, or what was asked for since
  FrameMailbox mailbox_;
  DurationHistogram capture_times_;
  OutputGroup outputs_;
  std::unique_ptr<Source> source_;

  std::stop_source stop_layers_;  ///< ends what a layer's source waits for
  Layers layers_;
  FormatTable formats_;      ///< the worker's once that runs
  PipelineFactory factory_;  ///< the worker's once that runs; outlives the stage, which asks it for successors
  PictureInput intake_;

  StreamClock clock_;
  std::unique_ptr<AudioRecorder> audio_;  ///< null: no sound
  EncodedStream stream_;
  /// With mutex_ held; made and ended by the worker; null while there is none, as where all outputs are cameras.
  std::shared_ptr<EncodeStage> stage_;
  std::unique_ptr<PictureWorker> pictures_;  ///< made by the worker for the first picture; read behind begun_
  static constexpr auto kUnderWay = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t passed_over_before_ = 0;  ///< the first picture
  std::atomic<std::uint64_t> passed_over_at_end_ = kUnderWay;
  SourceStats source_at_end_;  ///< of the worker, then of whoever has waited for it
  Nanoseconds cpu_start_{};
  Nanoseconds encoder_cpu_start_{};
  Nanoseconds cpu_{};
  Nanoseconds cpu_encoder_{};
  std::atomic<Size> size_;
  std::atomic<Codec> codec_{};
  std::atomic<bool> coded_{false};  ///< codec_ is known
  std::atomic<bool> opening_{false};
  std::atomic<bool> begun_{false};  ///< the first picture is on its way to the encoder
  std::atomic<bool> paused_{false};
  std::atomic<std::uint64_t> route_changes_{0};
  std::atomic<std::uint64_t> source_reconnects_{0};

  mutable EngineLoadMeter engine_load_;

  std::mutex picture_mutex_;                     // of save_picture(), which may hold one surface
  Nanoseconds followed_at_{};                    // of the controlling thread
  std::optional<BitrateController> controller_;  // with change_mutex_ held
  std::atomic<std::uint64_t> bitrate_reductions_{0};
  std::mutex change_mutex_;   // of settings, until the encoder has answered
  mutable std::mutex mutex_;  // the end, the route and the stage
  std::condition_variable ended_;
  EndReason end_ = EndReason::Running;
  std::optional<Failure> failure_;
  std::string route_now_;
  std::uint64_t rss_start_ = 0;

  std::jthread worker_;  // last: it uses everything above
};

}  // namespace zc
