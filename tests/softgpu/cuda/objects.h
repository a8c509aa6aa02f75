// What stands behind CUDA's opaque handles, and the registry that tells a live handle from a dead one.
#pragma once

#include <ffnvcodec/dynlink_cuda.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

struct CUctx_st {
  unsigned flags = 0;
};

/// Rows without padding.
struct CUarray_st {
  std::size_t width = 0;   ///< elements
  std::size_t height = 0;  ///< rows
  std::size_t element_bytes = 0;
  std::vector<std::uint8_t> bytes;

  [[nodiscard]] std::size_t row_bytes() const { return width * element_bytes; }
};

struct CUstream_st {
  unsigned flags = 0;
};

struct CUevent_st {
  unsigned flags = 0;
};

/// A texture of OpenGL, or a buffer.
struct CUgraphicsResource_st {
  GLuint name = 0;
  bool is_buffer = false;
  bool mapped = false;
  CUarray_st array{};                 ///< the texture's contents
  std::vector<std::uint8_t> bytes{};  ///< the buffer's, while it is mapped
  CUdeviceptr address = 0;            ///< of those
};

namespace zc::softgpu {

/// A shared mapping of a whole file.
class Mapping {
 public:
  Mapping(std::uint8_t* data, std::size_t size_bytes) : data_(data), size_bytes_(size_bytes) {}
  Mapping(Mapping&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_bytes_(other.size_bytes_) {}
  Mapping& operator=(Mapping&&) = delete;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  [[nodiscard]] std::uint8_t* data() const { return data_; }

 private:
  std::uint8_t* data_;
  std::size_t size_bytes_;
};

/// Owns objects of one kind by their handle.
template <class T>
class Registry {
 public:
  T* create(T object = {}) {
    auto owned = std::make_unique<T>(std::move(object));
    T* handle = owned.get();
    objects_.emplace(handle, std::move(owned));
    return handle;
  }
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): only looked up
  [[nodiscard]] bool has(const T* handle) const { return objects_.contains(const_cast<T*>(handle)); }
  bool destroy(T* handle) { return objects_.erase(handle) == 1; }
  [[nodiscard]] std::size_t size() const { return objects_.size(); }
  template <class Predicate>
  [[nodiscard]] bool any_of(Predicate predicate) const {
    return std::ranges::any_of(objects_, [&](const auto& entry) { return predicate(*entry.second); });
  }

 private:
  std::unordered_map<T*, std::unique_ptr<T>> objects_;
};

}  // namespace zc::softgpu

struct CUextMemory_st {
  zc::softgpu::Mapping file;
  std::size_t offset = 0;      ///< bytes; where the memory begins in the file
  std::size_t size_bytes = 0;  ///< as imported
};

struct CUextSemaphore_st {
  int fd = -1;
  CUextSemaphore_st(int owned_fd) noexcept : fd(owned_fd) {}
  CUextSemaphore_st(CUextSemaphore_st&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
  CUextSemaphore_st& operator=(CUextSemaphore_st&&) = delete;
  CUextSemaphore_st(const CUextSemaphore_st&) = delete;
  CUextSemaphore_st& operator=(const CUextSemaphore_st&) = delete;
  ~CUextSemaphore_st();
};
