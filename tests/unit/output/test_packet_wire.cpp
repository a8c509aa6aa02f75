#include "output/packet_wire.h"

#include "output/packet_sink.h"
#include "support/temporary_folder.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <vector>

using namespace zc;
using namespace std::chrono_literals;

TEST_CASE("what a taker sends back is read in whatever pieces it comes") {
  std::vector<std::byte> all;
  const auto gap = wire_gap(170ms);
  const std::array<Congestion, 1> peers{Congestion{.peer = 7, .unsent = 12}};
  const auto told = wire_congestion(peers);
  all.insert(all.end(), gap.begin(), gap.end());
  all.push_back(kWireKeyframeWish);
  all.insert(all.end(), told.begin(), told.end());
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    std::vector<std::byte> buffer(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(cut));
    const WireReturn first = read_wire_return(buffer);
    buffer.insert(buffer.end(), all.begin() + static_cast<std::ptrdiff_t>(cut), all.end());
    const WireReturn second = read_wire_return(buffer);
    CAPTURE(cut);
    CHECK(buffer.empty());
    CHECK(first.keyframe_wished != second.keyframe_wished);
    CHECK((first.gap ? first.gap : second.gap) == 170ms);
    const auto& seen = first.peers ? first.peers : second.peers;
    REQUIRE(seen);
    REQUIRE(seen->size() == 1);
    CHECK(seen->front().peer == 7);
  }
  std::vector<std::byte> garbage{std::byte{0}, std::byte{1}};
  CHECK_FALSE(read_wire_return(garbage).gap);
  CHECK(garbage.empty());
}

TEST_CASE("a sink of packets asks for pictures as often as its taker does, as long as that is there") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("socket");
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(listener.get() >= 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::ranges::copy(path, address.sun_path);
  REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener.get(), 1) == 0);
  auto sink = PacketSink::create({.path = path});
  REQUIRE(sink);
  REQUIRE((*sink)->open({}));
  const UniqueFd taker(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  CHECK_FALSE((*sink)->longest_gap());
  const auto tell = [&](std::chrono::milliseconds gap) {
    const auto bytes = wire_gap(gap);
    REQUIRE(::write(taker.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    static_cast<void>((*sink)->take_keyframe_wish());
  };
  tell(170ms);
  CHECK((*sink)->longest_gap() == 170ms);
  tell(0ms);
  CHECK_FALSE((*sink)->longest_gap());
  tell(170ms);
  REQUIRE((*sink)->close());
  CHECK_FALSE((*sink)->longest_gap());
}
