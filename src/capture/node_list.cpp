#include "capture/node_list.h"

#include "base/log.h"
#include "capture/negotiation.h"
#include "pipewire/pipewire_connection.h"
#include "pipewire/pod.h"

#include <pipewire/keys.h>
#include <pipewire/node.h>
#include <pipewire/port.h>
#include <spa/param/param.h>
#include <spa/param/props.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <map>
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
  node.priority = number<std::int32_t>(object.property(PW_KEY_PRIORITY_SESSION));
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

/// A camera, asked for its controls. Lives as PortProbe does.
class ControlProbe {
 public:
  ControlProbe(pw_registry* registry, std::uint32_t id, std::size_t node) : node_(node) {
    static constexpr pw_node_events kEvents = [] {
      pw_node_events events{};
      events.version = PW_VERSION_NODE_EVENTS;
      events.param = on_param;
      return events;
    }();
    proxy_.reset(static_cast<pw_proxy*>(pw_registry_bind(registry, id, PW_TYPE_INTERFACE_Node, PW_VERSION_NODE, 0)));
    if (!proxy_) return;
    auto* bound = reinterpret_cast<pw_node*>(proxy_.get());
    pw_node_add_listener(bound, hook_.get(), &kEvents, this);
    for (const std::uint32_t param : {SPA_PARAM_PropInfo, SPA_PARAM_Props}) {
      pw_node_enum_params(bound, 0, param, 0, UINT32_MAX, nullptr);
    }
  }
  ControlProbe(const ControlProbe&) = delete;
  ControlProbe& operator=(const ControlProbe&) = delete;
  ~ControlProbe() = default;

  [[nodiscard]] std::size_t node() const { return node_; }
  /// What both params together say.
  [[nodiscard]] std::vector<VideoNode::Control> controls() const {
    std::vector<VideoNode::Control> known;
    for (const auto& [id, control] : infos_) {
      VideoNode::Control one = control;
      const auto value = values_.find(id);
      one.value = value == values_.end() ? one.preferred : value->second;
      known.push_back(std::move(one));
    }
    return known;
  }

 private:
  static void on_param(void* data, int /*sequence*/, std::uint32_t id, std::uint32_t /*index*/, std::uint32_t /*next*/,
                       const spa_pod* param) noexcept {
    auto& self = *static_cast<ControlProbe*>(data);
    if (id == SPA_PARAM_PropInfo) self.add_info(ObjectReader(param));
    if (id == SPA_PARAM_Props) self.add_values(ObjectReader(param));
  }
  void add_info(const ObjectReader& info) {
    const auto id = info.find(SPA_PROP_INFO_id);
    const auto type = info.find(SPA_PROP_INFO_type);
    const auto preferred = type ? type->number() : std::nullopt;
    if (!id || !id->id() || !preferred || infos_.size() >= kMostControls) return;
    VideoNode::Control control;
    for (const std::uint32_t key : {SPA_PROP_INFO_description, SPA_PROP_INFO_name}) {
      const auto name = info.find(key);
      if (control.name.empty() && name) control.name = name->text();
    }
    if (control.name.empty()) return;
    control.preferred = *preferred;
    if (type->choice == SPA_CHOICE_Range || type->choice == SPA_CHOICE_Step) {
      control.min = type->number(1).value_or(0);
      control.max = type->number(2).value_or(0);
    } else if (type->choice == SPA_CHOICE_Enum) {
      control.min = control.max = *preferred;
      for (std::size_t i = 1; i < type->count(); ++i) {
        control.min = std::min(control.min, type->number(i).value_or(control.min));
        control.max = std::max(control.max, type->number(i).value_or(control.max));
      }
    }
    infos_.insert_or_assign(*id->id(), std::move(control));
  }
  /// Comes behind all infos: it is asked for after them.
  void add_values(const ObjectReader& props) {
    for (const auto& [id, control] : infos_) {
      const auto value = props.find(id);
      if (const auto plain = value ? value->number() : std::nullopt) values_[id] = *plain;
    }
  }

  static constexpr std::size_t kMostControls = 128;
  std::size_t node_;
  std::map<std::uint32_t, VideoNode::Control> infos_;
  std::map<std::uint32_t, double> values_;
  ProxyPtr proxy_;
  Hook hook_;
};

/// Cameras state one EnumFormat per size: joined to one line per format.
void join(std::vector<VideoNode::Format>& formats, const OfferedFormat& offered) {
  const auto same = [&](const VideoNode::Format& f) {
    return f.format == offered.format && f.coded == offered.coded && f.dmabuf == offered.dmabuf;
  };
  const auto found = std::ranges::find_if(formats, same);
  if (found == formats.end()) {
    formats.push_back(
        {offered.format, offered.min_size, offered.max_size, offered.max_rate, offered.dmabuf, offered.coded});
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

Result<std::vector<VideoNode>> list_video_nodes(UniqueFd remote) {
  const auto deadline = PipeWireConnection::Clock::now() + kPatience;
  auto opened = PipeWireConnection::open(std::move(remote), {});
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
  std::vector<std::unique_ptr<ControlProbe>> controls;
  connection.run([&] {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i].kind != VideoNode::Kind::Camera) continue;
      controls.push_back(std::make_unique<ControlProbe>(connection.registry(), nodes[i].id, i));
    }
    for (const auto& [port, node] : ports) {
      probes.push_back(std::make_unique<PortProbe>(connection.registry(), port, node));
    }
  });
  if (const auto answered = connection.roundtrip(deadline); !answered) {
    logger("capture").warn("not every PipeWire node says its formats: {}", answered.error().message());
  }
  connection.stop_thread();
  for (const auto& probe : probes) {
    VideoNode& node = nodes.at(probe->node());
    for (const OfferedFormat& f : probe->formats()) {
      join(node.formats, f);
      node.modes.push_back(f);
    }
  }
  for (const auto& probe : controls) nodes.at(probe->node()).controls = probe->controls();
  return nodes;
}

}  // namespace zc
