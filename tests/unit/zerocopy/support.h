// Helpers of the CPU importer's tests: memory between guard pages, random pictures, YUV buffers.
#pragma once

#include "media/frame.h"
#include "media/pixel_format.h"
#include "zerocopy/cpu/yuv_view.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace zc::test {

/// Everything a surface can be.
inline constexpr std::array kTargets = {PixelFormat::NV12, PixelFormat::I420, PixelFormat::P010,
                                        PixelFormat::I010, PixelFormat::I444, PixelFormat::I410};

/// `size` bytes that end exactly at an inaccessible page and begin behind another: a read or write past the end kills
/// the test.
class GuardedBuffer {
 public:
  explicit GuardedBuffer(std::size_t size)
      : size_(size),
        mapped_(inner_bytes(size) + 2 * page_bytes()),
        base_(::mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    if (base_ == MAP_FAILED) throw std::runtime_error("mmap");
    std::byte* const inner = static_cast<std::byte*>(base_) + page_bytes();
    if (::mprotect(inner, inner_bytes(size), PROT_READ | PROT_WRITE) != 0) throw std::runtime_error("mprotect");
    data_ = inner + inner_bytes(size) - size;
  }
  GuardedBuffer(GuardedBuffer&& other) noexcept
      : size_(other.size_),
        mapped_(other.mapped_),
        base_(std::exchange(other.base_, nullptr)),
        data_(std::exchange(other.data_, nullptr)) {}
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(GuardedBuffer&&) = delete;
  ~GuardedBuffer() {
    if (base_ != nullptr) ::munmap(base_, mapped_);
  }
  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<std::byte> span() const { return {data_, size_}; }

 private:
  static std::size_t page_bytes() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }
  static std::size_t inner_bytes(std::size_t size) { return (size + page_bytes() - 1) / page_bytes() * page_bytes(); }

  std::size_t size_;
  std::size_t mapped_;
  void* base_;
  std::byte* data_ = nullptr;
};

inline void randomise(std::span<std::byte> bytes, std::uint32_t seed) {
  std::minstd_rand random(seed + 1);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random() >> 8U);
}

/// 32-bit pixels with random contents whose last row ends at a guard page.
class RgbPicture {
 public:
  RgbPicture(Size size, std::size_t padding_bytes, std::uint32_t seed)
      : size_(size),
        stride_(std::size_t{size.width} * 4 + padding_bytes),
        buffer_(stride_ * (size.height - 1) + std::size_t{size.width} * 4) {
    randomise(buffer_.span(), seed);
  }
  [[nodiscard]] Size size() const { return size_; }
  [[nodiscard]] std::size_t stride() const { return stride_; }
  [[nodiscard]] std::byte* data() const { return buffer_.data(); }
  [[nodiscard]] std::span<std::byte> bytes() const { return buffer_.span(); }
  [[nodiscard]] std::uint32_t word(std::size_t x, std::size_t y) const {
    std::uint32_t w = 0;
    std::memcpy(&w, buffer_.data() + y * stride_ + x * 4, 4);
    return w;
  }
  void set(std::size_t x, std::size_t y, std::uint32_t w) const {
    std::memcpy(buffer_.data() + y * stride_ + x * 4, &w, 4);
  }
  [[nodiscard]] HostImage image(PixelFormat format) const {
    HostImage image;
    image.format = format;
    image.size = size_;
    image.planes[0] = {buffer_.data(), static_cast<std::uint32_t>(stride_)};
    return image;
  }

 private:
  Size size_;
  std::size_t stride_;
  GuardedBuffer buffer_;
};

/// A YUV picture whose planes each end at a guard page.
class YuvPicture {
 public:
  YuvPicture(PixelFormat format, Size size, std::size_t padding_bytes = 0) : view_{format, size, {}} {
    for (unsigned plane = 0; plane < info(format).planes; ++plane) {
      const std::size_t row = row_bytes(format, plane, size.width);
      const std::size_t rows = plane_height(format, plane, size.height);
      buffers_.emplace_back((row + padding_bytes) * (rows - 1) + row);
      view_.planes.at(plane) = {buffers_.back().data(), row + padding_bytes};
    }
  }
  [[nodiscard]] const YuvView& view() const { return view_; }
  void fill(std::byte value) const {
    for (const GuardedBuffer& b : buffers_) std::memset(b.data(), static_cast<int>(value), b.size());
  }

 private:
  YuvView view_;
  std::vector<GuardedBuffer> buffers_;
};

/// Sample of component 0 (Y), 1 (U) or 2 (V) at a position of its own plane, as a code value (P010 shifted down).
inline int sample(const YuvView& view, unsigned component, std::size_t x, std::size_t y) {
  const YuvLayout layout = yuv_layout(view.format);
  const bool interleaved = component > 0 && layout.interleaved;
  const YuvView::Plane& plane = view.planes.at(interleaved ? 1 : component);
  const std::size_t index = interleaved ? x * 2 + component - 1 : x;
  if (!layout.wide) return std::to_integer<int>(plane.data[y * plane.stride_bytes + index]);
  std::uint16_t value = 0;
  std::memcpy(&value, plane.data + y * plane.stride_bytes + index * 2, 2);
  return value >> layout.value_shift;
}

/// Width and height of component 0, 1 or 2.
inline Size component_size(const YuvView& view, unsigned component) {
  if (component == 0 || !yuv_layout(view.format).subsampled) return view.size;
  return {(view.size.width + 1) / 2, (view.size.height + 1) / 2};
}

/// The first sample at which two pictures of one format differ by more than `tolerance`, as {component, x, y}.
struct Difference {
  bool found = false;
  unsigned component = 0;
  std::size_t x = 0, y = 0;
  int a = 0, b = 0;
  explicit operator bool() const { return found; }
};
inline Difference difference(const YuvView& a, const YuvView& b, int tolerance = 0) {
  for (unsigned c = 0; c < 3; ++c) {
    const Size size = component_size(a, c);
    for (std::size_t y = 0; y < size.height; ++y) {
      for (std::size_t x = 0; x < size.width; ++x) {
        const int va = sample(a, c, x, y);
        const int vb = sample(b, c, x, y);
        if (va - vb > tolerance || vb - va > tolerance) return {true, c, x, y, va, vb};
      }
    }
  }
  return {};
}

}  // namespace zc::test
