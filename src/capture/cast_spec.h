#pragma once

#include "base/error.h"
#include "media/geometry.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace zc {

/// `kwin...` and `mutter...`: a stream that KWin or Mutter makes by its own interface, without a dialog. Both have the
/// same four things to show.
struct CastSpec {
  enum class Desktop : std::uint8_t { KWin, Mutter };
  /// `kwin`, `kwin:OUTPUT`.
  struct Output {
    std::string name;  ///< "DP-1"; empty: the only one
    bool operator==(const Output&) const = default;
  };
  /// `kwin:window:UUID`, `mutter:window:ID`.
  struct Window {
    std::string id;
    bool operator==(const Window&) const = default;
  };
  /// `mutter:area:X,Y WxH`, as parse_region() reads it.
  struct Area {
    Rect place;
    bool operator==(const Area&) const = default;
  };
  /// `mutter:virtual:WxH`: a new monitor that only the stream shows.
  struct Virtual {
    Size size;  ///< px
    bool operator==(const Virtual&) const = default;
  };

  Desktop desktop = Desktop::KWin;
  std::variant<Output, Window, Area, Virtual> what;
  bool operator==(const CastSpec&) const = default;
};

inline constexpr std::string_view kKWinForm = "kwin[:OUTPUT|window:UUID|area:X,Y WxH|virtual:WxH]";
inline constexpr std::string_view kMutterForm = "mutter[:CONNECTOR|window:ID|area:X,Y WxH|virtual:WxH]";

/// "kwin", "mutter".
[[nodiscard]] std::string_view to_string(CastSpec::Desktop desktop);
/// What follows "kwin:" or "mutter:". Invalid names the wrong part and the forms.
[[nodiscard]] Result<CastSpec> parse_cast(CastSpec::Desktop desktop, std::string_view rest);
[[nodiscard]] std::string text_of(const CastSpec& spec);

}  // namespace zc
