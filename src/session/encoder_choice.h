// Which encoder a recording has, and which one follows when it fails.
#pragma once

#include "base/error.h"
#include "encode/encoder.h"
#include "encode/encoder_chain.h"
#include "encode/settings.h"
#include "media/packet.h"
#include "session/encode_stage.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {

/// An encoder that was tried before the one at work.
struct PassedOver {
  std::string encoder;
  std::string reason;
};

/// The encoders of one recording: chosen once its pictures are known, replaced where one fails, chosen again where all
/// was let go of, each opened with what the settings have become meanwhile. Says in the log which one it is and why not
/// those before it.
class EncoderChoice final : public EncoderSuccession {
 public:
  /// `patience`: with each candidate, as EncoderChain::create().
  EncoderChoice(EncoderSettings settings, Nanoseconds patience) : settings_(std::move(settings)), patience_(patience) {}

  /// Session worker, while no stage runs: the first encoder that works. Once there is a stream only the device counts
  /// of `video`: the stream goes on as it is. Errors as EncoderChain::create() and open_first().
  [[nodiscard]] Result<std::unique_ptr<Encoder>> open(const VideoParameters& video);
  /// Session worker, while no stage runs: nothing is kept of the device that pictures lay on.
  void release();

  /// Any thread: a successor has this bit rate. Errors as Recording::set_bitrate().
  [[nodiscard]] Result<void> set_bitrate(std::int64_t bits_per_second);
  /// Any thread: a successor expects this many pictures/s.
  void set_rate(Rational rate);
  /// Any thread: what bit_rate() said before the encoder refused another.
  void restore_bitrate(std::optional<std::int64_t> bits_per_second) {
    bit_rate_now_.store(bits_per_second.value_or(0));
  }
  /// Any thread: what was set last; nullopt: nothing was.
  [[nodiscard]] std::optional<std::int64_t> bit_rate() const;
  [[nodiscard]] std::optional<Rational> rate() const;

  // Encoder thread.
  [[nodiscard]] bool possible() const override { return chain_ && !chain_->exhausted(); }
  Result<std::unique_ptr<Encoder>> next(std::string_view failed, const Error& why) override;
  void reopened(const Encoder& encoder) override;

  // Before a stage is given a picture, or once its thread has ended.
  [[nodiscard]] const std::string& encoder() const { return encoder_; }  ///< at work
  /// What the first one gave, with the size and parameter sets of the one at work.
  [[nodiscard]] const StreamParameters& stream() const { return stream_; }
  [[nodiscard]] const std::vector<std::string>& failed() const { return failed_; }  ///< that were at work, in order
  /// That could not be used when one was looked for, in order.
  [[nodiscard]] const std::vector<PassedOver>& passed_over() const { return passed_over_; }

 private:
  void note_choice(const Encoder& encoder);

  const EncoderSettings settings_;
  const Nanoseconds patience_;
  std::optional<EncoderChain> chain_;
  VideoParameters video_;
  std::string encoder_;
  StreamParameters stream_;
  std::vector<std::string> failed_;
  std::vector<PassedOver> passed_over_;

  std::atomic<std::int64_t> bit_rate_now_{0};  ///< 0: as it began
  std::atomic<std::uint64_t> rate_now_{0};     ///< num << 32 | den; 0: as it began
};

}  // namespace zc
