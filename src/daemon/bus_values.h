// What only the daemon puts into D-Bus messages.
#pragma once

#include "base/error.h"
#include "ipc/bus_types.h"
#include "ipc/message.h"
#include "ipc/statistics.h"

#include <systemd/sd-bus.h>

#include <string>
#include <string_view>

namespace zc::daemon {

// Each appends one value; < 0: negative errno of sd-bus.
[[nodiscard]] int append_statistics(sd_bus_message* message, const Statistics& statistics);  ///< a{sv}
/// aa{sv}: one per source of sound, or per track.
[[nodiscard]] int append_audio_sources(sd_bus_message* message, const Statistics& statistics);
[[nodiscard]] int append_audio_tracks(sd_bus_message* message, const Statistics& statistics);
/// aa{sv}: one per layer.
[[nodiscard]] int append_layers(sd_bus_message* message, const FactsEvent& facts);
/// aa{sv}: one per sink.
[[nodiscard]] int append_sinks(sd_bus_message* message, const Statistics& statistics);
/// The array of objects that the JSON object has under `member`, as aa{sv}: numbers, texts, switches and arrays of
/// texts as themselves, null left out, anything else as its JSON text.
[[nodiscard]] int append_objects(sd_bus_message* message, std::string_view json, const std::string& member);

/// Answers a call with an error.
int reply_error(sd_bus_message* call, const Error& error);

}  // namespace zc::daemon
