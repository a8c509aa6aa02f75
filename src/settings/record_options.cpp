#include "settings/record_options.h"

namespace zc {

RecordingOptions recording_options(const RecordOptions& options, const Toggles& toggles) {
  RecordingOptions recording;
  recording.source = options.source;
  recording.source_options.cursor = options.cursor;
  recording.source_options.persist = options.restore ? Persist::UntilRevoked : Persist::Never;
  recording.source_options.restore_slot = options.restore_slot;
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
  recording.toggles = toggles;
  return recording;
}

}  // namespace zc
