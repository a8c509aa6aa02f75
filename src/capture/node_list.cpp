#include "capture/node_list.h"

#include "base/log.h"
#include "capture/negotiation.h"
#include "pipewire/pipewire_connection.h"

#include <pipewire/keys.h>
#include <pipewire/node.h>
#include <pipewire/port.h>
#include <spa/param/param.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <memory>
#include <string_view>
#include <utility>

namespace zc {
namespace {

constexpr std::chrono::seconds kPatience{3};

template <class Number>
Number number(std::string_view text) {
  Number value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

struct KindRow {
  std::string_view key;
  std::string_view value_prefix;
  VideoNode::Kind kind;
};
// The first row that fits decides. Compositors that serve their screen without a portal state no role.
constexpr std::array kKinds = {
    KindRow{PW_KEY_DEVICE_API, "v4l2", VideoNode::Kind::Camera},
    KindRow{PW_KEY_DEVICE_API, "libcamera", VideoNode::Kind::Camera},
    KindRow{PW_KEY_MEDIA_ROLE, "Camera", VideoNode::Kind::Camera},
    KindRow{PW_KEY_MEDIA_ROLE, "Screen", VideoNode::Kind::Compositor},
    KindRow{PW_KEY_NODE_NAME, "gamescope", VideoNode::Kind::Compositor},
    KindRow{PW_KEY_NODE_NAME, "weston", VideoNode::Kind::Compositor},
    KindRow{PW_KEY_NODE_NAME, "kwin", VideoNode::Kind::Compositor},
    KindRow{PW_KEY_NODE_NAME, "mutter", VideoNode::Kind::Compositor},
    KindRow{PW_KEY_NODE_NAME, "gnome-shell", VideoNode::Kind::Compositor},
    KindRow{PW_KEY_NODE_NAME, "xdg-desktop-portal", VideoNode::Kind::Compositor},
};

VideoNode::Kind kind_of(const RegistryObject& object) {
  const auto* const row = std::ranges::find_if(
      kKinds, [&](const KindRow& r) { return object.property(r.key).starts_with(r.value_prefix); });
  return row == kKinds.end() ? VideoNode::Kind::Other : row->kind;
}

bool gives_video(const RegistryObject& object) {
  if (object.type != PW_TYPE_INTERFACE_Node) return false;
  const std::string_view media_class = object.property(PW_KEY_MEDIA_CLASS);
  return media_class.starts_with("Video/Source") || media_class == "Stream/Output/Video";
}

VideoNode describe(const RegistryObject& object) {
  VideoNode node;
  node.id = object.id;
  node.serial = number<std::uint64_t>(object.property(PW_KEY_OBJECT_SERIAL));
  node.name = object.property(PW_KEY_NODE_NAME);
  for (const char* key : {PW_KEY_NODE_DESCRIPTION, PW_KEY_NODE_NICK, PW_KEY_NODE_NAME}) {
    if (node.description.empty()) node.description = object.property(key);
  }
  node.media_class = object.property(PW_KEY_MEDIA_CLASS);
  node.kind = kind_of(object);
  return node;
}

/// An output port of one of the nodes, asked for its formats. Lives on the loop's thread while that runs.
class PortProbe {
 public:
  PortProbe(pw_registry* registry, std::uint32_t port, std::size_t node) : node_(node) {
    static constexpr pw_port_events kEvents = [] {
      pw_port_events events{};
      events.version = PW_VERSION_PORT_EVENTS;
      events.param = on_param;
      return events;
    }();
    proxy_.reset(static_cast<pw_proxy*>(pw_registry_bind(registry, port, PW_TYPE_INTERFACE_Port, PW_VERSION_PORT, 0)));
    if (!proxy_) return;
    auto* bound = reinterpret_cast<pw_port*>(proxy_.get());
    pw_port_add_listener(bound, hook_.get(), &kEvents, this);
    pw_port_enum_params(bound, 0, SPA_PARAM_EnumFormat, 0, UINT32_MAX, nullptr);
  }
  PortProbe(const PortProbe&) = delete;
  PortProbe& operator=(const PortProbe&) = delete;
  ~PortProbe() = default;

  [[nodiscard]] std::size_t node() const { return node_; }
  [[nodiscard]] const std::vector<OfferedFormat>& formats() const { return formats_; }

 private:
  static void on_param(void* data, int /*sequence*/, std::uint32_t id, std::uint32_t /*index*/, std::uint32_t /*next*/,
                       const spa_pod* param) noexcept {
    if (id != SPA_PARAM_EnumFormat) return;
    auto& formats = static_cast<PortProbe*>(data)->formats_;
    for (const OfferedFormat& f : parse_offered_formats(param)) formats.push_back(f);
  }

  std::size_t node_;
  std::vector<OfferedFormat> formats_;
  ProxyPtr proxy_;
  Hook hook_;
};

/// Cameras state one EnumFormat per size: joined to one line per format.
void join(std::vector<VideoNode::Format>& formats, const OfferedFormat& offered) {
  const auto same = [&](const VideoNode::Format& f) {
    return f.format == offered.format && f.dmabuf == offered.dmabuf;
  };
  const auto found = std::ranges::find_if(formats, same);
  if (found == formats.end()) {
    formats.push_back({offered.format, offered.min_size, offered.max_size, offered.max_rate, offered.dmabuf});
    return;
  }
  if (found->min_size.empty() || (!offered.min_size.empty() && offered.min_size.area() < found->min_size.area())) {
    found->min_size = offered.min_size;
  }
  if (offered.max_size.area() > found->max_size.area()) found->max_size = offered.max_size;
  if (offered.max_rate.value() > found->max_rate.value()) found->max_rate = offered.max_rate;
}

}  // namespace

std::string_view to_string(VideoNode::Kind kind) {
  switch (kind) {
    case VideoNode::Kind::Compositor: return "compositor";
    case VideoNode::Kind::Camera: return "camera";
    case VideoNode::Kind::Other: break;
  }
  return "other";
}

Result<std::vector<VideoNode>> list_video_nodes() {
  const auto deadline = PipeWireConnection::Clock::now() + kPatience;
  auto opened = PipeWireConnection::open({}, {});
  if (!opened) return std::unexpected(opened.error());
  PipeWireConnection& connection = **opened;
  if (const auto answered = connection.roundtrip(deadline); !answered) return std::unexpected(answered.error());

  std::vector<VideoNode> nodes;
  std::vector<std::pair<std::uint32_t, std::size_t>> ports;  // port id, index into nodes
  connection.look([&](const PipeWireConnection::Registry& registry) {
    for (const auto& [id, object] : registry) {
      if (gives_video(object)) nodes.push_back(describe(object));
    }
    for (const auto& [id, object] : registry) {
      if (object.type != PW_TYPE_INTERFACE_Port || object.property(PW_KEY_PORT_DIRECTION) != "out") continue;
      const auto owner = number<std::uint32_t>(object.property(PW_KEY_NODE_ID));
      const auto node = std::ranges::find(nodes, owner, &VideoNode::id);
      if (node != nodes.end()) ports.emplace_back(id, static_cast<std::size_t>(node - nodes.begin()));
    }
  });

  std::vector<std::unique_ptr<PortProbe>> probes;
  connection.run([&] {
    for (const auto& [port, node] : ports) {
      probes.push_back(std::make_unique<PortProbe>(connection.registry(), port, node));
    }
  });
  if (const auto answered = connection.roundtrip(deadline); !answered) {
    logger("capture").warn("not every PipeWire node says its formats: {}", answered.error().message());
  }
  connection.stop_thread();
  for (const auto& probe : probes) {
    for (const OfferedFormat& f : probe->formats()) join(nodes.at(probe->node()).formats, f);
  }
  return nodes;
}

}  // namespace zc
