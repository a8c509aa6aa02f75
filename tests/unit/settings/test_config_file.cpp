#include "settings/config_file.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

using namespace zc;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace {

std::string refusal(std::string_view text, ErrorKind kind = ErrorKind::Invalid) {
  const auto config = parse_config(text, "zerocast.toml");
  REQUIRE_FALSE(config);
  CHECK(config.error().kind == kind);
  return config.error().message();
}

}  // namespace

TEST_CASE("a configuration file holds defaults of record and stream") {
  const auto config = parse_config(
      "[record]\ncodec = \"hevc\"\nfps = 59.94\ncrf = 20\nrestore = false\n"
      "encoder-option = [\"preset=slow\"]\n[stream]\nbitrate = \"4M\"\n",
      "zerocast.toml");
  REQUIRE(config);
  REQUIRE(config->record.size() == 5);
  REQUIRE(config->stream.size() == 1);
  CHECK(config->stream.front().name == "bitrate");
  CHECK(config->stream.front().where == "zerocast.toml:8:1");
  CHECK(std::get<std::string>(config->stream.front().value) == "4M");
}

TEST_CASE("the file's layers are those of recordings, streams and sessions that have none of their own") {
  const auto config = parse_config(
      "[[layers]]\nsource = \"clock\"\nat = \"tr\"\n[sessions.plain]\nsinks = [\"/tmp/a.mkv\"]\n"
      "[sessions.own]\nsinks = [\"udp://h:1\"]\n[[sessions.own.layers]]\nsource = \"test:64x32\"\n"
      "[[sessions.own.layers]]\nsource = \"text:b\"\n[sessions.bare]\nsinks = [\"/tmp/b.mkv\"]\nlayer = []\n",
      "zerocast.toml");
  REQUIRE(config);
  RecordWords typed = record_defaults(true);
  REQUIRE(apply_defaults(config->stream, {}, SettingScope::Stream, typed));
  REQUIRE(typed.options.layers.size() == 1);
  CHECK(std::get<LayerCorner>(typed.options.layers.front().at) == LayerCorner{2, 0});
  RecordWords other = record_defaults(false);
  const std::vector<std::string_view> given{"--layer"};
  REQUIRE(apply_defaults(config->record, given, SettingScope::Record, other));
  CHECK(other.options.layers.empty());
  const auto layers_of = [&](std::string_view name) {
    const auto found = std::ranges::find(config->sessions, name, &SessionTemplate::name);
    REQUIRE(found != config->sessions.end());
    const auto options = record_options_from(found->settings, {.record = config->record, .stream = config->stream});
    REQUIRE(options);
    return options->layers;
  };
  REQUIRE(layers_of("plain").size() == 1);
  CHECK(std::holds_alternative<ClockSpec>(layers_of("plain").front().source));
  CHECK(layers_of("own").size() == 2);
  CHECK(layers_of("bare").empty());
  CHECK_THAT(refusal("[[layers]]\nsource = \"clock\"\nplace = \"tr\"\n"), StartsWith("zerocast.toml:1:"));
  CHECK_THAT(refusal("[[layers]]\nsource = \"clock\"\nsize = \"huge\"\n"),
             StartsWith("zerocast.toml:1:") && ContainsSubstring("huge"));
  CHECK_THAT(refusal("[[layers]]\nsource = \"clock\"\n[[layers]]\nsource = \"clock\"\nsize = \"huge\"\n"),
             StartsWith("zerocast.toml:3:") && ContainsSubstring("huge"));
}

TEST_CASE("an empty configuration is one") {
  const auto config = parse_config("# nothing\n", "zerocast.toml");
  REQUIRE(config);
  CHECK(config->record.empty());
  CHECK(config->stream.empty());
}

TEST_CASE("what is wrong in a configuration file is told with line and column") {
  CHECK_THAT(refusal("[record]\ncodec = \n"), StartsWith("zerocast.toml:2:"));
  CHECK_THAT(refusal("[record]\ncodecs = \"hevc\"\n"),
             StartsWith("zerocast.toml:2:1: codecs") && ContainsSubstring("there are source, pace, cursor"));
  CHECK_THAT(refusal("[record]\n\n  codec = \"mp3\"\n"),
             StartsWith("zerocast.toml:3:3: codec") && ContainsSubstring("auto, h264, hevc, av1"));
  CHECK_THAT(refusal("[record]\ncodec = true\n"), StartsWith("zerocast.toml:2:1: codec"));
  CHECK_THAT(refusal("[record]\noverwrite = 1\n"), ContainsSubstring("true or false"));
  CHECK_THAT(refusal("[record]\nsize = 2026-11-21\n"), ContainsSubstring("a number, text or texts"));
  CHECK_THAT(refusal("[record]\nencoder-option = [1]\n"), ContainsSubstring("a number, text or texts"));
  CHECK_THAT(refusal("[record]\nfps = 30\nmin-fps = 1\n"), ContainsSubstring("excludes"));
  CHECK_THAT(refusal("[recording]\n"), StartsWith("zerocast.toml:1:2") && ContainsSubstring("[record], [stream]"));
  CHECK_THAT(refusal("codec = \"h264\"\n"), StartsWith("zerocast.toml:1:1") && ContainsSubstring("[record]"));
  CHECK_THAT(refusal("[stream]\ncontainer = \"mp4\"\n"), ContainsSubstring("no such setting"));
}

TEST_CASE("what only shows when settings are put together is told where the file is read") {
  CHECK_THAT(refusal("[record]\nsource = \"foo\"\n"),
             StartsWith("zerocast.toml:1:2: [record]: ") && ContainsSubstring("'foo' is not a source"));
  CHECK_THAT(refusal("[record]\nencoder = \"nosuch\"\n"), StartsWith("zerocast.toml:"));
  CHECK_THAT(refusal("[record]\nencoder-order = \"foo\"\n"), StartsWith("zerocast.toml:"));
  CHECK_THAT(refusal("[stream]\ncodec = \"av1\"\n", ErrorKind::Unsupported),
             StartsWith("zerocast.toml:1:2: [stream]: "));
  CHECK_THAT(refusal("[stream]\nencoder = \"libsvtav1\"\n", ErrorKind::Unsupported),
             StartsWith("zerocast.toml:1:2: [stream]: "));
}

TEST_CASE("any bytes are a configuration or an error, never more") {
  std::mt19937 random(20261121);
  const std::string good = "[record]\ncodec = \"hevc\"\nfps = 30\nsize = \"640x480\"\n[stream]\nbitrate = 4000000\n";
  std::size_t refused = 0;
  for (int round = 0; round < 500; ++round) {
    std::string text = good;
    for (int change = 0; change < 3; ++change) text.at(random() % text.size()) = static_cast<char>(random() & 0xFFU);
    const auto config = parse_config(text, "zerocast.toml");
    if (!config) {
      ++refused;
      CHECK_THAT(config.error().message(), StartsWith("zerocast.toml"));
    }
  }
  CHECK(refused > 100);
}
