#pragma once

#include "base/error.h"
#include "output/interrupt.h"
#include "output/output_spec.h"

#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace zc {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] int family() const { return storage.ss_family; }
  /// Numeric "host:port", "[host]:port".
  [[nodiscard]] std::string text() const;
};

/// Turns names into addresses without holding anybody up for as long as a dead name server does. One thread.
class Resolver {
 public:
  Resolver();
  /// A query that glibc's helper thread is still working on is left to it (some hundred bytes that are never freed).
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  Resolver(Resolver&&) = delete;
  Resolver& operator=(Resolver&&) = delete;

  /// Every address of the endpoint, best first. Gives up after `timeout` or when interrupted; the next call goes on
  /// with the same query. NotFound: no such host.
  [[nodiscard]] Result<std::vector<SocketAddress>> resolve(const Endpoint& endpoint, const Interrupt& interrupt,
                                                           std::chrono::milliseconds timeout);

 private:
  struct Query;
  std::unique_ptr<Query> query_;  ///< the one that is under way
};

}  // namespace zc
