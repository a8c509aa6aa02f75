#include "settings/setting.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

using namespace zc;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace {

using Texts = std::vector<std::string>;

Setting setting(std::string name, SettingValue value) {
  return {.name = std::move(name), .value = std::move(value), .where = "here:3"};
}
Setting file() { return setting("sinks", Texts{"/tmp/a.mkv"}); }

std::string refusal(const std::vector<Setting>& settings) {
  const auto options = record_options_from(settings);
  REQUIRE_FALSE(options);
  CHECK(options.error().kind == ErrorKind::Invalid);
  return options.error().message();
}

}  // namespace

TEST_CASE("settings are the command line's options under the same names") {
  const auto options = record_options_from(
      std::vector{file(), setting("codec", "hevc"), setting("fps", std::int64_t{30}), setting("min-fps", 0.5),
                  setting("restore", false), setting("overwrite", true), setting("size", "640x480")});
  REQUIRE_FALSE(options);
  // A constant rate and a minimum rate exclude each other here as there.
  CHECK_THAT(options.error().message(), ContainsSubstring("fps") && ContainsSubstring("constant rate"));

  const auto good = record_options_from(std::vector{file(), setting("codec", "hevc"), setting("fps", std::int64_t{30}),
                                                    setting("restore", false), setting("size", "640x480"),
                                                    setting("gpu", "01:00.0")});
  REQUIRE(good);
  CHECK(good->gpu == "0000:01:00.0");
  CHECK(good->encoder.codec == Codec::HEVC);
  CHECK(good->constant_rate->num == 30);
  CHECK_FALSE(good->restore);
  CHECK(good->size == Size{640, 480});
  CHECK_FALSE(good->live);
  CHECK(good->outputs.size() == 1);
}

TEST_CASE("a switch that is off is as if it were not there") {
  const auto options = record_options_from(
      std::vector{file(), setting("restore", true), setting("overwrite", false), setting("restore-slot", "desk")});
  REQUIRE(options);
  CHECK(options->restore);
  CHECK(options->restore_slot == "desk");
  CHECK_FALSE(std::get<FileOutput>(options->outputs.front().target).overwrite);
}

TEST_CASE("network sinks alone make a live session, files beside them do not") {
  CHECK(record_options_from(std::vector{setting("sinks", "udp://127.0.0.1:5000")})->live);
  const auto both = record_options_from(std::vector{setting("sinks", Texts{"udp://127.0.0.1:5000", "/tmp/a.ts"})});
  REQUIRE(both);
  CHECK_FALSE(both->live);
  CHECK(both->outputs.size() == 2);
  CHECK(record_options_from(std::vector{file(), setting("live", true)})->live);
}

TEST_CASE("a silent source is asked after half a minute, or after another time, or never") {
  CHECK(record_options_from(std::vector{file()})->silence == std::chrono::seconds(30));
  CHECK(record_options_from(std::vector{file(), setting("silence-seconds", 2.5)})->silence ==
        std::chrono::milliseconds(2500));
  CHECK(record_options_from(std::vector{file(), setting("silence-seconds", std::int64_t{0})})->silence ==
        Nanoseconds{});
  CHECK_THAT(refusal({file(), setting("silence-seconds", std::int64_t{-1})}), StartsWith("here:3: silence-seconds"));
  CHECK_THAT(refusal({file(), setting("silence-seconds", "soon")}), ContainsSubstring("number of seconds"));
  CHECK_THAT(refusal({file(), setting("silence-seconds", true)}), ContainsSubstring("number of seconds"));
}

TEST_CASE("the later of two settings of one name wins") {
  const auto options = record_options_from(std::vector{file(), setting("codec", "hevc"), setting("codec", "h264")});
  REQUIRE(options);
  CHECK(options->encoder.codec == Codec::H264);
}

TEST_CASE("a session's settings win over the configuration's defaults, and over those they exclude") {
  const SessionDefaults defaults{
      .record = {{"codec", std::string("av1"), {}}, {"crf", std::int64_t{30}, {}}, {"restore", false, {}}},
      .stream = {{"codec", std::string("hevc"), {}}}};
  const auto read = [&](std::vector<Setting> settings, const char* sink) {
    settings.push_back({"sinks", std::vector<std::string>{sink}, {}});
    auto options = record_options_from(settings, defaults);
    if (!options) FAIL(options.error().message());
    return *std::move(options);
  };
  CHECK(read({}, "/tmp/a.mkv").encoder.codec == Codec::AV1);
  CHECK_FALSE(read({}, "/tmp/a.mkv").restore);
  CHECK(read({{"restore", true, {}}}, "/tmp/a.mkv").restore);
  CHECK(read({{"codec", std::string("h264"), {}}}, "/tmp/a.mkv").encoder.codec == Codec::H264);
  CHECK(read({{"bitrate", std::string("2M"), {}}}, "/tmp/a.mkv").encoder.codec == Codec::AV1);
  CHECK(read({}, "udp://localhost:9").encoder.codec == Codec::HEVC);
  const SessionDefaults wrong{.record = {{"codec", std::string("h265"), "zerocast.toml:2:1"}}, .stream = {}};
  const auto refused = record_options_from(std::vector<Setting>{{"sinks", std::string("/tmp/a.mkv"), {}}}, wrong);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message().find("zerocast.toml:2:1") != std::string::npos);
}

TEST_CASE("a setting that is wrong is named with its place and what is valid") {
  CHECK_THAT(refusal({file(), setting("coded", "hevc")}),
             StartsWith("here:3: coded") &&
                 ContainsSubstring("sinks, live, replay-seconds, reconnect, silence-seconds, autostart, source"));
  CHECK_THAT(refusal({file(), setting("codec", "mpeg2")}),
             StartsWith("here:3: codec") && ContainsSubstring("auto, h264, hevc, av1"));
  CHECK_THAT(refusal({file(), setting("codec", true)}), ContainsSubstring("one text or number"));
  CHECK_THAT(refusal({file(), setting("codec", Texts{"h264"})}), ContainsSubstring("one text or number"));
  CHECK_THAT(refusal({file(), setting("overwrite", "yes")}), ContainsSubstring("true or false"));
  CHECK_THAT(refusal({file(), setting("crf", std::int64_t{-4})}), StartsWith("here:3: crf"));
  CHECK_THAT(refusal({file(), setting("json", true)}), ContainsSubstring("no such setting"));
  CHECK_THAT(refusal({setting("sinks", "relative.mkv")}), ContainsSubstring("absolute path"));
  CHECK_THAT(refusal({setting("sinks", "-")}), ContainsSubstring("absolute path"));
  CHECK_THAT(refusal({setting("sinks", Texts{})}), ContainsSubstring("at least one file, URL or camera:NAME"));
  CHECK_THAT(refusal({setting("sinks", std::int64_t{3})}), ContainsSubstring("array of texts"));
  CHECK_THAT(refusal({setting("codec", "hevc")}), StartsWith("sinks"));
  CHECK_THAT(refusal({file(), setting("crf", std::int64_t{20}), setting("bitrate", "6M")}),
             ContainsSubstring("excludes"));
}

TEST_CASE("a setting can be judged alone") {
  CHECK(check_settings(std::vector{setting("codec", "av1")}, SettingScope::Session));
  CHECK(check_settings(std::vector{setting("live", false)}, SettingScope::Session));
  CHECK(check_settings(std::vector{setting("sinks", "srt://127.0.0.1:9000")}, SettingScope::Session));
  CHECK_FALSE(check_settings(std::vector{setting("live", "no")}, SettingScope::Session));
  CHECK_FALSE(check_settings(std::vector{setting("nothing", 1.0)}, SettingScope::Session));
}

TEST_CASE("what was typed wins over defaults of the same option, and over those it excludes") {
  const std::vector defaults{setting("codec", "hevc"), setting("bitrate", "6M"), setting("restore", false),
                             setting("min-fps", 5.0)};
  RecordWords words = record_defaults(false);
  constexpr std::array<std::string_view, 3> kTyped{"--crf", "--fps", "--restore-slot"};
  REQUIRE(apply_defaults(defaults, kTyped, SettingScope::Record, words));
  CHECK(words.options.encoder.codec == Codec::HEVC);
  CHECK_FALSE(words.options.encoder.bit_rate);
  CHECK(words.options.restore);
  CHECK(words.options.min_rate.num == 1);

  words = record_defaults(false);
  REQUIRE(apply_defaults(defaults, {}, SettingScope::Record, words));
  CHECK(words.options.encoder.bit_rate == 6'000'000);
  CHECK_FALSE(words.options.restore);
}

TEST_CASE("defaults are those of their own command") {
  CHECK(check_settings(std::vector{setting("container", "mp4")}, SettingScope::Record));
  CHECK_FALSE(check_settings(std::vector{setting("container", "mp4")}, SettingScope::Stream));
  CHECK_FALSE(check_settings(std::vector{setting("sinks", "/tmp/a.mkv")}, SettingScope::Record));
  RecordWords words = record_defaults(true);
  CHECK_FALSE(apply_defaults(std::vector{setting("live", true)}, {}, SettingScope::Stream, words));
}

TEST_CASE("values are written as in the configuration file, without the secrets of URLs") {
  CHECK(setting_text(true) == "true");
  CHECK(setting_text(std::int64_t{30}) == "30");
  CHECK(setting_text("hevc") == "\"hevc\"");
  CHECK(setting_text(Texts{"/a.mkv", "srt://h:1?passphrase=correct-horse"}) == R"(["/a.mkv", "srt://h:1"])");
}

TEST_CASE("every name there is belongs to one setting") {
  auto names = setting_names(SettingScope::Session);
  std::ranges::sort(names);
  CHECK(std::ranges::adjacent_find(names) == names.end());
  CHECK(std::ranges::find(names, "json") == names.end());
  CHECK(std::ranges::find(names, "restore") != names.end());
}

TEST_CASE("a rate that follows the network has a rate to change, and a floor below it") {
  const Setting sink = setting("sinks", "tcp://127.0.0.1:5000");
  const Setting adaptive = setting("adaptive", true);
  CHECK_THAT(refusal({sink, adaptive}), ContainsSubstring("--bitrate"));
  CHECK_THAT(refusal({sink, adaptive, setting("crf", std::int64_t{20})}), ContainsSubstring("constant quality"));
  CHECK_THAT(refusal({sink, adaptive, setting("bitrate", "2M"), setting("min-bitrate", "3M")}),
             ContainsSubstring("above"));

  const auto limits = [&](const std::vector<Setting>& settings) {
    const auto options = record_options_from(settings);
    REQUIRE(options);
    return recording_options(*options, {}).adaptive;
  };
  const auto usual = limits({sink, adaptive, setting("bitrate", "2M")});
  REQUIRE(usual);
  CHECK(usual->most == 2'000'000);
  CHECK(usual->least == 400'000);
  const auto chosen = limits({sink, adaptive, setting("bitrate", "2M"), setting("min-bitrate", "1M")});
  REQUIRE(chosen);
  CHECK(chosen->least == 1'000'000);
  CHECK_FALSE(limits({sink, setting("bitrate", "2M")}));
  CHECK_FALSE(limits({sink, setting("adaptive", false), setting("crf", std::int64_t{20})}));
}
