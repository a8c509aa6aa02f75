// The D-Bus interfaces as sd-bus wants them. `data` is the BusService; sessions are found by their path.
#pragma once

#include <systemd/sd-bus.h>

namespace zc::daemon {

inline constexpr const char* kSessionsPath = "/org/zerocast/Daemon1/sessions";

[[nodiscard]] const sd_bus_vtable* manager_table();
[[nodiscard]] const sd_bus_vtable* session_table();
int find_session(sd_bus* bus, const char* path, const char* interface, void* data, void** found, sd_bus_error* error);
int list_session_nodes(sd_bus* bus, const char* prefix, void* data, char*** nodes, sd_bus_error* error);

}  // namespace zc::daemon
