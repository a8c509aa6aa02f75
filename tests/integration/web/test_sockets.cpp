// Random bytes on every socket that the program has open for strangers, found as the kernel lists them.
#include "integration/web/web_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <nlohmann/json.hpp>

#include <compare>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

struct OpenPort {
  Transport transport;
  std::uint16_t port;
  auto operator<=>(const OpenPort&) const = default;
};

/// Numbers of the sockets that the process has, of proc(5)'s fd.
std::set<std::string> sockets_of(pid_t pid) {
  std::set<std::string> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid), ignored)) {
    const std::string target = std::filesystem::read_symlink(entry.path(), ignored).string();
    if (target.starts_with("socket:[")) found.insert(target.substr(8, target.size() - 9));
  }
  return found;
}

/// Where the process can be reached: TCP that listens and UDP that has a port, IPv4 and IPv6.
std::set<OpenPort> open_ports(pid_t pid) {
  struct Table {
    const char* file;
    Transport transport;
    const char* state;
  };
  std::set<OpenPort> found;
  const auto own = sockets_of(pid);
  for (const Table& table : {Table{"tcp", Transport::Tcp, "0A"}, Table{"tcp6", Transport::Tcp, "0A"},
                             Table{"udp", Transport::Udp, ""}, Table{"udp6", Transport::Udp, ""}}) {
    std::ifstream file(std::string("/proc/net/") + table.file);
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
      std::istringstream fields(line);
      std::vector<std::string> words;
      for (std::string word; fields >> word;) words.push_back(word);
      if (words.size() < 10 || !own.contains(words[9])) continue;
      if (*table.state != '\0' && words[3] != table.state) continue;
      const auto port = std::stoul(words[1].substr(words[1].rfind(':') + 1), nullptr, 16);
      found.insert({table.transport, static_cast<std::uint16_t>(port)});
    }
  }
  return found;
}

class Noise {
 public:
  std::string bytes(std::size_t count) {
    std::string text(count, '\0');
    for (char& letter : text) letter = static_cast<char>(byte_(random_));
    return text;
  }
  void to(const OpenPort& place) {
    for (std::size_t i = 0; i < 60; ++i) {
      // RTCP (RFC 3550) and SRT begin with few values; half of what comes gets beyond the first look.
      std::string text = bytes(1 + i * 23);
      if (i % 2 == 1) text[0] = static_cast<char>(0x80);
      if (i % 4 == 1 && text.size() > 1) text[1] = static_cast<char>(200 + i % 8);
      if (place.transport == Transport::Tcp) {
        const UniqueFd socket = connect_to(place.port);
        if (socket) send_text(socket, text);
        continue;
      }
      const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(place.port);
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      static_cast<void>(
          ::sendto(socket.get(), text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to));
    }
  }

 private:
  std::mt19937 random_{11};
  std::uniform_int_distribution<int> byte_{0, 255};
};

}  // namespace

TEST_CASE("random bytes on every socket that is open change nothing") {
  const auto metrics = free_port();
  WebRig rig({}, fmt::format("[daemon]\nmetrics = \"127.0.0.1:{}\"\n", metrics));
  const auto srt = free_port(Transport::Udp);
  const auto rtp = static_cast<std::uint16_t>(free_port(Transport::Udp) & 0xfffeU);
  const auto name = rig.daemon().client().start(
      {{"source", std::string("test:320x180@30"), {}},
       {"audio", std::vector<std::string>{"test"}, {}},
       {"codec", std::string("h264"), {}},
       {"sinks",
        std::vector<std::string>{rig.daemon().path("beside.mkv"), fmt::format("srt://127.0.0.1:{}?mode=listener", srt),
                                 fmt::format("rtp://127.0.0.1:{}", rtp)},
        {}}});
  if (!name) FAIL(name.error().message());
  rig.daemon().wait_for_state(*name, "recording");
  REQUIRE(eventually([&] { return is_listening(srt, Transport::Udp); }));

  const pid_t session = process_of(*name);
  std::set<OpenPort> all;
  for (const pid_t pid : {rig.daemon().process().pid(), rig.process().pid(), session}) all.merge(open_ports(pid));
  CHECK(all.contains({Transport::Tcp, metrics}));
  CHECK(all.contains({Transport::Tcp, rig.port()}));
  CHECK(all.contains({Transport::Udp, srt}));
  CHECK(all.size() >= 5);  // RTP and RTCP have ports, too
  Noise noise;
  for (const OpenPort& place : all) noise.to(place);

  CHECK(process_of(*name) == session);
  CHECK(rig.process().running());
  CHECK(rig.get("/").starts_with("HTTP/1.1 200"));
  CHECK(is_listening(srt, Transport::Udp));
  const auto before = figure(*rig.daemon().client().session(*name), "frames_captured");
  rig.daemon().wait_for(*name, [&](const SessionView& view) { return figure(view, "frames_captured") > before + 15; });
  const auto report = rig.daemon().client().stop(*name);
  REQUIRE(report);
  const auto dropped = nlohmann::json::parse(*report).at("dropped").get<std::uint64_t>();
  CHECK(check_file(rig.daemon().path("beside.mkv")).missing <= dropped);
}
