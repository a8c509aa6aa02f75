#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "capture/wayland_client.h"
#include "media/geometry.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct wl_output;

namespace zc {

/// A monitor of the compositor's, as it says itself (wl_output, xdg_output).
struct WaylandOutput {
  std::string name;                         ///< "DP-1", "HEADLESS-1"
  std::string description;                  ///< for a person; may be empty
  Rect place;                               ///< on the desktop, in its logical pixels, as the picture is seen
  Size mode;                                ///< px of what it shows, before `transform` is undone
  Rational rate;                            ///< pictures a second; 0: not stated
  Transform transform = Transform::Normal;  ///< of its pictures, as Frame has it
  bool operator==(const WaylandOutput&) const = default;
};

/// The outputs of a compositor, and what becomes of them. Used on the client's thread, and gone before the client.
class WaylandOutputs {
 public:
  /// Binds those that are there. Errors as WaylandClient::wait(); Unsupported: they have no names.
  [[nodiscard]] static Result<WaylandOutputs> read(WaylandClient& client, Nanoseconds deadline);
  WaylandOutputs(WaylandOutputs&&) noexcept;
  WaylandOutputs& operator=(WaylandOutputs&&) noexcept;
  WaylandOutputs(const WaylandOutputs&) = delete;
  WaylandOutputs& operator=(const WaylandOutputs&) = delete;
  ~WaylandOutputs();

  /// As it is now: it may be turned, moved and have other modes.
  [[nodiscard]] const WaylandOutput& at(std::size_t index) const;
  [[nodiscard]] wl_output* proxy(std::size_t index) const;
  /// False: it has been unplugged.
  [[nodiscard]] bool present(std::size_t index) const;
  [[nodiscard]] std::vector<WaylandOutput> all() const;

 private:
  struct Bound;
  WaylandOutputs(WaylandClient& client, std::vector<std::unique_ptr<Bound>> outputs);

  WaylandClient* client_;
  std::vector<std::unique_ptr<Bound>> outputs_;  ///< their listeners know the addresses
};

/// Which of the compositor's outputs are meant by a name (empty: none is named) and a region, as indices. NotFound: no
/// such output, or none at all. Invalid: several and none named, or a region where there is none. Both name what there
/// is, `source` before it ("wayland").
[[nodiscard]] Result<std::vector<std::size_t>> choose_outputs(std::string_view source, std::string_view name,
                                                              const std::optional<Rect>& region,
                                                              std::span<const WaylandOutput> outputs);

}  // namespace zc
