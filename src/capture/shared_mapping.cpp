#include "capture/shared_mapping.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace zc {
namespace {

constexpr const char* kOperation = "map a shared memory buffer";

Result<std::uint64_t> file_size(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return fail_errno(errno, kOperation);
  return static_cast<std::uint64_t>(std::max<off_t>(info.st_size, 0));
}

bool sealed_against_shrinking(int fd) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

}  // namespace

Result<std::shared_ptr<const SharedMapping>> SharedMapping::create(int fd, std::uint64_t offset, std::uint64_t length) {
  const auto size = file_size(fd);
  if (!size) return std::unexpected(size.error());
  if (offset >= *size) return fail(ErrorKind::Invalid, kOperation, "its offset lies behind the end of the file");
  const std::uint64_t available = *size - offset;
  const std::uint64_t wanted = length == 0 ? available : std::min(length, available);
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t lead = offset % page;
  if (wanted > std::numeric_limits<std::size_t>::max() - lead) {
    return fail(ErrorKind::Invalid, kOperation, "it is larger than the address space");
  }
  auto mapping = std::shared_ptr<SharedMapping>(new SharedMapping);
  if (!sealed_against_shrinking(fd)) {
    auto copy = UniqueFd::dup(fd);
    if (!copy) return std::unexpected(copy.error());
    mapping->unsealed_ = std::move(*copy);
  }
  const auto map_length = static_cast<std::size_t>(lead + wanted);
  auto memory = ForeignMemory::map(fd, offset - lead, map_length);
  if (!memory) return std::unexpected(std::move(memory.error()));
  mapping->memory_ = *std::move(memory);
  mapping->bytes_ = mapping->memory_.bytes().subspan(lead);
  mapping->file_end_ = offset + wanted;
  return mapping;
}

bool SharedMapping::intact() const {
  if (!unsealed_) return true;
  const auto size = file_size(unsealed_.get());
  return size && *size >= file_end_ && !memory_.torn();
}

}  // namespace zc
