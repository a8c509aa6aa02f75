#pragma once

#include <systemd/sd-bus.h>

#include <string>

namespace zc::daemon {

/// Shows a desktop notification (org.freedesktop.Notifications), if there is somebody to show it; never waits.
void notify_user(sd_bus* bus, const std::string& summary, const std::string& body);

}  // namespace zc::daemon
