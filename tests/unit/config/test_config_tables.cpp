#include "config/config_tables.h"
#include "config/names.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <string>
#include <variant>
#include <vector>

using namespace zc;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

TEST_CASE("tables come with their names and places, sessions by theirs") {
  const auto tables = parse_config_tables(
      "[sessions.meeting]\nfps = 30\nsinks = [\"/tmp/a.mkv\"]\n[record]\ncodec = \"hevc\"\n[daemon]\nnotify = false\n",
      "f.toml");
  REQUIRE(tables);
  REQUIRE(tables->size() == 3);
  CHECK(tables->at(0).name == "record");
  CHECK(tables->at(1).name == "daemon");
  CHECK(tables->at(2).name == "sessions.meeting");
  REQUIRE(tables->at(0).settings.size() == 1);
  CHECK(tables->at(0).settings.front().where == "f.toml:5:1");
  CHECK(std::get<std::int64_t>(tables->at(2).settings.front().value) == 30);
}

TEST_CASE("layers of the file's own are those of record and stream, where these have none") {
  const auto tables = parse_config_tables(
      "[[layers]]\nsource = \"clock\"\nat = \"tr\"\n[[layers]]\nsource = \"image:/l.png\"\nmargin = 20\n"
      "[stream]\nfps = 30\nlayer = \"test:64x32\"\n[sessions.a]\nfps = 30\n",
      "f.toml");
  REQUIRE(tables);
  REQUIRE(tables->size() == 3);
  CHECK(tables->at(0).name == "record");
  REQUIRE(tables->at(0).settings.size() == 1);
  const Setting& layer = tables->at(0).settings.front();
  CHECK(layer.name == "layer");
  CHECK(layer.where.starts_with("f.toml:1:"));
  CHECK(layer.places == std::vector<std::string>{"f.toml:1:1", "f.toml:4:1"});
  CHECK(std::get<std::vector<std::string>>(layer.value) ==
        std::vector<std::string>{"clock,at=tr", "image:/l.png,margin=20"});
  CHECK(tables->at(1).name == "stream");
  REQUIRE(tables->at(1).settings.size() == 2);
  CHECK(tables->at(2).settings.size() == 1);
}

TEST_CASE("what is no configuration is refused with line and column") {
  const auto refusal = [](const std::string& text) {
    const auto tables = parse_config_tables(text, "f.toml");
    return tables ? std::string() : tables.error().message();
  };
  CHECK_THAT(refusal("[deamon]\n"), StartsWith("f.toml:1:") && ContainsSubstring("[sessions.NAME]"));
  CHECK_THAT(refusal("record = 3\n"), ContainsSubstring("'record' is not one of the tables"));
  CHECK_THAT(refusal("[sessions]\nfps = 3\n"), ContainsSubstring("[sessions.NAME]"));
  CHECK_THAT(refusal("[sessions.\"a/b\"]\n"), ContainsSubstring("no session's name"));
  CHECK_THAT(refusal("[record]\nx = 1979-05-27\n"), ContainsSubstring("f.toml:2:1: x"));
  CHECK_THAT(refusal("[record]\nx = [1]\n"), ContainsSubstring("f.toml:2:1: x"));
  CHECK_THAT(refusal("[layers]\nsource = \"clock\"\n"),
             ContainsSubstring("f.toml:1:") && ContainsSubstring("[[layers]]"));
  CHECK_THAT(refusal("[[layers]]\nat = \"tr\"\n"),
             ContainsSubstring("f.toml:1:") && ContainsSubstring("a text 'source'"));
  CHECK_THAT(refusal("[[layers]]\nsource = \"clock\"\nat = 1.5\n"), ContainsSubstring("at: it takes text"));
  CHECK_THAT(refusal("[record\n"), StartsWith("f.toml:1:"));
  CHECK_FALSE(refusal(std::string("\xff\0[", 3)).empty());
}

TEST_CASE("names of sessions are such as paths and files can have") {
  for (const char* good : {"a", "meeting-1", "A_b", "0"}) CHECK(check_session_name(good));
  for (const std::string& bad : {std::string(), std::string("a b"), std::string("a/b"), std::string("a.b"),
                                 std::string("\xc3\xa9"), std::string(65, 'a')}) {
    CHECK_FALSE(check_session_name(bad));
  }
}

TEST_CASE("settings are shown as one would write them, and no passphrase with them") {
  CHECK(setting_text(true) == "true");
  CHECK(setting_text(std::int64_t{30}) == "30");
  CHECK(setting_text(std::string("hevc")) == "\"hevc\"");
  CHECK(setting_text(std::vector<std::string>{"/a", "srt://h:1?passphrase=correct-horse"}) ==
        "[\"/a\", \"srt://h:1\"]");
}

TEST_CASE("a passphrase or key in a URL is seen, and nothing else is taken for one") {
  CHECK(holds_secret("rtmp://h/live?key=hush"));
  CHECK(holds_secret("srt://h:1?passphrase=correct-horse"));
  CHECK(holds_secret("srt://h:1?latency=120&passphrase=correct-horse"));
  for (const char* none : {"srt://h:1", "srt://h:1?latency=120", "/tmp/a?passphrase=b.mkv", "srt://passphrase=x:1",
                           "srt://h:1?mode=passphrase", "rtmp://h/live?key-file=key=1", "rtmp://key=1/live"}) {
    CAPTURE(none);
    CHECK_FALSE(holds_secret(none));
  }
}

TEST_CASE("a file with a passphrase that others can read is warned of in one line") {
  const auto warning = [](const std::string& text, bool others_read) {
    auto tables = parse_config_tables(text, "f.toml");
    REQUIRE(tables);
    return exposure_warning({.path = "/home/u/f.toml", .tables = *std::move(tables), .others_read = others_read});
  };
  const std::string secret =
      "[sessions.show]\nfps = 30\nsinks = [\"/a.mkv\", \"srt://h:1?passphrase=correct-horse\"]\n";
  const auto line = warning(secret, true);
  REQUIRE(line);
  CHECK_THAT(*line, ContainsSubstring("chmod 600 /home/u/f.toml") && !ContainsSubstring("correct-horse"));
  CHECK_FALSE(warning(secret, false));
  CHECK_FALSE(warning("[record]\ncodec = \"hevc\"\n[sessions.show]\nsinks = [\"srt://h:1\"]\n", true));
}
