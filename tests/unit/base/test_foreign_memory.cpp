#include "base/foreign_memory.h"
#include "base/unique_fd.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <csignal>

using namespace zc;

namespace {

struct File {
  explicit File(std::size_t pages) : fd(::memfd_create("foreign", MFD_CLOEXEC)), length(pages * page) {
    REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(length)) == 0);
    const std::vector<std::byte> bytes(length, std::byte{7});
    REQUIRE(::pwrite(fd.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(length));
  }
  [[nodiscard]] ForeignMemory map() const {
    auto memory = ForeignMemory::map(fd.get(), 0, length);
    REQUIRE(memory);
    return *std::move(memory);
  }
  void cut(std::size_t pages) const { REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(pages * page)) == 0); }

  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  UniqueFd fd;
  std::size_t length;
};

std::ptrdiff_t count(const ForeignMemory& memory, int value) {
  return std::ranges::count(memory.bytes(), static_cast<std::byte>(value));
}

}  // namespace

TEST_CASE("a file that is cut short reads as zeros behind its end, and is torn for good") {
  const File file(4);
  const ForeignMemory memory = file.map();
  const ForeignMemory other = file.map();
  CHECK(count(memory, 7) == static_cast<std::ptrdiff_t>(file.length));
  CHECK_FALSE(memory.torn());
  const std::uint64_t before = ForeignMemory::torn_so_far();
  file.cut(1);
  CHECK(count(memory, 7) == static_cast<std::ptrdiff_t>(file.page));
  CHECK(count(memory, 0) == static_cast<std::ptrdiff_t>(3 * file.page));
  CHECK(memory.torn());
  CHECK_FALSE(other.torn());  // nobody has read it
  CHECK(ForeignMemory::torn_so_far() == before + 1);
  file.cut(4);
  CHECK(count(memory, 0) == static_cast<std::ptrdiff_t>(3 * file.page));
  CHECK(memory.torn());
}

TEST_CASE("views come and go, and a new one in an old one's place is whole") {
  for (int i = 0; i < 3000; ++i) {
    const File file(1);
    ForeignMemory memory = file.map();
    if (i % 2 == 0) {
      file.cut(0);
      CHECK(count(memory, 0) == static_cast<std::ptrdiff_t>(file.length));
    }
    const ForeignMemory moved = std::move(memory);
    CHECK(moved.torn() == (i % 2 == 0));
  }
}

TEST_CASE("a bus error of other memory ends the process as before") {
  const File file(1);
  const ForeignMemory guarded = file.map();
  void* plain = ::mmap(nullptr, file.length, PROT_READ, MAP_SHARED, file.fd.get(), 0);
  REQUIRE(plain != MAP_FAILED);
  file.cut(0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(STDERR_FILENO);  // a sanitizer's report
    const volatile std::byte* byte = static_cast<const std::byte*>(plain);
    ::_exit(byte[0] == std::byte{0} ? 0 : 0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK_FALSE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  ::munmap(plain, file.length);
}
