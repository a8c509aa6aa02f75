// UDP and TCP on plain sockets: every wait is a poll() that the Interrupt ends at once.
#include "output/peer_stream.h"
#include "output/resolver.h"
#include "output/tcp_congestion.h"

#include "base/unique_fd.h"

#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace zc {
namespace {

std::unexpected<Error> cancelled(std::string operation) {
  return fail(ErrorKind::Cancelled, std::move(operation), "stopped");
}

/// A socket error that ends a connection: whatever the number, the peer has to be called again.
std::unexpected<Error> lost(int error, std::string operation) {
  auto failed = fail_errno(error, std::move(operation));
  failed.error().kind = ErrorKind::Lost;
  return failed;
}

/// Waits for `fd`; an error unless it is ready.
Result<void> wait_ready(const Interrupt& interrupt, int fd, short events,
                        std::optional<std::chrono::milliseconds> timeout, const std::string& operation) {
  switch (interrupt.wait(fd, events, timeout)) {
    case Interrupt::Wait::Ready: return {};
    case Interrupt::Wait::Interrupted: return cancelled(operation);
    case Interrupt::Wait::TimedOut: return lost(ETIMEDOUT, operation);
    case Interrupt::Wait::Failed: return fail_errno(errno, operation);
  }
  return {};
}

Result<UniqueFd> make_socket(int family, int type) {
  UniqueFd fd(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "make a socket");
  return fd;
}

void set_option(const UniqueFd& fd, int level, int option, int value) {
  // Each is an improvement, none is needed.
  static_cast<void>(::setsockopt(fd.get(), level, option, &value, sizeof value));
}

Result<void> finish_connect(const UniqueFd& fd, const Interrupt& interrupt, const std::string& operation) {
  if (auto ready = wait_ready(interrupt, fd.get(), POLLOUT, kConnectTimeout, operation); !ready) return ready;
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) return lost(error, operation);
  return {};
}

class UdpStream final : public PeerStream {
 public:
  UdpStream(const UdpOutput& output, const Interrupt& interrupt)
      : output_(output), name_("udp://" + output.peer.text()), interrupt_(&interrupt) {}

  Result<void> connect() override {
    const auto addresses = resolver_.resolve(output_.peer, *interrupt_, kConnectTimeout);
    if (!addresses) return std::unexpected(addresses.error());
    Result<void> result = fail(ErrorKind::NotFound, "connect to " + name_, "the host has no address");
    for (const SocketAddress& address : *addresses) {
      auto fd = make_socket(address.family(), SOCK_DGRAM);
      if (!fd) return std::unexpected(fd.error());
      constexpr int kSendBuffer = 1 << 20;  // bytes: a whole keyframe is handed over in one burst
      set_option(*fd, SOL_SOCKET, SO_SNDBUF, kSendBuffer);
      if (auto way = set_way(*fd, address.family()); !way) return way;
      if (::connect(fd->get(), address.get(), address.length) == 0) {
        fd_ = std::move(*fd);
        return {};
      }
      result = lost(errno, "connect to " + name_);
    }
    return result;
  }

  Result<void> write(std::span<const std::byte> bytes) override {
    while (true) {
      if (::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0) return {};
      // udp(7): an earlier datagram found nobody listening. A receiver may start at any time.
      if (errno == ECONNREFUSED) return {};
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != ENOBUFS) return lost(errno, "write to " + name_);
      if (auto ready = wait_ready(*interrupt_, fd_.get(), POLLOUT, kWriteTimeout, "write to " + name_); !ready) {
        return ready;
      }
    }
  }

  void disconnect() noexcept override { fd_.reset(); }
  [[nodiscard]] std::size_t message_bytes() const override { return kTsMessageBytes; }

 private:
  /// How far, and by which interface.
  [[nodiscard]] Result<void> set_way(const UniqueFd& fd, int family) const {
    const bool six = family == AF_INET6;
    const auto set = [&](int option, const auto& value) {
      return ::setsockopt(fd.get(), six ? IPPROTO_IPV6 : IPPROTO_IP, option, &value, sizeof value) == 0;
    };
    bool done = true;
    if (output_.ttl) {
      const int hops = *output_.ttl;
      done = set(six ? IPV6_UNICAST_HOPS : IP_TTL, hops) && set(six ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL, hops);
    }
    if (done && !output_.interface.empty()) {
      const unsigned index = ::if_nametoindex(output_.interface.c_str());
      if (index == 0) {
        return fail(ErrorKind::NotFound, "connect to " + name_, "there is no interface " + output_.interface);
      }
      ip_mreqn by{};
      by.imr_ifindex = static_cast<int>(index);
      done = six ? set(IPV6_MULTICAST_IF, index) : set(IP_MULTICAST_IF, by);
    }
    if (!done) return lost(errno, "connect to " + name_);
    return {};
  }

  UdpOutput output_;
  std::string name_;
  const Interrupt* interrupt_;
  Resolver resolver_;
  UniqueFd fd_;
};

class TcpStream final : public PeerStream {
 public:
  TcpStream(const TcpOutput& output, const Interrupt& interrupt)
      : endpoint_(output.endpoint), name_("tcp://" + output.endpoint.text()), interrupt_(&interrupt) {}

  /// Binds the port; `connect()` then accepts.
  Result<void> listen() {
    const std::string operation = "listen on " + name_;
    if (endpoint_.host.empty()) {
      // One socket for both families, or IPv4 where the machine has no IPv6.
      auto both = listen_on({.host = "::", .port = endpoint_.port}, operation);
      return both ? both : listen_on({.host = "0.0.0.0", .port = endpoint_.port}, operation);
    }
    return listen_on(endpoint_, operation);
  }

  Result<void> connect() override {
    auto connected = listener_ ? accept() : call();
    if (!connected) return std::unexpected(std::move(connected.error()));
    set_option(*connected, IPPROTO_TCP, TCP_NODELAY, 1);
    set_fd(*std::move(connected));
    connected_ = true;
    return {};
  }

  Result<void> write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count >= 0) {
        bytes = bytes.subspan(static_cast<std::size_t>(count));
        continue;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return lost(errno, "write to " + name_);
      if (auto ready = wait_ready(*interrupt_, fd_.get(), POLLOUT, kWriteTimeout, "write to " + name_); !ready) {
        return ready;
      }
    }
    return {};
  }

  /// The kernel goes on sending what it has.
  void disconnect() noexcept override {
    connected_ = false;
    set_fd({});
  }
  [[nodiscard]] std::optional<std::vector<Congestion>> congestion() const override {
    const std::lock_guard lock(mutex_);
    return fd_ ? std::vector{tcp_congestion(fd_.get())} : std::vector<Congestion>{};
  }
  [[nodiscard]] std::optional<std::size_t> viewers() const override {
    return listener_ ? std::optional<std::size_t>(connected_ ? 1 : 0) : std::nullopt;
  }

 private:
  Result<void> listen_on(const Endpoint& endpoint, const std::string& operation) {
    const auto addresses = resolver_.resolve(endpoint, *interrupt_, kConnectTimeout);
    if (!addresses) return std::unexpected(addresses.error());
    Result<void> result = fail(ErrorKind::NotFound, operation, "the host has no address");
    for (const SocketAddress& address : *addresses) {
      auto fd = make_socket(address.family(), SOCK_STREAM);
      if (!fd) {
        result = std::unexpected(fd.error());
        continue;
      }
      set_option(*fd, SOL_SOCKET, SO_REUSEADDR, 1);
      if (address.family() == AF_INET6) set_option(*fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
      if (::bind(fd->get(), address.get(), address.length) == 0 && ::listen(fd->get(), 1) == 0) {
        listener_ = std::move(*fd);
        return {};
      }
      result = fail_errno(errno, operation);
    }
    return result;
  }

  void set_fd(UniqueFd fd) {
    const std::lock_guard lock(mutex_);
    fd_ = std::move(fd);
  }

  Result<UniqueFd> accept() {
    const std::string operation = "accept on " + name_;
    while (true) {
      if (auto ready = wait_ready(*interrupt_, listener_.get(), POLLIN, std::nullopt, operation); !ready) {
        return std::unexpected(std::move(ready.error()));
      }
      if (interrupt_->is_set()) return cancelled(operation);
      UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (fd) return fd;
      // accept(2): the peer may be gone again already.
      if (errno != EINTR && errno != EAGAIN && errno != ECONNABORTED) return lost(errno, operation);
    }
  }

  Result<UniqueFd> call() {
    const auto addresses = resolver_.resolve(endpoint_, *interrupt_, kConnectTimeout);
    if (!addresses) return std::unexpected(addresses.error());
    const std::string operation = "connect to " + name_;
    Result<UniqueFd> result = fail(ErrorKind::NotFound, operation, "the host has no address");
    for (const SocketAddress& address : *addresses) {
      auto fd = make_socket(address.family(), SOCK_STREAM);
      if (!fd) return std::unexpected(fd.error());
      if (::connect(fd->get(), address.get(), address.length) != 0 && errno != EINPROGRESS) {
        result = lost(errno, operation);
        continue;
      }
      auto connected = finish_connect(*fd, *interrupt_, operation);
      if (connected) return fd;
      result = std::unexpected(std::move(connected.error()));
      if (result.error().kind == ErrorKind::Cancelled) return result;
    }
    return result;
  }

  Endpoint endpoint_;
  std::string name_;
  const Interrupt* interrupt_;
  Resolver resolver_;
  UniqueFd listener_;  ///< since before there were threads
  mutable std::mutex mutex_;
  UniqueFd fd_;  ///< changed with the mutex, read with it by other threads
  std::atomic<bool> connected_ = false;
};

}  // namespace

Result<std::unique_ptr<PeerStream>> make_udp_stream(const UdpOutput& output, const Interrupt& interrupt) {
  return std::make_unique<UdpStream>(output, interrupt);
}

Result<std::unique_ptr<PeerStream>> make_tcp_stream(const TcpOutput& output, const Interrupt& interrupt) {
  auto stream = std::make_unique<TcpStream>(output, interrupt);
  if (output.listen) {
    if (auto ok = stream->listen(); !ok) return std::unexpected(ok.error());
  }
  return stream;
}

}  // namespace zc
