// What is to be heard.
#pragma once

#include "audio/audio_encoder.h"
#include "capture/audio_source.h"
#include "capture/file_sound.h"

#include <memory>
#include <vector>

namespace zc {

struct AudioInputOptions {
  AudioSourceSpec source;
  float gain = 1;
  unsigned track = 1;  ///< those of one track are mixed
};

struct AudioOptions {
  std::vector<AudioInputOptions> inputs = {};  ///< none: the recording is silent
  AudioEncoderOptions encoder;                 ///< of each track
  std::shared_ptr<FileSound> file = {};        ///< what FileAudio is
};

}  // namespace zc
