// A source, an importer, an encoder and its outputs joined: what `record`, `stream` and the daemon run.
#pragma once

#include "base/error.h"
#include "base/histogram.h"
#include "base/toggles.h"
#include "capture/make_source.h"
#include "encode/settings.h"
#include "media/geometry.h"
#include "output/output_spec.h"
#include "session/audio_options.h"
#include "session/audio_track.h"
#include "session/bitrate_controller.h"
#include "session/encode_metrics.h"
#include "session/encode_ring.h"
#include "session/encoder_choice.h"
#include "session/failover.h"
#include "session/layers.h"
#include "session/output_group.h"
#include "session/pacer.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// What a recording tells as it happens, to whoever does not want to compare two states. Calls come from its threads
/// and must return soon.
class RecordingEvents {
 public:
  virtual ~RecordingEvents() = default;
  /// Recording::start() asks the desktop, whose user may take long to answer.
  virtual void on_asking() {}
  /// The source is gone and waited for (its error), or it is back (null).
  virtual void on_source(const Error* lost) = 0;
  /// Pictures take another way from the source to the encoder, and why.
  virtual void on_route(std::string_view before, std::string_view now, std::string_view reason) = 0;
  /// A layer's source is gone and waited for, its place is cleared (its error); or it is back (null).
  virtual void on_layer(const std::string& /*name*/, const Error* /*gone*/) {}
  /// After a sleep another encoder goes on than before it.
  virtual void on_encoder(std::string_view before, std::string_view now) = 0;
  /// An output failed for good, or (not fatal) its peer is looked for.
  virtual void on_output(const std::string& name, const Error& error, bool fatal) = 0;
};

struct RecordingOptions {
  SourceSpec source;
  SourceOptions source_options;
  std::vector<LayerOptions> layers;  ///< above the source's pictures
  std::vector<OutputSpec> outputs;   ///< at least one, or a replay
  std::string gpu;  ///< as parse_gpu() of gpu_address.h gives it; empty: the one that composes the desktop comes first
  EncoderSettings encoder;
  AudioOptions audio;
  std::optional<Size> size;  ///< of the coded picture; unset: the first picture's, cut to even numbers
  bool follow_size = false;  ///< with `size` unset: the coded size becomes the source's when that has changed
  std::optional<Rect> crop;  ///< px of the shown picture
  std::optional<Rational> constant_rate;
  /// With a variable rate: no more pictures a second. The source is asked for no more, too.
  std::optional<Rational> max_rate;
  double min_rate = 1.0;  ///< pictures/s a static screen still yields under variable rate; 0 = none
  std::optional<Nanoseconds> duration;
  /// Surfaces between worker and encoder; unset: 4 live, where more would only be delay, else 10, which bridge a third
  /// of a second of an encoder that stutters (a keyframe, a busy machine).
  std::optional<std::size_t> ring_frames;
  bool live = false;                      ///< latency before completeness
  std::optional<RingPolicy> ring_policy;  ///< unset: a live ring drops its oldest surface, another one blocks
  EncoderPatience patience;
  bool reconnect = false;             ///< a source that is lost is waited for, and the outputs go on when it is back
  Nanoseconds silence{};              ///< with `reconnect`, as ReconnectingOptions'; zero: never asked
  std::optional<Nanoseconds> replay;  ///< keep so much of the newest in memory
  /// The bit rate follows the live outputs' network within these, as long as somebody wait()s. With a bit rate only.
  std::optional<BitrateController::Limits> adaptive;
  bool outputs_change = false;        ///< add_output() will be used: the stream suits every container
  RecordingEvents* events = nullptr;  ///< outlives the recording
  Toggles toggles;
};

enum class EndReason : std::uint8_t {
  Running,
  Stopped,        ///< request_stop()
  Duration,       ///< `duration` reached
  SourceEnded,    ///< the source came to its own end or is gone: RecordingReport::failure says which
  OutputsFailed,  ///< no output is left
  Failed,         ///< no first picture, or the encoder or importer gave up: RecordingReport::failure
};
[[nodiscard]] std::string_view to_string(EndReason reason);

/// Which part of a recording an error belongs to: the same kind of error means different things there.
enum class Part : std::uint8_t { Settings, Source, Encoder, Output };

struct Failure {
  Part part = Part::Settings;
  Error error;
};

/// Counters at one moment; rates are for the reader to take from two of them.
struct RecordingStatus {
  bool first_picture = false;       ///< false: still waiting for a first picture, or opening what it wants
  bool opening = false;             ///< the first picture is there; drivers and encoders are opened for it
  Nanoseconds elapsed{};            ///< of stream time
  std::uint64_t captured = 0;       ///< pictures the source delivered since the first encoded one
  std::uint64_t taken = 0;          ///< pictures that the encoder was given, repeats included
  std::uint64_t packets = 0;        ///< coded pictures, likewise
  std::uint64_t repeated = 0;       ///< pictures encoded again: static screen, constant rate, the end
  std::uint64_t dropped = 0;        ///< pictures lost because something was too slow or failed
  std::uint64_t thinned = 0;        ///< pictures left out because the source is faster than the constant rate asked for
  std::uint64_t bytes = 0;          ///< coded
  std::string encoder;              ///< at work now
  std::uint64_t keyframes = 0;      ///< coded
  std::uint64_t reopens = 0;        ///< an encoder was opened anew for another setting
  std::int64_t bitrate_target = 0;  ///< bit/s that the encoder is asked for; 0: constant quality
  std::uint64_t bitrate_reductions = 0;    ///< times that the network took less
  std::uint64_t failovers = 0;             ///< another encoder took a failed one's place
  std::size_t encode_queue = 0;            ///< surfaces in the ring
  std::size_t encode_queue_size = 0;       ///< it has room for
  std::uint64_t ring_dropped = 0;          ///< of `dropped`, by a full ring that does not block
  std::optional<double> gpu_encoder_load;  ///< 0..1, of the GPU's encoding engines; unset where nobody tells
  std::size_t output_queue = 0;            ///< packets in the fullest output queue
  std::uint64_t output_dropped = 0;        ///< packets live outputs left out
  Nanoseconds latency_p50{};               ///< producer's timestamp to packet
  bool paused = false;
  std::string route;  ///< at work now; empty before the first picture
  std::uint64_t route_changes = 0;
  std::uint64_t source_reconnects = 0;
  Nanoseconds replay_held{};  ///< of the stream, in memory
  double least_rate = 0;      ///< pictures/s that come at the least, whatever the source does; 0: none need to
  std::vector<AudioTrackStatus> audio;
  std::vector<LayerStatus> layers;  ///< lowest first
  std::vector<OutputStatus> outputs;
  EndReason end = EndReason::Running;
};

struct RecordingReport {
  EndReason end = EndReason::Running;
  std::optional<Failure> failure;  ///< why, when it did not end as asked
  RecordingStatus counters;
  Nanoseconds duration{};
  SourceInfo source;
  SourceStats source_stats;
  std::string encoder;                                         ///< at the end
  std::vector<std::string> failed_encoders;                    ///< that were at work before it, in order
  std::vector<Failover> failovers;                             ///< likewise, with what each took
  Nanoseconds encoding_p50{}, encoding_p95{}, encoding_p99{};  ///< handed to the encoder to packet
  std::size_t stuck_threads = 0;        ///< stand in a driver's call for good: end the process by std::_Exit()
  std::vector<PassedOver> passed_over;  ///< that could not be used when one was looked for, in order
  std::string route;
  Codec codec = Codec::H264;
  Size size;  ///< px, as coded last
  std::vector<OutputReport> outputs;
  Nanoseconds latency_p50{}, latency_p95{}, latency_p99{}, latency_max{};
  Nanoseconds cpu{};                ///< process CPU time from the first picture to the end
  Nanoseconds cpu_not_encoder{};    ///< the part of it outside the encoder's threads
  std::uint64_t rss_kib_start = 0;  ///< two seconds after the first picture (warm), or at the end if that is sooner
  std::uint64_t rss_kib_end = 0;
};

/// One running recording. All calls from one controlling thread, but those that say so from any.
class Recording {
 public:
  /// Opens the outputs' paths, asks the desktop (which may show its dialog: `stop` cancels the wait) and starts.
  /// On error nothing stays behind: no file, no thread, no portal session.
  [[nodiscard]] static std::expected<std::unique_ptr<Recording>, Failure> start(RecordingOptions options,
                                                                                std::stop_token stop);

  virtual ~Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  /// True as soon as the recording has ended by itself or was asked to; false after `timeout`. Meanwhile it looks after
  /// RecordingOptions::adaptive.
  [[nodiscard]] virtual bool wait(Nanoseconds timeout) = 0;
  virtual void request_stop() = 0;                           ///< any thread
  [[nodiscard]] virtual RecordingStatus status() const = 0;  ///< any thread
  /// Any thread, without locks; null before the first picture. Lives as long as this.
  [[nodiscard]] virtual const EncodeMetrics* metrics() const = 0;

  /// Any thread: the next picture becomes a keyframe.
  virtual void request_keyframe() = 0;
  /// Any thread: another bit rate from the next picture on, in place where the encoder can, else by opening it anew
  /// without losing a picture. Also before the first picture. The answer is the encoder's. Unsupported: the recording
  /// runs at constant quality, or it would take other parameter sets than an output's container does. Invalid: out of
  /// range. Timeout: the encoder stands in a call. An adaptive recording goes on from there, and never above it.
  [[nodiscard]] virtual Result<void> set_bitrate(std::int64_t bits_per_second) = 0;
  /// Any thread: another constant rate, likewise. Unsupported: the rate is variable.
  [[nodiscard]] virtual Result<void> set_rate(Rational rate) = 0;
  /// Any thread: a still screen yields so many pictures a second at the least from now on; 0: none. Unsupported: the
  /// rate is constant.
  [[nodiscard]] virtual Result<void> set_min_rate(double rate) = 0;
  /// Any thread: of a source of sound, as it was named. Errors as AudioRecorder::change(); Unsupported: there is no
  /// sound.
  [[nodiscard]] virtual Result<void> change_audio(std::string_view source, const AudioChange& change) = 0;
  /// Any thread: while it is on nothing is recorded, and stream time stands still.
  virtual void set_paused(bool on) = 0;
  /// Any thread: while it is on, as a pause; and source, importer and encoder let go of every buffer and device. After
  /// it they are chosen again as at the beginning, for the same stream, which goes on with a keyframe. Returns at once.
  virtual void set_asleep(bool on) = 0;
  /// Any thread: true as soon as everything has been let go of, or need not be any more.
  [[nodiscard]] virtual bool wait_until_let_go(Nanoseconds timeout) = 0;
  /// Any thread. Errors as OutputGroup's.
  [[nodiscard]] virtual Result<void> add_output(const OutputSpec& spec) = 0;
  [[nodiscard]] virtual Result<void> remove_output(const std::string& name) = 0;
  /// Any thread: its name; returns when its source has started, which may ask the desktop. Errors as Layers::add().
  [[nodiscard]] virtual Result<std::string> add_layer(const LayerOptions& options) = 0;
  /// Any thread: another place or look. Errors as Layers::change().
  [[nodiscard]] virtual Result<void> change_layer(std::string_view name,
                                                  const std::function<Result<void>(LayerOptions& options)>& change) = 0;
  [[nodiscard]] virtual Result<void> remove_layer(std::string_view name) = 0;  ///< any thread
  /// Any thread: another length of what is kept for save_replay(). Unsupported: the recording keeps nothing.
  [[nodiscard]] virtual Result<void> set_replay_length(Nanoseconds length) = 0;
  /// Any thread; takes as long as writing does. Errors as OutputGroup's.
  [[nodiscard]] virtual Result<std::string> save_replay(const OutputSpec& spec) = 0;
  /// Any thread: the newest picture that was encoded, as it was made for the encoder, into a PNG file; while the
  /// recording is paused the last one before. The stream goes on as if nobody had looked. Takes as long as
  /// compressing does, one after the other. Busy: there is none yet, or the machine is asleep. Errors as save_png()'s.
  [[nodiscard]] virtual Result<void> save_picture(const FileOutput& output) = 0;
  /// Any thread: what the source is, as far as it is known.
  [[nodiscard]] virtual SourceInfo source() const = 0;
  /// Any thread; nullopt before the first picture.
  [[nodiscard]] virtual std::optional<Size> size() const = 0;
  [[nodiscard]] virtual std::optional<Codec> codec() const = 0;
  /// Any thread: those so far.
  [[nodiscard]] virtual std::vector<Failover> failovers() const = 0;
  /// Any thread; null before the first picture: time from a picture's turn until its surface is made.
  [[nodiscard]] virtual const DurationHistogram* import_times() const = 0;
  /// Likewise: from a picture's arrival until the importer had done with the producer's buffer.
  [[nodiscard]] virtual const DurationHistogram* hold_times() const = 0;
  /// Any thread: from the producer's timestamp until the picture was here.
  [[nodiscard]] virtual const DurationHistogram& capture_times() const = 0;
  /// Any thread: muxing and writing a packet, of all outputs.
  [[nodiscard]] virtual const DurationHistogram& sink_times() const = 0;

  /// Ends capture, encodes what is under way, closes every output. Once.
  [[nodiscard]] virtual RecordingReport finish() = 0;

 protected:
  Recording() = default;
};

}  // namespace zc
