// The report as JSON: every key is documented, and what is written can be read back.
#include "probe/report_json.h"

#include <catch2/catch_test_macros.hpp>

#include <fstream>
#include <iterator>
#include <string>
#include <type_traits>

using namespace zc::probe;

namespace {

template <class T>
struct Inner {
  using Type = T;
};
template <class T>
struct Inner<std::vector<T>> : Inner<T> {};
template <class T>
struct Inner<std::optional<T>> : Inner<T> {};

/// Calls `found` with every key of T and of what is inside it.
template <class T, class Found>
void each_key(const Found& found) {
  if constexpr (Described<T>) {
    const auto one = [&]<class Owner, class Member>(const Field<Owner, Member>& field) {
      found(field.key);
      each_key<typename Inner<Member>::Type>(found);
    };
    std::apply([&](const auto&... field) { (one(field), ...); }, T::fields());
  }
}

ProbeReport example() {
  ProbeReport report;
  report.version = "1.2.3";
  report.mode = "auto";
  report.verdict = {.zero_copy = true, .route = "vulkan", .encoder = "libx264", .why = {"because"}, .advice = {}};
  GpuReport& gpu = report.gpus.emplace_back();
  gpu.name = "GPU";
  gpu.vulkan = VulkanFacts{};
  gpu.vulkan->formats = {
      {.format = "BGRx", .modifiers = {{.modifier = "0x0000000000000000", .name = "LINEAR", .planes = 1}}}};
  RouteReport& route = report.routes.emplace_back();
  route.route = "vulkan";
  route.sizes.emplace_back();
  route.sizes[0].width = 1920;
  route.sizes[0].median_us = 12.5;
  report.problems = {{.step = "egl", .what = "crashed with SIGSEGV", .log = "bytes \xff that are no text"}};
  return report;
}

}  // namespace

TEST_CASE("a report survives being written and read") {
  const ProbeReport report = example();
  const std::string text = text_of(write_json(report));
  ProbeReport back;
  read_json(Json::parse(text), back);
  CHECK(text_of(write_json(back)) == text);
  CHECK(back.gpus.at(0).vulkan->formats.at(0).modifiers.at(0).name == "LINEAR");
  CHECK_FALSE(back.gpus.at(0).cuda);
  CHECK(back.routes.at(0).sizes.at(0).median_us == 12.5);
  CHECK(Json::parse(text)["gpus"][0]["cuda"].is_null());
}

TEST_CASE("an answer of other types is refused, one with other keys is not") {
  RouteReport route;
  route.what = "kept";
  read_json(Json{{"works", true}, {"unknown", 1}}, route);
  CHECK(route.works);
  CHECK(route.what == "kept");
  CHECK_THROWS_AS(read_json(Json{{"works", "yes"}}, route), Json::exception);
  CHECK_THROWS_AS(read_json(Json{{"sizes", {1, 2}}}, route), Json::exception);
  CHECK_THROWS_AS(read_json(Json::array(), route), Json::exception);
}

TEST_CASE("docs/probe.md names every key") {
  std::ifstream file(ZEROCAST_SOURCE_DIR "/docs/probe.md");
  REQUIRE(file.good());
  const std::string docs{std::istreambuf_iterator<char>(file), {}};
  std::size_t count = 0;
  each_key<ProbeReport>([&](std::string_view key) {
    ++count;
    CAPTURE(key);
    CHECK(docs.find("`" + std::string(key) + "`") != std::string::npos);
  });
  CHECK(count > 80);
}
