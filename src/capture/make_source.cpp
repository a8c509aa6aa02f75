#include "capture/make_source.h"

#include "base/log.h"
#include "capture/camera_source.h"
#include "capture/cast_source.h"
#include "capture/drawn_source.h"
#include "capture/file_source.h"
#include "capture/pipewire_source.h"
#include "capture/portal_source.h"
#include "capture/test_source.h"
#include "capture/wayland_source.h"

#include <fmt/format.h>

#include <utility>

namespace zc {
namespace {

/// What is nowhere on the desktop has no part of it.
std::unexpected<Error> no_region(const auto& spec) {
  return fail(
      ErrorKind::Invalid, "--region",
      fmt::format("{} has no place on the desktop; --crop takes a part of its picture", to_string(SourceSpec(spec))));
}

Result<std::unique_ptr<Source>> make(const TestSpec& spec, const SourceOptions& options) {
  if (options.region) return no_region(spec);
  return make_test_source(spec);
}

Result<std::unique_ptr<Source>> make(const ImageSpec& spec, const SourceOptions& options) {
  if (options.region) return no_region(spec);
  return make_image_source(spec);
}
Result<std::unique_ptr<Source>> make(const TextSpec& spec, const SourceOptions& options) {
  if (options.region) return no_region(spec);
  return make_text_source(spec);
}
Result<std::unique_ptr<Source>> make(const ClockSpec& spec, const SourceOptions& options) {
  if (options.region) return no_region(spec);
  return make_clock_source(spec);
}

Result<std::unique_ptr<Source>> make(const NodeSpec& spec, const SourceOptions& options) {
  if (options.region) return no_region(spec);
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
  if (options.region) return no_region(spec);
  return make_camera_source(spec, options.stop);
}

Result<std::unique_ptr<Source>> make(const FileSpec& spec, const SourceOptions& options) {
  if (options.region) return no_region(spec);
  return make_file_source(
      spec,
      {.unpaced = options.unpaced, .from_first = options.from_first, .stop = options.stop, .sound = options.sound});
}

Result<std::unique_ptr<Source>> make(const PortalSpec& spec, const SourceOptions& options) {
  if (!RestoreTokens::good_slot(options.restore_slot)) {
    return fail(ErrorKind::Invalid, "choose a restore token",
                fmt::format("'{}' is not a name of 1 to 64 characters A-Z a-z 0-9 . _ -", options.restore_slot));
  }
  if (spec.multiple && options.cursor == CursorMode::Metadata) {
    return fail(ErrorKind::Invalid, "--cursor metadata",
                "where several pictures become one, the desktop draws the pointer or leaves it out; choose embedded or "
                "hidden");
  }
  PortalSourceOptions portal;
  portal.type = spec.type;
  portal.multiple = spec.multiple;
  portal.cursor = options.cursor;
  portal.persist = options.persist;
  portal.slot = options.restore_slot;
  portal.region = options.region;
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

Result<std::unique_ptr<Source>> make(const WaylandSpec& spec, const SourceOptions& options) {
  return make_wayland_source(spec, {.cursor = options.cursor, .region = options.region, .stop = options.stop});
}

Result<std::unique_ptr<Source>> make(const CastSpec& spec, const SourceOptions& options) {
  CastSpec wanted = spec;
  if (options.region) {
    const auto* output = std::get_if<CastSpec::Output>(&spec.what);
    if (output == nullptr || !output->name.empty()) {
      return fail(ErrorKind::Invalid, "--region",
                  fmt::format("it is a part of the whole desktop: it goes with '{}'", to_string(spec.desktop)));
    }
    wanted.what = CastSpec::Area{*options.region};
  }
  return make_cast_source(std::move(wanted), options.cursor, options.stop);
}

}  // namespace

Result<std::unique_ptr<Source>> make_source(const SourceSpec& spec, const SourceOptions& options) {
  return std::visit([&](const auto& one) { return make(one, options); }, spec);
}

}  // namespace zc
