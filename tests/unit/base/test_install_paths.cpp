#include "base/install_paths.h"

#include "support/temporary_folder.h"

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <string>

using namespace zc;

namespace {

class Tree : public test::TemporaryFolder {
 public:
  std::string program(const char* name) const {
    write(name, "");
    std::filesystem::permissions(path() / name, std::filesystem::perms::owner_all);
    return path() / name;
  }
  /// As configured with a library folder of another depth.
  [[nodiscard]] InstalledProgram daemon() const {
    return {"zerocast-daemon", path() / "odd/lib/x86_64-linux-gnu/zerocast-libexec/zerocast"};
  }
  [[nodiscard]] InstalledProgram zerocast() const { return {"zerocast", path() / "odd/bin"}; }
};

}  // namespace

TEST_CASE("the programs of an installation find each other where they were configured to be") {
  const Tree tree;
  const InstalledProgram daemon = tree.daemon();
  const InstalledProgram zerocast = tree.zerocast();
  const std::string installed_daemon =
      tree.program("odd/lib/x86_64-linux-gnu/zerocast-libexec/zerocast/zerocast-daemon");
  const std::string installed_zerocast = tree.program("odd/bin/zerocast");
  CHECK(find_program(daemon, zerocast, tree.path() / "odd/bin") == installed_daemon);
  CHECK(find_program(zerocast, daemon, daemon.folder) == installed_zerocast);

  SECTION("also when only one of the folders is reached through a link") {
    CHECK(find_program(daemon, zerocast, tree.path() / "elsewhere/programs") == installed_daemon);
  }
  SECTION("and within a copy elsewhere, which does not take the installed one") {
    const std::string staged = tree.program("stage/odd/lib/x86_64-linux-gnu/zerocast-libexec/zerocast/zerocast-daemon");
    CHECK(find_program(daemon, zerocast, tree.path() / "stage/odd/bin") == staged);
  }
  SECTION("and in a build tree, where one is beside the other") {
    const std::string built = tree.program("build/src/cli/zerocast-daemon");
    CHECK(find_program(daemon, zerocast, tree.path() / "build/src/cli") == built);
  }
}

TEST_CASE("what is no program is none, and the error says where it was looked for") {
  const Tree tree;
  tree.write("bin/zerocast-daemon", "not executable");
  std::filesystem::create_directories(tree.daemon().folder / "zerocast-daemon");
  const auto found = find_program(tree.daemon(), tree.zerocast(), tree.path() / "bin");
  REQUIRE_FALSE(found);
  CHECK(found.error().kind == ErrorKind::NotFound);
  for (const char* folder : {"/bin,", "/lib/x86_64-linux-gnu/zerocast-libexec/zerocast or", "/odd/lib/"}) {
    CHECK(found.error().message().find(folder) != std::string::npos);
  }
}
