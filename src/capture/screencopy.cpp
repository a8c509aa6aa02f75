#include "capture/screencopy.h"

#include <fmt/format.h>
#include <wayland-client-protocol.h>
#include <wlr-screencopy-client-protocol.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace zc {
namespace {

template <class Proxy, auto Destroy>
using Owned = std::unique_ptr<Proxy, WaylandDestroy<Destroy>>;

/// Each picture is an object of its own here, which tells first what its buffer has to be.
class Screencopy final : public OutputCapture {
 public:
  Screencopy(Owned<zwlr_screencopy_manager_v1, &zwlr_screencopy_manager_v1_destroy> manager,
             const WaylandOutputs& outputs, std::size_t index, bool with_cursor, std::optional<DmabufFeedback> feedback)
      : manager_(std::move(manager)),
        outputs_(outputs),
        index_(index),
        with_cursor_(with_cursor),
        feedback_(std::move(feedback)) {
    again();
  }

  [[nodiscard]] const CaptureConstraints* wants() const override { return told_ && !asked_ ? &constraints_ : nullptr; }

  void capture(wl_buffer& buffer, Size /*size*/, const Damage& /*stale*/) override {
    asked_ = true;
    // It counts damage per manager, from the first time it is asked to: the first picture does not wait for any. The
    // second is asked for with all of it damaged (wlroots, screencopy_damage_create) and may be the first once more.
    if (std::exchange(begun_, true)) {
      zwlr_screencopy_frame_v1_copy_with_damage(frame_.get(), &buffer);
    } else {
      picture_.damage = Damage::all();
      zwlr_screencopy_frame_v1_copy(frame_.get(), &buffer);
    }
  }

  std::optional<std::expected<Picture, Failure>> result() override {
    if (!done_) return std::nullopt;
    const bool done = *std::exchange(done_, std::nullopt);
    std::expected<Picture, Failure> outcome = std::unexpected(Failure::Again);
    if (done) {
      outcome = picture_;
      const Transform transform = outputs_.at(index_).transform;
      outcome->transform = upside_down_ ? upside_down(transform) : transform;
    } else {
      begun_ = false;  // whatever changed in between is in the next one
      if (!outputs_.present(index_)) outcome = std::unexpected(Failure::Ended);
    }
    return outcome;
  }

  void again() override;

 private:
  static Screencopy& of(void* data) { return *static_cast<Screencopy*>(data); }

  void damaged(std::uint32_t x, std::uint32_t y, std::uint32_t width, std::uint32_t height) {
    const Rect whole{0, 0, constraints_.size.width, constraints_.size.height};
    constexpr std::uint32_t kMost = 1U << 30U;
    if (x > kMost || y > kMost) return;
    picture_.damage.add(intersect({static_cast<std::int32_t>(x), static_cast<std::int32_t>(y), width, height}, whole));
  }

  /// As the events say it, for the next picture.
  struct Told {
    struct Kind {
      Size size;
      std::uint32_t code = 0;
      std::uint32_t stride_bytes = 0;
      bool operator==(const Kind&) const = default;
    };
    Kind memory, dmabuf;  ///< without a size: not taken
    bool operator==(const Told&) const = default;
  };

  void told() {
    told_ = true;
    if (std::exchange(last_told_, telling_) == telling_) return;
    constraints_ = {};
    const auto& [memory, dmabuf] = telling_;
    constraints_.size = memory.size.empty() ? dmabuf.size : memory.size;
    const auto memory_format = format_of_shm(memory.code);
    if (!memory.size.empty() && memory_format) constraints_.memory.push_back({*memory_format, memory.stride_bytes});
    if (dmabuf.size != constraints_.size || !feedback_ || !feedback_->device) return;
    const auto format = pixel_format_from_fourcc(dmabuf.code);
    if (!format) return;
    const auto taken = std::ranges::find(feedback_->formats, *format, &DmabufFormat::format);
    if (taken == feedback_->formats.end()) return;
    constraints_.device = feedback_->device;
    constraints_.dmabuf.push_back(*taken);
  }

  const Owned<zwlr_screencopy_manager_v1, &zwlr_screencopy_manager_v1_destroy> manager_;
  const WaylandOutputs& outputs_;
  const std::size_t index_;
  const bool with_cursor_;
  const std::optional<DmabufFeedback> feedback_;

  bool begun_ = false;  ///< damage is counted
  // Of the picture that comes next:
  Owned<zwlr_screencopy_frame_v1, &zwlr_screencopy_frame_v1_destroy> frame_;
  Told telling_;
  Told last_told_;  ///< what the constraints were made of
  CaptureConstraints constraints_;
  Picture picture_;
  bool told_ = false;   ///< the constraints are complete
  bool asked_ = false;  ///< it has a buffer
  bool upside_down_ = false;
  std::optional<bool> done_;  ///< how it went
};

void Screencopy::again() {
  static constexpr zwlr_screencopy_frame_v1_listener kListener{
      .buffer =
          [](void* data, zwlr_screencopy_frame_v1*, std::uint32_t code, std::uint32_t width, std::uint32_t height,
             std::uint32_t stride) {
            of(data).telling_.memory = {.size = {width, height}, .code = code, .stride_bytes = stride};
          },
      .flags =
          [](void* data, zwlr_screencopy_frame_v1*, std::uint32_t flags) {
            of(data).upside_down_ = (flags & ZWLR_SCREENCOPY_FRAME_V1_FLAGS_Y_INVERT) != 0;
          },
      .ready =
          [](void* data, zwlr_screencopy_frame_v1*, std::uint32_t high, std::uint32_t low, std::uint32_t ns) {
            of(data).picture_.time = stamp_of(high, low, ns);
            of(data).done_ = true;
          },
      .failed = [](void* data, zwlr_screencopy_frame_v1*) { of(data).done_ = false; },
      .damage = [](void* data, zwlr_screencopy_frame_v1*, std::uint32_t x, std::uint32_t y, std::uint32_t width,
                   std::uint32_t height) { of(data).damaged(x, y, width, height); },
      .linux_dmabuf =
          [](void* data, zwlr_screencopy_frame_v1*, std::uint32_t fourcc, std::uint32_t width, std::uint32_t height) {
            of(data).telling_.dmabuf = {.size = {width, height}, .code = fourcc};
          },
      .buffer_done = [](void* data, zwlr_screencopy_frame_v1*) { of(data).told(); }};
  telling_ = {};
  picture_ = {};
  picture_.damage = Damage::none();
  told_ = asked_ = upside_down_ = false;
  done_.reset();
  frame_.reset(zwlr_screencopy_manager_v1_capture_output(manager_.get(), with_cursor_ ? 1 : 0, outputs_.proxy(index_)));
  if (frame_) zwlr_screencopy_frame_v1_add_listener(frame_.get(), &kListener, this);
}

}  // namespace

Result<std::unique_ptr<OutputCapture>> capture_by_screencopy(WaylandClient& client, const WaylandOutputs& outputs,
                                                             std::size_t index, bool with_cursor,
                                                             std::optional<DmabufFeedback> feedback) {
  const char* interface = zwlr_screencopy_manager_v1_interface.name;
  const WaylandClient::Global* global = client.find(interface);
  if (global == nullptr || global->version < kScreencopyVersion) {
    return fail(ErrorKind::Unsupported, "capture an output",
                global == nullptr ? fmt::format("the compositor has no {}", interface)
                                  : fmt::format("the compositor's {} is of version {}, and {} is needed", interface,
                                                global->version, kScreencopyVersion));
  }
  Owned<zwlr_screencopy_manager_v1, &zwlr_screencopy_manager_v1_destroy> manager(
      client.bind<zwlr_screencopy_manager_v1>(*global, zwlr_screencopy_manager_v1_interface, kScreencopyVersion));
  if (!manager) return fail_errno(ENOMEM, "capture an output");
  return std::make_unique<Screencopy>(std::move(manager), outputs, index, with_cursor, std::move(feedback));
}

}  // namespace zc
