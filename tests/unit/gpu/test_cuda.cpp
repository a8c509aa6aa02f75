// The CUDA pieces over a table of functions that a test filled: what is called, how often, and what errors become.
#include "gpu/cuda/context.h"
#include "gpu/cuda/driver.h"

#include "support/temporary_folder.h"

#include <ffnvcodec/dynlink_loader.h>
#include <sys/prctl.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstring>
#include <thread>
#include <vector>

using namespace zc;
using Catch::Matchers::ContainsSubstring;

namespace {

/// What the fake driver was asked; CUDA's functions have no user pointer.
struct Calls {
  CUresult init = CUDA_SUCCESS;
  CUresult retain = CUDA_SUCCESS;
  int devices = 2;
  int retained = 0;
  int released = 0;
  std::vector<CUcontext> stack;
};
thread_local Calls calls;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): the driver has no other place

CUcontext fake_context(CUdevice device) {
  static std::array<char, 8> places{};
  return reinterpret_cast<CUcontext>(&places.at(static_cast<std::size_t>(device)));
}

CudaFunctions fake_functions() {
  CudaFunctions api{};
  api.cuInit = [](unsigned) { return calls.init; };
  api.cuDeviceGetCount = [](int* count) {
    *count = calls.devices;
    return CUDA_SUCCESS;
  };
  api.cuDeviceGet = [](CUdevice* device, int ordinal) {
    *device = ordinal;
    return CUDA_SUCCESS;
  };
  api.cuDeviceGetName = [](char* name, int length, CUdevice device) {
    std::snprintf(name, static_cast<std::size_t>(length), "Test GPU %d", device);
    return CUDA_SUCCESS;
  };
  api.cuDeviceGetUuid = [](CUuuid* uuid, CUdevice device) {
    for (char& byte : uuid->bytes) byte = static_cast<char>(0xa0 + device);
    return CUDA_SUCCESS;
  };
  api.cuDeviceGetAttribute = [](int* value, CUdevice_attribute attribute, CUdevice device) {
    *value = static_cast<int>(attribute) == 33 ? 0xc0 + device : 0;  // the PCI bus
    return CUDA_SUCCESS;
  };
  api.cuDevicePrimaryCtxSetFlags = [](CUdevice, unsigned) { return static_cast<CUresult>(708); };
  api.cuDevicePrimaryCtxRetain = [](CUcontext* context, CUdevice device) {
    if (calls.retain != CUDA_SUCCESS) return calls.retain;
    *context = fake_context(device);
    ++calls.retained;
    return CUDA_SUCCESS;
  };
  api.cuDevicePrimaryCtxRelease = [](CUdevice) {
    ++calls.released;
    return CUDA_SUCCESS;
  };
  api.cuCtxPushCurrent = [](CUcontext context) {
    calls.stack.push_back(context);
    return CUDA_SUCCESS;
  };
  api.cuCtxPopCurrent = [](CUcontext* context) {
    *context = calls.stack.back();
    calls.stack.pop_back();
    return CUDA_SUCCESS;
  };
  api.cuGetErrorName = [](CUresult error, const char** name) {
    if (static_cast<int>(error) == 1023) return static_cast<CUresult>(1);
    *name = "CUDA_ERROR_OF_THE_TEST";
    return CUDA_SUCCESS;
  };
  api.cuGetErrorString = [](CUresult error, const char** words) {
    if (static_cast<int>(error) == 1023) return static_cast<CUresult>(1);
    *words = "in words";
    return CUDA_SUCCESS;
  };
  return api;
}

Result<std::shared_ptr<const cuda::Driver>> fake_driver(int version = 12'040, const std::filesystem::path& root = "/") {
  return cuda::Driver::create({new CudaFunctions(fake_functions()), [](CudaFunctions* f) { delete f; }}, version, {},
                              root);
}

}  // namespace

TEST_CASE("the devices of a driver, with name, UUID and place") {
  calls = {};
  const auto driver = fake_driver();
  REQUIRE(driver);
  CHECK((*driver)->version_text() == "12.4");
  const auto devices = (*driver)->devices();
  REQUIRE(devices);
  REQUIRE(devices->size() == 2);
  CHECK(devices->at(1).ordinal == 1);
  CHECK(devices->at(1).name == "Test GPU 1");
  REQUIRE(devices->at(1).uuid);
  CHECK(cuda::to_string(*devices->at(1).uuid) == "GPU-a1a1a1a1-a1a1-a1a1-a1a1-a1a1a1a1a1a1");
  CHECK(devices->at(1).pci == "0000:c1:00.0");
  CHECK((*fake_driver(0))->version_text() == "unknown");
}

TEST_CASE("a driver that does not start or has no device is refused in its words") {
  calls = {};
  calls.init = static_cast<CUresult>(GENERATE(100, 803, 999));
  const auto refused = fake_driver();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::Unsupported);
  CHECK(refused.error().code == static_cast<int>(calls.init));
  CHECK_THAT(refused.error().message(), ContainsSubstring("CUDA_ERROR_OF_THE_TEST: in words"));

  calls = {};
  calls.devices = 0;
  const auto none = (*fake_driver())->devices();
  REQUIRE_FALSE(none);
  CHECK(none.error().kind == ErrorKind::Unsupported);
}

TEST_CASE("a device node that a confined service cannot have made is named, with what to do") {
  const test::TemporaryFolder root;
  root.write("sys/module/nvidia/version", "550.54.14");
  root.write("dev/nvidiactl", "");
  const auto refusal = [&](bool confined) {
    std::string words;
    std::thread([&] {  // the flag is a thread's and stays
      if (confined && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return;
      calls = {};
      calls.init = static_cast<CUresult>(999);
      const auto driver = fake_driver(12'040, root.path());
      if (!driver) words = driver.error().detail;
    })
        .join();
    return words;
  };
  const std::string words = "CUDA_ERROR_OF_THE_TEST: in words";
  CHECK_THAT(refusal(true), ContainsSubstring(words + "; there is no /dev/nvidia-uvm") &&
                                ContainsSubstring("NoNewPrivileges") && ContainsSubstring("nvidia-modprobe -c 0 -u"));
  // From a terminal libcuda makes it.
  if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0) CHECK(refusal(false) == words);
  // Something else is wrong: the node is there, or the card's own module is not.
  root.write("dev/nvidia-uvm", "");
  CHECK(refusal(true) == words);
  std::filesystem::remove_all(root.path());
  CHECK(refusal(true) == words);
}

TEST_CASE("what an answer means for the caller") {
  calls = {};
  const auto driver = fake_driver();
  const auto kind = [&](int code) { return (*driver)->check(static_cast<CUresult>(code), "test").error().kind; };
  CHECK((*driver)->check(CUDA_SUCCESS, "test"));
  CHECK(kind(2) == ErrorKind::Busy);
  CHECK(kind(801) == ErrorKind::Unsupported);
  CHECK(kind(700) == ErrorKind::Lost);
  CHECK(kind(719) == ErrorKind::Lost);
  CHECK(kind(1) == ErrorKind::Internal);
  // A number the driver has no name for.
  CHECK((*driver)->check(static_cast<CUresult>(1023), "test").error().message() == "test: CUDA error 1023");
}

TEST_CASE("one context per device while anybody holds it") {
  calls = {};
  const auto driver = fake_driver();
  const auto devices = (*driver)->devices();
  {
    const auto first = cuda::Context::open(*driver, devices->at(0));
    const auto again = cuda::Context::open(*driver, devices->at(0));
    const auto other = cuda::Context::open(*driver, devices->at(1));
    REQUIRE(first);
    REQUIRE(again);
    REQUIRE(other);
    CHECK(*first == *again);
    CHECK(*first != *other);
    CHECK((*first)->handle() == fake_context(0));
    CHECK((*other)->device().name == "Test GPU 1");
    CHECK(calls.retained == 2);
    CHECK(calls.released == 0);
  }
  CHECK(calls.released == 2);
  const auto anew = cuda::Context::open(*driver, devices->at(0));
  REQUIRE(anew);
  CHECK(calls.retained == 3);
}

TEST_CASE("a context that cannot be had leaves nothing behind") {
  calls = {};
  const auto driver = fake_driver();
  const auto devices = (*driver)->devices();
  calls.retain = static_cast<CUresult>(2);
  const auto refused = cuda::Context::open(*driver, devices->at(0));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::Busy);
  CHECK_THAT(refused.error().message(), ContainsSubstring("open Test GPU 0"));
  CHECK(calls.released == 0);
  calls.retain = CUDA_SUCCESS;
  CHECK(cuda::Context::open(*driver, devices->at(0)));
}

TEST_CASE("a current context is popped exactly once, the last pushed first") {
  calls = {};
  const auto driver = fake_driver();
  const auto devices = (*driver)->devices();
  const auto first = cuda::Context::open(*driver, devices->at(0));
  const auto other = cuda::Context::open(*driver, devices->at(1));
  {
    auto outer = cuda::CurrentContext::push(**first);
    REQUIRE(outer);
    const cuda::CurrentContext moved = std::move(*outer);
    {
      const auto inner = cuda::CurrentContext::push(**other);
      REQUIRE(inner);
      CHECK(calls.stack == std::vector{fake_context(0), fake_context(1)});
    }
    CHECK(calls.stack == std::vector{fake_context(0)});
  }
  CHECK(calls.stack.empty());
}
