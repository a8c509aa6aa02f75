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
  void set_resting(bool on);

 private:
  std::mutex mutex_;
  std::optional<EngineLoad> load_;
  bool resting_ = false;
  std::optional<double> last_;
  std::optional<Nanoseconds> asked_at_;
};

/// `passed_over`: pictures that newer ones replaced before the worker took them, or that the source missed.
void add_figures(RecordingStatus& status, const PictureWorker& pictures, const EncodeStage& stage,
                 std::uint64_t passed_over);
/// Once the stage has finished.
void add_encoding(RecordingReport& report, const EncodeStage& stage, const EncoderChoice& encoders);

}  // namespace zc
