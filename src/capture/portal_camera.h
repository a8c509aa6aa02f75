// The desktop's permission to use its cameras.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"

#include <memory>
#include <stop_token>

namespace zc {

/// org.freedesktop.portal.Camera: the user is asked once, and the permission holds for as long as this lives.
class PortalCamera {
 public:
  /// Asks. Waits for the user's answer without limit, which ends with `stop` (Cancelled), and for the portal's own at
  /// most `answer_within` each.
  /// NotFound: no bus, no portal, or one without cameras. Denied: the user said no. Lost, Timeout, Internal: as
  /// PortalSession::open().
  [[nodiscard]] static Result<std::unique_ptr<PortalCamera>> open(const std::stop_token& stop,
                                                                  Nanoseconds answer_within = std::chrono::seconds(30));
  PortalCamera(const PortalCamera&) = delete;
  PortalCamera& operator=(const PortalCamera&) = delete;
  ~PortalCamera();

  /// A PipeWire connection that sees the cameras; a new one each time.
  [[nodiscard]] Result<UniqueFd> remote(const std::stop_token& stop);

 private:
  struct Impl;
  explicit PortalCamera(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace zc
