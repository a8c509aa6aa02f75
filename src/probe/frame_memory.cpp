#include "probe/frame_memory.h"

#include "base/unique_fd.h"
#include "probe/gbm_memory.h"

#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace zc::probe {
namespace {

constexpr std::size_t kPage = 4096;
/// What GPUs want of a LINEAR row.
constexpr std::size_t kStrideAlignment = 256;

/// The layout of a LINEAR buffer of our own making.
struct Linear {
  std::size_t stride_bytes;
  std::size_t bytes;  ///< whole pages
  explicit Linear(Size size)
      : stride_bytes((std::size_t{size.width} * 4 + kStrideAlignment - 1) / kStrideAlignment * kStrideAlignment),
        bytes((stride_bytes * size.height + kPage - 1) / kPage * kPage) {}
};

Result<void> need_linear(std::span<const std::uint64_t> modifiers) {
  if (std::ranges::find(modifiers, kModifierLinear) != modifiers.end()) return {};
  return fail(ErrorKind::Unsupported, "make a LINEAR buffer", "the route does not read that layout");
}

/// Writes the picture through a mapping, with the CPU's access announced where the kernel wants it.
Result<void> fill(int fd, const TestPicture& picture, const Linear& layout) {
  void* address = ::mmap(nullptr, layout.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return fail_errno(errno, "map the buffer");
  dma_buf_sync sync{.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE};
  static_cast<void>(::ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync));  // refused by what is no dmabuf
  for (std::size_t y = 0; y < picture.size.height; ++y) {
    std::memcpy(static_cast<std::byte*>(address) + y * layout.stride_bytes,
                picture.pixels.data() + y * picture.stride_bytes(), picture.stride_bytes());
  }
  sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE;
  static_cast<void>(::ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync));
  ::munmap(address, layout.bytes);
  return {};
}

Result<std::shared_ptr<const Dmabuf>> linear_dmabuf(UniqueFd fd, const TestPicture& picture, const Linear& layout) {
  if (auto filled = fill(fd.get(), picture, layout); !filled) return std::unexpected(std::move(filled.error()));
  auto dmabuf = std::make_shared<Dmabuf>();
  dmabuf->size = picture.size;
  dmabuf->format = picture.format;
  dmabuf->modifier = kModifierLinear;
  dmabuf->plane_count = 1;
  dmabuf->planes[0] = {std::move(fd), 0, static_cast<std::uint32_t>(layout.stride_bytes)};
  if (auto valid = dmabuf->validate(); !valid) return std::unexpected(std::move(valid.error()));
  return dmabuf;
}

/// Shared memory of `bytes` that can no longer shrink, as udmabuf wants it.
Result<UniqueFd> sealed_memory(std::size_t bytes) {
  UniqueFd memory(::memfd_create("zerocast-probe", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) return fail_errno(errno, "make shared memory");
  if (::ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0) return fail_errno(errno, "size shared memory");
  if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) return fail_errno(errno, "seal shared memory");
  return memory;
}

Result<std::shared_ptr<const Dmabuf>> make_udmabuf(const TestPicture& picture,
                                                   std::span<const std::uint64_t> modifiers) {
  if (auto linear = need_linear(modifiers); !linear) return std::unexpected(std::move(linear.error()));
  const UniqueFd device(::open("/dev/udmabuf", O_RDWR | O_CLOEXEC));
  if (!device) return fail_errno(errno, "open /dev/udmabuf");
  const Linear layout(picture.size);
  const auto memory = sealed_memory(layout.bytes);
  if (!memory) return std::unexpected(memory.error());
  udmabuf_create create{};
  create.memfd = static_cast<__u32>(memory->get());
  create.flags = UDMABUF_FLAGS_CLOEXEC;
  create.size = layout.bytes;
  UniqueFd fd(::ioctl(device.get(), UDMABUF_CREATE, &create));
  if (!fd) return fail_errno(errno, "make a udmabuf");
  return linear_dmabuf(std::move(fd), picture, layout);
}

Result<std::shared_ptr<const Dmabuf>> make_heap_buffer(const TestPicture& picture,
                                                       std::span<const std::uint64_t> modifiers) {
  if (auto linear = need_linear(modifiers); !linear) return std::unexpected(std::move(linear.error()));
  const UniqueFd heap(::open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC));
  if (!heap) return fail_errno(errno, "open /dev/dma_heap/system");
  const Linear layout(picture.size);
  dma_heap_allocation_data allocation{};
  allocation.len = layout.bytes;
  allocation.fd_flags = O_RDWR | O_CLOEXEC;
  if (::ioctl(heap.get(), DMA_HEAP_IOCTL_ALLOC, &allocation) != 0) return fail_errno(errno, "allocate from a DMA heap");
  return linear_dmabuf(UniqueFd(static_cast<int>(allocation.fd)), picture, layout);
}

/// Software drivers map any descriptor; hardware refuses it.
Result<std::shared_ptr<const Dmabuf>> make_memfd(const TestPicture& picture, std::span<const std::uint64_t> modifiers) {
  if (auto linear = need_linear(modifiers); !linear) return std::unexpected(std::move(linear.error()));
  const Linear layout(picture.size);
  auto memory = sealed_memory(layout.bytes);
  if (!memory) return std::unexpected(std::move(memory.error()));
  return linear_dmabuf(*std::move(memory), picture, layout);
}

constexpr std::array kMemories{FrameMemory{"gbm", true, make_gbm_buffer}, FrameMemory{"udmabuf", true, make_udmabuf},
                               FrameMemory{"dma-heap", true, make_heap_buffer},
                               FrameMemory{"memfd", false, make_memfd}};

}  // namespace

TestPicture make_test_picture(Size size) {
  TestPicture picture{.size = size, .format = PixelFormat::BGRx, .pixels = {}};
  picture.pixels.resize(size.area() * 4);
  std::uint32_t noise = 1;
  std::byte* pixel = picture.pixels.data();
  for (std::uint32_t y = 0; y < size.height; ++y) {
    for (std::uint32_t x = 0; x < size.width; ++x, pixel += 4) {
      noise = noise * 1664525U + 1013904223U;
      std::uint32_t word = noise;  // bands of noise,
      if (y % 64 < 32)
        word = (x * 255 / size.width) << 16U | (y * 255 / size.height) << 8U | ((x ^ y) & 0xffU);  // slopes
      if (x % 61 == 0 || y % 67 == 0) word = 0xff00ffffU;                                          // and sharp lines
      std::memcpy(pixel, &word, sizeof word);
    }
  }
  return picture;
}

std::span<const FrameMemory> frame_memories() { return kMemories; }

}  // namespace zc::probe
