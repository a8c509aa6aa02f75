#include "config/daemon_settings.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <string>
#include <vector>

using namespace zc;
using Catch::Matchers::ContainsSubstring;

namespace {

Result<DaemonSettings> with(std::string name, SettingValue value) {
  const std::vector settings{Setting{std::move(name), std::move(value), "f.toml:2:1"}};
  return daemon_settings_from(settings);
}

}  // namespace

TEST_CASE("nothing listens unless it is configured") {
  const auto settings = daemon_settings_from({});
  REQUIRE(settings);
  CHECK_FALSE(settings->metrics);
  CHECK(settings->notify);
}

TEST_CASE("addresses of metrics are numeric and have a port") {
  CHECK(with("metrics", std::string("127.0.0.1:9464"))->metrics == ListenAddress{"127.0.0.1", 9464});
  CHECK(with("metrics", std::string("[::1]:9464"))->metrics == ListenAddress{"::1", 9464});
  CHECK_FALSE(with("metrics", std::string())->metrics);
  for (const char* bad : {"localhost:9464", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", ":9464", "127.0.0.1:94x"}) {
    CAPTURE(bad);
    CHECK_FALSE(with("metrics", std::string(bad)));
  }
}

TEST_CASE("what is wrong is named with its place and what is valid") {
  CHECK_THAT(with("max-sesions", std::int64_t{3}).error().message(),
             ContainsSubstring("f.toml:2:1: max-sesions") && ContainsSubstring("max-sessions"));
  CHECK_THAT(with("max-sessions", std::string("many")).error().message(), ContainsSubstring("1 to 64"));
  CHECK_THAT(with("max-sinks", std::int64_t{33}).error().message(), ContainsSubstring("1 to 32"));
  CHECK_THAT(with("notify", std::int64_t{1}).error().message(), ContainsSubstring("true or false"));
  CHECK(with("max-sinks", std::int64_t{32})->max_sinks == 32);
}

TEST_CASE("every setting has its words and its default is valid") {
  for (const TableSettingInfo& info : daemon_setting_infos()) CHECK(info.help.ends_with('.'));
}
