// How busy the encoding engines are, from the kernel's own words.
#include "encode/engine_load.h"
#include "support/temporary_folder.h"

#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <filesystem>
#include <fstream>
#include <string>

using namespace zc;
using namespace std::chrono_literals;
using Catch::Matchers::WithinAbs;

namespace {

std::string intel(long video_ns, const char* client = "7") {
  return "pos:\t0\nflags:\t02100002\nmnt_id:\t23\ndrm-driver:\ti915\ndrm-pdev:\t0000:00:02.0\ndrm-client-id:\t" +
         std::string(client) + "\ndrm-engine-render:\t5 ns\ndrm-engine-copy:\t6 ns\ndrm-engine-video:\t" +
         std::to_string(video_ns) + " ns\ndrm-engine-capacity-video:\t2\ndrm-engine-video-enhance:\t9 ns\n";
}

}  // namespace

TEST_CASE("an fdinfo text gives its client and what its encoding engines did") {
  const auto times = parse_fdinfo(intel(1234));
  REQUIRE(times);
  CHECK(times->client == "0000:00:02.0/7");
  CHECK(times->busy == 1234ns);
  const auto amd = parse_fdinfo(
      "drm-driver:\tamdgpu\ndrm-client-id:\t4\ndrm-engine-gfx:\t1 ns\ndrm-engine-enc:\t20 ns\n"
      "drm-engine-enc_1:\t3 ns\ndrm-engine-dec:\t100 ns\n");
  REQUIRE(amd);
  CHECK(amd->busy == 23ns);
}

TEST_CASE("what is no such text gives nothing") {
  for (const char* text : {"", "pos:\t0\n", "drm-client-id:\t4\n", "drm-client-id:\t4\ndrm-engine-video:\tmany ns\n",
                           "drm-client-id:\t4\ndrm-engine-video:\t5\n", "drm-engine-video:\t5 ns\n", "drm-engine-",
                           ":::\n:\n", "drm-client-id:\t4\ndrm-engine-render:\t5 ns\n"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_fdinfo(text));
  }
}

TEST_CASE("the load is the share of the time since the last look, each client counted once") {
  const test::TemporaryFolder fdinfo;
  const std::filesystem::path& folder = fdinfo.path();
  const auto write = [&](const char* name, const std::string& text) { fdinfo.write(name, text); };
  write("0", "pos:\t0\nflags:\t02\n");
  write("3", intel(1'000'000'000));
  write("4", intel(1'000'000'000));  // a dup of it
  EngineLoad load(EngineLoad::Driver::Unasked);
  CHECK_FALSE(load.sample(1s, folder));
  write("3", intel(1'250'000'000));
  write("4", intel(1'250'000'000));
  write("5", intel(999'000'000'000, "8"));  // new: nothing to compare with yet
  const auto quarter = load.sample(2s, folder);
  REQUIRE(quarter);
  CHECK_THAT(*quarter, WithinAbs(0.25, 1e-9));
  const auto idle = load.sample(3s, folder);
  REQUIRE(idle);
  CHECK_THAT(*idle, WithinAbs(0.0, 1e-9));
  for (const char* name : {"3", "4", "5"}) std::filesystem::remove(folder / name);
  CHECK_FALSE(load.sample(4s, folder));
  std::filesystem::remove_all(folder);
  CHECK_FALSE(load.sample(5s, folder));
}
