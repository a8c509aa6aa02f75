#include "capture/compositor_device.h"

#include "base/unique_fd.h"
#include "capture/wayland_client.h"

#include <fmt/format.h>
#include <linux-dmabuf-client-protocol.h>
#include <wayland-client-protocol.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace zc {
namespace {

/// Feedback came with it.
constexpr std::uint32_t kVersion = 4;

std::unexpected<Error> unsupported(std::string why) {
  return fail(ErrorKind::Unsupported, "ask the compositor for its GPU", std::move(why));
}

using Feedback = zwp_linux_dmabuf_feedback_v1;

constexpr zwp_linux_dmabuf_feedback_v1_listener kListener{
    .done = [](void* /*data*/, Feedback* /*feedback*/) {},
    .format_table = [](void* /*data*/, Feedback* /*feedback*/, std::int32_t fd,
                       std::uint32_t /*size*/) { const UniqueFd ours(fd); },
    .main_device =
        [](void* data, Feedback* /*feedback*/, wl_array* device) {
          auto& found = *static_cast<std::optional<dev_t>*>(data);
          if (device->size == sizeof(dev_t)) std::memcpy(&found.emplace(), device->data, sizeof(dev_t));
        },
    .tranche_done = [](void* /*data*/, Feedback* /*feedback*/) {},
    .tranche_target_device = [](void* /*data*/, Feedback* /*feedback*/, wl_array* /*device*/) {},
    .tranche_formats = [](void* /*data*/, Feedback* /*feedback*/, wl_array* /*indices*/) {},
    .tranche_flags = [](void* /*data*/, Feedback* /*feedback*/, std::uint32_t /*flags*/) {}};

}  // namespace

Result<dev_t> compositor_device(Nanoseconds patience) {
  const Nanoseconds deadline = monotonic_now() + patience;
  auto client = WaylandClient::connect();
  if (!client) return std::unexpected(std::move(client.error()));
  if (auto found = client->find_globals(deadline); !found) return std::unexpected(std::move(found.error()));
  const std::string interface = zwp_linux_dmabuf_v1_interface.name;
  const auto global = std::ranges::find(client->globals(), interface, &WaylandClient::Global::interface);
  if (global == client->globals().end()) {
    return unsupported(fmt::format("it offers no {}: it composes without a GPU, or takes no dmabufs", interface));
  }
  if (global->version < kVersion) {
    return unsupported(
        fmt::format("its {} is version {}, and tells its device from {} on", interface, global->version, kVersion));
  }
  const std::unique_ptr<zwp_linux_dmabuf_v1, WaylandDestroy<&zwp_linux_dmabuf_v1_destroy>> dmabuf(
      client->bind<zwp_linux_dmabuf_v1>(*global, zwp_linux_dmabuf_v1_interface, kVersion));
  const std::unique_ptr<Feedback, WaylandDestroy<&zwp_linux_dmabuf_feedback_v1_destroy>> feedback(
      dmabuf ? zwp_linux_dmabuf_v1_get_default_feedback(dmabuf.get()) : nullptr);
  if (!feedback) return fail_errno(ENOMEM, "ask the compositor for its GPU");
  std::optional<dev_t> device;
  zwp_linux_dmabuf_feedback_v1_add_listener(feedback.get(), &kListener, &device);
  if (auto done = client->roundtrip(deadline); !done) return std::unexpected(std::move(done.error()));
  if (!device) return unsupported("it does not tell its device");
  return *device;
}

}  // namespace zc
