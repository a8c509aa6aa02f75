#pragma once

#include "base/error.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace zc {

/// What the process says when it ends. Scripts depend on the numbers: they never change their meaning.
enum class ExitCode : std::uint8_t {
  Ok = 0,
  Internal = 1,
  Usage = 2,
  NoSource = 3,
  Denied = 4,
  NoEncoder = 5,
  Output = 6,
  SourceEnded = 7,
  Faults = 8,
  Daemon = 9,
  NoZeroCopy = 10,
};

struct ExitCodeInfo {
  ExitCode code;
  std::string_view meaning;  ///< for the man page and `--help`
};

/// Every exit code, in rising order.
[[nodiscard]] std::span<const ExitCodeInfo> exit_codes();

/// Where an error came up: the same kind means different things to a script.
enum class Stage : std::uint8_t {
  Arguments,  ///< command line and environment
  Source,     ///< choosing and starting a source
  Encoder,    ///< choosing, opening and feeding an encoder
  Output,     ///< opening, writing and closing outputs
  Recording,  ///< the source, after its first frame
  Daemon,     ///< asking the daemon
};

/// Never Ok, but for a source that came to its own end (Stage::Recording, ErrorKind::Cancelled).
[[nodiscard]] ExitCode exit_code(const Error& error, Stage stage);

[[nodiscard]] constexpr int to_int(ExitCode code) { return static_cast<int>(code); }

}  // namespace zc
