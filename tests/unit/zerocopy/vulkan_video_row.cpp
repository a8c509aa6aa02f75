#include "unit/zerocopy/driver_calls.h"
#include "unit/zerocopy/importer_rows.h"
#include "unit/zerocopy/vulkan_video_support.h"

#include <utility>

namespace zc::test {
namespace {

/// FFmpeg works on the same device through functions of its own, which are not hooked.
std::shared_ptr<VulkanDevice> hooked_device() {
  const auto device = adopted_device();  // skips the test where there is none
  static const bool hooked = [&] {
    DriverCalls::hook(*device);
    return true;
  }();
  REQUIRE(hooked);
  return device;
}

/// What the chain goes on with when the route cannot be opened: surfaces in host memory, whatever is asked for.
class Next final : public Importer {
 public:
  [[nodiscard]] std::string_view route() const override { return cpu_->route(); }
  [[nodiscard]] FormatOffer offer() const override { return cpu_->offer(); }
  [[nodiscard]] Result<void> configure(const SurfaceFormat& target) override {
    SurfaceFormat host = target;
    host.memory = MemoryKind::Host;
    return cpu_->configure(host);
  }
  void set_layers(std::vector<Layer> layers) override { cpu_->set_layers(std::move(layers)); }
  [[nodiscard]] Result<Surface> import(Frame frame) override { return cpu_->import(std::move(frame)); }

 private:
  std::unique_ptr<Importer> cpu_ = make_host_importer();
};

}  // namespace

std::unique_ptr<Importer> VulkanVideoRow::make(std::size_t limit) {
  auto gpu = open_vulkan_video_gpu(hooked_device(), {.converter = "vulkan"});
  if (!gpu) return std::make_unique<Next>();
  return make_gpu_importer(std::move(*gpu), {.surface_limit = limit});
}
Frame VulkanVideoRow::frame(const RgbPicture& picture) {
  Frame frame;
  frame.image = memfd_dmabuf(picture, PixelFormat::BGRx);
  frame.damage = Damage::all();
  return frame;
}
void leave_thread() {}  // nothing of Vulkan is bound to one

}  // namespace zc::test
