// libsrt without libavformat: what a peer of ours sees on the wire. The functions are those of the copy that
// libavformat is linked to.
#pragma once

#include <dlfcn.h>
#include <netinet/in.h>
#include <srt/srt.h>
#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace zc::test {

template <class Function>
Function* srt_function(const char* name) {
  auto* function = reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
  INFO(name);
  REQUIRE(function != nullptr);
  return function;
}
#define ZC_SRT(name) (srt_function<decltype(name)>(#name))

struct SrtCall {
  std::string stream_id;
  int buffer_packets = 0;  ///< room for unread ones; 0: libsrt's own
  bool skips = true;       ///< what comes too late (SRTO_TLPKTDROP)
};

/// One socket. A listener's gives one caller at a time.
class SrtPeer {
 public:
  static SrtPeer listener(std::uint16_t port) {
    SrtPeer peer;
    const sockaddr_in address = loopback(port);
    REQUIRE(ZC_SRT(srt_bind)(peer.socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != SRT_ERROR);
    REQUIRE(ZC_SRT(srt_listen)(peer.socket_, 4) != SRT_ERROR);
    peer.set(SRTO_RCVSYN, 0);
    return peer;
  }
  /// Calls, and waits for the answer: refused() or not.
  explicit SrtPeer(std::uint16_t port, const SrtCall& call = {}) : SrtPeer() {
    constexpr int kPatienceMs = 60'000;
    set(SRTO_CONNTIMEO, kPatienceMs);
    set(SRTO_TLPKTDROP, call.skips ? 1 : 0);
    if (call.buffer_packets > 0) {
      set(SRTO_FC, call.buffer_packets);
      set(SRTO_RCVBUF, call.buffer_packets * 1456);
    }
    if (!call.stream_id.empty()) {
      REQUIRE(ZC_SRT(srt_setsockflag)(socket_, SRTO_STREAMID, call.stream_id.data(),
                                      static_cast<int>(call.stream_id.size())) != SRT_ERROR);
    }
    const sockaddr_in address = loopback(port);
    if (ZC_SRT(srt_connect)(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == SRT_ERROR) {
      refused_ = ZC_SRT(srt_getrejectreason)(socket_);
    }
    set(SRTO_RCVSYN, 0);
  }
  SrtPeer(const SrtPeer&) = delete;
  SrtPeer& operator=(const SrtPeer&) = delete;
  SrtPeer(SrtPeer&& other) noexcept : socket_(other.socket_), refused_(other.refused_) {
    other.socket_ = SRT_INVALID_SOCK;
    ZC_SRT(srt_startup)();
  }
  SrtPeer& operator=(SrtPeer&&) = delete;
  ~SrtPeer() {
    if (socket_ != SRT_INVALID_SOCK) ZC_SRT(srt_close)(socket_);
    ZC_SRT(srt_cleanup)();
  }

  /// Why, as SRT_REJECT_REASON and access_control.h have it; nullopt: it is connected.
  [[nodiscard]] std::optional<int> refused() const { return refused_; }
  /// The next message; empty: there is none now.
  [[nodiscard]] std::string receive() const {
    std::array<char, 1500> data{};
    const int count = ZC_SRT(srt_recvmsg)(socket_, data.data(), static_cast<int>(data.size()));
    return count > 0 ? std::string(data.data(), static_cast<std::size_t>(count)) : std::string();
  }
  /// Of a listener: the stream that the next caller names; nullopt: nobody calls now.
  [[nodiscard]] std::optional<std::string> accept() const {
    const SRTSOCKET caller = ZC_SRT(srt_accept)(socket_, nullptr, nullptr);
    if (caller == SRT_INVALID_SOCK) return std::nullopt;
    std::array<char, 513> text{};
    int length = static_cast<int>(text.size());
    REQUIRE(ZC_SRT(srt_getsockflag)(caller, SRTO_STREAMID, text.data(), &length) != SRT_ERROR);
    ZC_SRT(srt_close)(caller);
    return std::string(text.data(), static_cast<std::size_t>(length));
  }

 private:
  SrtPeer() : socket_(make_socket()) { REQUIRE(socket_ != SRT_INVALID_SOCK); }
  static SRTSOCKET make_socket() {
    ZC_SRT(srt_startup)();
    return ZC_SRT(srt_create_socket)();
  }
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  void set(SRT_SOCKOPT option, int value) const {
    REQUIRE(ZC_SRT(srt_setsockflag)(socket_, option, &value, sizeof value) != SRT_ERROR);
  }

  SRTSOCKET socket_;
  std::optional<int> refused_;
};

}  // namespace zc::test
