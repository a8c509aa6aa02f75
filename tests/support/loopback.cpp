#include "support/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace zc::test {
namespace {

constexpr time_t kPatienceSeconds = 60;

sockaddr_in address_of(const char* host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, host, &address.sin_addr);
  return address;
}

UniqueFd tcp_socket() { return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

}  // namespace

std::uint16_t free_port(Transport transport) {
  const int type = transport == Transport::Tcp ? SOCK_STREAM : SOCK_DGRAM;
  const UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in address = address_of("127.0.0.1", 0);
  socklen_t length = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return 0;
  }
  return ntohs(address.sin_port);
}

std::pair<UniqueFd, std::uint16_t> listen_on_loopback() {
  UniqueFd fd = tcp_socket();
  sockaddr_in address = address_of("127.0.0.1", 0);
  socklen_t length = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(fd.get(), 1) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return {};
  }
  return {std::move(fd), ntohs(address.sin_port)};
}

bool is_listening(std::uint16_t port, Transport transport) {
  // proc_pid_net(5): "  sl  local_address rem_address   st ..."; 0A is TCP_LISTEN, 07 an unconnected UDP socket, the
  // address is in host byte order.
  const bool tcp = transport == Transport::Tcp;
  const std::string_view listening = tcp ? "0A" : "07";
  std::array<char, 6> wanted{};
  std::snprintf(wanted.data(), wanted.size(), ":%04X", static_cast<unsigned>(port));
  std::ifstream table(tcp ? "/proc/self/net/tcp" : "/proc/self/net/udp");
  std::string number;
  std::string local;
  std::string remote;
  std::string state;
  std::string line;
  while (std::getline(table, line)) {
    std::istringstream words(line);
    words >> number >> local >> remote >> state;
    if (local.ends_with(wanted.data()) && state == listening) return true;
  }
  return false;
}

UniqueFd connect_to(std::uint16_t port, const char* host) {
  UniqueFd fd = tcp_socket();
  const timeval patience{.tv_sec = kPatienceSeconds, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const sockaddr_in address = address_of(host, port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fd.reset();
  return fd;
}

bool send_text(const UniqueFd& socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::string receive_all(const UniqueFd& socket) {
  std::string text;
  std::array<char, 4096> piece{};
  while (true) {
    const ssize_t got = ::recv(socket.get(), piece.data(), piece.size(), 0);
    if (got <= 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace zc::test
