#include "capture/ext_capture.h"

#include "base/quote.h"

#include <ext-foreign-toplevel-list-client-protocol.h>
#include <ext-image-capture-source-client-protocol.h>
#include <ext-image-copy-capture-client-protocol.h>
#include <fmt/format.h>
#include <wayland-client-protocol.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace zc {
namespace {

constexpr const char* kOperation = "capture a part of the desktop";
constexpr std::size_t kMostWindows = 1024;

template <class Proxy, auto Destroy>
using Owned = std::unique_ptr<Proxy, WaylandDestroy<Destroy>>;
using Manager = Owned<ext_image_copy_capture_manager_v1, &ext_image_copy_capture_manager_v1_destroy>;
using Source = Owned<ext_image_capture_source_v1, &ext_image_capture_source_v1_destroy>;
using Session = Owned<ext_image_copy_capture_session_v1, &ext_image_copy_capture_session_v1_destroy>;
using FrameObject = Owned<ext_image_copy_capture_frame_v1, &ext_image_copy_capture_frame_v1_destroy>;

/// A proxy of the first global of that interface.
template <class Proxy, auto Destroy>
Owned<Proxy, Destroy> bind(WaylandClient& client, const wl_interface& interface) {
  const WaylandClient::Global* global = client.find(interface.name);
  return Owned<Proxy, Destroy>(global == nullptr ? nullptr : client.bind<Proxy>(*global, interface, 1));
}

std::unexpected<Error> lacks(const wl_interface& interface) {
  return fail(ErrorKind::Unsupported, kOperation, fmt::format("the compositor has no {}", interface.name));
}

class ExtCapture final : public OutputCapture {
 public:
  ExtCapture(ext_image_copy_capture_manager_v1* manager, Source source, bool with_cursor)
      : source_(std::move(source)),
        session_(ext_image_copy_capture_manager_v1_create_session(
            manager, source_.get(), with_cursor ? EXT_IMAGE_COPY_CAPTURE_MANAGER_V1_OPTIONS_PAINT_CURSORS : 0)) {
    listen();
  }

  const CaptureConstraints* wants() const override { return current_ && !frame_ && !stopped_ ? &*current_ : nullptr; }

  void capture(wl_buffer& buffer, Size size, const Damage& stale) override;

  std::optional<std::expected<Picture, Failure>> result() override {
    if (outcome_) {
      frame_.reset();
      return std::exchange(outcome_, std::nullopt);
    }
    if (stopped_ && !std::exchange(told_, true)) return std::unexpected(Failure::Ended);
    return std::nullopt;
  }

  void again() override {}

 private:
  static ExtCapture& of(void* data) { return *static_cast<ExtCapture*>(data); }
  void listen();

  void add_dmabuf(std::uint32_t fourcc, const wl_array& modifiers) {
    if (pending_.dmabuf.size() >= kMostCaptureFormats) return;
    for (std::size_t at = 0; at + sizeof(std::uint64_t) <= modifiers.size; at += sizeof(std::uint64_t)) {
      std::uint64_t modifier = 0;
      std::memcpy(&modifier, static_cast<const std::byte*>(modifiers.data) + at, sizeof modifier);
      add_dmabuf_format(pending_.dmabuf, fourcc, modifier);
    }
  }

  const Source source_;
  const Session session_;
  CaptureConstraints pending_;                 ///< being told
  std::optional<CaptureConstraints> current_;  ///< complete
  bool stopped_ = false;
  bool told_ = false;  ///< that it has stopped
  // Of the picture that is on its way:
  FrameObject frame_;
  Picture picture_;
  std::optional<std::expected<Picture, Failure>> outcome_;
};

void ExtCapture::listen() {
  using Proxy = ext_image_copy_capture_session_v1;
  static constexpr ext_image_copy_capture_session_v1_listener kListener{
      .buffer_size = [](void* data, Proxy*, std::uint32_t width,
                        std::uint32_t height) { of(data).pending_.size = {width, height}; },
      .shm_format =
          [](void* data, Proxy*, std::uint32_t code) {
            auto& memory = of(data).pending_.memory;
            const auto format = format_of_shm(code);
            if (format && memory.size() < kMostCaptureFormats) memory.push_back({*format, 0});
          },
      .dmabuf_device =
          [](void* data, Proxy*, wl_array* device) {
            auto& found = of(data).pending_.device;
            if (device->size == sizeof(dev_t)) std::memcpy(&found.emplace(), device->data, sizeof(dev_t));
          },
      .dmabuf_format = [](void* data, Proxy*, std::uint32_t fourcc,
                          wl_array* modifiers) { of(data).add_dmabuf(fourcc, *modifiers); },
      .done = [](void* data, Proxy*) { of(data).current_ = std::exchange(of(data).pending_, {}); },
      .stopped = [](void* data, Proxy*) { of(data).stopped_ = true; }};
  if (session_) ext_image_copy_capture_session_v1_add_listener(session_.get(), &kListener, this);
}

void ExtCapture::capture(wl_buffer& buffer, Size size, const Damage& stale) {
  using Proxy = ext_image_copy_capture_frame_v1;
  static constexpr ext_image_copy_capture_frame_v1_listener kListener{
      .transform =
          [](void* data, Proxy*, std::uint32_t transform) {
            constexpr auto kMost = static_cast<std::uint32_t>(Transform::Flipped270);
            if (transform <= kMost) of(data).picture_.transform = static_cast<Transform>(transform);
          },
      .damage =
          [](void* data, Proxy*, std::int32_t x, std::int32_t y, std::int32_t width, std::int32_t height) {
            if (width <= 0 || height <= 0) return;
            of(data).picture_.damage.add(
                Rect{x, y, static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height)});
          },
      .presentation_time = [](void* data, Proxy*, std::uint32_t high, std::uint32_t low,
                              std::uint32_t ns) { of(data).picture_.time = stamp_of(high, low, ns); },
      .ready = [](void* data, Proxy*) { of(data).outcome_ = std::move(of(data).picture_); },
      .failed =
          [](void* data, Proxy*, std::uint32_t reason) {
            Failure failure = Failure::Again;
            if (reason == EXT_IMAGE_COPY_CAPTURE_FRAME_V1_FAILURE_REASON_BUFFER_CONSTRAINTS) failure = Failure::Buffer;
            if (reason == EXT_IMAGE_COPY_CAPTURE_FRAME_V1_FAILURE_REASON_STOPPED) failure = Failure::Ended;
            of(data).told_ = failure == Failure::Ended;
            of(data).outcome_ = std::unexpected(failure);
          }};
  picture_ = {};
  picture_.damage = Damage::none();
  frame_.reset(ext_image_copy_capture_session_v1_create_frame(session_.get()));
  if (!frame_) {
    outcome_ = std::unexpected(Failure::Again);
    return;
  }
  ext_image_copy_capture_frame_v1_add_listener(frame_.get(), &kListener, this);
  ext_image_copy_capture_frame_v1_attach_buffer(frame_.get(), &buffer);
  const auto renew = [&](const Rect& rect) {
    ext_image_copy_capture_frame_v1_damage_buffer(frame_.get(), rect.x, rect.y, static_cast<std::int32_t>(rect.width),
                                                  static_cast<std::int32_t>(rect.height));
  };
  if (stale.everything()) renew({0, 0, size.width, size.height});
  for (const Rect& rect : stale.rects()) renew(rect);
  ext_image_copy_capture_frame_v1_capture(frame_.get());
}

Result<std::unique_ptr<OutputCapture>> begin(WaylandClient& client, Source source, bool with_cursor) {
  const auto manager = bind<ext_image_copy_capture_manager_v1, &ext_image_copy_capture_manager_v1_destroy>(
      client, ext_image_copy_capture_manager_v1_interface);
  if (!manager) return lacks(ext_image_copy_capture_manager_v1_interface);
  if (!source) return fail_errno(ENOMEM, kOperation);
  return std::make_unique<ExtCapture>(manager.get(), std::move(source), with_cursor);
}

/// The windows there are, each with its handle.
class WindowList {
 public:
  explicit WindowList(WaylandClient& client)
      : list_(bind<ext_foreign_toplevel_list_v1, &ext_foreign_toplevel_list_v1_destroy>(
            client, ext_foreign_toplevel_list_v1_interface)) {}

  struct Window {
    Owned<ext_foreign_toplevel_handle_v1, &ext_foreign_toplevel_handle_v1_destroy> handle;
    WaylandWindow told;
    bool closed = false;
  };

  Result<void> read(WaylandClient& client, Nanoseconds deadline) {
    static constexpr ext_foreign_toplevel_list_v1_listener kListener{
        .toplevel = [](void* data, ext_foreign_toplevel_list_v1*,
                       ext_foreign_toplevel_handle_v1* handle) { static_cast<WindowList*>(data)->add(handle); },
        .finished = [](void*, ext_foreign_toplevel_list_v1*) {}};
    if (!list_) return lacks(ext_foreign_toplevel_list_v1_interface);
    ext_foreign_toplevel_list_v1_add_listener(list_.get(), &kListener, this);
    if (auto listed = client.roundtrip(deadline); !listed) return listed;
    ext_foreign_toplevel_list_v1_stop(list_.get());
    return client.roundtrip(deadline);  // what the windows say of themselves
  }

  [[nodiscard]] const std::vector<std::unique_ptr<Window>>& windows() const { return windows_; }

 private:
  void add(ext_foreign_toplevel_handle_v1* handle) {
    using Proxy = ext_foreign_toplevel_handle_v1;
    static constexpr ext_foreign_toplevel_handle_v1_listener kListener{
        .closed = [](void* data, Proxy*) { static_cast<Window*>(data)->closed = true; },
        .done = [](void*, Proxy*) {},
        .title = [](void* data, Proxy*, const char* text) { static_cast<Window*>(data)->told.title = text; },
        .app_id = [](void* data, Proxy*, const char* text) { static_cast<Window*>(data)->told.app_id = text; },
        .identifier = [](void* data, Proxy*, const char* text) { static_cast<Window*>(data)->told.identifier = text; }};
    auto window = std::make_unique<Window>();
    window->handle.reset(handle);
    if (windows_.size() >= kMostWindows) return;
    ext_foreign_toplevel_handle_v1_add_listener(handle, &kListener, window.get());
    windows_.push_back(std::move(window));
  }

  const Owned<ext_foreign_toplevel_list_v1, &ext_foreign_toplevel_list_v1_destroy> list_;
  std::vector<std::unique_ptr<Window>> windows_;  ///< their listeners know the addresses
};

}  // namespace

bool has_ext_output_capture(const WaylandClient& client) {
  return client.find(ext_image_copy_capture_manager_v1_interface.name) != nullptr &&
         client.find(ext_output_image_capture_source_manager_v1_interface.name) != nullptr;
}

bool has_ext_window_capture(const WaylandClient& client) {
  return client.find(ext_image_copy_capture_manager_v1_interface.name) != nullptr &&
         client.find(ext_foreign_toplevel_image_capture_source_manager_v1_interface.name) != nullptr &&
         client.find(ext_foreign_toplevel_list_v1_interface.name) != nullptr;
}

Result<std::unique_ptr<OutputCapture>> capture_output_by_ext(WaylandClient& client, wl_output* output,
                                                             bool with_cursor) {
  const auto sources =
      bind<ext_output_image_capture_source_manager_v1, &ext_output_image_capture_source_manager_v1_destroy>(
          client, ext_output_image_capture_source_manager_v1_interface);
  if (!sources) return lacks(ext_output_image_capture_source_manager_v1_interface);
  return begin(client, Source(ext_output_image_capture_source_manager_v1_create_source(sources.get(), output)),
               with_cursor);
}

Result<std::vector<WaylandWindow>> list_wayland_windows(WaylandClient& client, Nanoseconds deadline) {
  WindowList list(client);
  if (auto read = list.read(client, deadline); !read) return std::unexpected(std::move(read.error()));
  std::vector<WaylandWindow> windows;
  for (const auto& window : list.windows()) {
    if (!window->closed && !window->told.identifier.empty()) windows.push_back(window->told);
  }
  return windows;
}

Result<std::unique_ptr<OutputCapture>> capture_window_by_ext(WaylandClient& client, const std::string& identifier,
                                                             bool with_cursor, Nanoseconds deadline) {
  using Sources = ext_foreign_toplevel_image_capture_source_manager_v1;
  const auto sources = bind<Sources, &ext_foreign_toplevel_image_capture_source_manager_v1_destroy>(
      client, ext_foreign_toplevel_image_capture_source_manager_v1_interface);
  if (!sources) return lacks(ext_foreign_toplevel_image_capture_source_manager_v1_interface);
  WindowList list(client);
  if (auto read = list.read(client, deadline); !read) return std::unexpected(std::move(read.error()));
  for (const auto& window : list.windows()) {
    if (window->closed || window->told.identifier != identifier) continue;
    return begin(
        client,
        Source(ext_foreign_toplevel_image_capture_source_manager_v1_create_source(sources.get(), window->handle.get())),
        with_cursor);
  }
  return fail(ErrorKind::NotFound, kOperation,
              fmt::format("there is no window {}; 'zerocast sources' lists them", in_quotes(identifier)));
}

}  // namespace zc
