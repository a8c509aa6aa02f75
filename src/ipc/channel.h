#pragma once

#include "base/error.h"
#include "base/unique_fd.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace zc {

/// One end of a connection that keeps messages apart (an AF_UNIX socket pair of the type SOCK_SEQPACKET), between a
/// process and its child. Any thread may send; one receives.
class Channel {
 public:
  /// The longest message; the default send buffer takes one and more.
  static constexpr std::size_t kLongest = std::size_t{64} * 1024;

  explicit Channel(UniqueFd socket) : socket_(std::move(socket)) {}
  /// Two ends; close-on-exec, non-blocking.
  [[nodiscard]] static Result<std::pair<Channel, Channel>> make_pair();

  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] UniqueFd release() && { return std::move(socket_); }

  /// Busy: the peer does not read. Lost: it is gone. Invalid: too long.
  [[nodiscard]] Result<void> send(std::string_view message) const;
  /// nullopt: there is none now. Lost: the peer is gone and all it sent has been read.
  [[nodiscard]] Result<std::optional<std::string>> receive() const;

 private:
  UniqueFd socket_;
};

}  // namespace zc
