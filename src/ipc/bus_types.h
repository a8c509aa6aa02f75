// Between D-Bus messages and the project's own types.
#pragma once

#include "base/error.h"
#include "config/setting_value.h"

#include <systemd/sd-bus.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace zc::bus {

struct MessageUnref {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using MessagePtr = std::unique_ptr<sd_bus_message, MessageUnref>;
/// One more reference.
[[nodiscard]] MessagePtr keep(sd_bus_message* message);

/// The a{sv} that comes next in `message`. Values: b, any integer, d, s, as; Invalid: another type (naming key and
/// type), an integer beyond int64, too many or too long values, a key twice.
[[nodiscard]] Result<std::vector<Setting>> read_settings(sd_bus_message* message);

/// Fit for a D-Bus string: bytes that are no UTF-8 become '?'.
[[nodiscard]] std::string good_text(std::string_view text);

// Each appends one value; < 0: negative errno of sd-bus. Texts go through good_text().
[[nodiscard]] int append_text(sd_bus_message* message, std::string_view text);
[[nodiscard]] int append_texts(sd_bus_message* message, const std::vector<std::string>& texts);    ///< as
[[nodiscard]] int append_variant(sd_bus_message* message, const SettingValue& value);              ///< v
[[nodiscard]] int append_settings(sd_bus_message* message, const std::vector<Setting>& settings);  ///< a{sv}

/// "org.zerocast.Daemon1.Error.Invalid" and so on: one for each kind of error.
[[nodiscard]] const char* error_name(ErrorKind kind);
/// What came back instead of an answer; other programs' errors too.
[[nodiscard]] Error error_from(const sd_bus_error& error, std::string operation);

}  // namespace zc::bus
