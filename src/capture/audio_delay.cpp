#include "capture/audio_delay.h"

#include "media/audio.h"

#include <pipewire/keys.h>
#include <pipewire/link.h>
#include <spa/param/latency-utils.h>
#include <spa/param/param.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace zc {
namespace {

const RegistryObject* find(const PipeWireConnection::Registry& registry, std::string_view id) {
  std::uint32_t number = 0;
  if (std::from_chars(id.begin(), id.end(), number).ec != std::errc{}) return nullptr;
  const auto found = registry.find(number);
  return found == registry.end() ? nullptr : &found->second;
}

/// Of the longest way there is: of several, the loudspeaker's. What is beyond reason is nobody's loudspeaker.
AudioDelay delay_of(const spa_latency_info& info) {
  constexpr Nanoseconds kMost = std::chrono::seconds(5);
  constexpr float kMostCycles = 64;
  const Nanoseconds time =
      std::clamp(Nanoseconds(info.max_ns), -kMost, kMost) + Nanoseconds(info.max_rate * std::nano::den / kAudioRate);
  const bool good = info.max_quantum >= 0 && info.max_quantum <= kMostCycles && time >= -kMost && time <= kMost;
  return good ? AudioDelay{.cycles = static_cast<double>(info.max_quantum), .more = time} : AudioDelay{};
}

std::string serial_of(const RegistryObject& port) { return std::string(port.property(PW_KEY_OBJECT_SERIAL)); }

bool is_monitor(const RegistryObject& port) { return port.property(PW_KEY_PORT_MONITOR) == "true"; }

}  // namespace

std::optional<LoudspeakerPort> loudspeaker_port(const PipeWireConnection::Registry& registry, std::uint32_t node) {
  const std::string own = std::to_string(node);
  for (const auto& [id, link] : registry) {
    if (link.type != PW_TYPE_INTERFACE_Link || link.property(PW_KEY_LINK_INPUT_NODE) != own) continue;
    const RegistryObject* port = find(registry, link.property(PW_KEY_LINK_OUTPUT_PORT));
    const RegistryObject* from = find(registry, link.property(PW_KEY_LINK_OUTPUT_NODE));
    if (port == nullptr || from == nullptr) continue;
    if (!is_monitor(*port)) {
      const bool plays = from->property(PW_KEY_MEDIA_CLASS) == "Stream/Output/Audio";
      return LoudspeakerPort{.port = plays ? port->id : 0, .serial = serial_of(*port), .sink = std::nullopt};
    }
    for (const auto& [other_id, other] : registry) {
      if (other.type == PW_TYPE_INTERFACE_Port && other.property(PW_KEY_PORT_DIRECTION) == "in" && !is_monitor(other) &&
          other.property(PW_KEY_NODE_ID) == link.property(PW_KEY_LINK_OUTPUT_NODE)) {
        return LoudspeakerPort{.port = other_id, .serial = serial_of(other), .sink = from->id};
      }
    }
  }
  return std::nullopt;
}

/// libpipewire's C callbacks: nothing may be thrown through them, hence noexcept.
struct PortLatency::Events {
  static void param(void* data, int /*seq*/, std::uint32_t id, std::uint32_t /*index*/, std::uint32_t /*next*/,
                    const spa_pod* param) noexcept {
    spa_latency_info info{};
    if (id != SPA_PARAM_Latency || param == nullptr || spa_latency_parse(param, &info) < 0) return;
    if (info.direction != SPA_DIRECTION_INPUT) return;
    auto& self = *static_cast<PortLatency*>(data);
    self.value_ = delay_of(info);
    self.changed_();
  }
  static constexpr pw_port_events table() {
    pw_port_events events{};
    events.version = PW_VERSION_PORT_EVENTS;
    events.param = param;
    return events;
  }
  static const pw_port_events kEvents;
};

constexpr pw_port_events PortLatency::Events::kEvents = table();

PortLatency::PortLatency(pw_registry* registry, std::uint32_t port, std::function<void()> changed)
    : changed_(std::move(changed)),
      proxy_(static_cast<pw_proxy*>(pw_registry_bind(registry, port, PW_TYPE_INTERFACE_Port, PW_VERSION_PORT, 0))) {
  if (!proxy_) return;
  auto* bound = reinterpret_cast<pw_port*>(proxy_.get());
  pw_port_add_listener(bound, hook_.get(), &Events::kEvents, this);
  std::uint32_t id = SPA_PARAM_Latency;
  pw_port_subscribe_params(bound, &id, 1);
}

}  // namespace zc
