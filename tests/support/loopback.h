// Sockets on this machine's own address.
#pragma once

#include "base/unique_fd.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace zc::test {

enum class Transport : std::uint8_t { Tcp, Udp };

/// A port of 127.0.0.1 that nothing used a moment ago.
[[nodiscard]] std::uint16_t free_port(Transport transport = Transport::Tcp);
/// Somebody who listens on a port of 127.0.0.1 and accepts nobody.
[[nodiscard]] std::pair<UniqueFd, std::uint16_t> listen_on_loopback();
/// Whether somebody listens there (UDP: has it open); connects to nobody.
[[nodiscard]] bool is_listening(std::uint16_t port, Transport transport = Transport::Tcp);
/// Connects by TCP; empty: nobody listens there. What is sent and received times out after 60 s.
[[nodiscard]] UniqueFd connect_to(std::uint16_t port, const char* address = "127.0.0.1");
/// False: the peer has closed the connection.
bool send_text(const UniqueFd& socket, std::string_view text);
/// All there is until the peer closes the connection.
[[nodiscard]] std::string receive_all(const UniqueFd& socket);

}  // namespace zc::test
