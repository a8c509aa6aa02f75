// What is left of a recording when the process is killed, the medium is full or the reader goes away.
#include "output/file_sink.h"
#include "output/sink_runner.h"

#include "media_support.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <new>
#include <random>
#include <thread>

using namespace zc;
using namespace zc::test;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kSecond = kPacketClock;

OutputSpec file_spec(const std::string& path, Container container) {
  return {.container = container, .target = FileOutput{.path = path, .overwrite = false}};
}

/// 5 s at 60 fps, some 15 Mbit/s: clusters and fragments that need several write() calls' worth of pages.
const TestStream& long_stream() {
  static const TestStream stream = make_stream({.frames = 300, .size = {320, 180}, .noise = 64});
  return stream;
}

/// Memory a forked child shares with this process.
struct Shared {
  std::atomic<std::int64_t> written_pts{-1};
  std::atomic<bool> go{false};
};
class SharedMemory {
 public:
  SharedMemory() {
    void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    shared_ = new (memory) Shared;
  }
  ~SharedMemory() { ::munmap(shared_, sizeof(Shared)); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  SharedMemory(SharedMemory&&) = delete;
  SharedMemory& operator=(SharedMemory&&) = delete;
  Shared* operator->() const { return shared_; }

 private:
  Shared* shared_;
};

/// Runs `work` in a child process; its result is the exit status.
pid_t in_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    std::signal(SIGPIPE, SIG_IGN);
    ::_exit(work());
  }
  REQUIRE(child > 0);
  return child;
}

int wait_for(pid_t child) {
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

constexpr int kDone = 0;
constexpr int kNoSpace = 10;
constexpr int kOtherError = 11;

/// Records until the end or the first error; what went wrong as an exit status.
int record(const std::string& path, Container container, const TestStream& stream) {
  auto sink = FileSink::create(file_spec(path, container));
  if (!sink) return sink.error().kind == ErrorKind::NoSpace ? kNoSpace : kOtherError;
  Result<void> result = (*sink)->open(stream.parameters);
  for (std::size_t i = 0; result && i < stream.packets.size(); ++i) result = (*sink)->write(stream.packets[i]);
  const auto closed = (*sink)->close();
  if (result) result = closed;
  if (result) return kDone;
  return result.error().kind == ErrorKind::NoSpace ? kNoSpace : kOtherError;
}

/// The pictures are the stream's first ones, in order and without a hole, and `least` is among them.
void check_prefix(const ReadMedia& media, const TestStream& stream, std::int64_t least, unsigned torn) {
  INFO("error: " << media.error);
  REQUIRE(media.error.empty());
  CHECK(media.decode_errors <= torn);
  REQUIRE_FALSE(media.frame_pts.empty());
  REQUIRE(media.frame_pts.size() <= stream.packets.size());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < media.frame_pts.size(); ++i) {
    const std::int64_t off = media.frame_pts[i] - media.frame_pts[0] - stream.packets[i].pts;
    if (off < -90 || off > 90) ++wrong;  // Matroska counts milliseconds
  }
  CHECK(wrong == 0);
  CHECK(media.frame_pts.back() - media.frame_pts.front() >= least - 90);
}

}  // namespace

TEST_CASE("kill -9 at any moment leaves a file that plays to within a second") {
  const TestStream& stream = long_stream();
  const TemporaryFolder dir;
  std::minstd_rand random(9);  // NOLINT(*-msc51-cpp): the same moments every time
  for (const ContainerInfo& row : containers()) {
    // MPEG-TS is written picture by picture.
    const int kills = row.container == Container::Ts ? 4 : 20;
    for (int kill_number = 0; kill_number < kills; ++kill_number) {
      const std::string path = dir.file(fmt::format("{}.{}", kill_number, row.name));
      const std::int64_t moment = kSecond / 2 + static_cast<std::int64_t>(random() % (4 * kSecond));
      const SharedMemory shared;
      const pid_t child = in_child([&] {
        auto sink = FileSink::create(file_spec(path, row.container));
        if (!sink || !(*sink)->open(stream.parameters)) return kOtherError;
        for (const Packet& packet : stream.packets) {
          if (!(*sink)->write(packet)) return kOtherError;
          shared->written_pts = packet.pts;
        }
        ::pause();
        return kDone;
      });
      while (shared->written_pts < moment) ::sched_yield();
      REQUIRE(::kill(child, SIGKILL) == 0);
      const int status = wait_for(child);
      REQUIRE(WIFSIGNALED(status));
      CAPTURE(row.name, kill_number, shared->written_pts.load());
      check_prefix(read_media(path), stream, shared->written_pts - kSecond, 2);
      fs::remove(path);
    }
  }
}

TEST_CASE("a picture that nothing follows is on disk soon") {
  const TestStream& stream = long_stream();
  const TemporaryFolder dir;
  for (const ContainerInfo& row : containers()) {
    CAPTURE(row.name);
    const std::string path = dir.file("still." + std::string(row.name));
    const pid_t child = in_child([&] {
      class Quiet final : public SinkEvents {
        void on_error(const std::string& /*name*/, const Error& /*error*/, bool /*fatal*/) override {
          ::_exit(kOtherError);
        }
        void on_keyframe_wanted(const std::string& /*name*/) override {}
      } events;
      auto runner = make_sink_runner(file_spec(path, row.container), events);
      if (!runner || !(*runner)->start(stream.parameters)) return kOtherError;
      for (std::size_t i = 0; i < 70; ++i) (*runner)->push(stream.packets[i]);
      ::pause();
      return kDone;
    });
    std::size_t frames = 0;
    for (int tries = 0; tries < 1200 && frames < 70; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      if (fs::exists(path)) frames = read_media(path).frame_pts.size();
    }
    ::kill(child, SIGKILL);
    static_cast<void>(wait_for(child));
    CHECK(frames == 70);
    check_prefix(read_media(path), stream, stream.packets[69].pts, 0);
  }
}

TEST_CASE("a file-size limit cuts the file back to what plays") {
  const TestStream stream = make_stream({.frames = 240, .size = {320, 180}, .b_frames = false, .noise = 16});
  const TemporaryFolder dir;
  for (const ContainerInfo& row : containers()) {
    const std::string whole = dir.file("whole." + std::string(row.name));
    REQUIRE(record(whole, row.container, stream) == kDone);
    const auto bytes = static_cast<std::int64_t>(fs::file_size(whole));
    // An MP4 whose index alone has no room is whole all the same (test_plain_mp4.cpp).
    std::vector<std::int64_t> limits{1, 100};
    if (row.container != Container::Mp4) limits.insert(limits.end(), {bytes - 1, bytes - 40, bytes - 400});
    for (std::int64_t i = 1; i < 20; ++i) limits.push_back(bytes * i / 20 + i);
    for (const std::int64_t limit : limits) {
      CAPTURE(row.name, limit, bytes);
      const std::string path = dir.file("cut." + std::string(row.name));
      const pid_t child = in_child([&] {
        const rlimit most{static_cast<rlim_t>(limit), static_cast<rlim_t>(limit)};
        if (::setrlimit(RLIMIT_FSIZE, &most) != 0) return kOtherError;
        return record(path, row.container, stream);
      });
      const int status = wait_for(child);
      REQUIRE(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == kNoSpace);
      if (!fs::exists(path)) {
        CHECK(limit < bytes / 4);  // not even the first cluster had room
        continue;
      }
      CHECK(static_cast<std::int64_t>(fs::file_size(path)) <= limit);
      const ReadMedia media = read_media(path);
      check_prefix(media, stream, 0, 0);
      // At most a cluster of 250 ms (and what surrounds it) is given up.
      const auto share = static_cast<double>(limit) / static_cast<double>(bytes);
      CHECK(static_cast<double>(media.frame_pts.size()) >= share * 240 - 40);
      fs::remove(path);
    }
  }
}

TEST_CASE("a full disk cuts the file back to what plays") {
  const TestStream& stream = long_stream();
  const TemporaryFolder dir;
  constexpr int kNoMount = 20;
  for (const ContainerInfo& row : containers()) {
    CAPTURE(row.name);
    const std::string saved = dir.file("saved." + std::string(row.name));
    const std::string small = dir.file("small");
    fs::create_directories(small);
    const pid_t child = in_child([&] {
      if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          ::mount("none", small.c_str(), "tmpfs", 0, "size=1m") != 0) {
        return kNoMount;
      }
      const std::string path = small + "/a." + std::string(row.name);
      const int result = record(path, row.container, stream);
      std::error_code error;
      fs::copy_file(path, saved, error);
      return error ? kOtherError : result;
    });
    const int status = wait_for(child);
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == kNoMount) SKIP("mounting a tmpfs needs root");
    CHECK(WEXITSTATUS(status) == kNoSpace);
    CHECK(fs::file_size(saved) <= 1U << 20U);
    CHECK(fs::file_size(saved) > (1U << 20U) - 500'000);
    check_prefix(read_media(saved), stream, kSecond / 10, 0);
  }
}

TEST_CASE("a FIFO carries the whole stream, through short writes and signals") {
  const TestStream stream = make_stream({.frames = 240, .size = {320, 180}, .noise = 32});
  const TemporaryFolder dir;
  for (const ContainerInfo& row : containers()) {
    CAPTURE(row.name);
    const std::string fifo = dir.file("fifo." + std::string(row.name));
    const std::string copy = dir.file("copy." + std::string(row.name));
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    const pid_t child = in_child([&] {
      struct sigaction action{};
      action.sa_handler = [](int) {};
      ::sigaction(SIGALRM, &action, nullptr);  // no SA_RESTART: system calls see EINTR
      const itimerval often{{0, 500}, {0, 500}};
      ::setitimer(ITIMER_REAL, &often, nullptr);
      return record(fifo, row.container, stream);
    });
    {
      const UniqueFd in(::open(fifo.c_str(), O_RDONLY | O_CLOEXEC));
      std::ofstream out(copy, std::ios::binary);
      std::array<char, 777> buffer{};
      ssize_t count = 0;
      while ((count = ::read(in.get(), buffer.data(), buffer.size())) > 0) out.write(buffer.data(), count);
    }
    const int status = wait_for(child);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == kDone);
    const ReadMedia media = read_media(copy);
    check_prefix(media, stream, stream.packets.back().pts, 0);
    CHECK(media.frame_pts.size() == stream.packets.size());
    if (row.container == Container::Mp4) CHECK(top_level_boxes(copy).starts_with("ftyp moov moof mdat moof mdat"));
  }
}

TEST_CASE("a FIFO without a reader can be given up, and one that loses its reader fails") {
  const TestStream stream = make_stream({.frames = 240, .size = {320, 180}, .noise = 32});
  const TemporaryFolder dir;
  const std::string fifo = dir.file("fifo.mkv");
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  std::signal(SIGPIPE, SIG_IGN);

  auto waiting = FileSink::create(file_spec(fifo, Container::Mkv));
  REQUIRE(waiting);
  std::jthread interrupter([&] { (*waiting)->interrupt(); });
  const auto opened = (*waiting)->open(stream.parameters);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().kind == ErrorKind::Cancelled);
  interrupter.join();

  UniqueFd reader(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto sink = FileSink::create(file_spec(fifo, Container::Mkv));
  REQUIRE(sink);
  REQUIRE((*sink)->open(stream.parameters));
  reader.reset();
  Result<void> result;
  for (std::size_t i = 0; result && i < stream.packets.size(); ++i) result = (*sink)->write(stream.packets[i]);
  REQUIRE_FALSE(result);
  CHECK(result.error().kind == ErrorKind::Lost);
  CHECK((*sink)->close());
  CHECK(fs::exists(fifo));  // not ours to remove

  // A reader that stops reading: the write waits until it is interrupted.
  reader.reset(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto stuck = FileSink::create(file_spec(fifo, Container::Mkv));
  REQUIRE(stuck);
  REQUIRE((*stuck)->open(stream.parameters));
  std::jthread late([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    (*stuck)->interrupt();
  });
  result = {};
  for (std::size_t i = 0; result && i < stream.packets.size(); ++i) result = (*stuck)->write(stream.packets[i]);
  REQUIRE_FALSE(result);
  CHECK(result.error().kind == ErrorKind::Cancelled);
}

TEST_CASE("stdout carries every container") {
  const TestStream stream = make_stream({.frames = 120});
  const TemporaryFolder dir;
  for (const ContainerInfo& row : containers()) {
    for (const bool pipe : {true, false}) {
      CAPTURE(row.name, pipe);
      const std::string copy = dir.file("stdout." + std::string(row.name));
      std::array<int, 2> ends{-1, -1};
      REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
      UniqueFd read_end(ends[0]);
      UniqueFd write_end(ends[1]);
      const pid_t child = in_child([&] {
        const int file = ::open(copy.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ::dup2(pipe ? write_end.get() : file, STDOUT_FILENO);
        auto sink = FileSink::create({.container = row.container, .target = StdoutOutput{}});
        if (!sink || !(*sink)->open(stream.parameters)) return kOtherError;
        for (const Packet& packet : stream.packets) {
          if (!(*sink)->write(packet)) return kOtherError;
        }
        return (*sink)->close() ? kDone : kOtherError;
      });
      write_end.reset();
      if (pipe) {
        std::ofstream out(copy, std::ios::binary);
        std::array<char, 4096> buffer{};
        ssize_t count = 0;
        while ((count = ::read(read_end.get(), buffer.data(), buffer.size())) > 0) out.write(buffer.data(), count);
      }
      const int status = wait_for(child);
      REQUIRE(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == kDone);
      check_prefix(read_media(copy), stream, stream.packets.back().pts, 0);
      if (row.container == Container::Mp4) CHECK(top_level_boxes(copy).starts_with("ftyp moov moof mdat"));
    }
  }
}
