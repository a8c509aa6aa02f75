// What the desktop's portal gives us to get the same monitor or window back without asking again.
#pragma once

#include "base/error.h"
#include "media/geometry.h"

#include <compare>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// What the portal said about a stream: all of it optional, none of it to be believed without a second look.
struct StreamIdentity {
  std::optional<std::uint32_t> source_type;  ///< org.freedesktop.portal.ScreenCast: 1 monitor, 2 window, 4 virtual
  std::optional<Size> size;                  ///< in the compositor's logical px
  std::optional<Point> position;             ///< of a monitor, in the compositor's logical px
  std::string id;                            ///< opaque, the same for the same stream across sessions; since version 4
  std::string mapping_id;                    ///< names the region to input emulation; since version 5
  bool operator==(const StreamIdentity&) const = default;
};

struct RestoreToken {
  std::string token;                    ///< a secret of this user: never logged
  std::vector<StreamIdentity> streams;  ///< that it stands for; several with PortalSpec::multiple
  bool operator==(const RestoreToken&) const = default;
};

/// Which token: there is one per kind of source and name.
struct RestoreKey {
  std::string type;              ///< "any", "monitor", "window", "virtual"; "any+multiple" and so on
  std::string slot = "default";  ///< chosen by the user; good_slot()
  auto operator<=>(const RestoreKey&) const = default;
};

/// The token file: one JSON object a line, mode 0600, replaced as a whole (write, fsync, rename) under a lock file, so
/// that concurrent writers lose nothing and a reader never sees half a file. Lines that make no sense are passed over
/// when reading and dropped by the next write. Thread-safe in the way files are; holds no state but the path.
class RestoreTokens {
 public:
  explicit RestoreTokens(std::filesystem::path file) : file_(std::move(file)) {}

  /// $XDG_STATE_HOME/zerocast/restore-tokens, or below ~/.local/state. NotFound when neither variable holds an absolute
  /// path (the XDG base directory specification says to ignore relative ones).
  [[nodiscard]] static Result<RestoreTokens> in_state_home();

  /// 1 to 64 characters of A-Z a-z 0-9 . _ -
  [[nodiscard]] static bool good_slot(std::string_view slot);

  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

  /// nullopt when there is none, and when there is no file.
  [[nodiscard]] Result<std::optional<RestoreToken>> find(const RestoreKey& key) const;
  /// Makes missing folders (mode 0700). Busy when another process keeps the lock for more than 2 s.
  [[nodiscard]] Result<void> store(const RestoreKey& key, const RestoreToken& token) const;
  [[nodiscard]] Result<void> remove(const RestoreKey& key) const;

 private:
  std::filesystem::path file_;
};

}  // namespace zc
