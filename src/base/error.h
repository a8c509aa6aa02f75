// Errors as values. Every fallible call of the project returns Result<T>.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace zc {

/// What the caller can do about an error; the only part of an Error that code branches on.
enum class ErrorKind : std::uint8_t {
  Unsupported,  ///< this candidate cannot do it: try the next one
  Lost,         ///< a device, connection or source that worked is gone: rebuild
  Busy,         ///< try again later
  Invalid,      ///< the user's input is wrong: report it, name the valid choices
  Denied,       ///< permission refused (portal dialog, file mode)
  NotFound,     ///< the named thing does not exist
  NoSpace,      ///< the output medium is full
  Cancelled,    ///< stopped on request
  Timeout,      ///< a bounded wait ran out
  Internal,     ///< a bug or an unexpected answer of a library
};

/// Whose number `Error::code` is.
enum class ErrorDomain : std::uint8_t { None, System, PipeWire, DBus, FFmpeg, Gpu };

struct Error {
  ErrorKind kind = ErrorKind::Internal;
  ErrorDomain domain = ErrorDomain::None;
  int code = 0;           ///< native code: positive errno, AVERROR, portal response, ...; 0 if there is none
  std::string operation;  ///< what was attempted, in the user's words: "open out.mkv"
  std::string detail;     ///< why it failed and, for Invalid, the valid choices

  /// One line for a person: "open out.mkv: Permission denied".
  [[nodiscard]] std::string message() const;
};

template <class T>
using Result = std::expected<T, Error>;

/// `return fail(ErrorKind::Invalid, "parse --size", "'12y' is not WxH")`.
[[nodiscard]] std::unexpected<Error> fail(ErrorKind kind, std::string operation, std::string detail);

/// An errno value (positive) as an error; the kind follows from it (ENOSPC -> NoSpace, EACCES -> Denied, ...).
[[nodiscard]] std::unexpected<Error> fail_errno(int errno_value, std::string operation);

[[nodiscard]] std::string_view to_string(ErrorKind kind);
[[nodiscard]] ErrorKind kind_from_errno(int errno_value);

}  // namespace zc
