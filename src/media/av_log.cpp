#include "media/av_log.h"

#include "base/log.h"

extern "C" {
#include <libavutil/log.h>
}

#include <array>
#include <cstdarg>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string_view>

namespace zc {
namespace {

/// FFmpeg's callback has no user pointer, so what belongs to one thread is found through the thread.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
thread_local AvLogCapture* current_capture = nullptr;
/// A line may come in pieces; a piece without newline waits here.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
thread_local std::string unfinished_line;

spdlog::level::level_enum level_of(int av_level) {
  if (av_level <= AV_LOG_ERROR) return spdlog::level::err;
  if (av_level <= AV_LOG_WARNING) return spdlog::level::warn;
  return spdlog::level::debug;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  return text;
}

/// Of rtmpproto.c, among much else at the level "debug".
bool holds_stream_key(std::string_view line) {
  return line.find("Proto = ") != std::string_view::npos || line.find("publish command") != std::string_view::npos;
}

}  // namespace

struct AvLogSink {
  static void take(int level, std::string_view line) {
    if (line.empty() || holds_stream_key(line)) return;
    if (current_capture != nullptr && level <= AV_LOG_WARNING) {
      // "[libx264 @ 0x55..] text": the address says nothing to a person.
      const std::size_t prefix = line.starts_with('[') ? line.find("] ") : std::string_view::npos;
      current_capture->lines_.emplace_back(prefix == std::string_view::npos ? line : line.substr(prefix + 2));
      return;
    }
    logger("ffmpeg").log(level_of(level), "{}", line);
  }

  static void callback(void* object, int level, const char* format, va_list arguments) noexcept {
    // The low byte is the level, the rest a colour.
    if ((level & 0xff) > av_log_get_level()) return;
    try {
      std::array<char, 1024> buffer{};
      int print_prefix = unfinished_line.empty() ? 1 : 0;
      av_log_format_line2(object, level & 0xff, format, arguments, buffer.data(), static_cast<int>(buffer.size()),
                          &print_prefix);
      unfinished_line += buffer.data();
      if (print_prefix == 0) return;  // the line goes on
      take(level & 0xff, trimmed(unfinished_line));
      unfinished_line.clear();
    } catch (const std::exception&) {
      unfinished_line.clear();  // out of memory while logging: the line is lost
    }
  }
};

namespace {

void install_callback() {
  static std::once_flag once;
  std::call_once(once, [] {
    av_log_set_level(AV_LOG_WARNING);
    av_log_set_callback(AvLogSink::callback);
  });
}

}  // namespace

void set_ffmpeg_logging(bool debug) {
  install_callback();
  av_log_set_level(debug ? AV_LOG_DEBUG : AV_LOG_WARNING);
  if (debug) logger("ffmpeg").set_level(spdlog::level::debug);
  // 1: errors only. SVT-AV1 reads it each time an encoder is made.
  ::setenv("SVT_LOG", debug ? "3" : "1", 0);
}

AvLogCapture::AvLogCapture() : outer_(current_capture) {
  install_callback();
  current_capture = this;
}

AvLogCapture::~AvLogCapture() { current_capture = outer_; }

std::string AvLogCapture::text() const {
  std::string text;
  for (const std::string& line : lines_) {
    if (!text.empty()) text += "; ";
    text += line;
  }
  return text;
}

void AvLogCapture::pass_on() {
  for (const std::string& line : lines_) logger("ffmpeg").warn("{}", line);
  lines_.clear();
}

}  // namespace zc
