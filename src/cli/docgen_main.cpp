// zerocast-docgen DIRECTORY: writes the man page and the completion files at build time.

#include "cli/completion.h"
#include "cli/man_page.h"

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

namespace {

int generate(const std::filesystem::path& directory) {
  const std::pair<const char*, std::string> files[] = {
      {"zerocast.1", zc::man_page()},
      {"zerocast.bash", std::string(zc::completion_file(zc::Shell::Bash))},
      {"_zerocast", std::string(zc::completion_file(zc::Shell::Zsh))},
      {"zerocast.fish", std::string(zc::completion_file(zc::Shell::Fish))},
  };
  for (const auto& [name, text] : files) {
    std::ofstream file(directory / name, std::ios::binary | std::ios::trunc);
    file << text << std::flush;
    if (!file) {
      fmt::print(stderr, "zerocast-docgen: cannot write {}\n", (directory / name).string());
      return 1;
    }
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) {
    std::fputs("usage: zerocast-docgen DIRECTORY\n", stderr);
    return 2;
  }
  try {
    return generate(words[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "zerocast-docgen: %s\n", error.what());
    return 1;
  }
}
