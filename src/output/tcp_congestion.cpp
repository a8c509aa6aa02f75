// In a file of its own: the C library's tcp_info ends before what is needed here, and its header excludes the kernel's.
#include "output/tcp_congestion.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>

namespace zc {

Congestion tcp_congestion(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return {};
  // Beyond the way there and back, packets stand in a queue of the network's.
  const std::uint32_t in_queues =
      info.tcpi_min_rtt == 0 ? 0 : info.tcpi_rtt - std::min(info.tcpi_rtt, info.tcpi_min_rtt);
  return {.peer = 0,
          .waiting = std::chrono::microseconds(in_queues),
          .unsent = info.tcpi_notsent_bytes,
          .delivered = info.tcpi_bytes_acked,
          .late = 0};
}

}  // namespace zc
