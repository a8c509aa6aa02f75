// zerocast-viewers ADDRESS:PORT TOKEN SESSION PID VIEWERS SECONDS: so many clients of docs/viewing.md watch one
// session, as the page does but for decoding. A report as JSON on stdout: what each lost, and what the server (PID)
// took for it.
#include "base/clock.h"
#include "base/unique_fd.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace zc {
namespace {

using nlohmann::json;

constexpr Nanoseconds kPatience = std::chrono::seconds(60);
constexpr std::size_t kHead = 48;  // of a packet
constexpr unsigned char kText = 1;
constexpr unsigned char kClose = 8;
constexpr unsigned char kPing = 9;
constexpr unsigned char kPong = 10;

[[noreturn]] void give_up(const std::string& why) { throw std::runtime_error(why); }

struct Address {
  std::string host;
  std::uint16_t port = 0;
};

/// One client: reads frames of RFC 6455 as they come and keeps no more than their beginning.
class Viewer {
 public:
  Viewer(const Address& server, const std::string& token) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (!socket_) give_up(fmt::format("socket: {}", std::strerror(errno)));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server.port);
    if (::inet_pton(AF_INET, server.host.c_str(), &to.sin_addr) != 1) give_up(server.host + " is no address");
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      give_up(fmt::format("connect: {}", std::strerror(errno)));
    }
    send_all(
        fmt::format("GET /ws HTTP/1.1\r\nHost: {}:{}\r\nAuthorization: Bearer {}\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n"
                    "Sec-WebSocket-Version: 13\r\n\r\n",
                    server.host, server.port, token));
    std::string answer;
    char letter = 0;
    while (!answer.ends_with("\r\n\r\n") && ::recv(socket_.get(), &letter, 1, 0) == 1) answer += letter;
    if (!answer.starts_with("HTTP/1.1 101")) give_up("the server answers " + answer.substr(0, answer.find('\r')));
  }

  [[nodiscard]] int handle() const { return socket_.get(); }

  /// Section 5.2, under a mask of zeros.
  void say(const std::string& text) {
    std::string frame{static_cast<char>(0x80 | kText), static_cast<char>(0x80 | text.size())};
    send_all(frame + std::string(4, '\0') + text);
  }

  /// What is there. `picture` is called with the time of each picture.
  template <class Picture>
  void receive(std::vector<std::byte>& buffer, Picture picture) {
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) give_up("the server has hung up");
    bytes += static_cast<std::uint64_t>(got);
    const std::byte* at = buffer.data();
    const std::byte* const end = at + got;
    while (at < end) at = take(at, end, picture);
  }

  std::uint64_t pictures = 0;
  std::uint64_t bytes = 0;
  std::uint64_t skipped = 0;  ///< that the server told of
  std::size_t last = 0;       ///< how many pictures there were, up to its newest

 private:
  template <class Picture>
  const std::byte* take(const std::byte* at, const std::byte* end, Picture picture) {
    if (left_ == 0) {
      header_[have_++] = static_cast<unsigned char>(*at++);
      if (have_ < 2) return at;
      const unsigned length = header_[1] & 127U;
      const std::size_t size = length < 126 ? 2 : length == 126 ? 4 : 10;
      if (have_ < size) return at;
      left_ = size == 2 ? length : 0;
      for (std::size_t i = 2; i < size; ++i) left_ = left_ << 8U | header_[i];
      have_ = kept_ = 0;
      if (left_ == 0) frame(picture);
      return at;
    }
    const auto count = std::min<std::uint64_t>(left_, static_cast<std::uint64_t>(end - at));
    const auto keep = static_cast<std::size_t>(std::min<std::uint64_t>(count, start_.size() - kept_));
    std::memcpy(start_.data() + kept_, at, keep);
    kept_ += keep;
    left_ -= count;
    if (left_ == 0) frame(picture);
    return at + count;
  }

  template <class Picture>
  void frame(Picture picture) {
    const unsigned kind = header_[0] & 15U;
    if (kind == kClose) give_up("the server has said goodbye");
    if (kind == kPing) {
      std::string pong{static_cast<char>(0x80 | kPong), static_cast<char>(0x80 | kept_)};
      send_all(pong + std::string(4, '\0') + std::string(start_.data(), kept_));
    }
    if (kind == kText) {
      const std::string_view text(start_.data(), kept_);
      if (!text.contains(R"("event":"skipped")")) return;
      const std::size_t number = text.find(R"("pictures":)");
      std::uint64_t count = 0;
      if (number != std::string_view::npos)
        std::from_chars(text.data() + number + 11, text.data() + text.size(), count);
      skipped += count;
    }
    if (kind != 2 || kept_ < kHead || start_[2] != 0 || start_[3] != 0) return;
    std::int64_t pts = 0;
    std::memcpy(&pts, start_.data() + 8, sizeof pts);
    ++pictures;
    picture(pts);
  }

  void send_all(const std::string& text) const {
    // Some bytes, into a socket that holds thousands.
    if (::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
      give_up("the server takes nothing");
    }
  }

  UniqueFd socket_;
  std::array<unsigned char, 10> header_{};
  std::array<char, 128> start_{};
  std::size_t have_ = 0, kept_ = 0;
  std::uint64_t left_ = 0;
};

/// Seconds of the CPU, of proc(5)'s stat.
double cpu_seconds(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  if (!(fields >> user >> system)) give_up("there is no process " + pid);
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::uint64_t resident_kib(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6));
  }
  return 0;
}

std::uint64_t median(std::vector<std::uint64_t> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[values.size() / 2];
}

class Audience {
 public:
  Audience(const Address& server, const std::string& token, const std::string& session, std::size_t count)
      : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (std::size_t i = 0; i < count; ++i) {
      Viewer& viewer = viewers_.emplace_back(server, token);
      viewer.say(json{{"do", "watch"}, {"session", session}, {"as", "packets"}}.dump());
      epoll_event event{.events = EPOLLIN, .data = {.ptr = &viewer}};
      if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, viewer.handle(), &event) != 0) give_up("epoll");
    }
  }

  /// Watches until `done` is true, a second's work of a page each second.
  template <class Done, class Second>
  void watch(Done done, Second second) {
    Nanoseconds next = monotonic_now() + std::chrono::seconds(1);
    std::array<epoll_event, 64> events{};
    while (!done()) {
      const int ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 100);
      for (int i = 0; i < ready; ++i) receive(*static_cast<Viewer*>(events.at(static_cast<std::size_t>(i)).data.ptr));
      if (monotonic_now() < next) continue;
      next += std::chrono::seconds(1);
      for (Viewer& viewer : viewers_) {
        viewer.say(R"({"do":"ping","at":1})");
        viewer.say(R"({"do":"report","painted":30,"skipped":0,"delay_ms":20})");
      }
      second();
    }
  }

  [[nodiscard]] bool all_see() const {
    return std::ranges::all_of(viewers_, [](const Viewer& viewer) { return viewer.pictures > 0; });
  }
  /// What came up to now does not count.
  void begin() {
    before_ = all_.size();
    floor_ = all_.back();
    for (Viewer& viewer : viewers_) {
      viewer.pictures = viewer.bytes = viewer.skipped = 0;
      viewer.last = before_;
    }
  }
  /// Pictures that were there and did not come to it, up to its newest.
  [[nodiscard]] std::uint64_t lost(const Viewer& viewer) const { return viewer.last - before_ - viewer.pictures; }
  [[nodiscard]] const std::deque<Viewer>& viewers() const { return viewers_; }

 private:
  void receive(Viewer& viewer) {
    viewer.receive(buffer_, [&](std::int64_t pts) {
      if (all_.empty() || pts > all_.back()) all_.push_back(pts);
      if (pts <= floor_) {
        viewer.pictures = 0;
        return;
      }
      // The newest, or a little before it.
      viewer.last = all_.size();
      while (viewer.last > 0 && all_[viewer.last - 1] > pts) --viewer.last;
    });
  }

  UniqueFd epoll_;
  std::deque<Viewer> viewers_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(std::size_t{256} * 1024);
  std::vector<std::int64_t> all_;                                  ///< times of all pictures
  std::size_t before_ = 0;                                         ///< how many of them do not count
  std::int64_t floor_ = std::numeric_limits<std::int64_t>::min();  ///< the time of the last of those
};

int run(const std::vector<std::string>& words) {
  if (words.size() != 6) {
    std::fputs("usage: zerocast-viewers ADDRESS:PORT TOKEN SESSION PID VIEWERS SECONDS\n", stderr);
    return 2;
  }
  const std::size_t colon = words[0].rfind(':');
  if (colon == std::string::npos) give_up(words[0] + " is not ADDRESS:PORT");
  const Address server{words[0].substr(0, colon), static_cast<std::uint16_t>(std::stoul(words[0].substr(colon + 1)))};
  const std::string& pid = words[3];
  const std::size_t count = std::stoul(words[4]);
  const auto seconds = std::chrono::seconds(std::stoul(words[5]));
  Audience audience(server, words[1], words[2], count);

  const Nanoseconds patience = monotonic_now() + kPatience;
  audience.watch([&] { return audience.all_see() || monotonic_now() > patience; }, [] {});
  if (!audience.all_see()) give_up("not everybody sees something");

  audience.begin();
  const Nanoseconds begun = monotonic_now();
  const double cpu = cpu_seconds(pid);
  std::vector<std::uint64_t> memory{resident_kib(pid)};
  audience.watch([&] { return monotonic_now() - begun >= seconds; }, [&] { memory.push_back(resident_kib(pid)); });
  const double took = std::chrono::duration<double>(monotonic_now() - begun).count();
  const double percent = 100 * (cpu_seconds(pid) - cpu) / took;

  std::uint64_t lost = 0;
  std::uint64_t most_lost = 0;
  std::uint64_t pictures = 0;
  std::uint64_t bytes = 0;
  std::uint64_t skipped = 0;
  for (const Viewer& viewer : audience.viewers()) {
    const std::uint64_t missed = audience.lost(viewer);
    lost += missed;
    most_lost = std::max(most_lost, missed);
    pictures += viewer.pictures;
    bytes += viewer.bytes;
    skipped += viewer.skipped;
  }
  // The first tenth and the last: a buffer that is there for a moment is no growth.
  const std::size_t tenth = std::max<std::size_t>(1, memory.size() / 10);
  const auto middle = [&](std::size_t from) {
    return median({memory.begin() + static_cast<std::ptrdiff_t>(from),
                   memory.begin() + static_cast<std::ptrdiff_t>(std::min(memory.size(), from + tenth))});
  };
  const std::uint64_t start = middle(std::min<std::size_t>(tenth, memory.size() - 1));
  const std::uint64_t end = middle(memory.size() - tenth);
  const json report{
      {"viewers", count},
      {"seconds", took},
      {"pictures", pictures},
      {"lost", lost},
      {"most_lost", most_lost},
      {"skipped", skipped},
      {"megabits_per_second", static_cast<double>(bytes) * 8 / 1e6 / took / static_cast<double>(count)},
      {"server_percent", percent},
      {"percent_per_viewer", percent / static_cast<double>(count)},
      {"rss_kib",
       {{"start", start}, {"end", end}, {"min", std::ranges::min(memory)}, {"max", std::ranges::max(memory)}}}};
  fmt::print("{}\n", report.dump());
  return 0;
}

}  // namespace
}  // namespace zc

int main(int argc, char** argv) {
  try {
    return zc::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "zerocast-viewers: {}\n", error.what());
    return 1;
  }
}
