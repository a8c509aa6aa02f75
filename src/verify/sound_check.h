// What decoded sound says about a stream.
#pragma once

#include "base/error.h"
#include "media/av_handles.h"
#include "media/packet.h"
#include "media/test_sound.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct AVPacket;
struct AVStream;

namespace zc::verify {

/// How sound of the test source lies beside its pictures; positive: the sound is late.
struct SyncReport {
  double p50_ms = 0;
  double p99_ms = 0;            ///< of the magnitude
  double slope_ms_per_min = 0;  ///< what adds up
};

struct SoundReport {
  std::string codec;
  std::string title;
  unsigned channels = 0;
  unsigned rate = 0;         ///< Hz
  double first_seconds = 0;  ///< stream time of the first sample
  double seconds = 0;        ///< how much there is
  std::uint64_t packets = 0;
  std::uint64_t decode_errors = 0;
  std::uint64_t gaps = 0;  ///< times that sound did not begin where that before it ended
  double longest_gap_ms = 0;
  double peak = 0;  ///< 1: full scale
  // Of the test source's sound.
  std::uint64_t beeps = 0;
  std::uint64_t missing_beeps = 0;  ///< between the first and the last
  std::uint64_t clicks = 0;
  std::optional<SyncReport> sync;  ///< where the pictures say when they were painted
};

/// When a picture was painted.
struct PaintedPicture {
  double seconds = 0;  ///< of the stream
  Nanoseconds painted{};
};

/// One track. One thread.
class SoundCheck {
 public:
  /// nullptr: this FFmpeg has no decoder for it.
  [[nodiscard]] static std::unique_ptr<SoundCheck> open(const AVStream& stream);
  SoundCheck(const SoundCheck&) = delete;
  SoundCheck& operator=(const SoundCheck&) = delete;
  ~SoundCheck();

  /// Times in kPacketClock ticks.
  void add(const AVPacket& packet);
  [[nodiscard]] SoundReport report(const std::vector<PaintedPicture>& pictures);

 private:
  SoundCheck();
  void receive();
  [[nodiscard]] std::optional<SyncReport> sync(const std::vector<PaintedPicture>& pictures);

  struct Free {
    void operator()(AVCodecContext* context) const noexcept;
    void operator()(AVFrame* frame) const noexcept;
  };
  std::unique_ptr<AVCodecContext, Free> context_;
  std::unique_ptr<AVFrame, Free> frame_;
  SoundReport report_;
  std::optional<double> next_;  ///< seconds: when the next sample is
  std::optional<BeepReader> beeps_;
  std::vector<Beep> found_;
  std::vector<float> mono_;
};

}  // namespace zc::verify
