#include "capture/dmabuf_feedback.h"

#include "base/foreign_memory.h"
#include "base/unique_fd.h"

#include <fmt/format.h>
#include <linux-dmabuf-client-protocol.h>
#include <wayland-client-protocol.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace zc {
namespace {

/// Feedback came with it.
constexpr std::uint32_t kVersion = 4;
constexpr const char* kOperation = "ask the compositor for its GPU";

std::unexpected<Error> unsupported(std::string why) { return fail(ErrorKind::Unsupported, kOperation, std::move(why)); }

using Proxy = zwp_linux_dmabuf_feedback_v1;

/// What has been told; the table's entries are 16 bytes: fourcc, four bytes of nothing, modifier.
struct Told {
  static constexpr std::size_t kEntry = 16;
  DmabufFeedback feedback;
  ForeignMemory table;

  static Told& of(void* data) { return *static_cast<Told*>(data); }

  void add(std::uint16_t index) {
    const auto bytes = table.bytes();
    if ((std::size_t{index} + 1) * kEntry > bytes.size()) return;
    const std::byte* entry = bytes.data() + index * kEntry;
    std::uint32_t fourcc = 0;
    std::uint64_t modifier = 0;
    std::memcpy(&fourcc, entry, sizeof fourcc);
    std::memcpy(&modifier, entry + 8, sizeof modifier);
    add_dmabuf_format(feedback.formats, fourcc, modifier);
  }
};

constexpr zwp_linux_dmabuf_feedback_v1_listener kListener{
    .done = [](void* /*data*/, Proxy* /*feedback*/) {},
    .format_table =
        [](void* data, Proxy* /*feedback*/, std::int32_t fd, std::uint32_t size) {
          const UniqueFd ours(fd);
          if (size == 0) return;
          if (auto mapped = ForeignMemory::map(fd, 0, size)) Told::of(data).table = *std::move(mapped);
        },
    .main_device =
        [](void* data, Proxy* /*feedback*/, wl_array* device) {
          auto& found = Told::of(data).feedback.device;
          if (device->size == sizeof(dev_t)) std::memcpy(&found.emplace(), device->data, sizeof(dev_t));
        },
    .tranche_done = [](void* /*data*/, Proxy* /*feedback*/) {},
    .tranche_target_device = [](void* /*data*/, Proxy* /*feedback*/, wl_array* /*device*/) {},
    .tranche_formats =
        [](void* data, Proxy* /*feedback*/, wl_array* indices) {
          for (std::size_t at = 0; at + sizeof(std::uint16_t) <= indices->size; at += sizeof(std::uint16_t)) {
            std::uint16_t index = 0;
            std::memcpy(&index, static_cast<const std::byte*>(indices->data) + at, sizeof index);
            Told::of(data).add(index);
          }
        },
    .tranche_flags = [](void* /*data*/, Proxy* /*feedback*/, std::uint32_t /*flags*/) {}};

}  // namespace

void add_dmabuf_format(std::vector<DmabufFormat>& formats, std::uint32_t fourcc, std::uint64_t modifier) {
  const auto format = pixel_format_from_fourcc(fourcc);
  if (!format || *format == PixelFormat::Unknown || info(*format).yuv) return;
  auto known = std::ranges::find(formats, *format, &DmabufFormat::format);
  if (known == formats.end()) known = formats.insert(known, DmabufFormat{*format, {}});
  if (std::ranges::find(known->modifiers, modifier) == known->modifiers.end()) known->modifiers.push_back(modifier);
}

Result<DmabufFeedback> read_dmabuf_feedback(WaylandClient& client, Nanoseconds deadline) {
  const char* interface = zwp_linux_dmabuf_v1_interface.name;
  const WaylandClient::Global* global = client.find(interface);
  if (global == nullptr) {
    return unsupported(fmt::format("it offers no {}: it composes without a GPU, or takes no dmabufs", interface));
  }
  if (global->version < kVersion) {
    return unsupported(
        fmt::format("its {} is version {}, and tells its device from {} on", interface, global->version, kVersion));
  }
  const std::unique_ptr<zwp_linux_dmabuf_v1, WaylandDestroy<&zwp_linux_dmabuf_v1_destroy>> dmabuf(
      client.bind<zwp_linux_dmabuf_v1>(*global, zwp_linux_dmabuf_v1_interface, kVersion));
  const std::unique_ptr<Proxy, WaylandDestroy<&zwp_linux_dmabuf_feedback_v1_destroy>> feedback(
      dmabuf ? zwp_linux_dmabuf_v1_get_default_feedback(dmabuf.get()) : nullptr);
  if (!feedback) return fail_errno(ENOMEM, kOperation);
  Told told;
  zwp_linux_dmabuf_feedback_v1_add_listener(feedback.get(), &kListener, &told);
  if (auto done = client.roundtrip(deadline); !done) return std::unexpected(std::move(done.error()));
  return std::move(told.feedback);
}

}  // namespace zc
