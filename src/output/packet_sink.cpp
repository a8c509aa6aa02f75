#include "output/packet_sink.h"

#include "output/packet_wire.h"
#include "output/peer_stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace zc {
namespace {

std::unexpected<Error> lost(int error, std::string operation) {
  auto failed = fail_errno(error, std::move(operation));
  failed.error().kind = ErrorKind::Lost;
  return failed;
}

}  // namespace

PacketSink::PacketSink(const UnixOutput& output, std::unique_ptr<Interrupt> interrupt)
    : path_(output.path), name_("unix://" + output.path), interrupt_(std::move(interrupt)) {}

Result<std::unique_ptr<PacketSink>> PacketSink::create(const UnixOutput& output) {
  auto interrupt = Interrupt::create();
  if (!interrupt) return std::unexpected(interrupt.error());
  return std::unique_ptr<PacketSink>(new PacketSink(output, *std::move(interrupt)));
}

Result<void> PacketSink::open(const StreamParameters& stream) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "make a socket");
  constexpr int kSendBuffer = 4 << 20;  // bytes: some keyframes
  static_cast<void>(::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::ranges::copy(path_, address.sun_path);  // OutputSpec: it fits
  // Never waits: a listener whose queue is full is called again.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return lost(errno, "connect to " + name_);
  }
  fd_ = std::move(fd);
  const std::string message = wire_stream(stream);
  return send(std::as_bytes(std::span(message)), {});
}

Result<void> PacketSink::write(const Packet& packet) {
  if (packet.new_stream) {
    const std::string message = wire_stream(*packet.new_stream);
    if (auto sent = send(std::as_bytes(std::span(message)), {}); !sent) return sent;
  }
  const WireHead head = wire_head(packet);
  return send(head, packet.bytes());
}

Result<void> PacketSink::send(std::span<const std::byte> head, std::span<const std::byte> bytes) {
  if (!fd_) return fail(ErrorKind::Lost, "write to " + name_, "not connected");
  while (!head.empty() || !bytes.empty()) {
    // sendmsg() does not change what is sent.
    std::array<iovec, 2> parts{
        {{const_cast<std::byte*>(head.data()), head.size()}, {const_cast<std::byte*>(bytes.data()), bytes.size()}}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t sent = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    if (sent >= 0) {
      const auto count = static_cast<std::size_t>(sent);
      const std::size_t of_head = std::min(count, head.size());
      head = head.subspan(of_head);
      bytes = bytes.subspan(count - of_head);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return lost(errno, "write to " + name_);
    switch (interrupt_->wait(fd_.get(), POLLOUT, kWriteTimeout)) {
      case Interrupt::Wait::Ready: break;
      case Interrupt::Wait::Interrupted: return fail(ErrorKind::Cancelled, "write to " + name_, "stopped");
      case Interrupt::Wait::TimedOut: return lost(ETIMEDOUT, "write to " + name_);
      case Interrupt::Wait::Failed: return lost(errno, "write to " + name_);
    }
  }
  return {};
}

bool PacketSink::take_keyframe_wish() {
  std::array<std::byte, 4096> bytes{};
  while (fd_) {
    const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got <= 0) break;  // one that is gone shows at the next write
    returned_.insert(returned_.end(), bytes.begin(), bytes.begin() + got);
  }
  WireReturn answer = read_wire_return(returned_);
  if (answer.peers || answer.gap) {
    const std::lock_guard lock(mutex_);
    if (answer.peers) peers_ = *std::move(answer.peers);
    longest_gap_ = answer.gap.value_or(longest_gap_);
  }
  return answer.keyframe_wished;
}

std::optional<std::vector<Congestion>> PacketSink::congestion() const {
  const std::lock_guard lock(mutex_);
  return peers_;
}

std::optional<Nanoseconds> PacketSink::longest_gap() const {
  const std::lock_guard lock(mutex_);
  return longest_gap_.count() > 0 ? std::optional<Nanoseconds>(longest_gap_) : std::nullopt;
}

Result<void> PacketSink::close() {
  fd_.reset();
  returned_.clear();
  const std::lock_guard lock(mutex_);
  peers_.clear();
  longest_gap_ = {};
  return {};
}

}  // namespace zc
