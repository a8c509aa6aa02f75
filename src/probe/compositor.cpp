#include "probe/compositor.h"

#include "probe/system_facts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

namespace zc::probe {
namespace {

// The wire protocol (wayland.freedesktop.org, "Wire Format"): messages of 32-bit words in the host's byte order, the
// object, then the size in bytes and the opcode, then the arguments; strings and arrays are a length and padded bytes.
constexpr std::uint32_t kDisplay = 1;  // the only object there is at first
// Ours, in rising order without gaps, as the protocol wants them.
constexpr std::uint32_t kRegistry = 2;
constexpr std::uint32_t kFirstSync = 3;
constexpr std::uint32_t kDmabuf = 4;
constexpr std::uint32_t kFeedback = 5;
constexpr std::uint32_t kSecondSync = 6;

constexpr std::uint16_t kDisplaySync = 0, kDisplayGetRegistry = 1, kRegistryBind = 0, kGetDefaultFeedback = 2;
constexpr std::uint16_t kDisplayError = 0, kRegistryGlobal = 0, kCallbackDone = 0, kFeedbackMainDevice = 2;
constexpr std::string_view kInterface = "zwp_linux_dmabuf_v1";
constexpr std::uint32_t kVersion = 4;  // feedback came with it

std::size_t padded(std::size_t bytes) { return (bytes + 3) / 4 * 4; }

/// A request under construction.
class Request {
 public:
  Request(std::uint32_t object, std::uint16_t opcode) : opcode_(opcode) { word(object).word(0); }
  Request& word(std::uint32_t value) {
    const auto* bytes = reinterpret_cast<const char*>(&value);
    bytes_.append(bytes, sizeof value);
    return *this;
  }
  Request& text(std::string_view value) {
    word(static_cast<std::uint32_t>(value.size() + 1));
    bytes_.append(value);
    bytes_.append(padded(value.size() + 1) - value.size(), '\0');
    return *this;
  }
  [[nodiscard]] std::string finish() {
    const auto header = static_cast<std::uint32_t>(bytes_.size()) << 16U | opcode_;
    std::memcpy(bytes_.data() + 4, &header, sizeof header);
    return std::move(bytes_);
  }

 private:
  std::uint16_t opcode_;
  std::string bytes_;
};

/// An event's arguments; beyond their end everything is zero.
class Arguments {
 public:
  explicit Arguments(std::string_view bytes) : bytes_(bytes) {}
  std::uint32_t word() {
    std::uint32_t value = 0;
    const std::string_view raw = take(sizeof value);
    if (raw.size() == sizeof value) std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }
  std::string_view array() {
    const std::size_t length = word();
    const std::string_view all = take(padded(length));
    return all.substr(0, std::min(length, all.size()));
  }
  std::string_view text() {
    const std::string_view with_end = array();
    return with_end.substr(0, with_end.find('\0'));
  }

 private:
  std::string_view take(std::size_t bytes) {
    const std::string_view taken = bytes_.substr(0, bytes);
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view bytes_;
};

class Client {
 public:
  Client(UniqueFd socket, Nanoseconds limit) : socket_(std::move(socket)), deadline_(monotonic_now() + limit) {}

  CompositorFacts ask() {
    send(Request(kDisplay, kDisplayGetRegistry).word(kRegistry));
    send(Request(kDisplay, kDisplaySync).word(kFirstSync));
    if (!run_until(kFirstSync)) return std::move(facts_);
    facts_.reached = true;
    if (global_ == 0) {
      facts_.reason = fmt::format("it offers no {}: it composes without a GPU, or takes no dmabufs", kInterface);
      return std::move(facts_);
    }
    if (version_ < kVersion) {
      facts_.reason =
          fmt::format("its {} is version {}, and tells its device from {} on", kInterface, version_, kVersion);
      return std::move(facts_);
    }
    send(Request(kRegistry, kRegistryBind).word(global_).text(kInterface).word(kVersion).word(kDmabuf));
    send(Request(kDmabuf, kGetDefaultFeedback).word(kFeedback));
    send(Request(kDisplay, kDisplaySync).word(kSecondSync));
    if (run_until(kSecondSync) && facts_.device.empty()) facts_.reason = "it does not tell its device";
    return std::move(facts_);
  }

 private:
  void send(Request request) { output_ += request.finish(); }

  void flush() {
    // A few hundred bytes on a new socket always fit; a dead peer shows when its answer is read.
    if (::send(socket_.get(), output_.data(), output_.size(), MSG_NOSIGNAL) < 0) send_failed_ = errno;
    output_.clear();
  }

  /// Handles events until this callback is done; false with a reason when that does not come.
  bool run_until(std::uint32_t callback) {
    waited_for_ = callback;
    done_ = false;
    flush();
    while (!done_) {
      if (!handle_events()) return false;
      if (done_) return true;
      const Nanoseconds left = deadline_ - monotonic_now();
      pollfd watched{socket_.get(), POLLIN, 0};
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
      if (left.count() <= 0 || ::poll(&watched, 1, static_cast<int>(ms) + 1) == 0) return give_up("it does not answer");
      if (!receive()) return false;
    }
    return true;
  }

  bool give_up(std::string reason) {
    facts_.reason = std::move(reason);
    return false;
  }

  /// Reads what there is. Descriptors that come along (the format table) are closed.
  bool receive() {
    std::array<char, 4096> buffer{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 28)> control{};
    iovec vector{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got <= 0) {
      const int why = got < 0 ? errno : send_failed_;
      const bool hung_up = why == 0 || why == ECONNRESET || why == EPIPE;
      return give_up(hung_up ? "it hung up" : fail_errno(why, "talk to it").error().message());
    }
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
      const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
        const UniqueFd closed(fd);
      }
    }
    input_.append(buffer.data(), static_cast<std::size_t>(got));
    return true;
  }

  bool handle_events() {
    constexpr std::size_t kHeader = 8;
    while (input_.size() >= kHeader) {
      std::array<std::uint32_t, 2> header{};
      std::memcpy(header.data(), input_.data(), kHeader);
      const std::size_t size = header[1] >> 16U;
      if (size < kHeader || size % 4 != 0) return give_up("it sends no Wayland messages");
      if (input_.size() < size) return true;
      const std::string event = input_.substr(0, size);
      input_.erase(0, size);
      if (!handle(header[0], static_cast<std::uint16_t>(header[1]), std::string_view(event).substr(kHeader))) {
        return false;
      }
    }
    return true;
  }

  bool handle(std::uint32_t object, std::uint16_t opcode, std::string_view bytes) {
    Arguments arguments(bytes);
    if (object == kDisplay && opcode == kDisplayError) {
      arguments.word();  // the object it is about
      const std::uint32_t code = arguments.word();
      return give_up(fmt::format("it refuses with error {}: {}", code, arguments.text()));
    }
    if (object == kRegistry && opcode == kRegistryGlobal) {
      const std::uint32_t name = arguments.word();
      if (arguments.text() == kInterface) {
        global_ = name;
        version_ = arguments.word();
      }
    } else if (object == waited_for_ && opcode == kCallbackDone) {
      done_ = true;
    } else if (object == kFeedback && opcode == kFeedbackMainDevice) {
      const std::string_view raw = arguments.array();
      dev_t device = 0;
      if (raw.size() == sizeof device) {
        std::memcpy(&device, raw.data(), sizeof device);
        facts_.device = node_number(major(device), minor(device));
      }
    }
    return true;
  }

  UniqueFd socket_;
  Nanoseconds deadline_;
  CompositorFacts facts_;
  std::string input_, output_;
  std::uint32_t global_ = 0, version_ = 0;
  std::uint32_t waited_for_ = 0;
  bool done_ = false;
  int send_failed_ = 0;
};

CompositorFacts unreached(std::string reason) {
  CompositorFacts facts;
  facts.reason = std::move(reason);
  return facts;
}

}  // namespace

CompositorFacts ask_compositor(UniqueFd socket, Nanoseconds limit) { return Client(std::move(socket), limit).ask(); }

CompositorFacts ask_compositor(Nanoseconds limit) {
  const char* display = std::getenv("WAYLAND_DISPLAY");
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (display == nullptr || *display == '\0') return unreached("WAYLAND_DISPLAY is not set: no Wayland session here");
  std::filesystem::path path(display);
  if (path.is_relative()) {
    if (runtime == nullptr || *runtime == '\0') return unreached("XDG_RUNTIME_DIR is not set");
    path = std::filesystem::path(runtime) / path;
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.size() >= sizeof address.sun_path) return unreached(text + ": the path is too long for a socket");
  std::ranges::copy(text, std::begin(address.sun_path));
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return unreached(fail_errno(errno, "make a socket").error().message());
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return unreached(fail_errno(errno, "connect to " + text).error().message());
  }
  return ask_compositor(std::move(socket), limit);
}

}  // namespace zc::probe
