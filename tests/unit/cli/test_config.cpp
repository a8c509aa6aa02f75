// `zerocast config`, and the configuration's defaults under what is typed.
#include "cli/command_line.h"
#include "cli/config_report.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <fstream>
#include <iterator>
#include <string>
#include <variant>
#include <vector>

using namespace zc;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace {

Result<Invocation> parse(const std::vector<const char*>& words, std::string_view config) {
  return parse_command_line(words, [&] { return parse_config(config, "zerocast.toml"); });
}

RecordOptions options_of(const Result<Invocation>& invocation) {
  REQUIRE(invocation);
  return std::get<RecordOptions>(*invocation);
}

}  // namespace

TEST_CASE("defaults come from the configuration, and what is typed wins") {
  constexpr std::string_view kConfig = "[record]\ncodec = \"hevc\"\nfps = 30\n[stream]\ncodec = \"h264\"\n";
  const RecordOptions plain = options_of(parse({"record", "a.mkv"}, kConfig));
  CHECK(plain.encoder.codec == Codec::HEVC);
  CHECK(plain.constant_rate->num == 30);
  const RecordOptions typed = options_of(parse({"record", "--codec", "av1", "--min-fps", "5", "a.mkv"}, kConfig));
  CHECK(typed.encoder.codec == Codec::AV1);
  CHECK_FALSE(typed.constant_rate);
  CHECK(options_of(parse({"stream", "udp://127.0.0.1:5000"}, kConfig)).encoder.codec == Codec::H264);
}

TEST_CASE("a wrong configuration stops the commands that take defaults, and only those") {
  constexpr std::string_view kWrong = "[record]\ncodec = 7\n";
  const auto record = parse({"record", "a.mkv"}, kWrong);
  REQUIRE_FALSE(record);
  CHECK_THAT(record.error().message(), StartsWith("zerocast.toml:2:1: codec"));
  CHECK(parse({"config", "show"}, kWrong));
  CHECK(parse({"encoders"}, kWrong));
  CHECK(parse({"record", "--help"}, kWrong));
}

TEST_CASE("the configuration in force is shown with the origin of each value, as a file that could be used") {
  const auto config = parse_config("[record]\ncodec = \"hevc\"\nrestore = false\n", "mine.toml");
  REQUIRE(config);
  const std::string text = config_text(*config, "/etc/none", {});
  CHECK_THAT(text, ContainsSubstring("# /etc/none (there is no such file)") && ContainsSubstring("ZEROCOPY=auto"));
  CHECK_THAT(text, ContainsSubstring("codec = \"hevc\"") && ContainsSubstring("# mine.toml:2:1"));
  CHECK_THAT(text, ContainsSubstring("restore = false") && ContainsSubstring("cursor = \"embedded\""));
  CHECK(parse_config(text, "again"));
}

TEST_CASE("the example names every setting, and each default in it is valid") {
  const std::string example = config_example();
  CHECK(parse_config(example, "example"));
  std::string active = "[record]\n";
  const std::string record = example.substr(0, example.find("\n[stream]"));
  for (const SettingInfo& setting : setting_infos(SettingScope::Record)) {
    const std::string key = "\n#" + std::string(setting.name) + " =";
    const std::size_t at = record.find(key);
    REQUIRE(at != std::string::npos);
    const std::string line = record.substr(at + 2, record.find('\n', at + 1) - at - 2);
    if (!line.ends_with('=') && setting.name != "min-fps") active += line + "\n";
  }
  const auto config = parse_config(active, "active");
  CHECK((config ? std::string() : config.error().message()) == "");
}

TEST_CASE("the shipped configuration file is the example") {
  std::ifstream file(ZEROCAST_SOURCE_DIR "/config/zerocast.toml", std::ios::binary);
  REQUIRE(file.good());
  CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == config_example());
}
