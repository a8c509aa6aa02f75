#include "cli/status_line.h"

#include "base/log.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <span>

namespace zc {
namespace {

constexpr std::string_view kEraseLine = "\r\x1b[K";
constexpr std::string_view kGap = "  ";
constexpr Nanoseconds kLivePeriod = std::chrono::milliseconds(250);
constexpr Nanoseconds kPlainPeriod = std::chrono::seconds(10);
constexpr unsigned kFallbackColumns = 80;
constexpr unsigned kPlainColumns = 200;

/// UTF-8 continuation bytes take no column; every other character counts as one.
bool starts_character(char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, starts_character));
}

/// The first `columns` columns of `text`, control characters replaced.
std::string clipped(std::string_view text, std::size_t columns) {
  std::string result;
  std::size_t used = 0;
  for (const char c : text) {
    if (starts_character(c) && ++used > columns) break;
    const auto byte = static_cast<unsigned char>(c);
    result += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  return result;
}

std::string scaled(double value, std::string_view unit) {
  struct Scale {
    double at_least;
    double divisor;
    std::string_view prefix;
  };
  static constexpr std::array kScales{Scale{999.95e6, 1e9, "G"}, Scale{999.95e3, 1e6, "M"}, Scale{999.5, 1e3, "k"}};
  for (const Scale& scale : kScales) {
    if (value >= scale.at_least) return fmt::format("{:.1f} {}{}", value / scale.divisor, scale.prefix, unit);
  }
  return fmt::format("{:.0f} {}", std::isfinite(value) ? std::max(value, 0.0) : 0.0, unit);
}

unsigned terminal_columns(int fd) {
  winsize window{};
  if (::ioctl(fd, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return kFallbackColumns;
  return window.ws_col;
}

}  // namespace

std::string bytes_text(double bytes) { return scaled(bytes, "B"); }
std::string bit_rate_text(double bits_per_second) { return scaled(bits_per_second, "b/s"); }

std::string clock_text(Nanoseconds elapsed) {
  const auto seconds = std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::seconds>(elapsed).count(), 0);
  return fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::string format_status(const StatusSnapshot& s, unsigned columns) {
  struct Field {
    int rank;  ///< 0 is the last to go
    std::string text;
  };
  // In the order they are shown.
  std::array fields{
      Field{0, clock_text(s.elapsed)},
      Field{1, s.state},
      Field{2, fmt::format("{:.1f} fps", s.fps)},
      Field{3, fmt::format("{} dropped", s.dropped)},
      Field{5, bit_rate_text(s.bit_rate)},
      Field{4, s.sound},
      Field{6, fmt::format("queue {}+{}", s.encode_queue, s.queue_packets)},
      Field{7, s.latency_p50_ms > 0 ? fmt::format("{:.1f} ms", s.latency_p50_ms) : std::string()},
      Field{8, bytes_text(static_cast<double>(s.bytes))},
      Field{9, fmt::format("{} frames", s.frames)},
      Field{10, s.repeated > 0 ? fmt::format("{} repeated", s.repeated) : std::string()},
  };
  // Keep fields by rank for as long as they fit; the first that does not ends it, so that what is shown at a width is
  // always the same set. Only the state may be cut short.
  constexpr int kStateRank = 1;
  constexpr std::size_t kLeastState = 8;
  std::size_t used = 0;
  int kept = -1;
  for (int rank = 0; rank < static_cast<int>(fields.size()); ++rank) {
    Field& field = *std::ranges::find(fields, rank, &Field::rank);
    if (!field.text.empty()) {
      const std::size_t gap = used == 0 ? 0 : kGap.size();
      const std::size_t room = columns > used + gap ? columns - used - gap : 0;
      if (rank == 0 || (rank == kStateRank && room >= kLeastState)) field.text = clipped(field.text, room);
      if (columns_of(field.text) > room) break;
      used += gap + columns_of(field.text);
    }
    kept = rank;
  }
  std::string line;
  for (const Field& field : fields) {
    if (field.rank > kept || field.text.empty()) continue;
    if (!line.empty()) line += kGap;
    line += field.text;
  }
  return line;
}

StatusLine::Mode StatusLine::mode_for(int fd, bool quiet) {
  if (quiet) return Mode::Off;
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  return ::isatty(fd) == 1 && !dumb ? Mode::Live : Mode::Plain;
}

StatusLine::StatusLine(int fd, Mode mode) : fd_(fd), mode_(mode) {
  if (mode_ == Mode::Live) set_log_line_start(kEraseLine);
}

StatusLine::~StatusLine() {
  erase();
  if (mode_ == Mode::Live) set_log_line_start("");
}

bool StatusLine::due(Nanoseconds now) const {
  switch (mode_) {
    case Mode::Off: return false;
    case Mode::Plain: return now - shown_at_.value_or(Nanoseconds{}) >= kPlainPeriod;
    case Mode::Live: return !shown_at_ || now - *shown_at_ >= kLivePeriod;
  }
  return false;
}

void StatusLine::show(const StatusSnapshot& snapshot, Nanoseconds now) {
  if (mode_ == Mode::Plain && !shown_at_) shown_at_ = now;  // the first plain line comes after a full period
  if (!due(now)) return;
  shown_at_ = now;
  if (mode_ == Mode::Plain) {
    put(format_status(snapshot, kPlainColumns) + "\n");
    return;
  }
  // One column short of the edge: some terminals wrap when the last column is written. The cursor goes back to the
  // first column so that a log line of another thread starts there.
  put(fmt::format("{}{}\r", kEraseLine, format_status(snapshot, terminal_columns(fd_) - 1)));
  visible_ = true;
}

void StatusLine::erase() {
  if (!visible_) return;
  put(kEraseLine);
  visible_ = false;
}

void StatusLine::put(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t written = ::write(fd_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // a terminal that is gone must not end a recording
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace zc
