#include "capture/make_source.h"

#include "base/log.h"
#include "capture/camera_source.h"
#include "capture/file_source.h"
#include "capture/pipewire_source.h"
#include "capture/portal_source.h"
#include "capture/test_source.h"

#include <fmt/format.h>

#include <utility>

namespace zc {
namespace {

Result<std::unique_ptr<Source>> make(const TestSpec& spec, const SourceOptions& /*options*/) {
  return make_test_source(spec);
}

Result<std::unique_ptr<Source>> make(const NodeSpec& spec, const SourceOptions& options) {
  const auto node = [&](auto which, std::string description) {
    return make_pipewire_source(PipeWireTarget{.remote = {}, .node = std::move(which)}, "node", std::move(description),
                                options.stop);
  };
  if (const auto* by_id = std::get_if<NodeSpec::Id>(&spec.node)) {
    return node(PipeWireTarget::NodeId{by_id->id}, fmt::format("PipeWire node {}", by_id->id));
  }
  if (const auto* by_serial = std::get_if<NodeSpec::Serial>(&spec.node)) {
    return node(PipeWireTarget::ObjectSerial{by_serial->serial},
                fmt::format("PipeWire node with serial {}", by_serial->serial));
  }
  const auto& name = std::get<std::string>(spec.node);
  return node(PipeWireTarget::NodeName{name}, fmt::format("PipeWire node '{}'", name));
}

Result<std::unique_ptr<Source>> make(const CameraSpec& spec, const SourceOptions& options) {
  return make_camera_source(spec, options.stop);
}

Result<std::unique_ptr<Source>> make(const FileSpec& spec, const SourceOptions& options) {
  return make_file_source(spec, {.unpaced = options.unpaced, .from_first = options.from_first, .stop = options.stop});
}

Result<std::unique_ptr<Source>> make(const PortalSpec& spec, const SourceOptions& options) {
  if (!RestoreTokens::good_slot(options.restore_slot)) {
    return fail(ErrorKind::Invalid, "choose a restore token",
                fmt::format("'{}' is not a name of 1 to 64 characters A-Z a-z 0-9 . _ -", options.restore_slot));
  }
  PortalSourceOptions portal;
  portal.type = spec.type;
  portal.cursor = options.cursor;
  portal.persist = options.persist;
  portal.slot = options.restore_slot;
  portal.stop = options.stop;
  if (options.persist == Persist::UntilRevoked) {
    if (auto tokens = RestoreTokens::in_state_home()) {
      portal.tokens = std::move(*tokens);
    } else {
      logger("capture").warn("the desktop will ask again next time: {}", tokens.error().message());
    }
  }
  return make_portal_source(std::move(portal));
}

}  // namespace

Result<std::unique_ptr<Source>> make_source(const SourceSpec& spec, const SourceOptions& options) {
  return std::visit([&](const auto& one) { return make(one, options); }, spec);
}

}  // namespace zc
