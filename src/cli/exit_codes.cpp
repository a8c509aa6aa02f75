#include "cli/exit_codes.h"

#include <array>

namespace zc {
namespace {

constexpr std::array kExitCodes{
    ExitCodeInfo{ExitCode::Ok, "Success. Also after Ctrl-C or SIGTERM: the file is complete."},
    ExitCodeInfo{ExitCode::Internal, "Internal error."},
    ExitCodeInfo{ExitCode::Usage,
                 "Bad usage or input: an unknown option, a wrong value, a codec that does not fit the "
                 "container."},
    ExitCodeInfo{ExitCode::NoSource, "No such source, no desktop portal, or no PipeWire."},
    ExitCodeInfo{ExitCode::Denied, "Permission to capture was denied."},
    ExitCodeInfo{ExitCode::NoEncoder, "No usable encoder for what was asked."},
    ExitCodeInfo{ExitCode::Output,
                 "An output failed: unwritable, disk full, a peer that was never there, a pipe nobody reads. What was "
                 "written is playable."},
    ExitCodeInfo{ExitCode::SourceEnded, "The source ended while recording. The file is complete and playable."},
    ExitCodeInfo{ExitCode::Faults, "'zerocast verify' read a stream that has faults."},
    ExitCodeInfo{ExitCode::Daemon,
                 "No daemon runs, it has no such session, the session failed, or it cannot do that now."},
    ExitCodeInfo{ExitCode::NoZeroCopy,
                 "'zerocast zerocopy-probe' found no zero-copy route: frames go through the CPU."},
};

ExitCode source_exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Invalid: return ExitCode::Usage;
    case ErrorKind::Denied:
    case ErrorKind::Cancelled: return ExitCode::Denied;  // the dialog was dismissed
    case ErrorKind::NotFound:
    case ErrorKind::Lost:
    case ErrorKind::Unsupported:
    case ErrorKind::Busy:
    case ErrorKind::Timeout: return ExitCode::NoSource;
    case ErrorKind::NoSpace:
    case ErrorKind::Internal: break;
  }
  return ExitCode::Internal;
}

ExitCode encoder_exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Invalid: return ExitCode::Usage;
    case ErrorKind::Internal:
    case ErrorKind::Cancelled:
    case ErrorKind::NoSpace: return ExitCode::Internal;
    default: return ExitCode::NoEncoder;
  }
}

ExitCode output_exit_code(const Error& error) {
  // Our own refusals (a bad URL, AV1 in MPEG-TS) are wrong input; EISDIR and its like are an unwritable output.
  const bool refused = error.kind == ErrorKind::Invalid || error.kind == ErrorKind::Unsupported;
  return refused && error.domain == ErrorDomain::None ? ExitCode::Usage : ExitCode::Output;
}

}  // namespace

std::span<const ExitCodeInfo> exit_codes() { return kExitCodes; }

ExitCode exit_code(const Error& error, Stage stage) {
  switch (stage) {
    case Stage::Arguments: return error.kind == ErrorKind::Internal ? ExitCode::Internal : ExitCode::Usage;
    case Stage::Source: return source_exit_code(error.kind);
    case Stage::Encoder: return encoder_exit_code(error.kind);
    case Stage::Output: return output_exit_code(error);
    case Stage::Daemon: return error.kind == ErrorKind::Invalid ? ExitCode::Usage : ExitCode::Daemon;
    case Stage::Recording: return error.kind == ErrorKind::Cancelled ? ExitCode::Ok : ExitCode::SourceEnded;
  }
  return ExitCode::Internal;
}

}  // namespace zc
