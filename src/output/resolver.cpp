#include "output/resolver.h"

#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace zc {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds kSlice{20};  // how soon an interrupt is seen

struct AddrinfoFree {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};
using AddrinfoPtr = std::unique_ptr<addrinfo, AddrinfoFree>;

std::vector<SocketAddress> addresses(const addrinfo* list) {
  std::vector<SocketAddress> result;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    SocketAddress& address = result.emplace_back();
    address.length = std::min<socklen_t>(entry->ai_addrlen, sizeof address.storage);
    std::memcpy(&address.storage, entry->ai_addr, address.length);
  }
  return result;
}

}  // namespace

std::string SocketAddress::text() const {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (::getnameinfo(get(), length, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "?";
  }
  return family() == AF_INET6 ? fmt::format("[{}]:{}", host.data(), port.data())
                              : fmt::format("{}:{}", host.data(), port.data());
}

struct Resolver::Query {
  std::string host;
  std::string port;
  addrinfo hints{};
  gaicb request{};
};

Resolver::Resolver() = default;

Resolver::~Resolver() {
  if (query_ == nullptr || ::gai_error(&query_->request) != EAI_INPROGRESS) return;
  // getaddrinfo_a(3): a request that is being worked on cannot be cancelled, and its memory stays in use.
  if (::gai_cancel(&query_->request) == EAI_NOTCANCELED) [[maybe_unused]]
    auto* left = query_.release();
}

Result<std::vector<SocketAddress>> Resolver::resolve(const Endpoint& endpoint, const Interrupt& interrupt,
                                                     milliseconds timeout) {
  const std::string operation = fmt::format("resolve {}", endpoint.host);
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;  // one entry per address; the port is the same for TCP
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  const std::string port = std::to_string(endpoint.port);
  addrinfo* numeric = nullptr;
  if (::getaddrinfo(endpoint.host.c_str(), port.c_str(), &hints, &numeric) == 0) {
    return addresses(AddrinfoPtr(numeric).get());
  }

#ifdef __SANITIZE_THREAD__
  // ThreadSanitizer crashes in threads that glibc starts for itself, as getaddrinfo_a() does.
  hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
  if (const int code = ::getaddrinfo(endpoint.host.c_str(), port.c_str(), &hints, &numeric); code != 0) {
    return fail(ErrorKind::NotFound, operation, ::gai_strerror(code));
  }
  return addresses(AddrinfoPtr(numeric).get());
#endif

  if (query_ == nullptr) {
    auto query = std::make_unique<Query>(Query{.host = endpoint.host, .port = port});
    query->hints.ai_socktype = SOCK_DGRAM;
    query->hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
    query->request.ar_name = query->host.c_str();
    query->request.ar_service = query->port.c_str();
    query->request.ar_request = &query->hints;
    std::array<gaicb*, 1> list{&query->request};
    if (const int code = ::getaddrinfo_a(GAI_NOWAIT, list.data(), 1, nullptr); code != 0) {
      return fail(ErrorKind::Busy, operation, ::gai_strerror(code));
    }
    query_ = std::move(query);
  }
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (::gai_error(&query_->request) == EAI_INPROGRESS) {
    if (interrupt.is_set()) return fail(ErrorKind::Cancelled, operation, "stopped");
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(ErrorKind::Timeout, operation, "the name server does not answer");
    }
    const timespec slice{0, std::chrono::nanoseconds(kSlice).count()};
    const std::array<const gaicb*, 1> list{&query_->request};
    static_cast<void>(::gai_suspend(list.data(), 1, &slice));
  }
  const int code = ::gai_error(&query_->request);
  const AddrinfoPtr found(query_->request.ar_result);
  query_.reset();
  if (code != 0) {
    return fail(code == EAI_AGAIN ? ErrorKind::Busy : ErrorKind::NotFound, operation, ::gai_strerror(code));
  }
  return addresses(found.get());
}

}  // namespace zc
