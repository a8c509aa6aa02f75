#pragma once

#include "capture/audio_source.h"

#include <cstdint>
#include <memory>

namespace zc {

/// One stream of test_sound(), the same in every channel, from now on.
[[nodiscard]] std::unique_ptr<AudioSource> make_test_audio(std::uint64_t layout);

}  // namespace zc
