#include "base/file_names.h"

#include "base/quote.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <systemd/sd-path.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <iomanip>
#include <memory>
#include <sstream>
#include <vector>

namespace zc {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kConversions = "YymdFjHIMSspab";
constexpr std::string_view kNumber = "{n}";
constexpr std::string_view kName = "{name}";

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::unexpected<Error> invalid(std::string_view pattern, std::string detail) {
  return fail(ErrorKind::Invalid, "file name " + in_quotes(pattern), std::move(detail));
}

std::string formatted(char conversion, const std::tm& time) {
  const std::array<char, 3> format{'%', conversion, '\0'};
  std::ostringstream text;
  text << std::put_time(&time, format.data());
  return text.str();
}

}  // namespace

std::string literal_file_name(std::string_view path) {
  std::string pattern;
  for (const char c : path) {
    if (c == '%' || c == '{') pattern += '%';
    pattern += c;
  }
  return pattern;
}

Result<std::string> expand_file_name(std::string_view pattern, std::string_view session,
                                     std::chrono::system_clock::time_point now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm time{};
  ::localtime_r(&seconds, &time);
  std::vector<std::string> parts(1);  // the number is between them
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    const std::string_view rest = pattern.substr(at);
    std::string& path = parts.back();
    if (rest.front() == '%') {
      const char conversion = rest.size() > 1 ? rest[1] : '\0';
      ++at;
      if (conversion == '%' || conversion == '{') {
        path += conversion;
      } else if (conversion != '\0' && kConversions.find(conversion) != std::string_view::npos) {
        path += formatted(conversion, time);
      } else {
        return invalid(pattern, "after % come Y, m, d, H, M, S and others of strftime, or %% for a percent sign");
      }
    } else if (rest.starts_with(kName)) {
      path += session;
      at += kName.size() - 1;
    } else if (rest.starts_with(kNumber)) {
      at += kNumber.size() - 1;
      parts.emplace_back();
    } else {
      path += rest.front();
    }
  }
  if (parts.size() == 1) return parts.front();
  std::string next;
  unsigned number = 1;
  do next = fmt::format("{}", fmt::join(parts, std::to_string(number++)));
  while (exists(next));
  return next;
}

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
  while (exists(next));
  return next;
}

Result<std::string> default_file(std::string_view extension, std::string_view session) {
  char* found = nullptr;
  static_cast<void>(::sd_path_lookup(SD_PATH_USER_VIDEOS, nullptr, &found));
  const std::unique_ptr<char, decltype(&std::free)> owned(found, &std::free);
  const char* home = std::getenv("HOME");
  fs::path videos = found == nullptr ? "" : found;
  if (home != nullptr && (videos.empty() || videos == fs::path(home))) videos = fs::path(home) / "Videos";
  if (videos.empty()) return fail(ErrorKind::Invalid, "choose a file", "there is no home folder");
  const fs::path folder = videos / "zerocast";
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail_errno(error.value(), "make " + folder.string());
  auto name = expand_file_name(session.empty() ? "%Y-%m-%d_%H-%M-%S" : "{name}_%Y-%m-%d_%H-%M-%S", session);
  if (!name) return name;
  const std::string path = fmt::format("{}/{}.{}", folder.string(), *name, extension);
  return exists(path) ? free_path(path) : path;
}

}  // namespace zc
