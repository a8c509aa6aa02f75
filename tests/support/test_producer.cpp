#include "support/test_producer.h"

#include "base/clock.h"
#include "support/picture_format.h"
#include "support/producer_answers.h"
#include "support/producer_buffer.h"
#include "support/producer_loop.h"
#include "support/producer_pods.h"
#include "support/producer_spa.h"

#include <pipewire/pipewire.h>
#include <spa/param/format.h>
#include <spa/param/param.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <span>
#include <thread>
#include <utility>

namespace zc::test {
class TestProducer::Impl {
 public:
  explicit Impl(ProducerOptions options)
      : options_(std::move(options)),
        size_(options_.size),
        clock_(options_.rhythm, period(), options_.cursor_only != CursorOnly::None) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (!loop_) return;
    loop_->stop();
    close_stream();
    if (timer_ != nullptr) pw_loop_destroy_source(loop_->loop(), timer_);
  }

  Result<void> open();
  std::uint32_t node_id() const { return node_id_; }
  std::uint64_t sent() const { return sent_; }
  std::uint64_t rounds() const { return rounds_; }
  Nanoseconds most_late() const { return Nanoseconds(most_late_); }
  void fall_silent(Silence silence) { silence_ = silence; }
  void change_now() { change_now_ = true; }
  std::uint64_t synced() const { return synced_; }
  std::uint64_t bad_releases() const { return bad_releases_; }
  bool ended() const { return ended_ || loop_->lost(); }

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
  std::vector<EnumFormat> formats() const { return offered_formats(options_, formats_, size_); }
  /// `first`: in front of all others.
  void send_formats(const std::vector<EnumFormat>& first = {});
  void send(const std::vector<Pod>& params);
  void format_changed(const spa_pod& param);
  void agree();
  /// The timer for the next buffer.
  void arm(bool begin);
  Nanoseconds period() const {
    return Nanoseconds(1'000'000'000ULL * options_.rate.den / std::max(options_.rate.num, 1U));
  }
  bool apply_changes();
  bool pause();
  void paint_late();
  bool emit(bool picture);
  /// Null: there is none.
  pw_buffer* free_buffer();

  const ProducerOptions options_;
  std::vector<PixelFormat> formats_{options_.formats};
  Size size_;  ///< of the screen
  Size agreed_size_;
  PixelFormat format_ = PixelFormat::Unknown;
  std::optional<std::uint64_t> modifier_;   ///< agreed on: the buffers are dmabufs
  std::optional<std::uint32_t> coded_;      ///< SPA_MEDIA_SUBTYPE_*: agreed on instead of a raw format
  std::optional<std::uint64_t> allocated_;  ///< what the producer has chosen
  std::size_t changes_done_ = 0;
  std::uint64_t changed_at_ = 0;  ///< pictures sent by the latest change
  std::uint64_t counter_ = 0;
  unsigned sets_ = 0;  ///< of buffers, so far
  Nanoseconds first_time_{};
  RhythmClock clock_;      ///< of the buffer that the timer is set for, in a rhythm
  Nanoseconds due_pts_{};  ///< of the picture that is to be sent
  std::optional<unsigned> sent_shape_;
  Nanoseconds due_at_{};  ///< when it is to be sent
  bool streaming_ = false;
  bool paused_ = false;
  bool pause_over_ = false;
  bool picture_next_ = true;  ///< without a rhythm
  bool due_ = false;          ///< a buffer is to be sent
  bool due_picture_ = false;  ///< with a picture
  std::map<pw_buffer*, std::unique_ptr<ProducerBuffer>> buffers_;
  std::vector<pw_buffer*> unreleased_;  ///< came back from PipeWire, not from the consumer
  std::atomic<std::uint32_t> node_id_ = PW_ID_ANY;
  std::atomic<Silence> silence_ = Silence::None;
  std::atomic<bool> change_now_ = false;
  std::atomic<std::uint64_t> sent_ = 0;
  std::atomic<std::uint64_t> rounds_ = 0;
  std::atomic<std::int64_t> most_late_ = 0;  ///< nanoseconds
  std::atomic<std::uint64_t> synced_ = 0;
  std::atomic<std::uint64_t> bad_releases_ = 0;
  struct Late {
    ProducerBuffer* buffer;
    TestMark mark;
  };
  std::optional<Late> late_;  ///< handed over, not painted yet
  std::atomic<bool> ended_ = false;

  std::shared_ptr<DrmNode> drm_;  ///< null: dmabufs are memfds
  std::unique_ptr<ProducerLoop> loop_;
  spa_source* timer_ = nullptr;
  pw_stream* stream_ = nullptr;
  spa_hook hook_{};
};

Result<void> TestProducer::Impl::open() {
  if (!options_.drm_node.empty()) {
    auto drm = DrmNode::open(options_.drm_node);
    if (!drm) return std::unexpected(drm.error());
    drm_ = std::move(*drm);
  }
  auto loop = ProducerLoop::open();
  if (!loop) return std::unexpected(loop.error());
  loop_ = std::move(*loop);
  Result<void> opened;
  loop_->locked([&] { opened = open_stream(); });
  if (!opened) return opened;
  // Until the registry shows it, so that whoever looks for it now finds it.
  const auto exists = [&] { return node_id_ != PW_ID_ANY && loop_->shows(node_id_); };
  if (!loop_->wait(std::chrono::seconds(10), exists)) {
    return fail(ErrorKind::Timeout, "make the test producer", "its node does not appear");
  }
  return {};
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
  timer_ = pw_loop_add_timer(loop_->loop(), tick, this);
  auto* properties =
      pw_properties_new(PW_KEY_NODE_DESCRIPTION, "zerocast test producer", PW_KEY_MEDIA_ROLE, "Screen", nullptr);
  for (const auto& [key, value] : options_.properties) pw_properties_set(properties, key.c_str(), value.c_str());
  pw_properties_set(properties, PW_KEY_NODE_NAME, options_.name.c_str());
  if (!options_.media_class.empty()) {
    pw_properties_set(properties, PW_KEY_MEDIA_CLASS, options_.media_class.c_str());
  }
  stream_ = pw_stream_new(loop_->core(), options_.name.c_str(), properties);
  if (stream_ == nullptr || timer_ == nullptr) return fail(ErrorKind::Internal, "make the test producer", "no stream");
  pw_stream_add_listener(stream_, &hook_, &kEvents, this);
  std::vector<Pod> params;
  std::ranges::transform(formats(), std::back_inserter(params), format_pod);
  auto plain = pointers(params);
  const int result =
      pw_stream_connect(stream_, PW_DIRECTION_OUTPUT, PW_ID_ANY,
                        static_cast<pw_stream_flags>(PW_STREAM_FLAG_DRIVER | PW_STREAM_FLAG_ALLOC_BUFFERS),
                        plain.data(), static_cast<std::uint32_t>(plain.size()));
  if (result < 0) return fail_errno(-result, "connect the test producer");
  return {};
}

void TestProducer::Impl::close_stream() {
  if (stream_ != nullptr) {
    spa_hook_remove(&hook_);
    pw_stream_destroy(std::exchange(stream_, nullptr));
  }
  late_.reset();
  buffers_.clear();
}

void TestProducer::Impl::send_formats(const std::vector<EnumFormat>& first) {
  std::vector<Pod> params;
  std::ranges::transform(first, std::back_inserter(params), format_pod);
  std::ranges::transform(formats(), std::back_inserter(params), format_pod);
  send(params);
}

void TestProducer::Impl::send(const std::vector<Pod>& params) {
  auto plain = pointers(params);
  pw_stream_update_params(stream_, plain.data(), static_cast<std::uint32_t>(plain.size()));
}

void TestProducer::Impl::state_changed(void* data, pw_stream_state, pw_stream_state state, const char*) noexcept {
  Impl& p = self(data);
  p.streaming_ = state == PW_STREAM_STATE_STREAMING;
  if (p.streaming_ && p.silence_ == Silence::UntilNewStream) p.silence_ = Silence::None;
  if (state == PW_STREAM_STATE_PAUSED) {
    p.node_id_ = pw_stream_get_node_id(p.stream_);
    p.loop_->wake();
  }
  if (!p.paused_) p.arm(true);
}

void TestProducer::Impl::arm(bool begin) {
  timespec first{};
  if (!streaming_) {
    pw_loop_update_timer(loop_->loop(), timer_, &first, &first, false);
    return;
  }
  const auto to_timespec = [](Nanoseconds t) {
    return timespec{static_cast<time_t>(t.count() / 1'000'000'000), static_cast<long>(t.count() % 1'000'000'000)};
  };
  if (options_.rhythm.stated()) {
    first = to_timespec(begin ? clock_.begin(monotonic_now()) : clock_.next(monotonic_now()));
    timespec once{};
    pw_loop_update_timer(loop_->loop(), timer_, &first, &once, true);
  } else if (begin) {
    first = to_timespec(period());
    pw_loop_update_timer(loop_->loop(), timer_, &first, &first, false);
  }
}

void TestProducer::Impl::param_changed(void* data, std::uint32_t id, const spa_pod* param) noexcept {
  if (id == SPA_PARAM_Format && param != nullptr) self(data).format_changed(*param);
}

void TestProducer::Impl::format_changed(const spa_pod& param) {
  const AgreedFormat agreed = read_format(param);
  const PictureFormat* format = picture_format_of_spa(agreed.format);
  format_ = format == nullptr ? PixelFormat::Unknown : format->format;
  coded_.reset();
  if (agreed.subtype != SPA_MEDIA_SUBTYPE_raw && options_.code) {
    coded_ = agreed.subtype;
    format_ = PixelFormat::I420;  // room enough
  }
  agreed_size_ = agreed.size;
  modifier_.reset();
  if (!agreed.modifiers.empty()) {
    const bool ours = allocated_ && std::ranges::find(agreed.modifiers, *allocated_) != agreed.modifiers.end();
    // A modifier that it cannot allocate is not taken, even when the consumer chose it.
    const bool impossible = !options_.picks.empty() && !agreed.open &&
                            std::ranges::find(options_.picks, agreed.modifiers.front()) == options_.picks.end();
    if ((agreed.open && !ours) || impossible) {
      if (options_.fixation == Fixation::Consumer) return;
      allocated_ = choose_modifier(options_, agreed.modifiers);
      ++rounds_;
      std::this_thread::sleep_for(options_.thinks);
      return send_formats(fixated(formats(), *allocated_));
    }
    modifier_ = agreed.open ? *allocated_ : agreed.modifiers.front();
  }
  if (format_ == PixelFormat::Unknown || agreed_size_.empty()) {
    ended_ = true;
    pw_stream_set_error(stream_, -EINVAL, "the test producer cannot paint this format");
    return;
  }
  agree();
}

void TestProducer::Impl::agree() {
  ++sets_;
  const auto blocks = block_layouts(options_, format_, agreed_size_, modifier_);
  const BuffersOffer buffers = offered_buffers(options_, modifier_.has_value(), blocks.size());
  const auto add_buffers = [&](std::vector<Pod>& params, std::uint32_t sync_blocks) {
    params.push_back(buffers_pod(buffers, blocks.front().block_bytes, blocks.front().stride, sync_blocks));
  };
  std::vector<Pod> params;
  const bool timelines = modifier_ && options_.sync == Sync::Explicit;
  if (timelines) {
    add_buffers(params, 2);
    params.push_back(meta_pod({kMetaSyncTimeline, static_cast<std::int32_t>(sizeof(SyncTimelineMeta))}));
  }
  add_buffers(params, 0);
  std::ranges::transform(offered_metas(options_), std::back_inserter(params), meta_pod);
  send(params);
}

void TestProducer::Impl::add_buffer(void* data, pw_buffer* buffer) noexcept {
  Impl& p = self(data);
  p.buffers_[buffer] =
      ProducerBuffer::create(p.options_, p.format_, p.agreed_size_, p.modifier_, p.drm_.get(), *buffer->buffer);
  if (!p.buffers_[buffer]) p.ended_ = true;
  if (p.sets_ <= p.options_.empty_sets) {
    for (spa_data& block : std::span(buffer->buffer->datas, buffer->buffer->n_datas)) {
      block.type = SPA_ID_INVALID;
      block.fd = -1;
    }
  }
  p.sent_shape_.reset();
}

void TestProducer::Impl::remove_buffer(void* data, pw_buffer* buffer) noexcept {
  self(data).late_.reset();
  self(data).buffers_.erase(buffer);
  std::erase(self(data).unreleased_, buffer);
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
  if (changes_done_ >= options_.changes.size()) return false;
  const ProducerOptions::Change& change = options_.changes[changes_done_];
  if (!change_now_.exchange(false) && sent_ < std::max(change.at, changed_at_ + change.after)) return false;
  ++changes_done_;
  changed_at_ = sent_;
  if (change.size) size_ = *change.size;
  if (change.format) formats_ = {*change.format};
  allocated_.reset();
  send_formats();
  return true;
}

/// True while the node is inactive.
bool TestProducer::Impl::pause() {
  if (paused_) {
    paused_ = false;
    pause_over_ = true;
    pw_stream_set_active(stream_, true);
    return true;
  }
  if (pause_over_ || options_.pause.at == 0 || sent_ < options_.pause.at) return false;
  paused_ = true;
  pw_stream_set_active(stream_, false);
  const auto ms = options_.pause.time.count();
  timespec again{static_cast<time_t>(ms / 1000), static_cast<long>(ms % 1000 * 1'000'000 + 1)};
  timespec once{};
  pw_loop_update_timer(loop_->loop(), timer_, &again, &once, false);
  return true;
}

void TestProducer::Impl::tick(void* data, std::uint64_t) noexcept {
  Impl& p = self(data);
  if (p.ended_ || !(p.streaming_ || p.paused_) || p.pause()) return;
  p.due_pts_ = p.clock_.pts();
  p.due_at_ = p.clock_.due();
  const bool rhythm = p.options_.rhythm.stated();
  p.due_picture_ = p.options_.cursor_only == CursorOnly::None || (rhythm ? p.clock_.picture() : p.picture_next_);
  p.arm(false);
  if (p.silence_ != Silence::None) return;
  p.paint_late();
  if (p.options_.die_at != 0 && p.sent_ >= p.options_.die_at) {
    p.ended_ = true;
    p.close_stream();
    return;
  }
  if (p.options_.frames != 0 && p.sent_ >= p.options_.frames) return;
  if (p.options_.still_from != 0 && p.sent_ >= p.options_.still_from) return;
  if (p.apply_changes()) return;
  if (p.options_.like_compositors) {
    if (p.emit(p.due_picture_)) pw_stream_trigger_process(p.stream_);
    p.picture_next_ = !p.due_picture_;
    return;
  }
  p.due_ = true;
  pw_stream_trigger_process(p.stream_);
}

void TestProducer::Impl::process(void* data) noexcept {
  Impl& p = self(data);
  if (!p.streaming_ || p.ended_ || !std::exchange(p.due_, false) ||
      (p.options_.frames != 0 && p.sent_ >= p.options_.frames))
    return;
  // Not two buffers in one cycle: a compositor's pointer moves between its frames.
  p.emit(p.due_picture_);
  p.picture_next_ = !p.due_picture_;
}

pw_buffer* TestProducer::Impl::free_buffer() {
  const auto released = [this](pw_buffer* buffer) {
    const BufferSync* sync = buffers_.at(buffer)->sync();
    return !options_.like_compositors || sync == nullptr || sync->released();
  };
  if (const auto found = std::ranges::find_if(unreleased_, released); found != unreleased_.end()) {
    pw_buffer* buffer = *found;
    unreleased_.erase(found);
    return buffer;
  }
  while (pw_buffer* buffer = pw_stream_dequeue_buffer(stream_)) {
    if (released(buffer)) return buffer;
    unreleased_.push_back(buffer);
  }
  return nullptr;
}

bool TestProducer::Impl::emit(bool picture) {
  pw_buffer* buffer = free_buffer();
  if (buffer == nullptr) return false;  // the consumer holds all
  const auto found = buffers_.find(buffer);
  const bool own_time = picture || options_.cursor_repeats_pts;
  const TestMark mark{options_.first_number + static_cast<std::uint32_t>(sent_),
                      options_.rhythm.stated() && own_time ? due_pts_ : monotonic_now()};
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
  } else if (picture && coded_) {
    std::vector<std::byte> bytes = options_.code(*coded_, agreed_size_, mark);
    if (std::ranges::find(options_.lost, mark.frame) != options_.lost.end()) {
      unreleased_.push_back(buffer);
      ++counter_;
      ++sent_;
      return true;
    }
    if (std::ranges::find(options_.damaged, mark.frame) != options_.damaged.end()) {
      std::ranges::fill(bytes, std::byte{0x5a});
    }
    memory.put(bytes, *buffer->buffer);
  } else if (picture) {
    memory.paint(mark, *buffer->buffer);
  } else {
    memory.blank(options_.cursor_only, *buffer->buffer);
  }
  const unsigned shape = options_.cursor_moves ? pointer_shape(mark.frame) : 0;
  write_metas(options_, agreed_size_, mark, first_time_, counter_++, shape, sent_shape_ != shape, *buffer->buffer);
  sent_shape_ = shape;
  pw_stream_queue_buffer(stream_, buffer);
  if (options_.rhythm.stated()) {
    most_late_ = std::max<std::int64_t>(most_late_, (monotonic_now() - due_at_).count());
  }
  if (picture) ++sent_;
  return true;
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
std::uint64_t TestProducer::rounds() const { return impl_->rounds(); }
std::chrono::nanoseconds TestProducer::most_late() const { return impl_->most_late(); }
void TestProducer::fall_silent(Silence silence) { impl_->fall_silent(silence); }
void TestProducer::change_now() { impl_->change_now(); }
std::uint64_t TestProducer::synced() const { return impl_->synced(); }
std::uint64_t TestProducer::bad_releases() const { return impl_->bad_releases(); }
bool TestProducer::ended() const { return impl_->ended(); }

}  // namespace zc::test
