#include "capture/wayland_wire.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

namespace zc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOperation = "talk to the Wayland compositor";
constexpr std::size_t kHeadBytes = 8;
/// A stop is looked for so often.
constexpr Nanoseconds kLook = std::chrono::milliseconds(50);

std::size_t padded(std::size_t bytes) { return (bytes + 3) & ~std::size_t{3}; }

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::optional<std::string> socket_path() {
  std::string name = environment("WAYLAND_DISPLAY");
  const std::string folder = environment("XDG_RUNTIME_DIR");
  if (name.starts_with('/')) return name;
  if (folder.empty()) return std::nullopt;
  if (!name.empty()) return folder + "/" + name;
  // A service of the user may not have been told.
  std::optional<std::string> only;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string file = entry->path().filename();
    if (!file.starts_with("wayland-") || file.ends_with(".lock") || !entry->is_socket(error)) continue;
    if (only) return std::nullopt;
    only = entry->path();
  }
  return only;
}

}  // namespace

std::uint32_t WaylandEvent::number() {
  std::uint32_t value = 0;
  if (arguments.size() < at_ + sizeof value) return 0;
  std::memcpy(&value, arguments.data() + at_, sizeof value);
  at_ += sizeof value;
  return value;
}

std::span<const std::byte> WaylandEvent::array() {
  const std::size_t length = number();
  if (length > arguments.size() - at_) return {};
  const auto bytes = std::span(arguments).subspan(at_, length);
  at_ = std::min(arguments.size(), at_ + padded(length));
  return bytes;
}

std::string_view WaylandEvent::text() {
  const auto bytes = array();  // with the zero at its end
  if (bytes.empty()) return {};
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size() - 1};
}

Result<WaylandWire> WaylandWire::connect(std::stop_token stop) {
  const auto path = socket_path();
  if (!path) return fail(ErrorKind::NotFound, kOperation, "its socket is not known (WAYLAND_DISPLAY is not set)");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path->size() >= sizeof address.sun_path) return fail(ErrorKind::NotFound, kOperation, *path + " is too long");
  path->copy(address.sun_path, path->size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno(errno, kOperation);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(ErrorKind::NotFound, kOperation, fmt::format("nothing answers at {}", *path));
  }
  return WaylandWire(std::move(socket), std::move(stop));
}

std::size_t WaylandWire::open(std::uint32_t object) {
  const std::size_t begin = out_.size();
  put_number(object);
  put_number(0);
  return begin;
}

void WaylandWire::close(std::size_t begin, std::uint16_t opcode) {
  const auto size_and_opcode = static_cast<std::uint32_t>(out_.size() - begin) << 16U | opcode;
  std::memcpy(out_.data() + begin + 4, &size_and_opcode, sizeof size_and_opcode);
}

void WaylandWire::put_number(std::uint32_t number) {
  const std::size_t at = out_.size();
  out_.resize(at + sizeof number);
  std::memcpy(out_.data() + at, &number, sizeof number);
}

void WaylandWire::put(std::string_view text) {
  put_number(static_cast<std::uint32_t>(text.size() + 1));
  const std::size_t at = out_.size();
  out_.resize(at + padded(text.size() + 1));
  std::ranges::transform(text, out_.begin() + static_cast<std::ptrdiff_t>(at), [](char c) { return std::byte(c); });
}

void WaylandWire::flush(UniqueFd fd) {
  if (out_.empty() || broken_) return out_.clear();
  iovec bytes{out_.data(), out_.size()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
  if (fd) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = fd.get();
    std::memcpy(CMSG_DATA(head), &number, sizeof number);
  }
  // A few hundred bytes: a compositor that leaves so little lying does not paint either.
  const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  broken_ = sent != static_cast<ssize_t>(out_.size());
  out_.clear();
}

Result<WaylandEvent> WaylandWire::next(Nanoseconds deadline) {
  flush({});
  while (true) {
    if (in_.size() >= kHeadBytes) {
      WaylandEvent event;
      std::uint32_t second = 0;
      std::memcpy(&event.object, in_.data(), sizeof event.object);
      std::memcpy(&second, in_.data() + 4, sizeof second);
      event.opcode = static_cast<std::uint16_t>(second & 0xffffU);
      const std::size_t size = second >> 16U;
      if (size < kHeadBytes) return fail(ErrorKind::Invalid, kOperation, "a message without a head");
      if (in_.size() >= size) {
        const auto end = in_.begin() + static_cast<std::ptrdiff_t>(size);
        event.arguments.assign(in_.begin() + kHeadBytes, end);
        in_.erase(in_.begin(), end);
        return event;
      }
    }
    if (broken_) return fail(ErrorKind::Lost, kOperation, "it takes nothing");
    if (stop_.stop_requested()) return fail(ErrorKind::Cancelled, kOperation, "stopped");
    const Nanoseconds left = deadline - monotonic_now();
    if (left <= Nanoseconds{}) return fail(ErrorKind::Timeout, kOperation, "it does not answer");
    pollfd waiting{socket_.get(), POLLIN, 0};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(std::min(left, kLook)).count();
    if (::poll(&waiting, 1, static_cast<int>(ms)) < 0 && errno != EINTR) return fail_errno(errno, kOperation);
    std::array<std::byte, 4096> bytes{};
    // Descriptors that come along, nobody asks for: the kernel closes them.
    const ssize_t got = ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got == 0) return fail(ErrorKind::Lost, kOperation, "it has hung up");
    if (got < 0 && errno != EAGAIN && errno != EINTR) return fail_errno(errno, kOperation);
    if (got > 0) in_.insert(in_.end(), bytes.begin(), bytes.begin() + got);
  }
}

}  // namespace zc
