// Copies, linear and pitched, and the arrays that pitched copies also take.
#include "softgpu/cuda/api.h"
#include "softgpu/cuda/driver.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

using namespace zc::softgpu;  // NOLINT(google-build-using-namespace): this file only defines C functions

namespace {

CUresult copy(const char* function, std::size_t size_bytes, auto to, auto from) {
  return call(function, Needs::Context, [&](Driver& driver) -> Status {
    std::uint8_t* destination = to(driver);
    const std::uint8_t* source = from(driver);
    if (source == nullptr) return {kIllegalAddress, "the source is outside of an allocation"};
    if (destination == nullptr) return {kIllegalAddress, "the destination is outside of an allocation"};
    std::memmove(destination, source, size_bytes);
    return {};
  });
}

auto on_device(CUdeviceptr device, std::size_t size_bytes) {
  return [=](const Driver& driver) { return driver.host(device, size_bytes); };
}

auto on_host(const void* host) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): both sides of a copy are described alike
  return [=](const Driver&) { return static_cast<std::uint8_t*>(const_cast<void*>(host)); };
}

/// cuMemcpy() takes any address (unified addressing): the device's carry the bit.
auto anywhere(CUdeviceptr address, std::size_t size_bytes) {
  return [=](const Driver& driver) {
    if ((address & Driver::kDeviceBit) != 0) return driver.host(address, size_bytes);
    return reinterpret_cast<std::uint8_t*>(address);  // NOLINT(performance-no-int-to-ptr): CUDA's addresses are numbers
  };
}

/// One side of CUDA_MEMCPY2D.
struct Side {
  CUmemorytype type;
  const void* host;
  CUdeviceptr device;
  CUarray array;
  std::size_t pitch;  ///< bytes; 0: rows without padding
  std::size_t x_bytes;
  std::size_t y;
};

struct Rows {
  std::uint8_t* first = nullptr;
  std::size_t pitch = 0;
};

/// Where the rows lie; `first` is null when they do not lie inside of the memory named.
Rows rows_of(const Driver& driver, Side side, std::size_t width_bytes, std::size_t height) {
  if (side.pitch == 0) side.pitch = width_bytes;
  if (side.type == CU_MEMORYTYPE_ARRAY) {
    CUarray_st* const array = side.array;
    if (!driver.arrays.has(array) && !driver.is_mapped_texture(array)) return {};
    if (side.x_bytes + width_bytes > array->row_bytes() || side.y + height > array->height) return {};
    return {array->bytes.data() + side.y * array->row_bytes() + side.x_bytes, array->row_bytes()};
  }
  if (height > 1 && side.pitch < side.x_bytes + width_bytes) return {};
  const std::size_t offset = side.y * side.pitch + side.x_bytes;
  if (side.type == CU_MEMORYTYPE_HOST) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): as on_host()
    auto* host = static_cast<std::uint8_t*>(const_cast<void*>(side.host));
    return {host == nullptr ? nullptr : host + offset, side.pitch};
  }
  if (side.type != CU_MEMORYTYPE_DEVICE) return {};
  return {driver.host(side.device + offset, (height - 1) * side.pitch + width_bytes), side.pitch};
}

CUresult copy_2d(const char* function, const CUDA_MEMCPY2D& c) {
  return call(function, Needs::Context, [&](Driver& driver) -> Status {
    if (c.WidthInBytes == 0 || c.Height == 0) return {};
    const Rows from =
        rows_of(driver, {c.srcMemoryType, c.srcHost, c.srcDevice, c.srcArray, c.srcPitch, c.srcXInBytes, c.srcY},
                c.WidthInBytes, c.Height);
    const Rows to =
        rows_of(driver, {c.dstMemoryType, c.dstHost, c.dstDevice, c.dstArray, c.dstPitch, c.dstXInBytes, c.dstY},
                c.WidthInBytes, c.Height);
    if (from.first == nullptr) return {kInvalidValue, "the source does not lie inside of its memory"};
    if (to.first == nullptr) return {kInvalidValue, "the destination does not lie inside of its memory"};
    if (c.dstMemoryType == CU_MEMORYTYPE_ARRAY && !driver.arrays.has(c.dstArray)) {
      return {kNotSupported, "textures are only read"};
    }
    for (std::size_t row = 0; row < c.Height; ++row) {
      std::memmove(to.first + row * to.pitch, from.first + row * from.pitch, c.WidthInBytes);
    }
    return {};
  });
}

struct FormatSize {
  CUarray_format format;
  std::size_t bytes;
};

constexpr std::array<FormatSize, 8> kFormatSizes{{
    {CU_AD_FORMAT_UNSIGNED_INT8, 1},
    {CU_AD_FORMAT_UNSIGNED_INT16, 2},
    {CU_AD_FORMAT_UNSIGNED_INT32, 4},
    {CU_AD_FORMAT_SIGNED_INT8, 1},
    {CU_AD_FORMAT_SIGNED_INT16, 2},
    {CU_AD_FORMAT_SIGNED_INT32, 4},
    {CU_AD_FORMAT_HALF, 2},
    {CU_AD_FORMAT_FLOAT, 4},
}};

CUresult create_array(const char* function, CUarray* array, std::size_t width, std::size_t height,
                      CUarray_format format, unsigned channels) {
  return call(function, Needs::Context, [&](Driver& driver) -> Status {
    const auto* row = std::ranges::find(kFormatSizes, format, &FormatSize::format);
    if (row == kFormatSizes.end() || width == 0 || (channels != 1 && channels != 2 && channels != 4)) {
      return {kInvalidValue, "array descriptor"};
    }
    CUarray_st made{width, std::max<std::size_t>(1, height), row->bytes * channels, {}};
    made.bytes.assign(made.row_bytes() * made.height, 0xCD);
    *array = driver.arrays.create(std::move(made));
    return {};
  });
}

/// CUDA_ARRAY_DESCRIPTOR of cuda.h, which FFmpeg's header of 11.1 lacks.
struct ArrayDescriptor {
  std::size_t width;
  std::size_t height;
  CUarray_format format;
  unsigned channels;
};

}  // namespace

CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, std::size_t size) {
  return copy(__func__, size, anywhere(to, size), anywhere(from, size));
}
CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, std::size_t size, CUstream /*stream*/) {
  return copy(__func__, size, anywhere(to, size), anywhere(from, size));
}
CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, std::size_t size) {
  return copy(__func__, size, on_device(to, size), on_host(from));
}
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, std::size_t size, CUstream /*stream*/) {
  return copy(__func__, size, on_device(to, size), on_host(from));
}
CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, std::size_t size) {
  return copy(__func__, size, on_host(to), on_device(from, size));
}
CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, std::size_t size, CUstream /*stream*/) {
  return copy(__func__, size, on_host(to), on_device(from, size));
}
CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, std::size_t size) {
  return copy(__func__, size, on_device(to, size), on_device(from, size));
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, std::size_t size, CUstream /*stream*/) {
  return copy(__func__, size, on_device(to, size), on_device(from, size));
}

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D* region) { return copy_2d(__func__, *region); }
CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D* region) { return copy_2d(__func__, *region); }
CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* region, CUstream /*stream*/) { return copy_2d(__func__, *region); }

CUresult cuArray3DCreate_v2(CUarray* array, const CUDA_ARRAY3D_DESCRIPTOR* d) {
  return create_array(__func__, array, d->Width, d->Depth > 1 ? 0 : d->Height, d->Format, d->NumChannels);
}

CUresult cuArrayCreate_v2(CUarray* array, const void* descriptor) {
  const auto* d = static_cast<const ArrayDescriptor*>(descriptor);
  return create_array(__func__, array, d->width, d->height, d->format, d->channels);
}

CUresult cuArrayDestroy(CUarray array) {
  return call(__func__, Needs::Release, [&](Driver& driver) -> Status {
    return driver.arrays.destroy(array) ? Status{} : Status{kInvalidHandle, "not a live array"};
  });
}
