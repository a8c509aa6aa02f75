#include "capture/compositor_device.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace zc {
namespace {

constexpr const char* kOperation = "ask the compositor for its GPU";

// Requests and events, by their place in wayland.xml and linux-dmabuf-v1.xml.
namespace display {
constexpr std::uint16_t kSync = 0, kGetRegistry = 1, kError = 0;
}
namespace registry {
constexpr std::uint16_t kBind = 0, kGlobal = 0;
}
namespace callback {
constexpr std::uint16_t kDone = 0;
}
namespace dmabuf {
constexpr std::string_view kInterface = "zwp_linux_dmabuf_v1";
constexpr std::uint32_t kVersion = 4;  // feedback came with it
constexpr std::uint16_t kGetDefaultFeedback = 2;
}  // namespace dmabuf
namespace feedback {
constexpr std::uint16_t kMainDevice = 2;
}

class Question {
 public:
  Question(WaylandWire wire, Nanoseconds deadline) : wire_(std::move(wire)), deadline_(deadline) {}

  Result<dev_t> ask() {
    registry_ = wire_.new_id();
    wire_.request(kWaylandDisplay, display::kGetRegistry, registry_);
    if (auto done = roundtrip(); !done) return std::unexpected(std::move(done.error()));
    if (version_ == 0) {
      return unsupported(
          fmt::format("it offers no {}: it composes without a GPU, or takes no dmabufs", dmabuf::kInterface));
    }
    if (version_ < dmabuf::kVersion) {
      return unsupported(fmt::format("its {} is version {}, and tells its device from {} on", dmabuf::kInterface,
                                     version_, dmabuf::kVersion));
    }
    const std::uint32_t bound = wire_.new_id();
    wire_.request(registry_, registry::kBind, global_, dmabuf::kInterface, dmabuf::kVersion, bound);
    feedback_ = wire_.new_id();
    wire_.request(bound, dmabuf::kGetDefaultFeedback, feedback_);
    if (auto done = roundtrip(); !done) return std::unexpected(std::move(done.error()));
    if (!device_) return unsupported("it does not tell its device");
    return *device_;
  }

 private:
  static std::unexpected<Error> unsupported(std::string why) {
    return fail(ErrorKind::Unsupported, kOperation, std::move(why));
  }

  Result<void> roundtrip() {
    const std::uint32_t sync = wire_.new_id();
    wire_.request(kWaylandDisplay, display::kSync, sync);
    while (true) {
      auto event = wire_.next(deadline_);
      if (!event) return std::unexpected(std::move(event.error()));
      if (event->object == sync && event->opcode == callback::kDone) return {};
      if (auto handled = handle(*event); !handled) return handled;
    }
  }

  Result<void> handle(WaylandEvent& event) {
    if (event.object == kWaylandDisplay && event.opcode == display::kError) {
      static_cast<void>(event.number());  // the object it is about
      const std::uint32_t code = event.number();
      return unsupported(fmt::format("it refuses with error {}: {}", code, event.text()));
    }
    if (event.object == registry_ && event.opcode == registry::kGlobal) {
      const std::uint32_t name = event.number();
      if (event.text() == dmabuf::kInterface) {
        global_ = name;
        version_ = event.number();
      }
    } else if (feedback_ != 0 && event.object == feedback_ && event.opcode == feedback::kMainDevice) {
      const auto bytes = event.array();
      if (bytes.size() == sizeof(dev_t)) std::memcpy(&device_.emplace(), bytes.data(), bytes.size());
    }
    return {};
  }

  WaylandWire wire_;
  const Nanoseconds deadline_;
  std::uint32_t registry_ = 0, global_ = 0, version_ = 0, feedback_ = 0;
  std::optional<dev_t> device_;
};

}  // namespace

Result<dev_t> compositor_device(WaylandWire wire, Nanoseconds patience) {
  return Question(std::move(wire), monotonic_now() + patience).ask();
}

Result<dev_t> compositor_device(Nanoseconds patience) {
  auto wire = WaylandWire::connect();
  if (!wire) return std::unexpected(std::move(wire.error()));
  return compositor_device(std::move(*wire), patience);
}

}  // namespace zc
