#include "capture/audio_list.h"

#include "pipewire/pipewire_connection.h"

#include <pipewire/keys.h>
#include <pipewire/node.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

namespace zc {
namespace {

constexpr std::chrono::seconds kPatience{3};

struct ClassRow {
  std::string_view prefix;  ///< of media.class
  AudioNode::Kind kind;
};
constexpr std::array kClasses{
    ClassRow{"Audio/Sink", AudioNode::Kind::Output}, ClassRow{"Audio/Source", AudioNode::Kind::Input},
    ClassRow{"Audio/Duplex", AudioNode::Kind::Input}, ClassRow{"Stream/Output/Audio", AudioNode::Kind::Application}};

std::string first_of(const RegistryObject& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (const auto text = object.property(key); !text.empty()) return std::string(text);
  }
  return {};
}

std::optional<AudioNode> describe(const RegistryObject& object) {
  if (object.type != PW_TYPE_INTERFACE_Node) return std::nullopt;
  const std::string_view media_class = object.property(PW_KEY_MEDIA_CLASS);
  const auto* const row =
      std::ranges::find_if(kClasses, [&](const ClassRow& one) { return media_class.starts_with(one.prefix); });
  if (row == kClasses.end()) return std::nullopt;
  AudioNode node{.kind = row->kind, .source = {}, .description = {}};
  if (row->kind == AudioNode::Kind::Application) {
    node.description = first_of(object, {PW_KEY_APP_NAME, PW_KEY_NODE_NAME});
    node.source = "app:" + node.description;
  } else {
    node.source = object.property(PW_KEY_NODE_NAME);
    node.description = first_of(object, {PW_KEY_NODE_DESCRIPTION, PW_KEY_NODE_NICK, PW_KEY_NODE_NAME});
  }
  return node.source.empty() ? std::nullopt : std::optional(std::move(node));
}

}  // namespace

std::string_view to_string(AudioNode::Kind kind) {
  switch (kind) {
    case AudioNode::Kind::Output: return "output";
    case AudioNode::Kind::Input: return "input";
    case AudioNode::Kind::Application: break;
  }
  return "application";
}

Result<std::vector<AudioNode>> list_audio_nodes() {
  auto opened = PipeWireConnection::open({}, {});
  if (!opened) return std::unexpected(std::move(opened.error()));
  if (const auto answered = (*opened)->roundtrip(PipeWireConnection::Clock::now() + kPatience); !answered) {
    return std::unexpected(answered.error());
  }
  std::vector<AudioNode> nodes;
  (*opened)->look([&](const PipeWireConnection::Registry& registry) {
    for (const auto& [id, object] : registry) {
      auto node = describe(object);
      if (node && std::ranges::find(nodes, *node) == nodes.end()) nodes.push_back(*std::move(node));
    }
  });
  std::ranges::stable_sort(nodes, {}, &AudioNode::kind);
  return nodes;
}

}  // namespace zc
