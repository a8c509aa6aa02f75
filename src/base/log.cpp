#include "base/log.h"

#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/systemd_sink.h>
#include <sys/stat.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

namespace zc {
namespace {

constexpr std::string_view kStderrPattern = "%H:%M:%S.%e %^%-5l%$ %n: %v";

/// systemd sets JOURNAL_STREAM=device:inode of the stderr it connected to the journal; a redirected stderr differs.
bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info{};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &info) != 0) return false;
  return fmt::format("{}:{}", info.st_dev, info.st_ino) == stream;
}

std::optional<spdlog::level::level_enum> parse_level(std::string_view word) {
  if (word == "off") return spdlog::level::off;
  const auto level = spdlog::level::from_str(std::string(word));
  if (level == spdlog::level::off) return std::nullopt;  // spdlog's answer to an unknown word
  return level;
}

/// "warn,capture=debug": a bare word sets the default, name=word one logger.
void apply_level_words(std::string_view words) {
  while (!words.empty()) {
    const std::size_t comma = words.find(',');
    const std::string_view word = words.substr(0, comma);
    words = comma == std::string_view::npos ? std::string_view{} : words.substr(comma + 1);
    const std::size_t equals = word.find('=');
    const auto level = parse_level(equals == std::string_view::npos ? word : word.substr(equals + 1));
    if (!level) {
      std::fputs(fmt::format("zerocast: ZEROCAST_LOG: '{}' is not one of trace, debug, info, warn, error, critical, "
                             "off\n",
                             word)
                     .c_str(),
                 stderr);
    } else if (equals == std::string_view::npos) {
      spdlog::set_level(*level);
    } else {
      logger(word.substr(0, equals)).set_level(*level);
    }
  }
}

}  // namespace

void init_logging() {
  spdlog::sink_ptr sink;
  if (stderr_is_journal()) {
    sink = std::make_shared<spdlog::sinks::systemd_sink_mt>("zerocast");
    sink->set_pattern("%n: %v");
  } else {
    const char* plain = std::getenv("NO_COLOR");  // https://no-color.org
    const bool colours = plain == nullptr || *plain == '\0';
    sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>(colours ? spdlog::color_mode::automatic
                                                                             : spdlog::color_mode::never);
    sink->set_pattern(std::string(kStderrPattern));
  }
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("zerocast", std::move(sink)));
  spdlog::set_level(spdlog::level::info);
  if (const char* words = std::getenv("ZEROCAST_LOG")) apply_level_words(words);
}

void set_quiet_logging() {
  if (std::getenv("ZEROCAST_LOG") != nullptr) return;
  spdlog::set_level(spdlog::level::warn);
}

void set_log_line_start(std::string_view start) {
  for (const spdlog::sink_ptr& sink : spdlog::default_logger()->sinks()) {
    const auto* terminal = dynamic_cast<const spdlog::sinks::ansicolor_stderr_sink_mt*>(sink.get());
    if (terminal != nullptr) sink->set_pattern(std::string(start).append(kStderrPattern));
  }
}

spdlog::logger& logger(std::string_view folder) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const std::string name(folder);
  if (const auto existing = spdlog::get(name)) return *existing;
  const auto parent = spdlog::default_logger();
  auto made = std::make_shared<spdlog::logger>(name, parent->sinks().begin(), parent->sinks().end());
  made->set_level(parent->level());
  spdlog::register_logger(made);
  return *made;
}

}  // namespace zc
