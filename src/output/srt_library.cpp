#include "output/srt_library.h"

#include <dlfcn.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace zc {
namespace {

template <class Function>
bool find(const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(RTLD_DEFAULT, name));
  return function != nullptr;
}

}  // namespace

std::optional<LibSrt> load_libsrt() {
  LibSrt srt;
  const bool complete =
      find("srt_startup", srt.startup) && find("srt_cleanup", srt.cleanup) &&
      find("srt_setloglevel", srt.setloglevel) && find("srt_create_socket", srt.create_socket) &&
      find("srt_close", srt.close) && find("srt_setsockflag", srt.setsockflag) && find("srt_bind", srt.bind) &&
      find("srt_listen", srt.listen) && find("srt_listen_callback", srt.listen_callback) &&
      find("srt_setrejectreason", srt.setrejectreason) && find("srt_epoll_create", srt.epoll_create) &&
      find("srt_epoll_add_usock", srt.epoll_add_usock) && find("srt_epoll_uwait", srt.epoll_uwait) &&
      find("srt_epoll_release", srt.epoll_release) && find("srt_accept", srt.accept) &&
      find("srt_getsockstate", srt.getsockstate) && find("srt_getsndbuffer", srt.getsndbuffer) &&
      find("srt_bstats", srt.bstats) && find("srt_connect", srt.connect) &&
      find("srt_getrejectreason", srt.getrejectreason) && find("srt_rejectreason_str", srt.rejectreason_str) &&
      find("srt_sendmsg2", srt.sendmsg2) && find("srt_getlasterror", srt.getlasterror) &&
      find("srt_getlasterror_str", srt.getlasterror_str);
  return complete ? std::optional(srt) : std::nullopt;
}

bool set_srt_options(const SrtStarted& srt, SRTSOCKET socket, const SrtOutput& output, const Secret& passphrase,
                     int family) {
  const auto set = [&](SRT_SOCKOPT option, int value) {
    return srt->setsockflag(socket, option, &value, sizeof value) != SRT_ERROR;
  };
  bool done = set(SRTO_RCVSYN, 0) && set(SRTO_SNDSYN, 0);
  if (family == AF_INET6) done = done && set(SRTO_IPV6ONLY, 0);
  if (output.latency) done = done && set(SRTO_LATENCY, static_cast<int>(output.latency->count()));
  if (output.key_bytes != 0) done = done && set(SRTO_PBKEYLEN, static_cast<int>(output.key_bytes));
  if (passphrase.empty()) return done;
  const std::string& secret = passphrase.reveal();
  return done && srt->setsockflag(socket, SRTO_PASSPHRASE, secret.data(), static_cast<int>(secret.size())) != SRT_ERROR;
}

std::unexpected<Error> srt_failure(const SrtStarted& srt, std::string operation) {
  int system = 0;
  const int code = srt->getlasterror(&system);
  if (system != 0) return fail_errno(system, std::move(operation));
  return fail(code == SRT_EDUPLISTEN ? ErrorKind::Busy : ErrorKind::Lost, std::move(operation),
              srt->getlasterror_str());
}

void SrtLink::look(const SrtStarted& srt, SRTSOCKET socket) {
  constexpr Nanoseconds kEvery = std::chrono::milliseconds(50);
  const Nanoseconds now = monotonic_now();
  if (now - looked_at_ < kEvery) return;
  looked_at_ = now;
  SRT_TRACEBSTATS stats{};
  std::size_t packets = 0;
  std::size_t bytes = 0;
  if (srt->bstats(socket, &stats, 0) == SRT_ERROR || srt->getsndbuffer(socket, &packets, &bytes) == SRT_ERROR) return;
  if (least_rtt_ == 0 || stats.msRTT < least_rtt_) least_rtt_ = stats.msRTT;
  // An acknowledgement cannot be here sooner.
  const double waiting = std::max(0.0, static_cast<double>(stats.msSndBuf) - least_rtt_);
  now_.waiting = std::chrono::duration_cast<Nanoseconds>(std::chrono::duration<double, std::milli>(waiting));
  now_.late = static_cast<std::uint64_t>(stats.pktSndDropTotal);
  const std::uint64_t not_there = bytes + stats.byteSndDropTotal;
  now_.delivered = std::max(now_.delivered, handed_over_ - std::min(handed_over_, not_there));
}

}  // namespace zc
