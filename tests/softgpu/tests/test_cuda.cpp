#include "softgpu/tests/cuda_functions.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

using namespace zc::softgpu;        // NOLINT(google-build-using-namespace)
using namespace zc::softgpu::test;  // NOLINT(google-build-using-namespace)

namespace {

constexpr int kInvalidValue = 1;
constexpr int kOutOfMemory = 2;
constexpr int kInvalidContext = 201;
constexpr int kInvalidHandle = 400;
constexpr int kIllegalAddress = 700;
constexpr int kNotSupported = 801;
constexpr int kUnknown = 999;

/// Memory as Mesa's software drivers export it: a header, then `size` bytes at `offset`.
int exported_memory(std::size_t size, std::uint8_t fill) {
  struct {
    std::size_t size;
    std::size_t offset;
    std::array<std::uint8_t, 16> uuid;
  } header{4096 + size, 4096, {}};
  const int fd = ::memfd_create("exported", MFD_CLOEXEC);
  REQUIRE(fd >= 0);
  REQUIRE(::ftruncate(fd, static_cast<off_t>(header.size)) == 0);
  REQUIRE(::pwrite(fd, &header, sizeof header, 0) == static_cast<ssize_t>(sizeof header));
  const std::vector<std::uint8_t> bytes(size, fill);
  REQUIRE(::pwrite(fd, bytes.data(), size, 4096) == static_cast<ssize_t>(size));
  return fd;
}

bool is_open(int fd) { return ::lseek(fd, 0, SEEK_CUR) >= 0; }

}  // namespace

TEST_CASE("one device, described") {
  const CudaPtr cuda = load_cuda();
  int count = 0;
  REQUIRE(cuda->cuDeviceGetCount(&count) == 0);
  CHECK(count == 1);
  CUdevice device = -1;
  CHECK(cuda->cuDeviceGet(&device, 1) == 101);
  REQUIRE(cuda->cuDeviceGet(&device, 0) == 0);
  int alignment = 0;
  REQUIRE(cuda->cuDeviceGetAttribute(&alignment, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT, device) == 0);
  CHECK(alignment == 512);
  const char* name = nullptr;
  REQUIRE(cuda->cuGetErrorName(static_cast<CUresult>(kIllegalAddress), &name) == 0);
  CHECK(std::string(name) == "CUDA_ERROR_ILLEGAL_ADDRESS");
  // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange): that is the question
  CHECK(cuda->cuGetErrorName(static_cast<CUresult>(12), &name) == kInvalidValue);
  CHECK(cuda->cuLaunchKernel(nullptr, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr) == kNotSupported);
}

TEST_CASE("functions are found by name, without their suffix") {
  const CudaPtr cuda = load_cuda();
  using GetProcAddress = CUresult (*)(const char*, void**, int, std::uint64_t);
  const auto find = reinterpret_cast<GetProcAddress>(::dlsym(cuda->lib, "cuGetProcAddress"));
  REQUIRE(find != nullptr);
  void* function = nullptr;
  REQUIRE(find("cuMemAlloc", &function, 12040, 0) == 0);
  CHECK(function == reinterpret_cast<void*>(cuda->cuMemAlloc));
  CHECK(find("cuNoSuchThing", &function, 12040, 0) == 500);
}

TEST_CASE("every thread has its own stack of contexts") {
  const CudaPtr cuda = load_cuda();
  CUdeviceptr memory = 0;
  CUcontext popped = nullptr;
  CHECK(cuda->cuMemAlloc(&memory, 16) == kInvalidContext);
  CHECK(cuda->cuCtxPopCurrent(&popped) == kInvalidContext);
  {
    const Context first(*cuda);
    const Context second(*cuda);
    REQUIRE(cuda->cuCtxPopCurrent(&popped) == 0);
    CHECK(popped == second.get());
    REQUIRE(cuda->cuCtxPushCurrent(first.get()) == 0);
    int in_thread = 0;
    std::thread([&] { in_thread = cuda->cuMemAlloc(&memory, 16); }).join();
    CHECK(in_thread == kInvalidContext);
    REQUIRE(cuda->cuCtxPopCurrent(&popped) == 0);
    CHECK(popped == first.get());
    REQUIRE(cuda->cuCtxPopCurrent(&popped) == 0);
    CHECK(popped == first.get());
    CHECK(cuda->cuCtxPopCurrent(&popped) == kInvalidContext);
  }
  CHECK(cuda->cuCtxPushCurrent(popped) == kInvalidContext);
  CHECK(live(*cuda) == LiveObjects{});
}

TEST_CASE("the primary context lives while it is retained") {
  const CudaPtr cuda = load_cuda();
  CUcontext context = nullptr;
  unsigned flags = 7;
  int active = 1;
  REQUIRE(cuda->cuDevicePrimaryCtxGetState(0, &flags, &active) == 0);
  CHECK(active == 0);
  REQUIRE(cuda->cuDevicePrimaryCtxRetain(&context, 0) == 0);
  REQUIRE(cuda->cuCtxPushCurrent(context) == 0);
  CUdeviceptr memory = 0;
  REQUIRE(cuda->cuMemAlloc(&memory, 16) == 0);
  CHECK(live(*cuda).primary_references == 1);
  REQUIRE(cuda->cuMemFree(memory) == 0);
  REQUIRE(cuda->cuDevicePrimaryCtxRelease(0) == 0);
  CHECK(cuda->cuMemAlloc(&memory, 16) == kInvalidContext);
  REQUIRE(cuda->cuCtxPopCurrent(&context) == 0);
  CHECK(cuda->cuDevicePrimaryCtxRelease(0) == kInvalidContext);
  CHECK(live(*cuda) == LiveObjects{});
}

TEST_CASE("device memory is checked at every access") {
  const CudaPtr cuda = load_cuda();
  const Context context(*cuda);
  constexpr std::size_t kSize = 1000;
  CUdeviceptr memory = 0;
  REQUIRE(cuda->cuMemAlloc(&memory, kSize) == 0);
  CHECK((memory >> 62 & 1) == 1);
  CHECK(memory % 512 == 0);

  std::vector<std::uint8_t> bytes(kSize + 1);
  REQUIRE(cuda->cuMemcpyDtoH(bytes.data(), memory, kSize) == 0);
  CHECK(std::ranges::all_of(bytes.begin(), bytes.end() - 1, [](std::uint8_t byte) { return byte == 0xCD; }));

  CHECK(cuda->cuMemcpyDtoH(bytes.data(), memory, kSize + 1) == kIllegalAddress);
  CHECK(cuda->cuMemcpyHtoD(memory + 1, bytes.data(), kSize) == kIllegalAddress);
  CHECK(cuda->cuMemcpyHtoD(memory - 1, bytes.data(), 1) == kIllegalAddress);
  CHECK(cuda->cuMemsetD8Async(memory, 0, kSize + 1, nullptr) == kIllegalAddress);
  // A host pointer is no device pointer, and the other way round only cuMemcpy() takes both.
  CHECK(cuda->cuMemcpyDtoH(bytes.data(), reinterpret_cast<CUdeviceptr>(bytes.data()), 1) == kIllegalAddress);
  bytes.assign(bytes.size(), 9);
  REQUIRE(cuda->cuMemcpy(memory, reinterpret_cast<CUdeviceptr>(bytes.data()), kSize) == 0);
  bytes.assign(bytes.size(), 0);
  REQUIRE(cuda->cuMemcpyDtoH(bytes.data(), memory + kSize - 1, 1) == 0);
  CHECK(bytes[0] == 9);

  REQUIRE(cuda->cuMemFree(memory) == 0);
  CHECK(cuda->cuMemFree(memory) == kInvalidValue);
  CHECK(cuda->cuMemcpyDtoH(bytes.data(), memory, 1) == kIllegalAddress);
}

TEST_CASE("pitched copies") {
  const CudaPtr cuda = load_cuda();
  const Context context(*cuda);
  constexpr std::size_t kWidth = 300;
  constexpr std::size_t kHeight = 20;
  CUdeviceptr memory = 0;
  std::size_t pitch = 0;
  CHECK(cuda->cuMemAllocPitch(&memory, &pitch, kWidth, kHeight, 3) == kInvalidValue);
  REQUIRE(cuda->cuMemAllocPitch(&memory, &pitch, kWidth, kHeight, 16) == 0);
  CHECK(pitch == 512);

  std::vector<std::uint8_t> from(kWidth * kHeight);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::uint8_t>(i * 7 % 251);
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = from.data();
  copy.srcPitch = kWidth;
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = memory;
  copy.dstPitch = pitch;
  copy.WidthInBytes = kWidth;
  copy.Height = kHeight;
  REQUIRE(cuda->cuMemcpy2D(&copy) == 0);
  SECTION("a rectangle comes back from where it went") {
    std::vector<std::uint8_t> back(std::size_t{10} * 4);
    CUDA_MEMCPY2D part{};
    part.srcMemoryType = CU_MEMORYTYPE_DEVICE;
    part.srcDevice = memory;
    part.srcPitch = pitch;
    part.srcXInBytes = 33;
    part.srcY = 5;
    part.dstMemoryType = CU_MEMORYTYPE_HOST;
    part.dstHost = back.data();
    part.WidthInBytes = 10;
    part.Height = 4;
    REQUIRE(cuda->cuMemcpy2DAsync(&part, nullptr) == 0);
    for (std::size_t y = 0; y < 4; ++y) {
      CHECK(std::memcmp(&back[y * 10], &from[(y + 5) * kWidth + 33], 10) == 0);
    }
  }
  SECTION("past the last row") {
    copy.dstY = 1;
    CHECK(cuda->cuMemcpy2D(&copy) == kInvalidValue);
  }
  SECTION("a pitch below the width") {
    copy.dstPitch = kWidth - 1;
    CHECK(cuda->cuMemcpy2D(&copy) == kInvalidValue);
  }
  SECTION("through an array") {
    CUarray array = nullptr;
    CUDA_ARRAY3D_DESCRIPTOR description{};
    description.Width = kWidth / 4;
    description.Height = kHeight;
    description.Format = CU_AD_FORMAT_UNSIGNED_INT8;
    description.NumChannels = 4;
    REQUIRE(cuda->cuArray3DCreate(&array, &description) == 0);
    CUDA_MEMCPY2D into = copy;
    into.dstMemoryType = CU_MEMORYTYPE_ARRAY;
    into.dstArray = array;
    REQUIRE(cuda->cuMemcpy2D(&into) == 0);
    std::vector<std::uint8_t> back(from.size());
    CUDA_MEMCPY2D out{};
    out.srcMemoryType = CU_MEMORYTYPE_ARRAY;
    out.srcArray = array;
    out.dstMemoryType = CU_MEMORYTYPE_HOST;
    out.dstHost = back.data();
    out.WidthInBytes = kWidth;
    out.Height = kHeight;
    REQUIRE(cuda->cuMemcpy2D(&out) == 0);
    CHECK(back == from);
    out.srcXInBytes = 1;
    CHECK(cuda->cuMemcpy2D(&out) == kInvalidValue);
    REQUIRE(cuda->cuArrayDestroy(array) == 0);
    CHECK(cuda->cuArrayDestroy(array) == kInvalidHandle);
  }
  CHECK(cuda->cuMemFree(memory) == 0);
}

TEST_CASE("streams and events are checked handles") {
  const CudaPtr cuda = load_cuda();
  const Context context(*cuda);
  CUstream stream = nullptr;
  CUevent event = nullptr;
  REQUIRE(cuda->cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING) == 0);
  REQUIRE(cuda->cuEventCreate(&event, CU_EVENT_DISABLE_TIMING) == 0);
  CHECK(cuda->cuEventRecord(event, stream) == 0);
  CHECK(cuda->cuEventSynchronize(event) == 0);
  CHECK(cuda->cuStreamSynchronize(nullptr) == 0);
  int called = 0;
  CHECK(cuda->cuStreamAddCallback(
            stream, [](CUstream, CUresult, void* count) { ++*static_cast<int*>(count); }, &called, 0) == 0);
  CHECK(called == 1);
  CHECK(cuda->cuStreamDestroy(stream) == 0);
  CHECK(cuda->cuStreamSynchronize(stream) == kInvalidHandle);
  CHECK(live(*cuda).events == 1);
  CHECK(cuda->cuEventDestroy(event) == 0);
}

TEST_CASE("exported memory is imported, windowed and given back") {
  const CudaPtr cuda = load_cuda();
  constexpr std::size_t kSize = 8192;
  {
    const Context context(*cuda);
    CUDA_EXTERNAL_MEMORY_HANDLE_DESC import{};
    import.type = CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD;
    import.handle.fd = exported_memory(kSize, 0x5A);
    import.size = kSize + 1;
    CUexternalMemory memory = nullptr;
    CHECK(cuda->cuImportExternalMemory(&memory, &import) == kInvalidValue);
    CHECK(is_open(import.handle.fd));  // a failed import leaves the descriptor to the caller
    import.size = kSize;
    REQUIRE(cuda->cuImportExternalMemory(&memory, &import) == 0);
    CHECK_FALSE(is_open(import.handle.fd));

    CUDA_EXTERNAL_MEMORY_BUFFER_DESC window{};
    window.offset = 4096;
    window.size = kSize;
    CUdeviceptr device = 0;
    CHECK(cuda->cuExternalMemoryGetMappedBuffer(&device, memory, &window) == kInvalidValue);
    window.size = 4096;
    REQUIRE(cuda->cuExternalMemoryGetMappedBuffer(&device, memory, &window) == 0);
    std::array<std::uint8_t, 4> bytes{};
    REQUIRE(cuda->cuMemcpyDtoH(bytes.data(), device + 4092, 4) == 0);
    CHECK(bytes == std::array<std::uint8_t, 4>{0x5A, 0x5A, 0x5A, 0x5A});
    CHECK(cuda->cuMemcpyDtoH(bytes.data(), device + 4093, 4) == kIllegalAddress);
    CHECK(cuda->cuMemFree(device) == 0);
    CHECK(cuda->cuDestroyExternalMemory(memory) == 0);
    CHECK(cuda->cuDestroyExternalMemory(memory) == kInvalidHandle);

    const int plain = ::memfd_create("plain", MFD_CLOEXEC);
    REQUIRE(::ftruncate(plain, kSize) == 0);
    import.handle.fd = plain;
    CHECK(cuda->cuImportExternalMemory(&memory, &import) == kUnknown);
    ::close(plain);
  }
  CHECK(live(*cuda) == LiveObjects{});
}

TEST_CASE("faults of memory") {
  SECTION("the second allocation fails, the third does not") {
    const CudaPtr cuda = load_cuda("alloc=2");
    const Context context(*cuda);
    CUdeviceptr a = 0;
    CUdeviceptr b = 0;
    CHECK(cuda->cuMemAlloc(&a, 16) == 0);
    CHECK(cuda->cuMemAlloc(&b, 16) == kOutOfMemory);
    CHECK(cuda->cuMemAlloc(&b, 16) == 0);
    CHECK(cuda->cuMemFree(a) == 0);
    CHECK(cuda->cuMemFree(b) == 0);
  }
  SECTION("imports are refused, with a code of choice") {
    for (const auto& [faults, code] : {std::pair{"import", kNotSupported}, {"alloc=9,import=999", kUnknown}}) {
      const CudaPtr cuda = load_cuda(faults);
      const Context context(*cuda);
      CUDA_EXTERNAL_MEMORY_HANDLE_DESC import{};
      import.type = CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD;
      import.handle.fd = exported_memory(4096, 1);
      import.size = 4096;
      CUexternalMemory memory = nullptr;
      CHECK(cuda->cuImportExternalMemory(&memory, &import) == code);
      ::close(import.handle.fd);
    }
  }
  SECTION("what is not a fault is refused") {
    const CudaPtr cuda = load_cuda();
    const auto set_faults = reinterpret_cast<decltype(&softgpu_set_faults)>(::dlsym(cuda->lib, "softgpu_set_faults"));
    CHECK_FALSE(set_faults("alloc=2,tyre"));
    CHECK_FALSE(set_faults("alloc=x"));
    CHECK_FALSE(set_faults("alloc=0"));
    CHECK(set_faults(""));
  }
}

TEST_CASE("what a program leaves behind is reported when it ends") {
  const auto stderr_of = [](bool leak) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::dup2(ends[1], STDERR_FILENO);
      CudaFunctions* cuda = nullptr;
      CUcontext context = nullptr;
      CUdeviceptr memory = 0;
      if (cuda_load_functions(&cuda, nullptr) != 0 || cuda->cuInit(0) != 0) std::_Exit(1);
      cuda->cuCtxCreate(&context, 0, 0);
      cuda->cuMemAlloc(&memory, 100);
      if (!leak) {
        cuda->cuMemFree(memory);
        cuda->cuCtxDestroy(context);
      }
      std::exit(0);  // NOLINT(concurrency-mt-unsafe): the report is an exit handler
    }
    ::close(ends[1]);
    std::string text;
    std::array<char, 256> part{};
    for (ssize_t n = 0; (n = ::read(ends[0], part.data(), part.size())) > 0;) {
      text.append(part.data(), static_cast<std::size_t>(n));
    }
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    return text;
  };
  CHECK(stderr_of(false).empty());
  CHECK(stderr_of(true) ==
        "softgpu: leaked contexts: 1\nsoftgpu: leaked allocations: 1\nsoftgpu: leaked bytes allocated: 100\n");
}
