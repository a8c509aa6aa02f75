#include "output/pipewire/camera_node.h"

#include "base/log.h"

#include <fmt/format.h>
#include <pipewire/keys.h>
#include <pipewire/link.h>
#include <pipewire/loop.h>
#include <spa/buffer/buffer.h>
#include <spa/buffer/meta.h>
#include <spa/param/param.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <span>
#include <utility>
#include <vector>

namespace zc {
namespace {

constexpr const char* kOperation = "show a camera";
/// A link is active a moment before its reader takes part in the graph, which nobody tells: a still picture is shown
/// some times more.
constexpr int kReminders = 5;
constexpr timespec kReminderAfter{.tv_sec = 0, .tv_nsec = 100'000'000};
/// A reader that has lost a buffer is taken for stuck for so long after it.
constexpr Nanoseconds kStuckFor = std::chrono::seconds(10);

std::vector<const spa_pod*> pointers(const std::vector<PodPtr>& params) {
  std::vector<const spa_pod*> plain;
  plain.reserve(params.size());
  for (const PodPtr& param : params) plain.push_back(param.get());
  return plain;
}

Nanoseconds interval(Rational rate) { return Nanoseconds(static_cast<std::int64_t>(1e9 / rate.value())); }

}  // namespace

/// libpipewire's C callbacks. Each returns to C code, so none lets an exception out (noexcept: std::terminate).
struct CameraNode::Events {
  static CameraNode& self(void* data) { return *static_cast<CameraNode*>(data); }

  static void state_changed(void* data, pw_stream_state /*old*/, pw_stream_state state, const char* message) noexcept {
    self(data).state_changed(state, message);
  }
  static void param_changed(void* data, std::uint32_t id, const spa_pod* param) noexcept {
    if (id == SPA_PARAM_Format) self(data).format_changed(param);
  }
  static void add_buffer(void* data, pw_buffer* buffer) noexcept {
    auto* busy =
        static_cast<spa_meta_busy*>(spa_buffer_find_meta_data(buffer->buffer, SPA_META_Busy, sizeof(spa_meta_busy)));
    self(data).buffers_.push_back({buffer, busy, {}});
  }
  static void remove_buffer(void* data, pw_buffer* buffer) noexcept {
    std::erase_if(self(data).buffers_, [&](const Buffer& one) { return one.buffer == buffer; });
  }
  static void remind(void* data, std::uint64_t /*count*/) noexcept { self(data).remind(); }
  static void arrived(void* data, std::uint64_t /*count*/) noexcept { self(data).give_picture(); }
  static void link_info(void* data, const pw_link_info* info) noexcept {
    auto& link = *static_cast<Link*>(data);
    const bool active = info != nullptr && info->state == PW_LINK_STATE_ACTIVE;
    if (active == std::exchange(link.active, active)) return;
    link.node->count_readers();
    if (active) link.node->link_active();
  }

  static constexpr pw_stream_events stream_table() {
    pw_stream_events events{};
    events.version = PW_VERSION_STREAM_EVENTS;
    events.state_changed = state_changed;
    events.param_changed = param_changed;
    events.add_buffer = add_buffer;
    events.remove_buffer = remove_buffer;
    return events;
  }
  static constexpr pw_link_events link_table() {
    pw_link_events events{};
    events.version = PW_VERSION_LINK_EVENTS;
    events.info = link_info;
    return events;
  }
  static const pw_stream_events kStream;
  static const pw_link_events kLink;
};

constexpr pw_stream_events CameraNode::Events::kStream = stream_table();
constexpr pw_link_events CameraNode::Events::kLink = link_table();

Result<std::unique_ptr<CameraNode>> CameraNode::open(const std::string& name, const CameraOffer& offer,
                                                     CameraCounters& counters, Callbacks callbacks) {
  std::unique_ptr<CameraNode> node(new CameraNode(offer, counters, std::move(callbacks)));
  PipeWireConnection::Callbacks of_connection{
      .changed = [self = node.get()] { self->look_at_links(); },
      .removed = {},
      .lost =
          [self = node.get()](const Error& error) {
            self->streaming_ = false;
            self->callbacks_.lost(error);
          },
  };
  auto connection = PipeWireConnection::open(UniqueFd(), std::move(of_connection));
  if (!connection) return std::unexpected(std::move(connection.error()));
  // Its thread runs already, and looks at links: the pointer is set where nobody else reads it.
  Result<void> created;
  (*connection)->run([&] {
    node->connection_ = std::move(*connection);
    created = node->create_stream(name);
  });
  if (!created) return std::unexpected(std::move(created.error()));
  return node;
}

CameraNode::~CameraNode() {
  if (!connection_) return;
  streaming_ = false;
  connection_->stop_thread();
  links_.clear();
  for (spa_source* source : {arrival_, reminder_}) {
    if (source != nullptr) pw_loop_destroy_source(connection_->loop(), source);
  }
  stream_hook_.remove();
  stream_.reset();
}

Result<void> CameraNode::create_stream(const std::string& name) {
  arrival_ = pw_loop_add_event(connection_->loop(), &Events::arrived, this);
  reminder_ = pw_loop_add_timer(connection_->loop(), &Events::remind, this);
  if (arrival_ == nullptr || reminder_ == nullptr) return fail_errno(errno, kOperation);
  pw_properties* properties =
      pw_properties_new(PW_KEY_MEDIA_CLASS, "Video/Source", PW_KEY_MEDIA_ROLE, "Camera", PW_KEY_MEDIA_TYPE, "Video",
                        PW_KEY_MEDIA_CATEGORY, "Capture", PW_KEY_NODE_NAME, name.c_str(), PW_KEY_NODE_DESCRIPTION,
                        name.c_str(), PW_KEY_NODE_VIRTUAL, "true", nullptr);
  stream_.reset(pw_stream_new(connection_->core(), name.c_str(), properties));
  if (!stream_) return fail_errno(errno, kOperation);
  pw_stream_add_listener(stream_.get(), stream_hook_.get(), &Events::kStream, this);
  const std::vector<PodPtr> formats = make_camera_offer(offer_);
  std::vector<const spa_pod*> params = pointers(formats);
  // RT_PROCESS: there is nothing to process, and nobody has to be woken to do nothing.
  constexpr int kFlags = PW_STREAM_FLAG_DRIVER | PW_STREAM_FLAG_MAP_BUFFERS | PW_STREAM_FLAG_RT_PROCESS;
  // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange): several of them
  const auto flags = static_cast<pw_stream_flags>(kFlags);
  const int connected = pw_stream_connect(stream_.get(), PW_DIRECTION_OUTPUT, PW_ID_ANY, flags, params.data(),
                                          static_cast<std::uint32_t>(params.size()));
  if (connected < 0) return fail_errno(-connected, kOperation);
  return {};
}

void CameraNode::show(const Surface& picture, Nanoseconds captured) {
  if (!watched()) return;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_) counters_.dropped.fetch_add(1, std::memory_order_relaxed);
    waiting_.emplace(Waiting{picture.share(), captured});
  }
  pw_loop_signal_event(connection_->loop(), arrival_);
}

void CameraNode::state_changed(pw_stream_state state, const char* message) {
  const bool streams = state == PW_STREAM_STATE_STREAMING;
  streaming_.store(streams, std::memory_order_relaxed);
  if (state == PW_STREAM_STATE_ERROR) {
    callbacks_.lost(Error{ErrorKind::Lost, ErrorDomain::PipeWire, 0, kOperation,
                          message == nullptr ? "its stream broke" : message});
  }
  if (streams) return link_active();
  const std::lock_guard lock(mutex_);
  waiting_.reset();
}

void CameraNode::format_changed(const spa_pod* format) {
  format_.reset();
  if (format == nullptr) return;
  format_ = parse_camera_format(format, offer_);
  if (!format_) {
    pw_stream_set_error(stream_.get(), -EINVAL, "no format of this camera");
    return;
  }
  next_due_ = {};
  logger("output").debug("camera: {} {}x{}, at most {:.2f} pictures/s", name(format_->layout.format), offer_.size.width,
                         offer_.size.height, format_->rate.value());
  const std::vector<PodPtr> buffers = make_camera_buffers(format_->layout);
  std::vector<const spa_pod*> params = pointers(buffers);
  pw_stream_update_params(stream_.get(), params.data(), static_cast<std::uint32_t>(params.size()));
}

void CameraNode::look_at_links() {
  if (!stream_) return;
  const std::uint32_t id = pw_stream_get_node_id(stream_.get());
  if (id == SPA_ID_INVALID) return;
  const std::string own = fmt::format("{}", id);
  std::vector<std::uint32_t> there;
  connection_->look([&](const PipeWireConnection::Registry& objects) {
    for (const auto& [number, object] : objects) {
      if (object.type == PW_TYPE_INTERFACE_Link && object.property(PW_KEY_LINK_OUTPUT_NODE) == own) {
        there.push_back(number);
      }
    }
  });
  std::erase_if(links_, [&](const auto& link) { return std::ranges::find(there, link.first) == there.end(); });
  for (const std::uint32_t number : there) {
    std::unique_ptr<Link>& link = links_[number];
    if (link) continue;
    link = std::make_unique<Link>();
    link->node = this;
    link->proxy.reset(static_cast<pw_proxy*>(
        pw_registry_bind(connection_->registry(), number, PW_TYPE_INTERFACE_Link, PW_VERSION_LINK, 0)));
    if (!link->proxy) continue;
    pw_link_add_listener(reinterpret_cast<pw_link*>(link->proxy.get()), link->hook.get(), &Events::kLink, link.get());
  }
  count_readers();
}

void CameraNode::count_readers() {
  const auto active = std::ranges::count_if(links_, [](const auto& link) { return link.second->active; });
  readers_.store(static_cast<std::size_t>(active), std::memory_order_relaxed);
}

void CameraNode::link_active() {
  if (!watched()) return;
  reminders_ = kReminders;
  remind();
}

void CameraNode::remind() {
  whatever_the_rate_ = true;
  callbacks_.picture_wanted();
  if (!watched() || reminders_-- == 0) return;
  timespec later = kReminderAfter;
  pw_loop_update_timer(connection_->loop(), reminder_, &later, nullptr, false);
}

bool CameraNode::due(Nanoseconds captured) {
  if (std::exchange(whatever_the_rate_, false) || format_->rate.zero()) return true;
  if (format_->rate.value() >= offer_.rate.value()) return true;
  // A picture may come a little early, and one that comes late brings the next ones no closer together.
  const Nanoseconds apart = interval(format_->rate);
  if (captured + apart / 4 < next_due_) return false;
  next_due_ = std::max(next_due_ + apart, captured + apart / 2);
  return true;
}

pw_buffer* CameraNode::dequeue() {
  // One that is still read goes to the end of the queue (EBUSY).
  for (std::size_t tries = 0; tries < buffers_.size(); ++tries) {
    if (pw_buffer* buffer = pw_stream_dequeue_buffer(stream_.get())) return buffer;
    if (errno != EBUSY) return nullptr;
  }
  return nullptr;
}

bool CameraNode::take_back() {
  const Nanoseconds now = monotonic_now();
  const Nanoseconds limit = now - (now - taken_back_at_ < kStuckFor ? kShortPatience : kPatience);
  Buffer* longest = nullptr;
  for (Buffer& one : buffers_) {
    const bool held = one.busy != nullptr && std::atomic_ref(one.busy->count).load() > 0;
    if (held && one.given_out < limit && (longest == nullptr || one.given_out < longest->given_out)) longest = &one;
  }
  if (longest == nullptr) return false;
  std::atomic_ref(longest->busy->count).store(0);
  taken_back_at_ = now;
  return true;
}

pw_buffer* CameraNode::free_buffer() {
  // A reader that gives back after all what was taken from it is not owed anything.
  for (const Buffer& one : buffers_) {
    auto below = static_cast<std::uint32_t>(-1);
    if (one.busy != nullptr) std::atomic_ref(one.busy->count).compare_exchange_strong(below, 0);
  }
  pw_buffer* buffer = dequeue();
  if (buffer == nullptr && take_back()) buffer = dequeue();
  const auto known = std::ranges::find(buffers_, buffer, &Buffer::buffer);
  if (known != buffers_.end()) known->given_out = monotonic_now();
  return buffer;
}

Result<void> CameraNode::fill(const pw_buffer& buffer, const Waiting& waiting) {
  if (buffer.buffer->n_datas == 0) return fail(ErrorKind::Invalid, kOperation, "the reader's buffer has no memory");
  const spa_data& data = buffer.buffer->datas[0];
  const CameraLayout& layout = format_->layout;
  auto* head =
      static_cast<spa_meta_header*>(spa_buffer_find_meta_data(buffer.buffer, SPA_META_Header, sizeof(spa_meta_header)));
  const std::span memory(static_cast<std::byte*>(data.data), data.data == nullptr ? 0 : data.maxsize);
  auto written = picture_.write(waiting.picture, layout, memory);
  data.chunk->offset = 0;
  data.chunk->size = written ? static_cast<std::uint32_t>(layout.bytes()) : 0;
  data.chunk->stride = static_cast<std::int32_t>(layout.stride_bytes());
  data.chunk->flags = written ? SPA_CHUNK_FLAG_NONE : SPA_CHUNK_FLAG_CORRUPTED;
  if (head != nullptr) {
    *head = {};
    // One that was shown again has the time of then, and the next may have been on its way.
    newest_ = std::max(newest_, waiting.captured);
    head->pts = newest_.count();
    head->seq = sequence_;
    head->flags = written ? 0U : std::uint32_t{SPA_META_HEADER_FLAG_CORRUPTED};
  }
  ++sequence_;
  return written;
}

void CameraNode::give_picture() {
  std::optional<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting = std::exchange(waiting_, std::nullopt);
  }
  if (!waiting || !waiting->picture || !format_ || !watched() || !due(waiting->captured)) return;
  pw_buffer* buffer = free_buffer();
  if (buffer == nullptr) {
    counters_.dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const auto filled = fill(*buffer, *waiting);
  if (filled) {
    counters_.shown.fetch_add(1, std::memory_order_relaxed);
    counters_.bytes.fetch_add(format_->layout.bytes(), std::memory_order_relaxed);
  } else {
    counters_.dropped.fetch_add(1, std::memory_order_relaxed);
    if (!std::exchange(failure_told_, true)) logger("output").warn("a camera's picture: {}", filled.error().message());
  }
  pw_stream_queue_buffer(stream_.get(), buffer);
  pw_stream_trigger_process(stream_.get());
}

}  // namespace zc
