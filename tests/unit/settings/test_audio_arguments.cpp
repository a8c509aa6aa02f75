#include "settings/audio_arguments.h"

#include "settings/setting.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <string>
#include <vector>

using namespace zc;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;

namespace {

std::string refusal(std::string_view text) {
  const auto input = audio_value("--audio", text);
  return input ? "" : input.error().message();
}

/// What a session with these settings would record.
Result<RecordOptions> session(std::vector<Setting> settings, const std::string& sink = "/tmp/a.mkv") {
  settings.push_back({.name = "sinks", .value = sink, .where = {}});
  return record_options_from(settings);
}

Setting audio(std::vector<std::string> sources) { return {.name = "audio", .value = std::move(sources), .where = {}}; }

}  // namespace

TEST_CASE("a source of sound has a volume and a track") {
  const auto plain = audio_value("--audio", "desktop");
  REQUIRE(plain);
  CHECK(std::holds_alternative<DesktopAudio>(plain->source));
  CHECK(plain->gain == 1);
  CHECK(plain->track == 1);
  const auto both = audio_value("--audio", "mic,volume=-6dB,track=2");
  REQUIRE(both);
  CHECK(std::holds_alternative<MicrophoneAudio>(both->source));
  CHECK_THAT(both->gain, WithinAbs(0.5012, 0.0001));
  CHECK(both->track == 2);
  CHECK(audio_value("--audio", "mic,track=2,volume=+3.5dB")->track == 2);
  const auto comma = audio_value("--audio", "app:Me, Myself and I,track=3");
  REQUIRE(comma);
  CHECK(std::get<ApplicationAudio>(comma->source).application == "Me, Myself and I");
}

TEST_CASE("a file's own sound goes with a file, and nothing else with one that is not in real time") {
  const auto wanted = [](const std::string& source, const std::string& pace, std::vector<std::string> sounds) {
    const auto options = session({{"source", source, {}}, {"pace", pace, {}}, audio(std::move(sounds))});
    return options ? std::string() : options.error().message();
  };
  CHECK(std::holds_alternative<FileAudio>(audio_value("--audio", "file,volume=-6dB")->source));
  CHECK(to_string(AudioSourceSpec(FileAudio{})) == "file");
  CHECK(wanted("file:/tmp/a.mp4", "none", {"file", "file,track=2"}) == "");
  CHECK(wanted("file:/tmp/a.mp4", "real-time", {"file", "mic,track=2"}) == "");
  CHECK(wanted("test", "real-time", {"file"}) ==
        "--audio file: it is the sound of a media file as the source (--source file:PATH)");
  CHECK(wanted("file:/tmp/a.mp4", "none", {"file", "mic"}) ==
        "--pace none: sound of 'mic' comes in real time; take the file's own (--audio file), or leave out --audio");
}

TEST_CASE("a wrong source of sound is one line that says what is valid") {
  CHECK_THAT(refusal(""), ContainsSubstring("valid are desktop, mic, app:NAME"));
  CHECK_THAT(refusal("app:,track=1"), ContainsSubstring("valid are desktop"));
  CHECK(refusal("mic,volume=-6") == "--audio: '-6' is not a volume from -60dB to 20dB, such as -6dB");
  for (const char* volume : {"", "dB", "-61dB", "20.1dB", "nandB", "infdB", "1e1dB", "+-3dB", "6 dB", "6db"}) {
    CAPTURE(volume);
    CHECK_THAT(refusal(std::string("mic,volume=") + volume), ContainsSubstring("is not a volume"));
  }
  for (const char* track : {"0", "9", "-1", "1.5", "", "one"}) {
    CAPTURE(track);
    CHECK_THAT(refusal(std::string("mic,track=") + track), ContainsSubstring("--audio"));
  }
  CHECK_THAT(refusal("mic,vol=-6dB"), ContainsSubstring("'vol=-6dB' is neither volume=-6dB nor track=1 to 8"));
}

TEST_CASE("sound is coded as every output takes it") {
  const auto codec = [](const Result<RecordOptions>& options) {
    REQUIRE(options);
    return options->audio.encoder.codec;
  };
  CHECK(codec(session({audio({"desktop"})}, "/tmp/a.mp4")) == AudioCodec::Aac);
  CHECK(codec(session({audio({"desktop"}), {"audio-codec", "flac", {}}}, "/tmp/a.mp4")) == AudioCodec::Flac);
  const auto refused = [](const Result<RecordOptions>& options) {
    return options ? std::string() : options.error().message();
  };
  CHECK(refused(session({audio({"desktop"}), {"audio-codec", "pcm", {}}}, "/tmp/a.mp4")) ==
        "put pcm into MP4: mp4 takes opus, aac, flac; pcm fits into mkv");
  CHECK(refused(session({audio({"desktop"}), {"audio-codec", "flac", {}}}, "udp://localhost:9")) ==
        "put flac into MPEG-TS: ts takes opus, aac; flac fits into mkv, mp4");
  // Nothing is heard: nothing is wrong.
  CHECK(session({{"audio-codec", "pcm", {}}}, "/tmp/a.mp4"));
  CHECK_THAT(refused(session({audio({"none", "mic"})})), ContainsSubstring("'none' excludes any other source"));
  const auto silent = session({audio({"none"})});
  REQUIRE(silent);
  CHECK(silent->audio.inputs.empty());
  CHECK_THAT(refused(session({{"audio-bitrate", "2M", {}}})), ContainsSubstring("is outside 6k to 1024k bit/s"));
  CHECK_THAT(refused(session({{"audio-channels", "3", {}}})),
             ContainsSubstring("is not one of mono, stereo, 5.1, 7.1"));
}
