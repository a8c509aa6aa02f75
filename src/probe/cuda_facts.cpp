#include "gpu/cuda/driver.h"
#include "probe/apis.h"

#include <ffnvcodec/dynlink_loader.h>

namespace zc::probe {
namespace {

/// cuda.h's CU_DEVICE_ATTRIBUTE_PCI_*; FFmpeg's headers before 12.0 have only some of them.
constexpr int kPciBus = 33;
constexpr int kPciDevice = 34;
constexpr int kPciDomain = 50;

std::string pci_of(const CudaFunctions& api, CUdevice device) {
  const auto attribute = [&](int which) {
    int value = -1;
    return api.cuDeviceGetAttribute(&value, static_cast<CUdevice_attribute>(which), device) == CUDA_SUCCESS ? value
                                                                                                            : -1;
  };
  const int domain = attribute(kPciDomain);
  const int bus = attribute(kPciBus);
  const int slot = attribute(kPciDevice);
  if (domain < 0 || bus < 0 || slot < 0) return {};
  return pci_text(static_cast<std::uint32_t>(domain), static_cast<std::uint32_t>(bus), static_cast<std::uint32_t>(slot),
                  0);
}

}  // namespace

Result<std::vector<CudaFacts>> cuda_facts() {
  const auto driver = cuda::Driver::load();
  if (!driver) return std::unexpected(driver.error());
  const auto devices = (*driver)->devices();
  if (!devices) return std::unexpected(devices.error());
  std::vector<CudaFacts> facts;
  facts.reserve(devices->size());
  for (const cuda::Device& device : *devices) {
    facts.push_back({.name = device.name,
                     .version = (*driver)->version_text(),
                     .uuid = device.uuid ? uuid_text(*device.uuid) : std::string(),
                     .pci = pci_of((*driver)->api(), device.handle)});
  }
  return facts;
}

}  // namespace zc::probe
