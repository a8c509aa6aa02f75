#include "base/file_names.h"
#include "support/temporary_folder.h"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>

using namespace zc;
using namespace zc::test;
namespace fs = std::filesystem;

namespace {

/// 2026-03-04 15:06:07 where TZ is UTC.
const std::chrono::system_clock::time_point kThen = std::chrono::sys_days(std::chrono::year(2026) / 3 / 4) +
                                                    std::chrono::hours(15) + std::chrono::minutes(6) +
                                                    std::chrono::seconds(7);

void in_utc() {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
}

void touch(const std::string& path) { std::ofstream(path) << 'x'; }

}  // namespace

TEST_CASE("a pattern is a name by the time, the session and the first free number") {
  in_utc();
  const TemporaryFolder folder;
  CHECK(expand_file_name("/v/%Y-%m-%d_%H-%M-%S.mkv", "show", kThen) == "/v/2026-03-04_15-06-07.mkv");
  CHECK(expand_file_name("%F/%y%j_{name}_100%%.mkv", "show", kThen) == "2026-03-04/26063_show_100%.mkv");
  CHECK(expand_file_name("plain.mkv", "show", kThen) == "plain.mkv");
  CHECK(expand_file_name("", "show", kThen) == "");
  CHECK(expand_file_name("{x}/{N}{n%{n}%{name}.mkv", "show", kThen) == "{x}/{N}{n{n}{name}.mkv");
  CHECK(expand_file_name(literal_file_name("100%/{n} {name}/%Y.mkv"), "show", kThen) == "100%/{n} {name}/%Y.mkv");
  const std::string numbered = folder.file("talk {n}.mkv");
  CHECK(expand_file_name(numbered, "", kThen) == folder.file("talk 1.mkv"));
  touch(folder.file("talk 1.mkv"));
  touch(folder.file("talk 2.mkv"));
  CHECK(expand_file_name(numbered, "", kThen) == folder.file("talk 3.mkv"));
  // What a name brings along is no pattern.
  CHECK(expand_file_name("{name}.mkv", "{name}", kThen) == "{name}.mkv");
}

TEST_CASE("what is no pattern is refused with what is one") {
  for (const char* wrong : {"100%.mkv", "%", "%Q", "a%", "%}"}) {
    CAPTURE(wrong);
    const auto path = expand_file_name(wrong, "show", kThen);
    REQUIRE_FALSE(path);
    CHECK(path.error().kind == ErrorKind::Invalid);
    CHECK(path.error().message().find(wrong) != std::string::npos);
  }
}

TEST_CASE("the next name beside a file") {
  const TemporaryFolder folder;
  CHECK(free_path(folder.file("clip.mp4")) == folder.file("clip-2.mp4"));
  touch(folder.file("clip-2.mp4"));
  CHECK(free_path(folder.file("clip.mp4")) == folder.file("clip-3.mp4"));
  CHECK(free_path(folder.file("noext")) == folder.file("noext-2"));
}

TEST_CASE("a recording without a name lies among the videos, and never on another") {
  const TemporaryFolder home;
  ::setenv("HOME", home.path().c_str(), 1);
  ::setenv("XDG_CONFIG_HOME", home.file("config").c_str(), 1);
  std::string videos = home.file("Videos");
  SECTION("where nobody says what the folder is") {}
  SECTION("where the desktop does") {
    fs::create_directories(home.path() / "config");
    std::ofstream(home.path() / "config" / "user-dirs.dirs") << "XDG_VIDEOS_DIR=\"$HOME/Filme 100%\"\n";
    videos = home.file("Filme 100%");
  }
  for (int i = 0; i < 3; ++i) {
    const auto path = default_file("mp4");
    REQUIRE(path);
    CHECK(fs::path(*path).parent_path() == fs::path(videos) / "zerocast");
    CHECK(std::regex_match(fs::path(*path).filename().string(),
                           std::regex(R"(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(-\d+)?\.mp4)")));
    CHECK_FALSE(fs::exists(*path));
    touch(*path);
  }
}
