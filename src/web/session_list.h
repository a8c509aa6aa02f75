// The daemon's sessions in the words of docs/viewing.md, and what a viewer may order of it.
#pragma once

#include "base/error.h"
#include "config/setting_value.h"
#include "ipc/daemon_client.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace zc::web {

/// Who watches a session.
struct Audience {
  std::size_t viewers = 0;
  double delay_ms = 0;  ///< the longest that one of them has told
};

/// The JSON of the event "sessions".
[[nodiscard]] std::string session_list(const std::vector<SessionView>& sessions,
                                       const std::function<Audience(const std::string& session)>& audience);
[[nodiscard]] bool is_over(const SessionView& session);

enum class OrderKind : std::uint8_t { Start, Stop, Pause, Resume, SaveReplay, Change };
struct Order {
  OrderKind kind = OrderKind::Stop;
  std::int64_t id = 0;
  std::string session;
  std::vector<Setting> options;
};
/// Invalid: it is no order. Takes any bytes.
[[nodiscard]] Result<Order> parse_order(std::string_view text);
/// Gives a session that is to be started a name if it has none, and says which.
[[nodiscard]] std::string name_start(Order& order);
/// Makes `sink` the only one of a session that is to be started without any. False: it has others, as by its template.
[[nodiscard]] bool add_sink_setting(Order& order, const std::string& sink);
/// May take long. What it answers for a person.
[[nodiscard]] Result<std::string> carry_out(DaemonClient& daemon, const Order& order);

/// Makes the session send to `sink`.
[[nodiscard]] Result<void> attach(DaemonClient& daemon, const std::string& session, const std::string& sink);

}  // namespace zc::web
