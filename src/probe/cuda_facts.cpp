#include "gpu/cuda/driver.h"
#include "probe/apis.h"

namespace zc::probe {

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
                     .pci = device.pci});
  }
  return facts;
}

}  // namespace zc::probe
