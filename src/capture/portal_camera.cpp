#include "capture/portal_camera.h"

#include "capture/portal_bus.h"
#include "capture/portal_calls.h"
#include "capture/portal_request.h"

#include <fmt/format.h>

#include <cerrno>
#include <string>
#include <utility>

namespace zc {
namespace {

/// What a failed first call to the portal means for a person.
Error explain(Error error) {
  const bool no_interface = error.code == EINVAL || error.code == EBADR;
  if (!no_interface && error.kind != ErrorKind::NotFound) return error;
  error.kind = ErrorKind::NotFound;
  error.detail = fmt::format("{} ({})",
                             no_interface ? "the desktop portal has no cameras"
                                          : "no desktop portal on the session bus: is xdg-desktop-portal running?",
                             error.detail);
  return error;
}

}  // namespace

struct PortalCamera::Impl {
  std::unique_ptr<PortalBus> bus;
  std::string owner;  ///< the portal's unique bus name
  Nanoseconds answer_within{};
};

Result<std::unique_ptr<PortalCamera>> PortalCamera::open(const std::stop_token& stop, Nanoseconds answer_within) {
  auto impl = std::make_unique<Impl>();
  impl->answer_within = answer_within;
  auto bus = PortalBus::connect();
  if (!bus) return std::unexpected(std::move(bus.error()));
  impl->bus = std::move(*bus);
  if (auto done = register_with_portal(*impl->bus, answer_within, stop); !done) {
    return std::unexpected(std::move(done.error()));
  }
  auto properties = portal_properties(*impl->bus, kCameraInterface, answer_within, stop);
  if (!properties) return std::unexpected(explain(std::move(properties.error())));
  impl->owner = std::move(properties->owner);
  auto requests = PortalRequests::create(*impl->bus, impl->owner);
  if (!requests) return std::unexpected(std::move(requests.error()));
  const auto asked = (*requests)->perform({.interface = kCameraInterface,
                                           .method = "AccessCamera",
                                           .operation = "ask for permission to use the camera",
                                           .session = {},
                                           .parent_window = false,
                                           .options = {},
                                           .reply_within = answer_within,
                                           .result_within = std::nullopt},
                                          stop, [] { return nullptr; });
  if (!asked) return std::unexpected(asked.error());
  return std::unique_ptr<PortalCamera>(new PortalCamera(std::move(impl)));
}

PortalCamera::PortalCamera(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PortalCamera::~PortalCamera() = default;

Result<UniqueFd> PortalCamera::remote(const std::stop_token& stop) {
  return open_portal_remote(*impl_->bus, impl_->owner, kCameraInterface, {}, impl_->answer_within, stop);
}

}  // namespace zc
