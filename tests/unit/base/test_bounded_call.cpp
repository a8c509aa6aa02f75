#include "base/bounded_call.h"

#include <array>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <pthread.h>

using namespace zc;
using namespace std::chrono_literals;

namespace {

std::string this_threads_name() {
  std::array<char, 16> name{};
  pthread_getname_np(pthread_self(), name.data(), name.size());
  return name.data();
}

template <class Condition>
bool comes_true(const Condition& condition) {
  for (int tries = 0; tries < 6000; ++tries) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

}  // namespace

TEST_CASE("a call that returns gives its value, which may only be movable") {
  const auto caller = std::this_thread::get_id();
  const std::string name = this_threads_name();
  auto made = call_within(1h, [&, text = std::make_unique<std::string>("whole")] {
    CHECK(std::this_thread::get_id() != caller);
    CHECK(this_threads_name() == name);
    return std::make_unique<std::string>(*text);
  });
  REQUIRE(made);
  CHECK(**made == "whole");
  CHECK(call_within(std::nullopt, [] { return 7; }) == 7);
  CHECK(parked_threads() == 0);
}

TEST_CASE("a call that does not return is left behind; what it brings after all dies with it") {
  const auto open = std::make_shared<std::atomic<bool>>(false);
  const auto value = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = value;
  const auto result = call_within(40ms, [open, kept = value] {
    while (!*open) std::this_thread::sleep_for(1ms);
    return kept;
  });
  CHECK_FALSE(result);
  CHECK(parked_threads() == 1);
  CHECK(watched.use_count() == 2);
  *open = true;
  CHECK(comes_true([] { return parked_threads() == 0; }));
  CHECK(watched.use_count() == 1);
}
