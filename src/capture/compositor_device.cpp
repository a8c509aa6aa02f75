#include "capture/compositor_device.h"

#include "capture/dmabuf_feedback.h"
#include "capture/wayland_client.h"

#include <utility>

namespace zc {

Result<dev_t> compositor_device(Nanoseconds patience) {
  const Nanoseconds deadline = monotonic_now() + patience;
  auto client = WaylandClient::connect();
  if (!client) return std::unexpected(std::move(client.error()));
  if (auto found = client->find_globals(deadline); !found) return std::unexpected(std::move(found.error()));
  const auto feedback = read_dmabuf_feedback(*client, deadline);
  if (!feedback) return std::unexpected(feedback.error());
  if (feedback->device) return *feedback->device;
  return fail(ErrorKind::Unsupported, "ask the compositor for its GPU", "it does not tell its device");
}

}  // namespace zc
