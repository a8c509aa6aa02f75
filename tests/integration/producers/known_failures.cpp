#include "integration/producers/known_failures.h"

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace zc::test {

KnownFailures read_known_failures(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error(file.string() + " cannot be read");
  KnownFailures known;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    std::istringstream words(line);
    std::string fixture;
    std::string name;
    std::string reason;
    words >> fixture >> name >> std::ws;
    std::getline(words, reason);
    if (reason.empty()) throw std::runtime_error(file.string() + ": no reason in '" + line + "'");
    known[{fixture, name}] = reason;
  }
  return known;
}

}  // namespace zc::test
