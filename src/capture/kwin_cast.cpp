#include "capture/kwin_cast.h"

#include "base/clock.h"
#include "base/process_stats.h"
#include "capture/wayland_client.h"
#include "capture/wayland_outputs.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <wayland-client-core.h>
#include <wayland-client-protocol.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

namespace zc {
namespace {

constexpr const char* kOperation = "ask KWin for a stream";
constexpr Nanoseconds kPatience = std::chrono::seconds(10);
constexpr Nanoseconds kLongTime = std::chrono::hours(1);

// --- the protocol, as KWin speaks it: its description is not everywhere where this is built --------------------------

extern const wl_interface kStreamInterface;

constexpr std::uint32_t kMostVersion = 3;
enum Request : std::uint32_t {
  kStreamOutput = 0,
  kStreamWindow = 1,
  kDestroy = 2,
  kStreamVirtual = 3,
  kStreamRegion = 4
};
constexpr std::uint32_t kClose = 0;

const std::array<const wl_interface*, 7> kOutputTypes{&kStreamInterface, &wl_output_interface};
const std::array<const wl_interface*, 7> kStreamTypes{&kStreamInterface};
const std::array<const wl_interface*, 1> kNoTypes{};

// libwayland takes arrays of its own types that it never writes to, without const.
const std::array<wl_message, 5> kRequests{{
    {"stream_output", "nou", const_cast<const wl_interface**>(kOutputTypes.data())},
    {"stream_window", "nsu", const_cast<const wl_interface**>(kStreamTypes.data())},
    {"destroy", "", const_cast<const wl_interface**>(kNoTypes.data())},
    {"stream_virtual_output", "2nsiifu", const_cast<const wl_interface**>(kStreamTypes.data())},
    {"stream_region", "3niiuufu", const_cast<const wl_interface**>(kStreamTypes.data())},
}};
const wl_interface kManagerInterface{
    kKWinScreencast.data(), kMostVersion, kRequests.size(), kRequests.data(), 0, nullptr};

const std::array<wl_message, 1> kStreamRequests{{{"close", "", const_cast<const wl_interface**>(kNoTypes.data())}}};
const std::array<wl_message, 3> kStreamEvents{{
    {"closed", "", const_cast<const wl_interface**>(kNoTypes.data())},
    {"created", "u", const_cast<const wl_interface**>(kNoTypes.data())},
    {"failed", "s", const_cast<const wl_interface**>(kNoTypes.data())},
}};
const wl_interface kStreamInterface{"zkde_screencast_stream_unstable_v1",
                                    kMostVersion,
                                    kStreamRequests.size(),
                                    kStreamRequests.data(),
                                    kStreamEvents.size(),
                                    kStreamEvents.data()};

struct StreamListener {
  void (*closed)(void* data, wl_proxy* stream);
  void (*created)(void* data, wl_proxy* stream, std::uint32_t node);
  void (*failed)(void* data, wl_proxy* stream, const char* why);
};

/// A request that takes the proxy with it.
template <std::uint32_t Opcode>
struct EndBy {
  void operator()(wl_proxy* proxy) const {
    std::array<wl_argument, 1> none{};
    wl_proxy_marshal_array_flags(proxy, Opcode, nullptr, wl_proxy_get_version(proxy), WL_MARSHAL_FLAG_DESTROY,
                                 none.data());
  }
};
using Manager = std::unique_ptr<wl_proxy, EndBy<kDestroy>>;
using Stream = std::unique_ptr<wl_proxy, EndBy<kClose>>;

/// What a manager's version has.
std::uint32_t version_for(const CastSpec& spec) {
  if (std::holds_alternative<CastSpec::Area>(spec.what)) return 3;
  return std::holds_alternative<CastSpec::Virtual>(spec.what) ? 2 : 1;
}

std::uint32_t pointer_of(CursorMode cursor) {
  switch (cursor) {
    case CursorMode::Hidden: return 1;
    case CursorMode::Embedded: return 2;
    case CursorMode::Metadata: return 4;
  }
  return 1;
}

/// Of the finest output that shows a part of it: no pixel is lost.
double scale_of(const Rect& area, const WaylandOutputs& outputs) {
  double scale = 1;
  for (const WaylandOutput& output : outputs.all()) {
    if (intersect(area, output.place).empty()) continue;
    const std::uint32_t shown = swaps_axes(output.transform) ? output.mode.height : output.mode.width;
    scale = std::max(scale, static_cast<double>(shown) / output.place.width);
  }
  return scale;
}

class KWinCast final : public ScreenCast {
 public:
  KWinCast(WaylandClient client, std::stop_source ends, UniqueFd wake)
      : ends_(std::move(ends)), wake_(std::move(wake)), client_(std::move(client)) {}
  KWinCast(const KWinCast&) = delete;
  KWinCast& operator=(const KWinCast&) = delete;
  ~KWinCast() override {
    ends_.request_stop();
    static_cast<void>(::eventfd_write(wake_.get(), 1));
    if (thread_.joinable()) thread_.join();
  }

  [[nodiscard]] Result<void> open(const CastSpec& spec, CursorMode cursor) {
    const Nanoseconds deadline = monotonic_now() + kPatience;
    if (auto found = client_.find_globals(deadline); !found) return found;
    const WaylandClient::Global* global = client_.find(kKWinScreencast);
    if (global == nullptr) {
      return fail(ErrorKind::Denied, kOperation,
                  "the compositor does not offer it: it is not KWin, or zerocast is not installed with its desktop "
                  "file, by which KWin permits it");
    }
    const std::uint32_t version = std::min(global->version, kMostVersion);
    if (version < version_for(spec)) {
      return fail(ErrorKind::Unsupported, kOperation,
                  fmt::format("{} needs version {} of its protocol, and this one has {}", text_of(spec),
                              version_for(spec), version));
    }
    const Manager manager(client_.bind<wl_proxy>(*global, kManagerInterface, version));
    auto outputs = WaylandOutputs::read(client_, deadline);
    if (!outputs) return std::unexpected(std::move(outputs.error()));
    if (!manager) return fail_errno(ENOMEM, kOperation);
    auto begun = std::visit([&](const auto& what) { return request(*manager, what, *outputs, cursor); }, spec.what);
    if (!begun) return begun;
    auto told = client_.wait(deadline, [&] { return node_ || closed_ || why_; });
    if (!told) return told;
    if (node_) return {};
    return fail(ErrorKind::NotFound, kOperation, why_ && !why_->empty() ? *why_ : "it has closed it at once");
  }

  std::uint32_t node() const override { return *node_; }

  void watch(std::function<void(const Error&)> ended) override {
    client_.wake_by(wake_.get());
    thread_ = std::jthread([this, ended = std::move(ended)] {
      name_this_thread("zc-kwin");
      Result<void> told;
      do {
        told = client_.wait(monotonic_now() + kLongTime, [&] { return closed_; });
      } while (!told && told.error().kind == ErrorKind::Timeout);
      if (ends_.stop_requested()) return;
      const std::string why = told ? "KWin has ended the stream" : told.error().detail;
      ended({.kind = ErrorKind::Lost, .operation = "capture from KWin", .detail = why});
    });
  }

 private:
  /// Arguments begin with the new stream's place; listens to it.
  template <std::size_t N>
  Result<void> send(wl_proxy& manager, Request opcode, std::array<wl_argument, N> arguments) {
    static constexpr StreamListener kListener{
        .closed = [](void* data, wl_proxy*) { static_cast<KWinCast*>(data)->closed_ = true; },
        .created = [](void* data, wl_proxy*, std::uint32_t node) { static_cast<KWinCast*>(data)->node_ = node; },
        .failed = [](void* data, wl_proxy*, const char* why) { static_cast<KWinCast*>(data)->why_ = why; }};
    arguments[0].o = nullptr;
    stream_.reset(wl_proxy_marshal_array_flags(&manager, opcode, &kStreamInterface, wl_proxy_get_version(&manager), 0,
                                               arguments.data()));
    if (!stream_) return fail_errno(ENOMEM, kOperation);
    using Callback = void (*)();
    // Its functions are called by the events' signatures.
    auto* functions = reinterpret_cast<Callback*>(const_cast<StreamListener*>(&kListener));
    wl_proxy_add_listener(stream_.get(), functions, this);
    return {};
  }

  Result<void> request(wl_proxy& manager, const CastSpec::Output& output, const WaylandOutputs& outputs,
                       CursorMode cursor) {
    const auto chosen = choose_outputs("kwin", output.name, std::nullopt, outputs.all());
    if (!chosen) return std::unexpected(chosen.error());
    std::array<wl_argument, 3> arguments{};
    arguments[1].o = reinterpret_cast<wl_object*>(outputs.proxy(chosen->front()));
    arguments[2].u = pointer_of(cursor);
    return send(manager, kStreamOutput, arguments);
  }
  Result<void> request(wl_proxy& manager, const CastSpec::Window& window, const WaylandOutputs& /*outputs*/,
                       CursorMode cursor) {
    std::array<wl_argument, 3> arguments{};
    arguments[1].s = window.id.c_str();
    arguments[2].u = pointer_of(cursor);
    return send(manager, kStreamWindow, arguments);
  }
  Result<void> request(wl_proxy& manager, const CastSpec::Virtual& monitor, const WaylandOutputs& /*outputs*/,
                       CursorMode cursor) {
    std::array<wl_argument, 6> arguments{};
    arguments[1].s = "zerocast";
    arguments[2].i = static_cast<std::int32_t>(monitor.size.width);
    arguments[3].i = static_cast<std::int32_t>(monitor.size.height);
    arguments[4].f = wl_fixed_from_int(1);
    arguments[5].u = pointer_of(cursor);
    return send(manager, kStreamVirtual, arguments);
  }
  Result<void> request(wl_proxy& manager, const CastSpec::Area& area, const WaylandOutputs& outputs,
                       CursorMode cursor) {
    std::array<wl_argument, 7> arguments{};
    arguments[1].i = area.place.x;
    arguments[2].i = area.place.y;
    arguments[3].u = area.place.width;
    arguments[4].u = area.place.height;
    arguments[5].f = wl_fixed_from_double(scale_of(area.place, outputs));
    arguments[6].u = pointer_of(cursor);
    return send(manager, kStreamRegion, arguments);
  }

  std::stop_source ends_;
  const UniqueFd wake_;
  WaylandClient client_;
  std::optional<std::uint32_t> node_;
  std::optional<std::string> why_;  ///< it failed
  bool closed_ = false;
  Stream stream_;        // gone before the connection
  std::jthread thread_;  // last: it uses everything above
};

}  // namespace

Result<std::unique_ptr<ScreenCast>> open_kwin_cast(const CastSpec& spec, CursorMode cursor,
                                                   const std::stop_token& stop) {
  std::stop_source ends;
  const std::stop_callback pass_on(stop, [&ends] { ends.request_stop(); });
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return fail_errno(errno, kOperation);
  auto client = WaylandClient::connect(ends.get_token());
  if (!client) return std::unexpected(std::move(client.error()));
  auto cast = std::make_unique<KWinCast>(*std::move(client), ends, std::move(wake));
  if (auto opened = cast->open(spec, cursor); !opened) return std::unexpected(std::move(opened.error()));
  return cast;
}

}  // namespace zc
