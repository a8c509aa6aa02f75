#include "capture/restore_tokens.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "support/temporary_folder.h"

using namespace zc;
using zc::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

/// Sets or unsets a variable as long as it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    set(value);
  }
  ~Variable() { set(before_ ? before_->c_str() : nullptr); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const char* value) {
    if (value == nullptr) {
      ::unsetenv(name_);
    } else {
      ::setenv(name_, value, 1);
    }
  }
  const char* name_;
  std::optional<std::string> before_;
};

mode_t mode_of(const fs::path& path) {
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777U;
}

RestoreToken token(std::string text) {
  RestoreToken result;
  result.token = std::move(text);
  result.streams.resize(1);
  result.streams[0].source_type = 1;
  result.streams[0].size = Size{2560, 1440};
  result.streams[0].position = Point{-1280, 7};
  result.streams[0].id = "id \"quoted\" \n\xc3\xa9";
  result.streams[0].mapping_id = "DP-1";
  return result;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const fs::path& path, std::string_view text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
}

}  // namespace

TEST_CASE("a token comes back as it was kept, and nobody else can read it") {
  const TemporaryFolder folder;
  const ::mode_t umask_before = ::umask(0);
  const RestoreTokens tokens(folder.path() / "state" / "zerocast" / "restore-tokens");
  CHECK(tokens.find({"monitor", "default"}).value() == std::nullopt);
  REQUIRE(tokens.store({"monitor", "default"}, token("secret-1")));
  REQUIRE(tokens.store({"monitor", "left"}, token("secret-2")));
  REQUIRE(tokens.store({"window", "default"}, RestoreToken{"secret-3", {{}}}));
  REQUIRE(tokens.store({"monitor", "default"}, token("secret-4")));
  ::umask(umask_before);
  CHECK(tokens.find({"monitor", "default"}).value() == token("secret-4"));
  CHECK(tokens.find({"monitor", "left"}).value() == token("secret-2"));
  CHECK(tokens.find({"window", "default"}).value() == RestoreToken{"secret-3", {{}}});
  CHECK(tokens.find({"window", "left"}).value() == std::nullopt);
  CHECK(mode_of(tokens.file()) == 0600);
  CHECK(mode_of(tokens.file().string() + ".lock") == 0600);
  CHECK(mode_of(folder.path() / "state" / "zerocast") == 0700);
  CHECK(mode_of(folder.path() / "state") == 0700);
  CHECK_FALSE(fs::exists(tokens.file().string() + ".new"));

  REQUIRE(tokens.remove({"monitor", "default"}));
  REQUIRE(tokens.remove({"monitor", "never-there"}));
  CHECK(tokens.find({"monitor", "default"}).value() == std::nullopt);
  CHECK(tokens.find({"monitor", "left"}).value() == token("secret-2"));
}

TEST_CASE("a token that stands for several streams keeps them all") {
  const TemporaryFolder folder;
  const RestoreTokens tokens(folder.path() / "restore-tokens");
  RestoreToken several = token("secret");
  several.streams.push_back(several.streams.front());
  several.streams.back().position = Point{1280, 7};
  several.streams.emplace_back();
  REQUIRE(tokens.store({"any+multiple", "default"}, several));
  CHECK(tokens.find({"any+multiple", "default"}).value() == several);
  CHECK(tokens.find({"any", "default"}).value() == std::nullopt);
}

TEST_CASE("a file others could read is replaced by one they cannot") {
  const TemporaryFolder folder;
  const RestoreTokens tokens(folder.path() / "restore-tokens");
  write_file(tokens.file(), "");
  ::chmod(tokens.file().c_str(), 0644);
  REQUIRE(tokens.store({"any", "default"}, token("x")));
  CHECK(mode_of(tokens.file()) == 0600);
}

TEST_CASE("lines that make no sense do not hurt the others") {
  const TemporaryFolder folder;
  const RestoreTokens tokens(folder.path() / "restore-tokens");
  const std::string nul("\0\0\0", 3);
  write_file(
      tokens.file(),
      "garbage\n\n{\n[1,2]\nnull\n" + nul +
          "\n\xff\xfe\n"
          R"({"type":"monitor","slot":"a"})"
          "\n"
          R"({"type":"monitor","slot":"a","token":7})"
          "\n"
          R"({"type":"monitor","slot":"no/slashes","token":"t"})"
          "\n"
          R"({"type":"","slot":"a","token":"t"})"
          "\n"
          R"({"type":"monitor","slot":"b","token":"t","size":[-1,5],"position":[99999999999,0],"source_type":-1})"
          "\n"
          R"({"type":"monitor","slot":"c","token":"t","others":[3,"x"],"size":"wide","position":[1],"source_type":1e99,"id":[]})"
          "\n"
          R"({"type":"monitor","slot":"d","token":"good","size":[640,480],"position":[18446744073709551615,0]})"
          "\r\n"
          R"({"type":"monitor","slot":"e","token":"cut off)");
  CHECK(tokens.find({"monitor", "a"}).value() == std::nullopt);
  CHECK(tokens.find({"monitor", "no/slashes"}).value() == std::nullopt);
  CHECK(tokens.find({"monitor", "b"}).value() == RestoreToken{"t", {{}}});
  CHECK(tokens.find({"monitor", "c"}).value() == RestoreToken{"t", {{}}});
  CHECK(tokens.find({"monitor", "e"}).value() == std::nullopt);
  const auto good = tokens.find({"monitor", "d"}).value();
  REQUIRE(good);
  CHECK(good->token == "good");
  CHECK(good->streams.at(0).size == Size{640, 480});
  CHECK(good->streams.at(0).position != Point{0, 0});

  REQUIRE(tokens.store({"monitor", "a"}, token("new")));
  CHECK(tokens.find({"monitor", "d"}).value() == good);
  CHECK(read_file(tokens.file()).find("garbage") == std::string::npos);
}

TEST_CASE("a huge file costs no huge memory") {
  const TemporaryFolder folder;
  const RestoreTokens tokens(folder.path() / "restore-tokens");
  write_file(tokens.file(), std::string(std::size_t{8} << 20U, '['));
  CHECK(tokens.find({"any", "default"}).value() == std::nullopt);
  REQUIRE(tokens.store({"any", "default"}, token("t")));
  CHECK(fs::file_size(tokens.file()) < 4096);
}

TEST_CASE("writers at the same time lose nothing") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "restore-tokens";
  constexpr int kWriters = 4;
  constexpr int kRounds = 10;
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < kWriters; ++writer) {
      writers.emplace_back([&, writer] {
        const RestoreTokens tokens(file);
        for (int round = 0; round < kRounds; ++round) {
          const RestoreKey key{"any", std::to_string(writer) + "." + std::to_string(round)};
          // Busy is an honest answer on a machine that stalls for seconds.
          while (true) {
            const auto stored = tokens.store(key, token(key.slot));
            if (stored) break;
            if (stored.error().kind != ErrorKind::Busy) ++failures;
          }
          if (!tokens.find(key).value_or(std::nullopt)) ++failures;  // never a half-written file
        }
      });
    }
  }
  CHECK(failures == 0);
  for (int writer = 0; writer < kWriters; ++writer) {
    for (int round = 0; round < kRounds; ++round) {
      const std::string slot = std::to_string(writer) + "." + std::to_string(round);
      CHECK(RestoreTokens(file).find({"any", slot}).value() == token(slot));
    }
  }
}

TEST_CASE("a lock that is never released is an error in bounded time") {
  const TemporaryFolder folder;
  const RestoreTokens tokens(folder.path() / "restore-tokens");
  const UniqueFd other(::open((tokens.file().string() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(other);
  REQUIRE(::flock(other.get(), LOCK_EX) == 0);
  const auto stored = tokens.store({"any", "default"}, token("t"));
  REQUIRE_FALSE(stored);
  CHECK(stored.error().kind == ErrorKind::Busy);
  CHECK(tokens.find({"any", "default"}).value() == std::nullopt);
}

TEST_CASE("what stands in the way is named, and the secret is not") {
  const TemporaryFolder folder;
  write_file(folder.path() / "file", "");
  const RestoreTokens tokens(folder.path() / "file" / "zerocast" / "restore-tokens");
  const auto stored = tokens.store({"any", "default"}, token("very-secret"));
  REQUIRE_FALSE(stored);
  CHECK(stored.error().message().find("/file") != std::string::npos);
  CHECK(stored.error().message().find("very-secret") == std::string::npos);
  CHECK(tokens.find({"any", "default"}).value() == std::nullopt);

  const RestoreTokens on_folder(folder.path() / "folder");
  fs::create_directory(on_folder.file());
  CHECK_FALSE(on_folder.find({"any", "default"}));
  CHECK_FALSE(on_folder.store({"any", "default"}, token("very-secret")));
}

TEST_CASE("where the tokens are") {
  {
    const Variable state("XDG_STATE_HOME", "/somewhere/state");
    CHECK(RestoreTokens::in_state_home().value().file() == "/somewhere/state/zerocast/restore-tokens");
  }
  const Variable home("HOME", "/home/someone");
  {
    const Variable state("XDG_STATE_HOME", nullptr);
    CHECK(RestoreTokens::in_state_home().value().file() == "/home/someone/.local/state/zerocast/restore-tokens");
  }
  {
    const Variable state("XDG_STATE_HOME", "relative");
    CHECK(RestoreTokens::in_state_home().value().file() == "/home/someone/.local/state/zerocast/restore-tokens");
  }
  const Variable state("XDG_STATE_HOME", "");
  for (const char* value : {static_cast<const char*>(nullptr), "", "~"}) {
    const Variable no_home("HOME", value);
    CHECK(RestoreTokens::in_state_home().error().kind == ErrorKind::NotFound);
  }
}

TEST_CASE("names of slots") {
  CHECK(RestoreTokens::good_slot("default"));
  CHECK(RestoreTokens::good_slot("Left.monitor_2-b"));
  for (const std::string& bad : {std::string(), std::string("a b"), std::string("a/b"), std::string("\xc3\xa9"),
                                 std::string(65, 'a'), std::string("a\n")}) {
    CHECK_FALSE(RestoreTokens::good_slot(bad));
  }
  CHECK(RestoreTokens(fs::temp_directory_path() / "unused").store({"any", "a b"}, token("t")).error().kind ==
        ErrorKind::Invalid);
}
