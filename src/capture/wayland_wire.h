#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

inline constexpr std::uint32_t kWaylandDisplay = 1;  ///< the object that every connection has

/// One event, read argument by argument; what is not there reads as 0, "" or nothing.
struct WaylandEvent {
  std::uint32_t object = 0;
  std::uint16_t opcode = 0;
  std::vector<std::byte> arguments;

  [[nodiscard]] std::uint32_t number();
  [[nodiscard]] std::string_view text();
  [[nodiscard]] std::span<const std::byte> array();

 private:
  std::size_t at_ = 0;
};

/// A Wayland connection down to its messages (the protocol's chapter "Wire Format"): what a few requests need, without
/// libwayland and a scanner. One thread.
class WaylandWire {
 public:
  /// $WAYLAND_DISPLAY, else the one wayland-N in $XDG_RUNTIME_DIR. NotFound: there is none, or several.
  [[nodiscard]] static Result<WaylandWire> connect(std::stop_token stop = {});
  /// Over a socket that is connected.
  explicit WaylandWire(UniqueFd socket, std::stop_token stop = {})
      : socket_(std::move(socket)), stop_(std::move(stop)) {}

  [[nodiscard]] std::uint32_t new_id() { return ++last_id_; }

  /// Queues a request; next() sends it. Numbers of any signedness, and texts.
  template <class... Arguments>
  void request(std::uint32_t object, std::uint16_t opcode, const Arguments&... arguments) {
    const std::size_t begin = open(object);
    (put(arguments), ...);
    close(begin, opcode);
  }
  /// Likewise, with a descriptor, which is sent at once.
  template <class... Arguments>
  void request_with_fd(UniqueFd fd, std::uint32_t object, std::uint16_t opcode, const Arguments&... arguments) {
    flush({});
    request(object, opcode, arguments...);
    flush(std::move(fd));
  }

  /// Sends what is queued and waits for an event. Timeout; Cancelled; Lost: the compositor hung up.
  [[nodiscard]] Result<WaylandEvent> next(Nanoseconds deadline);

 private:
  [[nodiscard]] std::size_t open(std::uint32_t object);
  void close(std::size_t begin, std::uint16_t opcode);
  void put(std::integral auto number) { put_number(static_cast<std::uint32_t>(number)); }
  void put(std::string_view text);
  void put_number(std::uint32_t number);
  void flush(UniqueFd fd);

  UniqueFd socket_;
  std::stop_token stop_;
  std::uint32_t last_id_ = kWaylandDisplay;
  std::vector<std::byte> out_;
  std::vector<std::byte> in_;
  bool broken_ = false;
};

}  // namespace zc
