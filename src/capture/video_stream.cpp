#include "capture/video_stream.h"

#include "base/clock.h"
#include "base/log.h"
#include "capture/spec_text.h"

#include <pipewire/keys.h>
#include <pipewire/loop.h>
#include <spa/param/param.h>
#include <spa/support/loop.h>
#include <spa/utils/result.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

namespace zc {
namespace {

constexpr const char* kOperation = "receive PipeWire frames";
/// How often pictures are looked for that got lost: one is given back after two times.
constexpr timespec kLookForLost{.tv_sec = 0, .tv_nsec = 250'000'000};

std::vector<const spa_pod*> pointers(const std::vector<PodPtr>& params) {
  std::vector<const spa_pod*> plain;
  plain.reserve(params.size());
  for (const PodPtr& p : params) plain.push_back(p.get());
  return plain;
}

std::string modifier_words(const NegotiatedFormat& format) {
  if (!format.dmabuf()) return "shared memory";
  if (!format.needs_fixation()) return fmt::format("modifier {:#x}", *format.modifier);
  return fmt::format("modifiers {:#x}", fmt::join(format.alternatives, ", "));
}

std::unexpected<Error> fail_pipewire(int negative_errno) {
  auto error = fail_errno(-negative_errno, kOperation);
  error.error().domain = ErrorDomain::PipeWire;
  return error;
}

}  // namespace

/// libpipewire's C callbacks: nothing may be thrown through them, hence noexcept.
struct VideoStream::Callbacks {
  static VideoStream& self(void* data) { return *static_cast<VideoStream*>(data); }

  static void state_changed(void* data, pw_stream_state /*old*/, pw_stream_state state, const char* message) noexcept {
    self(data).events_.stream_state(state, message);
  }
  static void param_changed(void* data, std::uint32_t id, const spa_pod* param) noexcept {
    if (id == SPA_PARAM_Format) self(data).format_changed(param);
  }
  static void add_buffer(void* data, pw_buffer* buffer) noexcept { self(data).buffers_->add(buffer); }
  static void remove_buffer(void* data, pw_buffer* buffer) noexcept { self(data).buffers_->remove(buffer); }
  static void process(void* data) noexcept { self(data).process(); }

  static void returned(void* data, int /*fd*/, std::uint32_t /*mask*/) noexcept {
    self(data).buffers_->clear_event();
    self(data).requeue_returned();
  }
  static void look_for_lost(void* data, std::uint64_t /*count*/) noexcept { self(data).look_for_lost(); }

  static constexpr pw_stream_events table() {
    pw_stream_events events{};
    events.version = PW_VERSION_STREAM_EVENTS;
    events.state_changed = state_changed;
    events.param_changed = param_changed;
    events.add_buffer = add_buffer;
    events.remove_buffer = remove_buffer;
    events.process = process;
    return events;
  }
  static const pw_stream_events kEvents;
};

constexpr pw_stream_events VideoStream::Callbacks::kEvents = table();

VideoStream::VideoStream(pw_loop* loop, Target target, std::unique_ptr<StreamBuffers> buffers, HandShake& hand_shake,
                         StreamCounters& counters, Events& events)
    : loop_(loop),
      target_(std::move(target)),
      counters_(counters),
      events_(events),
      buffers_(std::move(buffers)),
      reader_(*buffers_, counters),
      hand_shake_(hand_shake) {}

VideoStream::~VideoStream() {
  hook_.remove();
  stream_.reset();
  for (spa_source* source : {returns_, lost_}) {
    if (source != nullptr) pw_loop_destroy_source(loop_, source);
  }
}

Result<std::unique_ptr<VideoStream>> VideoStream::connect(pw_core* core, pw_loop* loop, const Target& target,
                                                          HandShake& hand_shake, StreamCounters& counters,
                                                          Events& events, std::shared_ptr<TimelineDevice> timelines) {
  const bool synchronised = timelines != nullptr;
  auto buffers = StreamBuffers::create(std::move(timelines));
  if (!buffers) return std::unexpected(buffers.error());
  std::unique_ptr<VideoStream> s(new VideoStream(loop, target, std::move(*buffers), hand_shake, counters, events));
  s->returns_ = pw_loop_add_io(loop, s->buffers_->event_fd(), SPA_IO_IN, false, &Callbacks::returned, s.get());
  if (s->returns_ == nullptr) return fail_errno(errno, kOperation);
  if (synchronised) {
    s->lost_ = pw_loop_add_timer(loop, &Callbacks::look_for_lost, s.get());
    if (s->lost_ == nullptr) return fail_errno(errno, kOperation);
    timespec every = kLookForLost;
    pw_loop_update_timer(loop, s->lost_, &every, &every, false);
  }
  if (const auto opened = s->open(core); !opened) return std::unexpected(opened.error());
  return s;
}

Result<void> VideoStream::open(pw_core* core) {
  auto params = make_format_params(hand_shake_.offer());
  if (!params) return std::unexpected(params.error());
  // Without the last two the session manager may link us to another source (a camera) when ours is missing or goes.
  PropertiesPtr properties(pw_properties_new(PW_KEY_MEDIA_TYPE, "Video", PW_KEY_MEDIA_CATEGORY, "Capture",
                                             PW_KEY_MEDIA_ROLE, "Screen", PW_KEY_NODE_DONT_RECONNECT, "true",
                                             "node.dont-fallback", "true", nullptr));
  if (!properties) return fail_errno(ENOMEM, kOperation);
  if (!target_.object.empty()) pw_properties_set(properties.get(), PW_KEY_TARGET_OBJECT, target_.object.c_str());
  stream_.reset(pw_stream_new(core, "zerocast", properties.release()));
  if (!stream_) return fail_errno(errno, kOperation);
  pw_stream_add_listener(stream_.get(), hook_.get(), &Callbacks::kEvents, this);
  auto plain = pointers(*params);
  // No RT_PROCESS: process() runs on this loop, like everything else here. No MAP_BUFFERS: our own mappings outlive
  // the stream's.
  const int result =
      pw_stream_connect(stream_.get(), PW_DIRECTION_INPUT, target_.object.empty() ? target_.id : PW_ID_ANY,
                        PW_STREAM_FLAG_AUTOCONNECT, plain.data(), static_cast<std::uint32_t>(plain.size()));
  if (result < 0) return fail_pipewire(result);
  return {};
}

Result<void> VideoStream::send_params(const std::vector<PodPtr>& params) {
  auto plain = pointers(params);
  const int result = pw_stream_update_params(stream_.get(), plain.data(), static_cast<std::uint32_t>(plain.size()));
  if (result < 0) return fail_pipewire(result);
  return {};
}

Result<void> VideoStream::renegotiate() {
  auto params = make_format_params(hand_shake_.offer());
  if (!params) return std::unexpected(params.error());
  return send_params(*params);
}

void VideoStream::kick() {
  pw_stream_set_active(stream_.get(), false);
  pw_stream_set_active(stream_.get(), true);
}

Result<std::vector<PodPtr>> VideoStream::answer(const NegotiatedFormat& format, HandShake::Turn turn) {
  switch (turn) {
    case HandShake::Turn::Settled: {
      const bool timelines = hand_shake_.timelines() && format.dmabuf();
      std::vector<PodPtr> params = make_meta_params(timelines);
      params.insert(params.begin(), make_buffers_param(format));
      if (timelines) params.insert(params.begin(), make_buffers_param(format, true));
      return params;
    }
    // Inside the very first param_changed, or PipeWire fails the allocation for the open format.
    case HandShake::Turn::Ours:
      return make_format_params(hand_shake_.offer(), make_fixation(format, hand_shake_.offer()));
    case HandShake::Turn::Offer:
      logger("capture").warn("{}: asking it for {}", hand_shake_.reason(), describe(hand_shake_.offer()));
      return make_format_params(hand_shake_.offer());
    case HandShake::Turn::Theirs: break;
    case HandShake::Turn::Over: return fail(ErrorKind::Unsupported, "agree on a picture format", hand_shake_.reason());
  }
  return std::vector<PodPtr>{};
}

void VideoStream::format_changed(const spa_pod* param) {
  agreed_ = false;
  if (param == nullptr) return;  // the old agreement is void, the next one follows
  const auto refuse = [this](const Error& error) {
    events_.stream_failed(error);  // before set_error: the first reason counts, and ours is the better one
    pw_stream_set_error(stream_.get(), -EINVAL, "%s", error.detail.c_str());
  };
  const auto format = parse_format(param);
  if (!format) return refuse(format.error());
  const HandShake::Turn turn = hand_shake_.on_format(*format);
  logger("capture").debug("format: {}x{} {}, {}, rate {} up to {}", format->size.width, format->size.height,
                          name(format->format), modifier_words(*format), rate_text(format->rate),
                          rate_text(format->max_rate));
  const auto params = answer(*format, turn);
  if (!params) return refuse(params.error());
  agreed_ = turn == HandShake::Turn::Settled;
  if (agreed_) reader_.set_format(*format);
  if (params->empty()) return;
  if (const auto sent = send_params(*params); !sent) return events_.stream_failed(sent.error());
  if (agreed_) events_.stream_negotiated(*format);
}

void VideoStream::requeue_returned() {
  buffers_->collect([&](pw_buffer* buffer) { pw_stream_queue_buffer(stream_.get(), buffer); });
}

void VideoStream::look_for_lost() {
  process();  // whatever waits is not lost
  buffers_->release_lost();
}

void VideoStream::process() {
  const Nanoseconds arrival = monotonic_now();
  while (true) {
    requeue_returned();  // each time: what is spare is told with each frame
    pw_buffer* buffer = pw_stream_dequeue_buffer(stream_.get());
    if (buffer == nullptr) return;
    if (agreed_ && !StreamBuffers::has_memory(*buffer)) events_.stream_without_memory();
    std::optional<Frame> frame = agreed_ ? reader_.read(buffer, arrival) : std::nullopt;
    if (!frame || !frame->has_image()) {
      buffers_->pass(buffer);
      pw_stream_queue_buffer(stream_.get(), buffer);
    }
    if (!frame) continue;
    if (frame->has_image()) hand_shake_.on_picture();
    frame->sequence = sequence_++;
    StreamCounters::add_one(frame->has_image() ? counters_.delivered : counters_.cursor_updates);
    events_.stream_frame(*std::move(frame));
  }
}

}  // namespace zc
