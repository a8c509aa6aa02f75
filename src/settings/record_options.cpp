#include "settings/record_options.h"

#include <algorithm>

namespace zc {

namespace {

constexpr std::int64_t kLeastShare = 5;

std::optional<BitrateController::Limits> adaptive_limits(const RecordOptions& options) {
  if (!options.adaptive || !options.encoder.bit_rate) return std::nullopt;
  const std::int64_t most = *options.encoder.bit_rate;
  return BitrateController::Limits{.most = most,
                                   .least = options.min_bit_rate.value_or(std::max(most / kLeastShare, kMinBitRate))};
}

}  // namespace

RecordingOptions recording_options(const RecordOptions& options, const Toggles& toggles) {
  RecordingOptions recording;
  recording.source = options.source;
  recording.layers = options.layers;
  recording.source_options.cursor = options.cursor;
  recording.source_options.unpaced = options.unpaced;
  recording.source_options.from_first = true;
  recording.source_options.persist = options.restore ? Persist::UntilRevoked : Persist::Never;
  recording.source_options.restore_slot = options.restore_slot;
  recording.source_options.region = options.region;
  recording.outputs = options.outputs;
  recording.gpu = options.gpu;
  recording.encoder = options.encoder;
  recording.audio = options.audio;
  recording.size = options.size;
  recording.follow_size = options.follow_size;
  recording.crop = options.crop;
  recording.constant_rate = options.constant_rate;
  recording.max_rate = options.max_rate;
  recording.min_rate = options.min_rate.value();
  recording.duration = options.duration;
  recording.ring_frames = options.ring_frames;
  recording.ring_policy = options.ring_policy;
  recording.live = options.live;
  recording.reconnect = options.reconnect;
  recording.silence = options.silence;
  recording.replay = options.replay;
  recording.adaptive = adaptive_limits(options);
  recording.toggles = toggles;
  return recording;
}

}  // namespace zc
