#include "output/free_path.h"

#include <fmt/format.h>
#include <unistd.h>

namespace zc {

std::string free_path(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::size_t dot = path.rfind('.');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  const bool extension = dot != std::string::npos && dot > name;
  const std::string stem = path.substr(0, extension ? dot : path.size());
  const std::string rest = extension ? path.substr(dot) : "";
  std::string next;
  unsigned number = 2;
  do next = fmt::format("{}-{}{}", stem, number++, rest);
  while (::access(next.c_str(), F_OK) == 0);
  return next;
}

}  // namespace zc
