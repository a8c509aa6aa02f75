// Catch2's main without a word from FFmpeg about the damage these tests make.
#include "media/av_log.h"

extern "C" {
#include <libavutil/log.h>
}

#include <catch2/catch_session.hpp>

int main(int argc, char** argv) {
  zc::set_ffmpeg_logging(false);
  av_log_set_level(AV_LOG_QUIET);
  return Catch::Session().run(argc, argv);
}
