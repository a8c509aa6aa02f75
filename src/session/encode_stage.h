#pragma once

#include "base/histogram.h"
#include "encode/encoder.h"
#include "encode/encoder_chain.h"
#include "encode/settings.h"
#include "encode/surface_adapter.h"
#include "session/encode_ring.h"

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

namespace zc {

/// Who takes over when an encoder fails; called on the encoder thread only, once the stage runs.
class EncoderSuccession {
 public:
  virtual ~EncoderSuccession() = default;
  EncoderSuccession() = default;
  EncoderSuccession(const EncoderSuccession&) = delete;
  EncoderSuccession& operator=(const EncoderSuccession&) = delete;

  /// False: next() would have nothing to offer, so the stage need not keep pictures for it.
  [[nodiscard]] virtual bool possible() const = 0;
  /// An opened encoder of the same codec, size and depth whose keyframes carry their parameter sets; tells whoever must
  /// know. An error ends the stream and says both why `failed` failed and why nobody takes over.
  [[nodiscard]] virtual Result<std::unique_ptr<Encoder>> next(std::string_view failed, const Error& why) = 0;
};

/// The encoder thread: takes jobs from the ring, hands every packet to `on_packet` (on that thread; may block, which
/// then fills the ring) and measures the way from the producer's timestamp to the packet.
///
/// An encoder that fails, or takes kMostInFlight pictures and gives none, is replaced by the next of its succession.
/// Every picture whose packet has not come out is encoded again by the successor, so none is missing and the times go
/// on; its first packet is a keyframe.
class EncodeStage {
 public:
  struct Counters {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    std::uint64_t keyframes = 0;
    std::uint64_t lost = 0;  ///< pictures that a failed encoder or a lost device took with it
  };
  /// More than any encoder that can be replaced holds when it works: FFmpeg's nvenc has at most 64 surfaces.
  static constexpr std::size_t kMostInFlight = 64;
  using PacketHandler = std::function<void(const Packet&)>;
  using ErrorHandler = std::function<void(const Error&)>;

  /// `on_error` is called at most once, on the encoder thread; the stage then only empties the ring. `succession`
  /// outlives the stage; nullptr: nobody takes over.
  EncodeStage(std::unique_ptr<Encoder> encoder, std::size_t ring_frames, RingPolicy policy, PacketHandler on_packet,
              ErrorHandler on_error, EncoderSuccession* succession = nullptr);
  EncodeStage(const EncodeStage&) = delete;
  EncodeStage& operator=(const EncodeStage&) = delete;
  /// Finishes as finish() does.
  ~EncodeStage();

  /// Worker thread. False when `stop` ended the wait for room.
  [[nodiscard]] bool push(EncodeJob job, const std::stop_token& stop);
  /// Encodes what was pushed, drains the encoder and ends the thread. Idempotent.
  void finish();

  /// Any thread: the next picture becomes a keyframe.
  void request_keyframe() { keyframe_wanted_.store(true, std::memory_order_relaxed); }
  /// Pictures (not repeats) pushed whose packets have not come out yet: the encoder or the ring still holds them.
  [[nodiscard]] bool holds_pictures() const;
  /// The encoder holds pictures and waits for more input to let them go.
  [[nodiscard]] bool starved() const { return starved_.load(std::memory_order_relaxed); }

  /// Worker thread: what the encoder takes since another one took over, each time that happens; the pictures' maker
  /// need not go on for the failed one. nullopt: nothing new.
  [[nodiscard]] std::optional<SurfaceFormat> take_new_input();

  [[nodiscard]] Counters counters() const;
  [[nodiscard]] const DurationHistogram& latency() const { return latency_; }
  [[nodiscard]] const EncodeRing& ring() const { return ring_; }
  /// Opens the first encoder of the chain that works, on a thread whose name the encoder's own threads inherit, so that
  /// encoder_cpu_time() finds them.
  [[nodiscard]] static Result<std::unique_ptr<Encoder>> open_encoder(EncoderChain& chain, const VideoParameters& video);
  /// CPU time of the encoder's live threads so far; ask before finish(), which ends them.
  [[nodiscard]] static Nanoseconds encoder_cpu_time();

 private:
  struct Submitted {
    std::int64_t pts = -1;
    Nanoseconds captured{};
    bool repeat = false;
  };

  void run();
  [[nodiscard]] bool replaceable() const { return succession_ != nullptr && succession_->possible(); }
  [[nodiscard]] Result<void> encode(const EncodeJob& job);
  [[nodiscard]] Result<void> submit(const EncodeJob& job);
  [[nodiscard]] Result<void> receive_all();
  [[nodiscard]] Result<void> drain();
  /// Puts the next encoder in the failed one's place and gives it what that one still held, until one works.
  [[nodiscard]] Result<void> replace_encoder(Error why);
  [[nodiscard]] Result<void> encode_again();
  /// The picture is gone with the device it lay on.
  void give_up(const EncodeJob& job);
  void account(const Packet& packet);

  std::unique_ptr<Encoder> encoder_;
  EncoderSuccession* succession_;
  // Encoder thread only.
  std::vector<EncodeJob> in_flight_;        // submitted, no packet yet; kept while the encoder can be replaced
  std::optional<SurfaceAdapter> adapter_;   // the encoder takes other surfaces than come
  std::optional<std::int64_t> newest_pts_;  // of all packets so far
  std::optional<std::int64_t> last_dts_;
  std::shared_ptr<const StreamParameters> new_stream_;  // for the next packet: another encoder's first
  bool loss_told_ = false;

  std::mutex input_mutex_;
  std::optional<SurfaceFormat> new_input_;  ///< for the worker

  EncodeRing ring_;
  PacketHandler on_packet_;
  ErrorHandler on_error_;
  DurationHistogram latency_;
  std::array<Submitted, 256> submitted_{};  // encoder thread only; more than any encoder holds
  std::size_t next_submitted_ = 0;
  std::atomic<bool> keyframe_wanted_{false};
  std::atomic<bool> starved_{false};
  std::atomic<std::uint64_t> pictures_pushed_{0};
  std::atomic<std::uint64_t> pictures_done_{0};
  std::atomic<std::uint64_t> packets_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> keyframes_{0};
  std::atomic<std::uint64_t> lost_{0};
  std::jthread thread_;  // last: it uses everything above
};

}  // namespace zc
