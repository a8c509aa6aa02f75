// The Wayland client against compositors made of bytes.
#include "probe/compositor.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <unistd.h>
#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace zc;
using namespace zc::probe;
using namespace std::chrono_literals;

namespace {

std::string word(std::uint32_t value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }

std::string text(std::string_view value) {
  std::string bytes = word(static_cast<std::uint32_t>(value.size() + 1)) + std::string(value);
  do bytes += '\0';
  while (bytes.size() % 4 != 0);
  return bytes;
}

std::string event(std::uint32_t object, std::uint16_t opcode, const std::string& arguments) {
  return word(object) + word(static_cast<std::uint32_t>(arguments.size() + 8) << 16U | opcode) + arguments;
}
std::string global(std::uint32_t number, std::string_view interface, std::uint32_t version) {
  return event(2, 0, word(number) + text(interface) + word(version));
}
std::string done(std::uint32_t callback) { return event(callback, 0, word(0)); }

/// Answers the client's n-th batch of requests with the n-th string, then hangs up.
class Compositor {
 public:
  explicit Compositor(std::vector<std::string> answers, int passed_fd = -1) {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    client_ = UniqueFd(ends[0]);
    thread_ = std::jthread([server = UniqueFd(ends[1]), answers = std::move(answers), passed_fd] {
      std::array<char, 4096> buffer{};
      for (const std::string& answer : answers) {
        if (::recv(server.get(), buffer.data(), buffer.size(), 0) <= 0) return;
        send_with_fd(server.get(), answer, passed_fd);
      }
    });
  }
  [[nodiscard]] CompositorFacts ask() { return ask_compositor(std::move(client_), 60s); }

 private:
  static void send_with_fd(int socket, const std::string& bytes, int fd) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: iovec's type
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    if (fd >= 0) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof fd);
      std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    static_cast<void>(::sendmsg(socket, &message, MSG_NOSIGNAL));
  }

  UniqueFd client_;
  std::jthread thread_;
};

std::string feedback(dev_t device) {
  const std::string raw(reinterpret_cast<const char*>(&device), sizeof device);
  return event(5, 1, word(16)) +                                            // format_table, its fd beside
         event(5, 2, word(static_cast<std::uint32_t>(raw.size())) + raw) +  // main_device
         event(5, 4, word(static_cast<std::uint32_t>(raw.size())) + raw) + event(5, 3, "") + event(5, 0, "");
}

}  // namespace

TEST_CASE("the compositor's main device is read from its feedback") {
  UniqueFd table(::memfd_create("table", MFD_CLOEXEC));
  Compositor compositor({global(1, "wl_compositor", 5) + global(9, "zwp_linux_dmabuf_v1", 5) + done(3),
                         feedback(makedev(226, 128)) + done(6)},
                        table.get());
  const CompositorFacts facts = compositor.ask();
  CHECK(facts.reached);
  CHECK(facts.device == "226:128");
  CHECK(facts.reason.empty());
}

TEST_CASE("a compositor without dmabufs") {
  const CompositorFacts facts = Compositor({global(1, "wl_shm", 1) + done(3)}).ask();
  CHECK(facts.reached);
  CHECK(facts.device.empty());
  CHECK(facts.reason.starts_with("it offers no zwp_linux_dmabuf_v1"));
}

TEST_CASE("a compositor whose dmabufs are too old for feedback") {
  const CompositorFacts facts = Compositor({global(1, "zwp_linux_dmabuf_v1", 3) + done(3)}).ask();
  CHECK(facts.reached);
  CHECK(facts.reason == "its zwp_linux_dmabuf_v1 is version 3, and tells its device from 4 on");
}

TEST_CASE("an error of the protocol is the reason") {
  const CompositorFacts facts =
      Compositor({global(1, "zwp_linux_dmabuf_v1", 4) + done(3), event(1, 0, word(4) + word(7) + text("no"))}).ask();
  CHECK(facts.reached);
  CHECK(facts.reason == "it refuses with error 7: no");
}

TEST_CASE("no answer and nonsense end") {
  const CompositorFacts gone = Compositor({}).ask();
  CHECK_FALSE(gone.reached);
  CHECK_FALSE(gone.reason.empty());
  CHECK(Compositor({std::string(64, '\0')}).ask().reason == "a message without a head");
  // A message that promises more than it brings, then the end.
  CHECK(Compositor({word(2) + word(0xfffcU << 16U)}).ask().reason == "it has hung up");
  // Arguments that reach beyond their message.
  CHECK(Compositor({event(2, 0, word(1) + word(0xffffffff)) + done(3)}).ask().reason.starts_with("it offers no"));
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const UniqueFd silent(ends[1]);
  CHECK(ask_compositor(UniqueFd(ends[0]), 50ms).reason == "it does not answer");
}
