// The generated man page and completion files, checked by the programs that read them.
#include "cli/command_line.h"
#include "cli/completion.h"
#include "cli/man_page.h"
#include "support/temporary_folder.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace zc;

namespace {

struct Output {
  int status = -1;
  std::string text;
};

/// Runs a shell command; stdout and stderr together.
Output run(const std::string& command) {
  Output output;
  FILE* pipe = ::popen(fmt::format("{{ {}\n}} 2>&1", command).c_str(), "re");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    output.text.append(buffer.data(), got);
  }
  const int status = ::pclose(pipe);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return output;
}

void need(const char* program) {
  if (run(fmt::format("command -v {}", program)).status != 0) SKIP(program << " is not installed");
}

std::string docs(const char* name) { return fmt::format("{}/{}", ZEROCAST_DOCS_DIR, name); }

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> lines_of(const std::string& text) {
  std::set<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.insert(line);
  return lines;
}

using Words = std::set<std::string>;

/// What bash would offer for this line, with the cursor at its end.
Words bash_offers(const std::string& line) {
  const auto output =
      run(fmt::format("PATH=" ZEROCAST_PROGRAM_DIR
                      ":$PATH LC_ALL=C bash --norc -c 'source \"$1\"; COMP_LINE=$2 COMP_POINT=${{#2}}; _zerocast; "
                      "printf \"%s\\n\" \"${{COMPREPLY[@]}}\"' bash {} '{}'",
                      docs("zerocast.bash"), line));
  CAPTURE(output.text);
  REQUIRE(output.status == 0);
  Words offers = lines_of(output.text);
  offers.erase("");
  return offers;
}

/// What zsh is told to offer.
Words zsh_offers(const std::string& line) {
  const auto output =
      run(fmt::format("PATH=" ZEROCAST_PROGRAM_DIR
                      ":$PATH zsh -fc 'compdef() {{ : }}; _describe() {{ print -rl -- \"${{(@P)4}}\" }}; source {}; "
                      "words=(\"${{(@s: :)1}}\") CURRENT=$#words PREFIX=$words[-1]; _zerocast' zsh '{}'",
                      docs("_zerocast"), line));
  CAPTURE(output.text);
  REQUIRE(output.status == 0);
  return lines_of(output.text);
}

/// What fish would offer, without the descriptions.
Words fish_offers(const std::string& line) {
  const auto output =
      run(fmt::format("PATH=" ZEROCAST_PROGRAM_DIR ":$PATH HOME=/nonexistent fish --no-config -c 'source {}; "
                      "complete -C \"{}\"'",
                      docs("zerocast.fish"), line));
  CAPTURE(output.text);
  REQUIRE(output.status == 0);
  Words offers;
  for (const std::string& offer : lines_of(output.text)) offers.insert(offer.substr(0, offer.find('\t')));
  return offers;
}

}  // namespace

TEST_CASE("the generated files are what the program would print") {
  CHECK(contents(docs("zerocast.1")) == man_page());
  CHECK(contents(docs("zerocast.bash")) == completion_file(Shell::Bash));
  CHECK(contents(docs("_zerocast")) == completion_file(Shell::Zsh));
  CHECK(contents(docs("zerocast.fish")) == completion_file(Shell::Fish));
}

TEST_CASE("the man page formats without warnings and names everything") {
  need("man");
  const auto warnings =
      run(fmt::format("LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z {} > /dev/null", docs("zerocast.1")));
  CHECK(warnings.status == 0);
  CHECK(warnings.text.empty());
  const auto page = run(
      fmt::format("LC_ALL=C.UTF-8 MANWIDTH=100 MAN_KEEP_FORMATTING= man -P cat -l {} | col -bx", docs("zerocast.1")));
  for (const CommandInfo& command : command_infos()) {
    CHECK(page.text.find(fmt::format("zerocast {}", command.name)) != std::string::npos);
    for (const Argument& argument : command.arguments) {
      CAPTURE(argument.name);
      CHECK(page.text.find(argument.name) != std::string::npos);
    }
  }
  for (const char* section : {"EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"}) {
    CHECK(page.text.find(section) != std::string::npos);
  }
}

TEST_CASE("each shell accepts its completion file") {
  struct Row {
    const char* shell;
    const char* file;
  };
  for (const Row& row : {Row{"bash", "zerocast.bash"}, Row{"zsh", "_zerocast"}, Row{"fish", "zerocast.fish"}}) {
    DYNAMIC_SECTION(row.shell) {
      need(row.shell);
      const auto check = run(fmt::format("{} -n {}", row.shell, docs(row.file)));
      CHECK(check.status == 0);
      CHECK(check.text.empty());
    }
  }
}

TEST_CASE("what may be typed next") {
  const auto next = [](const std::vector<const char*>& words) { return complete(words); };
  CHECK(next({"session", "rem"}) == "remove-sink\tComplete one sink of a running session\n");
  CHECK(next({"record", "-f", "30", "--codec", "au"}) == "auto\n");
  CHECK(next({"record", "--codec=he"}) == "--codec=hevc\n");
  CHECK(next({"record", "-o", ""}) == ":files\n");
  CHECK(next({"record", "--codec", "h264", ""}) == ":files\n");
  CHECK(next({"record", "a.mkv", ""}).empty());
  CHECK(next({"session", "save-replay", "games", ""}) == ":files\n");
  CHECK(next({"start", "--codec", "hev"}) == "hevc\n");  // without the group's word
  CHECK(next({"record", "--json=", ""}) == ":files\n");
  CHECK(next({"record", "--nonsense="}).empty());
  CHECK(next({"session", "nonsense", ""}).empty());
  CHECK(next({}).empty());
}

TEST_CASE("zsh completes commands, options and values") {
  need("zsh");
  CHECK(zsh_offers("zerocast so") == Words{"sources:List what can be captured now"});
  CHECK(zsh_offers("zerocast session rem") == Words{"remove-sink:Complete one sink of a running session"});
  CHECK(zsh_offers("zerocast record --codec h") == Words{"h264", "hevc"});
  CHECK(zsh_offers("zerocast record --codec=h") == Words{"--codec=h264", "--codec=hevc"});
  CHECK(zsh_offers("zerocast record --source node") == Words{"node\\:"});
}

TEST_CASE("bash completes commands, options and values") {
  need("bash");
  CHECK(bash_offers("zerocast ") == Words{"record", "stream", "camera", "view", "snapshot", "sources", "encoders",
                                          "zerocopy-probe", "verify", "remux", "daemon", "session", "layer", "reload",
                                          "config", "completion", "--help", "--version"});
  CHECK(bash_offers("zerocast so") == Words{"sources"});
  CHECK(bash_offers("zerocast session st") == Words{"start", "status", "stop"});
  CHECK(bash_offers("zerocast session stop --") == Words{"--json", "--help"});
  CHECK(bash_offers("zerocast session start --codec h") == Words{"h264", "hevc"});
  CHECK(bash_offers("zerocast session stop meeting ").empty());
  CHECK(bash_offers("zerocast record -s n") == Words{"node:"});
  CHECK(bash_offers("zerocast record --co") == Words{"--codec", "--colour", "--container"});
  CHECK(bash_offers("zerocast record --json --codec ") == Words{"auto", "h264", "hevc", "av1"});
  CHECK(bash_offers("zerocast record --codec h") == Words{"h264", "hevc"});
  CHECK(bash_offers("zerocast record --codec=h") == Words{"h264", "hevc"});
  CHECK(bash_offers("zerocast stream --codec a") == Words{"auto"});
  // The part up to the ':' stays on the line.
  CHECK(bash_offers("zerocast record --source portal:mo") == Words{"monitor"});
  CHECK(bash_offers("zerocast record --source n") == Words{"node:"});
  CHECK(bash_offers("zerocast record --size ").empty());
  CHECK(bash_offers("zerocast completion ") == Words{"bash", "zsh", "fish"});
  CHECK(bash_offers("zerocast sources --") == Words{"--json", "--help"});
  CHECK(bash_offers("zerocast nonsense --").empty());
}

TEST_CASE("bash completes file names where files are meant") {
  need("bash");
  const test::TemporaryFolder files;
  const std::string folder = files.path();
  files.write("one.mkv", "");
  files.write("two.mp4", "");
  CHECK(bash_offers(fmt::format("zerocast record {}/o", folder)) == Words{folder + "/one.mkv"});
  CHECK(bash_offers(fmt::format("zerocast record --tee {}/", folder)) ==
        Words{folder + "/one.mkv", folder + "/two.mp4"});
}

TEST_CASE("fish completes commands, options and values") {
  need("fish");
  CHECK(fish_offers("zerocast so") == Words{"sources"});
  CHECK(fish_offers("zerocast record --codec ") == Words{"auto", "h264", "hevc", "av1"});
  CHECK(fish_offers("zerocast record --code") == Words{"--codec"});
  CHECK(fish_offers("zerocast completion ") == Words{"bash", "zsh", "fish"});
  CHECK(fish_offers("zerocast session st") == Words{"start", "status", "stop"});
  CHECK(fish_offers("zerocast session start --code") == Words{"--codec"});
}
