// libsrt without libavformat, which has it in this process or not:
// docs/decisions/0048-viewers-who-come-by-themselves.md says why it is looked up at run time.
#pragma once

#include "base/error.h"
#include "output/congestion.h"
#include "output/output_spec.h"

#include <srt/srt.h>
#include <syslog.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace zc {

/// libsrt's functions, in the copy that libavformat is linked to.
struct LibSrt {
  decltype(&::srt_startup) startup = nullptr;
  decltype(&::srt_cleanup) cleanup = nullptr;
  decltype(&::srt_create_socket) create_socket = nullptr;
  decltype(&::srt_close) close = nullptr;
  decltype(&::srt_setsockflag) setsockflag = nullptr;
  decltype(&::srt_bind) bind = nullptr;
  decltype(&::srt_listen) listen = nullptr;
  decltype(&::srt_listen_callback) listen_callback = nullptr;
  decltype(&::srt_setrejectreason) setrejectreason = nullptr;
  decltype(&::srt_epoll_create) epoll_create = nullptr;
  decltype(&::srt_epoll_add_usock) epoll_add_usock = nullptr;
  decltype(&::srt_epoll_uwait) epoll_uwait = nullptr;
  decltype(&::srt_epoll_release) epoll_release = nullptr;
  decltype(&::srt_accept) accept = nullptr;
  decltype(&::srt_getsockstate) getsockstate = nullptr;
  decltype(&::srt_getsndbuffer) getsndbuffer = nullptr;
  decltype(&::srt_bstats) bstats = nullptr;
  decltype(&::srt_connect) connect = nullptr;
  decltype(&::srt_getrejectreason) getrejectreason = nullptr;
  decltype(&::srt_rejectreason_str) rejectreason_str = nullptr;
  decltype(&::srt_sendmsg2) sendmsg2 = nullptr;
  decltype(&::srt_setloglevel) setloglevel = nullptr;
  decltype(&::srt_getlasterror) getlasterror = nullptr;
  decltype(&::srt_getlasterror_str) getlasterror_str = nullptr;
};

/// nullopt: it is out of reach.
[[nodiscard]] std::optional<LibSrt> load_libsrt();

/// libsrt's threads, which every user of it starts and ends once.
class SrtStarted {
 public:
  explicit SrtStarted(const LibSrt& srt) : srt_(srt) {
    srt_.startup();
    // Otherwise it writes several lines to stderr for each caller that is refused.
    srt_.setloglevel(LOG_CRIT);
  }
  SrtStarted(const SrtStarted&) = delete;
  SrtStarted& operator=(const SrtStarted&) = delete;
  SrtStarted(SrtStarted&&) = delete;
  SrtStarted& operator=(SrtStarted&&) = delete;
  ~SrtStarted() { srt_.cleanup(); }
  const LibSrt* operator->() const { return &srt_; }

 private:
  LibSrt srt_;
};

/// Owns an SRT socket.
class SrtSocket {
 public:
  SrtSocket() = default;
  SrtSocket(const SrtStarted& srt, SRTSOCKET handle) : srt_(&srt), handle_(handle) {}
  SrtSocket(const SrtSocket&) = delete;
  SrtSocket& operator=(const SrtSocket&) = delete;
  SrtSocket(SrtSocket&& other) noexcept : srt_(other.srt_), handle_(std::exchange(other.handle_, SRT_INVALID_SOCK)) {}
  SrtSocket& operator=(SrtSocket&& other) noexcept {
    std::swap(srt_, other.srt_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~SrtSocket() {
    if (handle_ != SRT_INVALID_SOCK) (*srt_)->close(handle_);
  }
  explicit operator bool() const { return handle_ != SRT_INVALID_SOCK; }
  [[nodiscard]] SRTSOCKET get() const { return handle_; }

 private:
  const SrtStarted* srt_ = nullptr;
  SRTSOCKET handle_ = SRT_INVALID_SOCK;
};

/// What a socket begins with that listens or calls: nothing on it waits. False: srt_failure() says why.
[[nodiscard]] bool set_srt_options(const SrtStarted& srt, SRTSOCKET socket, const SrtOutput& output,
                                   const Secret& passphrase, int family);
/// What failed last on this thread.
[[nodiscard]] std::unexpected<Error> srt_failure(const SrtStarted& srt, std::string operation);

/// How one connection keeps up. Of one thread.
class SrtLink {
 public:
  explicit SrtLink(std::uint64_t peer = 0) { now_.peer = peer; }
  void add(std::size_t bytes) { handed_over_ += bytes; }
  /// Asks libsrt, a few times a second.
  void look(const SrtStarted& srt, SRTSOCKET socket);
  [[nodiscard]] const Congestion& now() const { return now_; }

 private:
  Congestion now_;
  std::uint64_t handed_over_ = 0;  ///< bytes
  double least_rtt_ = 0;           ///< ms; 0: not known
  Nanoseconds looked_at_{};
};

}  // namespace zc
