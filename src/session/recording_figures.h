// A recording's counters and closing report, out of the parts that count.
#pragma once

#include "base/clock.h"
#include "encode/engine_load.h"
#include "session/encode_stage.h"
#include "session/encoder_choice.h"
#include "session/picture_worker.h"
#include "session/recording.h"

#include <cstdint>
#include <mutex>
#include <optional>

namespace zc {

/// The load of the GPU's encoding engines, asked for once a second at most: it is a call into a driver. Any thread.
class EngineLoadMeter {
 public:
  [[nodiscard]] std::optional<double> load();
  /// Leaves the driver alone from now on, or asks it again.
  void set_off(bool on);

 private:
  std::mutex mutex_;
  std::optional<EngineLoad> load_;
  bool off_ = false;
  std::optional<double> last_;
  std::optional<Nanoseconds> asked_at_;
};

/// `stage`: at work now, or null. `passed_over`: pictures that newer ones replaced before the worker took them, or that
/// the source missed.
void add_figures(RecordingStatus& status, const PictureWorker& pictures, const EncodeMetrics& metrics,
                 const EncodeStage* stage, std::uint64_t passed_over);
/// Once no stage is at work any more.
void add_encoding(RecordingReport& report, const EncodedStream& stream, const EncoderChoice& encoders);

}  // namespace zc
