#include "ipc/channel.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <array>
#include <cerrno>

namespace zc {
namespace {

constexpr const char* kSend = "send a message";
constexpr const char* kReceive = "receive a message";

}  // namespace

Result<std::pair<Channel, Channel>> Channel::make_pair() {
  std::array<int, 2> fds{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()) != 0) {
    return fail_errno(errno, "make a socket pair");
  }
  return std::pair(Channel(UniqueFd(fds[0])), Channel(UniqueFd(fds[1])));
}

Result<void> Channel::send(std::string_view message) const {
  if (message.size() > kLongest) {
    return fail(ErrorKind::Invalid, kSend, fmt::format("it has {} bytes; {} fit", message.size(), kLongest));
  }
  while (true) {
    const ssize_t sent = ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return {};
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return fail(ErrorKind::Busy, kSend, "the other process does not read");
    if (errno == EPIPE || errno == ECONNRESET) return fail(ErrorKind::Lost, kSend, "the other process is gone");
    return fail_errno(errno, kSend);
  }
}

Result<std::optional<std::string>> Channel::receive() const {
  std::string text(kLongest, '\0');
  while (true) {
    const ssize_t got = ::recv(socket_.get(), text.data(), text.size(), MSG_DONTWAIT);
    if (got > 0) {
      text.resize(static_cast<std::size_t>(got));
      return text;
    }
    if (got == 0 || errno == ECONNRESET) return fail(ErrorKind::Lost, kReceive, "the other process is gone");
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return std::optional<std::string>();
    return fail_errno(errno, kReceive);
  }
}

}  // namespace zc
