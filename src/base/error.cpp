#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace zc {

std::string Error::message() const {
  if (operation.empty()) return detail;
  if (detail.empty()) return operation;
  return operation + ": " + detail;
}

std::unexpected<Error> fail(ErrorKind kind, std::string operation, std::string detail) {
  return std::unexpected(Error{kind, ErrorDomain::None, 0, std::move(operation), std::move(detail)});
}

std::unexpected<Error> fail_errno(int errno_value, std::string operation) {
  return std::unexpected(Error{kind_from_errno(errno_value), ErrorDomain::System, errno_value, std::move(operation),
                               std::generic_category().message(errno_value)});
}

ErrorKind kind_from_errno(int errno_value) {
  switch (errno_value) {
    case EACCES:
    case EPERM:
    case EROFS: return ErrorKind::Denied;
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ECONNREFUSED: return ErrorKind::NotFound;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ErrorKind::NoSpace;
    case EBUSY:
    case EAGAIN:
    case EADDRINUSE: return ErrorKind::Busy;
    case ECANCELED: return ErrorKind::Cancelled;
    case ETIMEDOUT:
    case ETIME: return ErrorKind::Timeout;
    case EINVAL:
    case EISDIR:
    case ENOTDIR:
    case ENAMETOOLONG: return ErrorKind::Invalid;
    case EPIPE:
    case ECONNRESET:
    case EIO:
    case EHOSTUNREACH:
    case ENETUNREACH: return ErrorKind::Lost;
    case ENOSYS:
    case EOPNOTSUPP:
    case ENOTTY: return ErrorKind::Unsupported;
    default: return ErrorKind::Internal;
  }
}

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Unsupported: return "unsupported";
    case ErrorKind::Lost: return "lost";
    case ErrorKind::Busy: return "busy";
    case ErrorKind::Invalid: return "invalid";
    case ErrorKind::Denied: return "denied";
    case ErrorKind::NotFound: return "not found";
    case ErrorKind::NoSpace: return "no space";
    case ErrorKind::Cancelled: return "cancelled";
    case ErrorKind::Timeout: return "timeout";
    case ErrorKind::Internal: return "internal";
  }
  return "internal";
}

}  // namespace zc
