#include "support/test_producer.h"

#include "base/clock.h"
#include "capture/pipewire_connection.h"
#include "capture/pipewire_handles.h"
#include "capture/pod.h"
#include "capture/spa_sync.h"
#include "capture/spa_video_format.h"
#include "media/dmabuf.h"
#include "support/producer_buffer.h"

#include <pipewire/pipewire.h>
#include <spa/buffer/meta.h>
#include <spa/param/buffers.h>
#include <spa/param/format.h>
#include <spa/param/param.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <span>
#include <utility>

namespace zc::test {
namespace {

constexpr std::uint32_t kChoiceFlags = SPA_POD_PROP_FLAG_MANDATORY | SPA_POD_PROP_FLAG_DONT_FIXATE;

PodPtr meta_param(std::uint32_t type, std::size_t bytes) {
  ObjectBuilder b(SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta);
  b.add_id(SPA_PARAM_META_type, type).add_int(SPA_PARAM_META_size, static_cast<std::int32_t>(bytes));
  return b.finish();
}

}  // namespace

class TestProducer::Impl {
 public:
  explicit Impl(ProducerOptions options) : options_(std::move(options)), size_(options_.size) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (connection_) connection_->stop_thread();
    close_stream();
  }

  Result<void> open();
  std::uint32_t node_id() const { return node_id_; }
  std::uint64_t sent() const { return sent_; }
  void fall_silent(Silence silence) { silence_ = silence; }
  std::uint64_t synced() const { return synced_; }
  std::uint64_t bad_releases() const { return bad_releases_; }
  bool ended() const { return ended_; }

 private:
  static Impl& self(void* data) { return *static_cast<Impl*>(data); }
  static void state_changed(void* data, pw_stream_state, pw_stream_state state, const char*) noexcept;
  static void param_changed(void* data, std::uint32_t id, const spa_pod* param) noexcept;
  static void add_buffer(void* data, pw_buffer* buffer) noexcept;
  static void remove_buffer(void* data, pw_buffer* buffer) noexcept;
  static void tick(void* data, std::uint64_t expirations) noexcept;
  static void process(void* data) noexcept;

  Result<void> open_stream();
  void close_stream();
  PodPtr format_param(PixelFormat format, std::span<const std::uint64_t> modifiers) const;
  /// With `modifier`: only the choice of that one.
  std::vector<PodPtr> format_params(std::optional<std::uint64_t> modifier) const;
  void send(const std::vector<PodPtr>& params);
  void format_changed(const spa_pod* param);
  bool apply_changes();
  void paint_late();
  void emit(bool picture);

  const ProducerOptions options_;
  std::vector<PixelFormat> formats_{options_.formats};
  Size size_;
  PixelFormat format_ = PixelFormat::Unknown;
  std::optional<std::uint64_t> modifier_;  ///< agreed on: the buffers are dmabufs
  std::size_t changes_done_ = 0;
  std::uint64_t counter_ = 0;
  Nanoseconds first_time_{};
  std::optional<unsigned> sent_shape_;
  bool streaming_ = false;
  bool picture_next_ = true;
  std::map<pw_buffer*, std::unique_ptr<ProducerBuffer>> buffers_;
  std::atomic<std::uint32_t> node_id_ = PW_ID_ANY;
  std::atomic<Silence> silence_ = Silence::None;
  std::atomic<std::uint64_t> sent_ = 0;
  std::atomic<std::uint64_t> synced_ = 0;
  std::atomic<std::uint64_t> bad_releases_ = 0;
  struct Late {
    ProducerBuffer* buffer;
    TestMark mark;
  };
  std::optional<Late> late_;  ///< handed over, not painted yet
  std::atomic<bool> ended_ = false;
  bool exists_ = false;  ///< guarded by the connection's lock

  std::shared_ptr<DrmNode> node_;  ///< null: dmabufs are memfds

  std::unique_ptr<PipeWireConnection> connection_;
  spa_source* timer_ = nullptr;
  StreamPtr stream_;
  Hook hook_;
};

Result<void> TestProducer::Impl::open() {
  if (!options_.drm_node.empty()) {
    auto node = DrmNode::open(options_.drm_node);
    if (!node) return std::unexpected(node.error());
    node_ = std::move(*node);
  }
  PipeWireConnection::Callbacks callbacks;
  callbacks.lost = [this](const Error&) { ended_ = true; };
  auto connection = PipeWireConnection::open({}, std::move(callbacks));
  if (!connection) return std::unexpected(connection.error());
  connection_ = std::move(*connection);
  Result<void> opened;
  connection_->run([&] { opened = open_stream(); });
  if (!opened) return opened;
  const auto deadline = PipeWireConnection::Clock::now() + std::chrono::seconds(10);
  if (auto paused = connection_->wait(deadline, {}, [&] { return exists_; }); !paused) return paused;
  // And until the registry shows it, so that whoever looks for it now finds it.
  return connection_->wait(deadline, {}, [&] { return connection_->registry_locked().contains(node_id_); });
}

Result<void> TestProducer::Impl::open_stream() {
  static constexpr pw_stream_events kEvents = [] {
    pw_stream_events events{};
    events.version = PW_VERSION_STREAM_EVENTS;
    events.state_changed = state_changed;
    events.param_changed = param_changed;
    events.add_buffer = add_buffer;
    events.remove_buffer = remove_buffer;
    events.process = process;
    return events;
  }();
  timer_ = pw_loop_add_timer(connection_->loop(), tick, this);
  auto* properties =
      pw_properties_new(PW_KEY_MEDIA_CLASS, options_.media_class.c_str(), PW_KEY_NODE_NAME, options_.name.c_str(),
                        PW_KEY_NODE_DESCRIPTION, "zerocast test producer", PW_KEY_MEDIA_ROLE, "Screen", nullptr);
  stream_.reset(pw_stream_new(connection_->core(), options_.name.c_str(), properties));
  if (!stream_ || timer_ == nullptr) return fail(ErrorKind::Internal, "make the test producer", "no stream");
  pw_stream_add_listener(stream_.get(), hook_.get(), &kEvents, this);
  const auto params = format_params(std::nullopt);
  std::vector<const spa_pod*> plain;
  for (const PodPtr& p : params) plain.push_back(p.get());
  const int result =
      pw_stream_connect(stream_.get(), PW_DIRECTION_OUTPUT, PW_ID_ANY,
                        static_cast<pw_stream_flags>(PW_STREAM_FLAG_DRIVER | PW_STREAM_FLAG_ALLOC_BUFFERS),
                        plain.data(), static_cast<std::uint32_t>(plain.size()));
  if (result < 0) return fail_errno(-result, "connect the test producer");
  return {};
}

void TestProducer::Impl::close_stream() {
  hook_.remove();
  stream_.reset();
  buffers_.clear();
  if (timer_ != nullptr) pw_loop_destroy_source(connection_->loop(), std::exchange(timer_, nullptr));
}

PodPtr TestProducer::Impl::format_param(PixelFormat format, std::span<const std::uint64_t> modifiers) const {
  ObjectBuilder b(SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat);
  b.add_id(SPA_FORMAT_mediaType, SPA_MEDIA_TYPE_video)
      .add_id(SPA_FORMAT_mediaSubtype, SPA_MEDIA_SUBTYPE_raw)
      .add_id(SPA_FORMAT_VIDEO_format, spa_video_format_of(format));
  if (modifiers.size() == 1) {
    b.add_long(SPA_FORMAT_VIDEO_modifier, static_cast<std::int64_t>(modifiers.front()), SPA_POD_PROP_FLAG_MANDATORY);
  } else if (!modifiers.empty()) {
    b.add_long_enum(SPA_FORMAT_VIDEO_modifier, modifiers, kChoiceFlags);
  }
  b.add_size(SPA_FORMAT_VIDEO_size, size_);
  if (options_.variable_rate) {
    b.add_rate(SPA_FORMAT_VIDEO_framerate, {0, 1})
        .add_rate_range(SPA_FORMAT_VIDEO_maxFramerate, options_.rate, {1, 1}, options_.rate);
  } else {
    b.add_rate(SPA_FORMAT_VIDEO_framerate, options_.rate);
  }
  return b.finish();
}

std::vector<PodPtr> TestProducer::Impl::format_params(std::optional<std::uint64_t> modifier) const {
  std::vector<PodPtr> params;
  if (options_.memory != Memory::MemFd) {
    for (const PixelFormat format : formats_) {
      params.push_back(format_param(format, modifier ? std::span(&*modifier, 1) : std::span(options_.modifiers)));
    }
  }
  if (options_.memory != Memory::DmaBuf && !modifier) {
    for (const PixelFormat format : formats_) params.push_back(format_param(format, {}));
  }
  return params;
}

void TestProducer::Impl::send(const std::vector<PodPtr>& params) {
  std::vector<const spa_pod*> plain;
  for (const PodPtr& p : params) plain.push_back(p.get());
  pw_stream_update_params(stream_.get(), plain.data(), static_cast<std::uint32_t>(plain.size()));
}

void TestProducer::Impl::state_changed(void* data, pw_stream_state, pw_stream_state state, const char*) noexcept {
  Impl& p = self(data);
  p.streaming_ = state == PW_STREAM_STATE_STREAMING;
  if (p.streaming_ && p.silence_ == Silence::UntilNewStream) p.silence_ = Silence::None;
  if (state == PW_STREAM_STATE_PAUSED) {
    p.node_id_ = pw_stream_get_node_id(p.stream_.get());
    p.connection_->update([&] { p.exists_ = true; });
  }
  timespec interval{};
  if (p.streaming_) {
    const auto period = 1'000'000'000ULL * p.options_.rate.den / std::max(p.options_.rate.num, 1U);
    interval = {static_cast<time_t>(period / 1'000'000'000), static_cast<long>(period % 1'000'000'000)};
  }
  pw_loop_update_timer(p.connection_->loop(), p.timer_, &interval, &interval, false);
}

void TestProducer::Impl::param_changed(void* data, std::uint32_t id, const spa_pod* param) noexcept {
  if (id == SPA_PARAM_Format && param != nullptr) self(data).format_changed(param);
}

void TestProducer::Impl::format_changed(const spa_pod* param) {
  const ObjectReader object(param);
  const auto id = object.find(SPA_FORMAT_VIDEO_format);
  format_ = pixel_format_from_spa(id ? id->id().value_or(0) : 0).value_or(PixelFormat::Unknown);
  modifier_.reset();
  if (const auto modifier = object.find(SPA_FORMAT_VIDEO_modifier)) {
    modifier_ = modifier->longint();
    const bool open = modifier->choice == SPA_CHOICE_Enum && (modifier->flags & SPA_POD_PROP_FLAG_DONT_FIXATE) != 0;
    if (open) {
      if (options_.fixation == Fixation::Consumer) return;
      // Of what the consumer left open, ours that we like best.
      std::vector<std::uint64_t> open_ones;
      for (std::size_t i = 0; i < modifier->count(); ++i) open_ones.push_back(modifier->longint(i).value_or(0));
      const auto chosen = std::ranges::find_first_of(options_.modifiers, open_ones);
      auto params = format_params(chosen == options_.modifiers.end() ? open_ones.front() : *chosen);
      std::ranges::move(format_params(std::nullopt), std::back_inserter(params));
      send(params);
      return;
    }
  }
  const auto blocks = block_layouts(options_, format_, size_, modifier_);
  const auto type = modifier_ ? SPA_DATA_DmaBuf : SPA_DATA_MemFd;
  std::vector<PodPtr> params;
  const auto buffers_param = [&](bool timelines) {
    ObjectBuilder buffers(SPA_TYPE_OBJECT_ParamBuffers, SPA_PARAM_Buffers);
    buffers.add_int_range(SPA_PARAM_BUFFERS_buffers, 4, 2, 8)
        .add_int(SPA_PARAM_BUFFERS_blocks, static_cast<std::int32_t>(blocks.size() + (timelines ? 2 : 0)))
        .add_int(SPA_PARAM_BUFFERS_size, static_cast<std::int32_t>(blocks.front().block_bytes))
        .add_int(SPA_PARAM_BUFFERS_stride, static_cast<std::int32_t>(blocks.front().stride))
        .add_int_flags(SPA_PARAM_BUFFERS_dataType, 1 << type);
    if (timelines) buffers.add_int(kSpaBuffersMetaType, 1 << kSpaMetaSyncTimeline, SPA_POD_PROP_FLAG_MANDATORY);
    return buffers.finish();
  };
  if (modifier_ && options_.sync == Sync::Explicit) {
    params.push_back(buffers_param(true));
    params.push_back(meta_param(kSpaMetaSyncTimeline, sizeof(SpaSyncTimeline)));
  }
  params.push_back(buffers_param(false));
  if (options_.pts != PtsMode::NoHeader) params.push_back(meta_param(SPA_META_Header, sizeof(spa_meta_header)));
  if (!options_.crop.empty()) params.push_back(meta_param(SPA_META_VideoCrop, sizeof(spa_meta_region)));
  if (options_.transform != Transform::Normal) {
    params.push_back(meta_param(SPA_META_VideoTransform, sizeof(spa_meta_videotransform)));
  }
  if (!options_.damage.empty()) params.push_back(meta_param(SPA_META_VideoDamage, sizeof(spa_meta_region) * 16));
  if (options_.cursor) {
    params.push_back(
        meta_param(SPA_META_Cursor, sizeof(spa_meta_cursor) + sizeof(spa_meta_bitmap) + kPointerSize.area() * 4));
  }
  send(params);
}

void TestProducer::Impl::add_buffer(void* data, pw_buffer* buffer) noexcept {
  Impl& p = self(data);
  p.buffers_[buffer] =
      ProducerBuffer::create(p.options_, p.format_, p.size_, p.modifier_, p.node_.get(), *buffer->buffer);
  if (!p.buffers_[buffer]) p.ended_ = true;
  p.sent_shape_.reset();
}

void TestProducer::Impl::remove_buffer(void* data, pw_buffer* buffer) noexcept {
  self(data).late_.reset();
  self(data).buffers_.erase(buffer);
}

void TestProducer::Impl::paint_late() {
  if (!late_) return;
  if (options_.fence != Fence::Never || late_->mark.frame % 3 != 2) {
    late_->buffer->fill(late_->mark);
    late_->buffer->sync()->done();
  }
  late_.reset();
}

/// True when the stream has to be negotiated anew first.
bool TestProducer::Impl::apply_changes() {
  if (changes_done_ >= options_.changes.size() || sent_ < options_.changes[changes_done_].at) return false;
  const ProducerOptions::Change& change = options_.changes[changes_done_++];
  if (change.size) size_ = *change.size;
  if (change.format) formats_ = {*change.format};
  send(format_params(std::nullopt));
  return true;
}

void TestProducer::Impl::tick(void* data, std::uint64_t) noexcept {
  Impl& p = self(data);
  if (!p.streaming_ || p.ended_ || p.silence_ != Silence::None) return;
  p.paint_late();
  if (p.options_.die_at != 0 && p.sent_ >= p.options_.die_at) {
    p.ended_ = true;
    p.hook_.remove();
    p.stream_.reset();
    return;
  }
  if (p.options_.frames != 0 && p.sent_ >= p.options_.frames) return;
  if (p.apply_changes()) return;
  pw_stream_trigger_process(p.stream_.get());
}

void TestProducer::Impl::process(void* data) noexcept {
  Impl& p = self(data);
  if (!p.streaming_ || p.ended_ || (p.options_.frames != 0 && p.sent_ >= p.options_.frames)) return;
  // Not two buffers in one cycle: a compositor's pointer moves between its frames.
  const bool picture = p.options_.cursor_only == CursorOnly::None || std::exchange(p.picture_next_, false);
  p.emit(picture);
  if (!picture) p.picture_next_ = true;
}

void TestProducer::Impl::emit(bool picture) {
  pw_buffer* buffer = pw_stream_dequeue_buffer(stream_.get());
  if (buffer == nullptr) return;  // the consumer holds all
  const auto found = buffers_.find(buffer);
  const TestMark mark{options_.first_number + static_cast<std::uint32_t>(sent_), monotonic_now()};
  if (first_time_.count() == 0) first_time_ = mark.time;
  ProducerBuffer& memory = *found->second;
  BufferSync* sync = memory.sync();
  if (sync != nullptr) {
    if (!sync->begin(*buffer->buffer)) ++bad_releases_;
    ++synced_;
  }
  if (picture && sync != nullptr) {
    memory.describe(*buffer->buffer);
    late_ = Late{&memory, mark};
  } else if (picture) {
    memory.paint(mark, *buffer->buffer);
  } else {
    memory.blank(options_.cursor_only, *buffer->buffer);
  }
  const unsigned shape = pointer_shape(mark.frame);
  write_metas(options_, mark, first_time_, counter_++, sent_shape_ != shape, *buffer->buffer);
  sent_shape_ = shape;
  pw_stream_queue_buffer(stream_.get(), buffer);
  if (picture) ++sent_;
}

TestProducer::TestProducer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TestProducer::~TestProducer() = default;

Result<std::unique_ptr<TestProducer>> TestProducer::create(ProducerOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (auto opened = impl->open(); !opened) return std::unexpected(opened.error());
  return std::unique_ptr<TestProducer>(new TestProducer(std::move(impl)));
}

std::uint32_t TestProducer::node_id() const { return impl_->node_id(); }
std::uint64_t TestProducer::sent() const { return impl_->sent(); }
void TestProducer::fall_silent(Silence silence) { impl_->fall_silent(silence); }
std::uint64_t TestProducer::synced() const { return impl_->synced(); }
std::uint64_t TestProducer::bad_releases() const { return impl_->bad_releases(); }
bool TestProducer::ended() const { return impl_->ended(); }

}  // namespace zc::test
