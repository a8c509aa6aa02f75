#include "ipc/channel.h"

#include <catch2/catch_test_macros.hpp>

#include <string>

using namespace zc;

TEST_CASE("messages stay apart and come in order") {
  auto pair = Channel::make_pair();
  REQUIRE(pair);
  CHECK_FALSE(pair->second.receive()->has_value());
  REQUIRE(pair->first.send("one"));
  REQUIRE(pair->first.send(std::string(Channel::kLongest, 'x')));
  CHECK(**pair->second.receive() == "one");
  CHECK((*pair->second.receive())->size() == Channel::kLongest);
  CHECK_FALSE(pair->second.receive()->has_value());
}

TEST_CASE("what cannot be sent is told apart") {
  auto pair = Channel::make_pair();
  REQUIRE(pair);
  CHECK(pair->first.send(std::string(Channel::kLongest + 1, 'x')).error().kind == ErrorKind::Invalid);
  Result<void> sent;
  for (int i = 0; sent && i < 100'000; ++i) sent = pair->first.send("nobody reads this");
  REQUIRE_FALSE(sent);
  CHECK(sent.error().kind == ErrorKind::Busy);
}

TEST_CASE("a peer that is gone leaves what it said") {
  auto pair = Channel::make_pair();
  REQUIRE(pair);
  REQUIRE(pair->first.send("last words"));
  std::move(pair->first).release().reset();
  CHECK(**pair->second.receive() == "last words");
  CHECK(pair->second.receive().error().kind == ErrorKind::Lost);
  CHECK(pair->second.send("hello").error().kind == ErrorKind::Lost);
}
