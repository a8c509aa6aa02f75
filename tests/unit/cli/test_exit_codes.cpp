#include "cli/exit_codes.h"

#include <catch2/catch_test_macros.hpp>

#include <cerrno>

using namespace zc;

namespace {

ExitCode code_for(ErrorKind kind, Stage stage, ErrorDomain domain = ErrorDomain::None) {
  return exit_code(Error{.kind = kind, .domain = domain, .operation = "x", .detail = "y"}, stage);
}

}  // namespace

TEST_CASE("exit codes are numbered without gaps and described") {
  int expected = 0;
  for (const ExitCodeInfo& info : exit_codes()) {
    CHECK(to_int(info.code) == expected++);
    CHECK(info.meaning.ends_with('.'));
  }
  CHECK(expected == 11);
}

TEST_CASE("the stage and the kind of an error decide the exit code") {
  struct Row {
    Stage stage;
    ErrorKind kind;
    ExitCode expected;
  };
  const Row rows[] = {
      {Stage::Arguments, ErrorKind::Invalid, ExitCode::Usage},
      {Stage::Arguments, ErrorKind::Unsupported, ExitCode::Usage},
      {Stage::Arguments, ErrorKind::Internal, ExitCode::Internal},
      {Stage::Source, ErrorKind::Invalid, ExitCode::Usage},
      {Stage::Source, ErrorKind::NotFound, ExitCode::NoSource},
      {Stage::Source, ErrorKind::Lost, ExitCode::NoSource},
      {Stage::Source, ErrorKind::Timeout, ExitCode::NoSource},
      {Stage::Source, ErrorKind::Unsupported, ExitCode::NoSource},
      {Stage::Source, ErrorKind::Denied, ExitCode::Denied},
      {Stage::Source, ErrorKind::Cancelled, ExitCode::Denied},
      {Stage::Source, ErrorKind::Internal, ExitCode::Internal},
      {Stage::Encoder, ErrorKind::Invalid, ExitCode::Usage},
      {Stage::Encoder, ErrorKind::Unsupported, ExitCode::NoEncoder},
      {Stage::Encoder, ErrorKind::NotFound, ExitCode::NoEncoder},
      {Stage::Encoder, ErrorKind::Lost, ExitCode::NoEncoder},
      {Stage::Encoder, ErrorKind::Internal, ExitCode::Internal},
      {Stage::Output, ErrorKind::Denied, ExitCode::Output},
      {Stage::Output, ErrorKind::NoSpace, ExitCode::Output},
      {Stage::Output, ErrorKind::Lost, ExitCode::Output},
      {Stage::Output, ErrorKind::Internal, ExitCode::Output},
      {Stage::Output, ErrorKind::Unsupported, ExitCode::Usage},
      {Stage::Output, ErrorKind::Invalid, ExitCode::Usage},
      {Stage::Recording, ErrorKind::Lost, ExitCode::SourceEnded},
      {Stage::Recording, ErrorKind::Denied, ExitCode::SourceEnded},
      {Stage::Recording, ErrorKind::Unsupported, ExitCode::SourceEnded},
      {Stage::Recording, ErrorKind::Cancelled, ExitCode::Ok},
  };
  for (const Row& row : rows) {
    CAPTURE(static_cast<int>(row.stage), to_string(row.kind));
    CHECK(code_for(row.kind, row.stage) == row.expected);
  }
}

TEST_CASE("a path that cannot be written is an output error, a refused one bad input") {
  CHECK(exit_code(fail_errno(EISDIR, "open out.mkv").error(), Stage::Output) == ExitCode::Output);
  CHECK(exit_code(fail_errno(EACCES, "open out.mkv").error(), Stage::Output) == ExitCode::Output);
  CHECK(code_for(ErrorKind::Invalid, Stage::Output, ErrorDomain::System) == ExitCode::Output);
}

TEST_CASE("no error is a success, but for a source's own end") {
  for (int stage = 0; stage <= static_cast<int>(Stage::Recording); ++stage) {
    for (int kind = 0; kind <= static_cast<int>(ErrorKind::Internal); ++kind) {
      const bool own_end =
          stage == static_cast<int>(Stage::Recording) && kind == static_cast<int>(ErrorKind::Cancelled);
      CAPTURE(stage, kind);
      CHECK((code_for(static_cast<ErrorKind>(kind), static_cast<Stage>(stage)) == ExitCode::Ok) == own_end);
    }
  }
}
