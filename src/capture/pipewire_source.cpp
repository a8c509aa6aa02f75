#include "capture/pipewire_source.h"

#include "base/log.h"
#include "capture/drm_timeline.h"
#include "capture/hand_shake.h"
#include "capture/pipewire_errors.h"
#include "capture/video_stream.h"
#include "pipewire/pipewire_connection.h"

#include <pipewire/keys.h>
#include <pipewire/loop.h>
#include <pipewire/node.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

namespace zc {
namespace {

using Clock = PipeWireConnection::Clock;
/// A stream that must be started twice is, after that time and after twice the time again, until its first picture.
constexpr std::chrono::nanoseconds kFirstKick = std::chrono::milliseconds(200);
constexpr std::chrono::seconds kStartPatience{5};
/// So long the two sides may look for a format, as long as one comes within each kStartPatience.
constexpr std::chrono::seconds kLongestTalk{30};
/// A node that was announced to the user a moment ago may reach our registry a moment later.
constexpr std::chrono::seconds kNodePatience{1};

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

std::string describe(const PipeWireTarget& target) {
  return std::visit(
      Overloaded{[](const PipeWireTarget::NodeId& n) { return fmt::format("PipeWire node {}", n.id); },
                 [](const PipeWireTarget::ObjectSerial& n) { return fmt::format("PipeWire node serial {}", n.serial); },
                 [](const PipeWireTarget::NodeName& n) { return fmt::format("PipeWire node '{}'", n.name); }},
      target.node);
}

bool matches(const RegistryObject& object, const PipeWireTarget& target) {
  if (object.type != PW_TYPE_INTERFACE_Node) return false;
  return std::visit(
      Overloaded{[&](const PipeWireTarget::NodeId& n) { return object.id == n.id; },
                 [&](const PipeWireTarget::ObjectSerial& n) {
                   return object.property(PW_KEY_OBJECT_SERIAL) == std::to_string(n.serial);
                 },
                 [&](const PipeWireTarget::NodeName& n) { return object.property(PW_KEY_NODE_NAME) == n.name; }},
      target.node);
}

bool gives_no_video(const RegistryObject& object) {
  const std::string_view media_class = object.property(PW_KEY_MEDIA_CLASS);
  return media_class.contains("Audio") || media_class.contains("Midi");
}

/// A name may be that of several nodes: the first by id, one with pictures before one of sound.
struct Found {
  const RegistryObject* node = nullptr;
  std::size_t others = 0;  ///< that could have been meant as well
};
Found find(const PipeWireConnection::Registry& registry, const PipeWireTarget& target) {
  Found found;
  for (const auto& [id, object] : registry) {
    if (!matches(object, target)) continue;
    const bool better = found.node == nullptr || (gives_no_video(*found.node) && !gives_no_video(object));
    if (!better && !gives_no_video(object)) ++found.others;
    if (better) found.node = &object;
  }
  return found;
}

/// Producers that leave the choice of a modifier to the consumer, by node.name. xdg-desktop-portal-wlr aborts on some
/// drivers (virgl) when the consumer does not choose, and takes its choice everywhere.
constexpr std::array<std::string_view, 1> kLetUsChoose = {"xdg-desktop-portal-wlr"};

/// The node we capture, as long as it exists.
struct ResolvedNode {
  std::uint32_t id = PW_ID_ANY;
  std::string serial;
  bool we_choose_modifier = false;
};

class PipeWireSource final : public Source, private VideoStream::Events {
 public:
  PipeWireSource(PipeWireTarget target, std::string kind, std::string description, std::stop_token stop,
                 std::shared_ptr<TimelineDevice> timelines)
      : target_(std::move(target)),
        has_remote_(static_cast<bool>(target_.remote)),
        stop_(std::move(stop)),
        given_timelines_(std::move(timelines)) {
    info_.kind = std::move(kind);
    info_.description = std::move(description);
    what_ = "capture " + (info_.description.empty() ? describe(target_) : info_.description);
  }
  PipeWireSource(const PipeWireSource&) = delete;
  PipeWireSource& operator=(const PipeWireSource&) = delete;
  ~PipeWireSource() override { stop_now(); }

  Result<void> start(const FormatOffer& offer, SourceListener& listener) override;
  Result<void> renegotiate(const FormatOffer& offer) override;
  void rest() override;
  Result<void> wake(const FormatOffer& offer) override;
  void stop() override { stop_now(); }

  SourceInfo info() const override {
    const std::lock_guard lock(info_mutex_);
    return info_;
  }
  SourceStats stats() const override { return counters_.read(); }

 private:
  Result<void> begin(const FormatOffer& offer);
  Result<void> receive(const FormatOffer& offer, Clock::time_point deadline);
  Result<void> resolve(Clock::time_point deadline);
  Result<void> wait_for_agreement(Clock::time_point deadline);
  void stop_now() noexcept;

  // On the PipeWire thread:
  void stream_frame(Frame frame) override;
  void stream_negotiated(const NegotiatedFormat& format) override;
  void stream_state(pw_stream_state state, const char* message) override;
  void stream_without_memory() override;
  void stream_failed(const Error& error) override { end(error); }
  void node_removed(const RegistryObject& object);
  /// A new stream to the same node, with the hand-shake's offer.
  [[nodiscard]] Result<void> connect_stream();
  /// What cannot be done inside the stream's own callbacks.
  static void try_again(void* data, std::uint64_t /*count*/) noexcept;
  static void kick(void* data, std::uint64_t /*count*/) noexcept;
  /// The kicks begin, or end.
  void set_kicks(bool on);
  void arm_kick();
  [[nodiscard]] bool over();
  void end(Error error);
  void report(SourceState state);

  PipeWireTarget target_;
  const bool has_remote_;
  const std::stop_token stop_;
  const std::shared_ptr<TimelineDevice> given_timelines_;  ///< null: opened here
  std::string what_;                                       ///< "capture monitor HEADLESS-1 through the desktop portal"
  mutable std::mutex info_mutex_;
  SourceInfo info_;
  StreamCounters counters_;

  SourceListener* listener_ = nullptr;  ///< set before the thread starts
  // Guarded by the connection's lock:
  bool starting_ = false;
  bool agreed_ = false;
  std::optional<Error> ended_;
  ResolvedNode node_;
  // PipeWire thread only, once that runs:
  SourceState reported_ = SourceState::Ended;
  HandShake hand_shake_;
  bool broken_ = false;                    ///< the stream is, and a new one is due
  std::chrono::nanoseconds kick_after_{};  ///< until the next VideoStream::kick(); 0: there is none
  spa_source* retry_ = nullptr;            ///< in the loop, for try_again()
  spa_source* kicker_ = nullptr;           ///< in the loop, a timer for kick()
  std::shared_ptr<TimelineDevice> timelines_;

  std::unique_ptr<PipeWireConnection> connection_;
  std::unique_ptr<VideoStream> stream_;
};

Result<void> PipeWireSource::start(const FormatOffer& offer, SourceListener& listener) {
  if (connection_) return fail(ErrorKind::Invalid, what_, "it is running already");
  if (has_remote_ && !target_.remote) return fail(ErrorKind::Lost, what_, "the portal's connection has been used up");
  listener_ = &listener;
  starting_ = true;
  agreed_ = false;
  ended_.reset();
  node_ = {};
  reported_ = SourceState::Ended;
  auto begun = begin(offer);
  if (!begun) stop_now();
  return begun;
}

Result<void> PipeWireSource::begin(const FormatOffer& offer) {
  const auto deadline = Clock::now() + kStartPatience;
  PipeWireConnection::Callbacks callbacks;
  callbacks.removed = [this](const RegistryObject& object) { node_removed(object); };
  callbacks.lost = [this](const Error&) {
    end({ErrorKind::Lost, ErrorDomain::PipeWire, EPIPE, what_, "the PipeWire daemon has gone away"});
  };
  auto connection = PipeWireConnection::open(std::move(target_.remote), std::move(callbacks));
  if (!connection) return std::unexpected(connection.error());
  connection_ = std::move(*connection);
  if (const auto answered = connection_->roundtrip(deadline, stop_); !answered) return answered;
  if (const auto resolved = resolve(deadline); !resolved) return resolved;
  connection_->run([this] {
    retry_ = pw_loop_add_event(connection_->loop(), &PipeWireSource::try_again, this);
    kicker_ = pw_loop_add_timer(connection_->loop(), &PipeWireSource::kick, this);
    hand_shake_.begin(node_.we_choose_modifier, target_.size);
  });
  return receive(offer, deadline);
}

Result<void> PipeWireSource::receive(const FormatOffer& offer, Clock::time_point deadline) {
  timelines_ = given_timelines_;
  if (!timelines_ && offer.has_dmabufs()) {
    if (auto opened = open_drm_timelines()) {
      timelines_ = std::move(*opened);
    } else {
      logger("capture").debug("no explicit synchronisation: {}", opened.error().message());
    }
  }
  Result<void> connected;
  connection_->run([&] {
    report(SourceState::Connecting);
    hand_shake_.set_offer(offer);
    if (timelines_) hand_shake_.allow_timelines();
    connected = connect_stream();
  });
  if (!connected) return connected;
  return wait_for_agreement(deadline);
}

Result<void> PipeWireSource::connect_stream() {
  broken_ = false;
  auto stream = VideoStream::connect(connection_->core(), connection_->loop(), {node_.serial, node_.id}, hand_shake_,
                                     counters_, *this, timelines_);
  if (!stream) return std::unexpected(std::move(stream.error()));
  stream_ = std::move(*stream);
  return {};
}

void PipeWireSource::try_again(void* data, std::uint64_t /*count*/) noexcept {
  auto& self = *static_cast<PipeWireSource*>(data);
  if (!self.broken_) return;
  self.stream_.reset();
  self.set_kicks(true);
  if (auto connected = self.connect_stream(); !connected) self.end(std::move(connected.error()));
}

void PipeWireSource::kick(void* data, std::uint64_t /*count*/) noexcept {
  auto& self = *static_cast<PipeWireSource*>(data);
  if (self.stream_ && self.reported_ == SourceState::Streaming) {
    self.stream_->kick();
    self.kick_after_ *= 2;  // a producer may take its time to begin
  }
  self.arm_kick();
}

void PipeWireSource::set_kicks(bool on) {
  if (kicker_ == nullptr || (kick_after_.count() != 0) == on) return;
  kick_after_ = on ? kFirstKick : std::chrono::nanoseconds(0);
  arm_kick();
}

void PipeWireSource::arm_kick() {
  constexpr std::chrono::nanoseconds kSecond = std::chrono::seconds(1);
  timespec after{.tv_sec = kick_after_ / kSecond, .tv_nsec = (kick_after_ % kSecond).count()};
  timespec once{};
  pw_loop_update_timer(connection_->loop(), kicker_, &after, &once, false);
}

Result<void> PipeWireSource::resolve(Clock::time_point deadline) {
  std::string media_class;
  std::size_t others = 0;
  const auto found = connection_->wait(std::min(deadline, Clock::now() + kNodePatience), stop_, [&] {
    const auto [object, more] = find(connection_->registry_locked(), target_);
    if (object == nullptr) return false;
    others = more;
    node_ = {object->id, std::string(object->property(PW_KEY_OBJECT_SERIAL)),
             std::ranges::find(kLetUsChoose, object->property(PW_KEY_NODE_NAME)) != kLetUsChoose.end()};
    media_class = object->property(PW_KEY_MEDIA_CLASS);
    return true;
  });
  if (!found) {
    if (found.error().kind != ErrorKind::Timeout) return found;
    return fail(ErrorKind::NotFound, what_, describe(target_) + " does not exist");
  }
  if (others > 0) {
    logger("capture").warn("{}: {} nodes have that name; this is the one with id {} and serial {}", what_, others + 1,
                           node_.id, node_.serial);
  }
  if (media_class.contains("Audio") || media_class.contains("Midi")) {
    return fail(ErrorKind::Unsupported, what_, describe(target_) + " is no video node but " + media_class);
  }
  return {};
}

Result<void> PipeWireSource::wait_for_agreement(Clock::time_point deadline) {
  const auto last = Clock::now() + kLongestTalk;
  unsigned seen = 0;
  while (true) {
    auto agreed = connection_->wait(deadline, stop_, [&] {
      if (!agreed_ && !ended_) return false;
      starting_ = ended_.has_value();  // from here on an end goes to the listener
      return true;
    });
    if (agreed) break;
    if (agreed.error().kind != ErrorKind::Timeout) return agreed;
    std::string reason;
    const unsigned before = seen;
    connection_->run([&] {
      reason = hand_shake_.reason();
      seen = hand_shake_.formats_seen();
    });
    const auto now = Clock::now();
    // A producer on a busy machine that is still answering is not one that is not there.
    if (seen != before && now < last) {
      deadline = std::min(last, now + kStartPatience);
      continue;
    }
    if (seen == 0 && reason.empty()) {
      reason = "nothing connected us to the node (is a session manager such as wireplumber running?)";
    } else {
      reason.insert(
          0, reason.empty() ? "no picture format was agreed on in time" : "no picture format was agreed on in time: ");
    }
    return fail(ErrorKind::Timeout, what_, std::move(reason));
  }
  if (starting_) return std::unexpected(*ended_);
  return {};
}

Result<void> PipeWireSource::renegotiate(const FormatOffer& offer) {
  if (!connection_) return fail(ErrorKind::Invalid, what_, "it is not running");
  Result<void> result = fail(ErrorKind::Lost, what_, "it has ended");
  connection_->run([&] {
    hand_shake_.set_offer(offer);
    if (broken_) result = {};  // the next stream makes it
    if (stream_ && !broken_) result = stream_->renegotiate();
  });
  return result;
}

void PipeWireSource::rest() {
  if (!stream_) return;
  connection_->run([&] {
    broken_ = false;
    set_kicks(false);
    stream_.reset();
    timelines_.reset();
  });
}

Result<void> PipeWireSource::wake(const FormatOffer& offer) {
  if (stream_) return renegotiate(offer);
  if (!connection_) return fail(ErrorKind::Invalid, what_, "it is not running");
  std::optional<Error> gone;
  connection_->update([&] {
    gone = ended_;
    starting_ = !gone;
    agreed_ = false;
  });
  Result<void> woken = gone ? std::unexpected(*gone) : receive(offer, Clock::now() + kStartPatience);
  if (!woken) stop_now();
  return woken;
}

void PipeWireSource::stop_now() noexcept {
  if (!connection_) return;
  connection_->stop_thread();
  stream_.reset();
  timelines_.reset();
  kick_after_ = {};
  for (spa_source** source : {&retry_, &kicker_}) {
    if (*source != nullptr) pw_loop_destroy_source(connection_->loop(), std::exchange(*source, nullptr));
  }
  connection_.reset();
  listener_ = nullptr;
}

void PipeWireSource::stream_frame(Frame frame) {
  set_kicks(false);
  if (reported_ == SourceState::Ended) return;
  listener_->on_frame(std::move(frame));
}

void PipeWireSource::stream_negotiated(const NegotiatedFormat& format) {
  {
    const std::lock_guard lock(info_mutex_);
    info_.size = format.size;
    info_.rate = format.rate.zero() ? format.max_rate : format.rate;
    info_.steady = !format.rate.zero();
    info_.format = format.format;
    info_.dmabuf = format.dmabuf();
  }
  logger("capture").info("{}: {}x{} {}{}", what_, format.size.width, format.size.height,
                         format.coded ? name(*format.coded) : name(format.format),
                         format.dmabuf() ? fmt::format(", dmabuf modifier {:#x}", *format.modifier) : "");
  if (hand_shake_.went_round()) set_kicks(true);
  connection_->update([&] { agreed_ = true; });
}

void PipeWireSource::stream_state(pw_stream_state state, const char* message) {
  if (broken_) return;
  switch (state) {
    case PW_STREAM_STATE_STREAMING: report(SourceState::Streaming); break;
    case PW_STREAM_STATE_PAUSED:
      if (reported_ == SourceState::Streaming) report(SourceState::Paused);
      break;
    case PW_STREAM_STATE_ERROR: {
      const std::string_view words = message == nullptr ? "" : message;
      const std::string before = hand_shake_.reason();
      broken_ = !over() && retry_ != nullptr && hand_shake_.on_error(words, perhaps_buffers(words));
      if (broken_) {
        logger("capture").warn("{}: {}", what_, hand_shake_.reason());
        pw_loop_signal_event(connection_->loop(), retry_);
        break;
      }
      Error error = stream_error(words, what_);
      if (!before.empty()) error.detail += "; before that, " + before;
      end(std::move(error));
      break;
    }
    case PW_STREAM_STATE_UNCONNECTED:
      end({ErrorKind::Lost, ErrorDomain::PipeWire, 0, what_, "PipeWire has disconnected the stream"});
      break;
    case PW_STREAM_STATE_CONNECTING: break;
  }
}

void PipeWireSource::stream_without_memory() {
  if (broken_ || over() || retry_ == nullptr || !hand_shake_.on_empty_buffer()) return;
  broken_ = true;
  logger("capture").warn("{}: PipeWire hands over buffers without memory: asking it for a new stream", what_);
  pw_loop_signal_event(connection_->loop(), retry_);
}

void PipeWireSource::node_removed(const RegistryObject& object) {
  bool ours = false;
  connection_->update([&] { ours = object.id == node_.id && object.property(PW_KEY_OBJECT_SERIAL) == node_.serial; });
  if (ours) end({ErrorKind::Lost, ErrorDomain::PipeWire, 0, what_, "the source has gone away"});
}

bool PipeWireSource::over() {
  bool ended = false;
  connection_->update([&] { ended = ended_.has_value(); });
  return ended;
}

void PipeWireSource::report(SourceState state) {
  if (over() || reported_ == state) return;
  reported_ = state;
  listener_->on_state(state, nullptr);
}

/// The first reason counts. While start() waits, it takes the error; later the listener does.
void PipeWireSource::end(Error error) {
  bool tell = false;
  connection_->update([&] {
    if (ended_) return;
    ended_ = error;
    tell = !starting_;
  });
  if (!tell) return;
  reported_ = SourceState::Ended;
  listener_->on_state(SourceState::Ended, &error);
}

}  // namespace

Result<std::unique_ptr<Source>> make_pipewire_source_with(std::shared_ptr<TimelineDevice> timelines,
                                                          PipeWireTarget target, std::string kind,
                                                          std::string description, std::stop_token stop) {
  const auto* by_name = std::get_if<PipeWireTarget::NodeName>(&target.node);
  if (by_name != nullptr && by_name->name.empty()) {
    return fail(ErrorKind::Invalid, "capture a PipeWire node", "the node's name is empty");
  }
  return std::make_unique<PipeWireSource>(std::move(target), std::move(kind), std::move(description), std::move(stop),
                                          std::move(timelines));
}

Result<std::unique_ptr<Source>> make_pipewire_source(PipeWireTarget target, std::string kind, std::string description,
                                                     std::stop_token stop) {
  return make_pipewire_source_with(nullptr, std::move(target), std::move(kind), std::move(description),
                                   std::move(stop));
}

}  // namespace zc
