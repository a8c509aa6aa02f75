#include "capture/file_list.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

namespace zc {
namespace {

/// A longer one is none.
constexpr std::uintmax_t kMostBytes = 4 * 1024 * 1024;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool is_list(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending == ".m3u" || ending == ".m3u8";
}

std::string_view trimmed(std::string_view line) {
  if (line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  return line;
}

}  // namespace

Result<std::vector<std::string>> files_of(const std::string& path) {
  if (!is_list(path)) return std::vector<std::string>{path};
  const std::string operation = "read the list " + path;
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error) return fail_errno(error.value(), operation);
  if (bytes > kMostBytes) return fail(ErrorKind::Invalid, operation, "it is too long to be a list of files");
  std::ifstream list(path);
  if (!list) return fail_errno(errno, operation);
  std::vector<std::string> files;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::string line;
  for (std::size_t number = 1; std::getline(list, line); ++number) {
    const std::string_view name = trimmed(line);
    if (name.empty() || name.starts_with('#')) continue;
    if (name.find("://") != std::string_view::npos) {
      return fail(ErrorKind::Invalid, operation,
                  fmt::format("line {} names a URL, and lists hold files of this machine only", number));
    }
    if (name.find('\0') != std::string_view::npos) return fail(ErrorKind::Invalid, operation, "it is no text");
    const std::filesystem::path file = folder / std::filesystem::path(name);
    if (::access(file.c_str(), R_OK) != 0) {
      const int why = errno;
      return fail_errno(why, fmt::format("open {} (line {} of {})", file.string(), number, path));
    }
    files.push_back(file.string());
  }
  if (files.empty()) return fail(ErrorKind::Invalid, operation, "it names no file");
  return files;
}

}  // namespace zc
