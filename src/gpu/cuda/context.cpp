#include "gpu/cuda/context.h"

#include <ffnvcodec/dynlink_loader.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace zc::cuda {

Result<std::shared_ptr<const Context>> Context::open(const std::shared_ptr<const Driver>& driver,
                                                     const Device& device) {
  const std::scoped_lock lock(driver->mutex_);
  auto& known = driver->contexts_;
  std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
  const auto found = std::ranges::find(known, device.ordinal, [](const auto& entry) { return entry.first; });
  if (found != known.end()) {
    if (auto context = found->second.lock()) return context;
  }
  const CudaFunctions& api = driver->api();
  // Refused where the context is active already: it works as it is.
  static_cast<void>(api.cuDevicePrimaryCtxSetFlags(device.handle, CU_CTX_SCHED_BLOCKING_SYNC));
  CUcontext handle = nullptr;
  const std::string operation = fmt::format("open {}", device.name);
  if (auto ok = driver->check(api.cuDevicePrimaryCtxRetain(&handle, device.handle), operation); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  std::shared_ptr<const Context> context(new Context(driver, device, handle));
  known.emplace_back(device.ordinal, context);
  return context;
}

Context::~Context() { static_cast<void>(driver_->api().cuDevicePrimaryCtxRelease(device_.handle)); }

Result<std::shared_ptr<const Context>> open_context(const std::optional<Uuid>& uuid) {
  auto driver = Driver::load();
  if (!driver) return std::unexpected(std::move(driver.error()));
  const auto devices = (*driver)->devices();
  if (!devices) return std::unexpected(devices.error());
  const auto wanted = [&](const Device& device) { return !uuid || device.uuid == uuid; };
  const auto found = std::ranges::find_if(*devices, wanted);
  if (found != devices->end()) return Context::open(*driver, *found);
  std::string names;
  for (const Device& device : *devices) {
    names += fmt::format("{}{} {}", names.empty() ? "" : ", ", device.name,
                         device.uuid ? to_string(*device.uuid) : "without UUID");
  }
  return fail(ErrorKind::NotFound, fmt::format("find the NVIDIA device {}", uuid ? to_string(*uuid) : "wanted"),
              fmt::format("there are {}", names));
}

Result<CurrentContext> CurrentContext::push(const Context& context) {
  const Driver& driver = context.driver();
  if (auto ok = driver.check(driver.api().cuCtxPushCurrent(context.handle()), "enter the CUDA context"); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  return CurrentContext(context);
}

CurrentContext::~CurrentContext() {
  CUcontext popped = nullptr;
  if (context_ != nullptr) static_cast<void>(context_->driver().api().cuCtxPopCurrent(&popped));
}

Result<void> synchronize(const Context& context) {
  const auto current = CurrentContext::push(context);
  if (!current) return std::unexpected(current.error());
  const Driver& driver = context.driver();
  return driver.check(driver.api().cuStreamSynchronize(nullptr), "wait for the CUDA device");
}

}  // namespace zc::cuda
