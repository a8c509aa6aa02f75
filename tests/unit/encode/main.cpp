// Catch2's main with the program's own logging set up first: SVT-AV1 is as quiet as in zerocast.
#include "media/av_log.h"

#include <catch2/catch_session.hpp>

int main(int argc, char** argv) {
  zc::set_ffmpeg_logging(false);
  return Catch::Session().run(argc, argv);
}
