#include "web/feed.h"

#include "base/log.h"
#include "media/audio.h"

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace zc::web {
namespace {

namespace asio = boost::asio;
using nlohmann::json;
using Failure = boost::system::error_code;

/// A newcomer decodes all since the last keyframe before it sees the newest picture: this much is quickly done, else a
/// keyframe is asked for.
constexpr std::size_t kMostGroupPackets = 240;
constexpr std::size_t kMostGroupBytes = std::size_t{4} << 20U;
constexpr std::chrono::milliseconds kKeyframeEvery{500};

std::string base64(const std::vector<std::byte>& bytes) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8U | (i + j < bytes.size() ? std::to_integer<unsigned>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) text += i + j <= bytes.size() ? kLetters[group >> (18 - 6 * j) & 0x3fU] : '=';
  }
  return text;
}

std::string describe(const std::string& session, const StreamParameters& stream, const Fragmenter& fragmenter) {
  json text = {{"event", "stream"},
               {"session", session},
               {"codec", to_string(stream.codec)},
               {"codec_string", fragmenter.codec()},
               {"width", stream.size.width},
               {"height", stream.size.height},
               {"audio", json::array()},
               {"type", "video/mp4; codecs=\"" + fragmenter.codecs() + "\""}};
  for (const AudioStreamParameters& track : stream.audio) {
    text["audio"].push_back({{"codec", to_string(track.codec)},
                             {"codec_string", codec_string(track.codec)},
                             {"rate", 48'000},
                             {"channels", std::popcount(track.layout)},
                             {"description", base64(track.extradata)}});
  }
  return text.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// A keyframe with the parameter sets that its decoder needs, whoever made it.
std::vector<std::byte> with_headers(const WirePacket& packet, const StreamParameters& stream) {
  std::vector<std::byte> bytes;
  const std::vector<std::byte>& headers = stream.extradata;
  if (packet.keyframe && packet.track == 0 && !headers.empty() && stream.codec != Codec::AV1) {
    const auto begin = packet.bytes.first(std::min(packet.bytes.size(), 2 * headers.size() + 64));
    if (std::ranges::search(begin, headers).empty()) bytes = headers;
  }
  bytes.insert(bytes.end(), packet.bytes.begin(), packet.bytes.end());
  return bytes;
}

}  // namespace

Feed::Feed(asio::io_context& io, std::string session, std::string socket_path)
    : session_(std::move(session)), path_(std::move(socket_path)), acceptor_(io), socket_(io), keyframe_timer_(io) {}

Feed::~Feed() { ::unlink(path_.c_str()); }

Result<std::shared_ptr<Feed>> Feed::create(asio::io_context& io, std::string session, std::string socket_path) {
  constexpr std::size_t kLongest = 107;  // sockaddr_un
  if (socket_path.size() > kLongest)
    return fail(ErrorKind::Invalid, socket_path, "a socket's path has 107 bytes at most");
  ::unlink(socket_path.c_str());
  std::shared_ptr<Feed> feed(new Feed(io, std::move(session), socket_path));
  const asio::local::stream_protocol::endpoint endpoint(socket_path);
  Failure failure;
  feed->acceptor_.open(endpoint.protocol(), failure);
  if (!failure) feed->acceptor_.bind(endpoint, failure);
  if (!failure) feed->acceptor_.listen(4, failure);
  if (failure) return fail_errno(failure.value(), "listen on " + socket_path);
  feed->accept();
  return feed;
}

void Feed::close() {
  closed_ = true;
  Failure ignored;
  acceptor_.close(ignored);
  socket_.close(ignored);
  keyframe_timer_.cancel();
}

void Feed::accept() {
  acceptor_.async_accept([self = shared_from_this()](const Failure& failure, Socket socket) {
    if (self->closed_ || failure == asio::error::operation_aborted) return;
    if (!failure) {
      // A process that was started anew takes the place of the one that died.
      Failure ignored;
      self->socket_.close(ignored);
      self->socket_ = std::move(socket);
      self->lose();
      self->read_prefix();
    }
    self->accept();
  });
}

void Feed::lose() {
  group_.clear();
  group_bytes_ = 0;
  stream_.reset();
  fragmenter_.reset();
  description_.clear();
}

void Feed::read_prefix() {
  asio::async_read(socket_, asio::buffer(prefix_), [self = shared_from_this()](const Failure& failure, std::size_t) {
    if (failure == asio::error::operation_aborted) return;
    if (failure) return self->lose();
    const auto prefix = read_wire_prefix(self->prefix_);
    if (prefix) return self->read_body(*prefix);
    logger("web").warn("{}: {}", self->session_, prefix.error().message());
    Failure ignored;
    self->socket_.close(ignored);
    self->lose();
  });
}

void Feed::read_body(WirePrefix prefix) {
  body_.resize(prefix.length);
  asio::async_read(socket_, asio::buffer(body_),
                   [self = shared_from_this(), prefix](const Failure& failure, std::size_t) {
                     if (failure == asio::error::operation_aborted) return;
                     if (failure) return self->lose();
                     if (prefix.kind == WireKind::Stream) self->take_stream(self->body_);
                     if (prefix.kind == WireKind::Packet) self->take_packet(self->body_);
                     self->read_prefix();
                   });
}

void Feed::take_stream(std::span<const std::byte> body) {
  lose();
  auto stream = read_wire_stream({reinterpret_cast<const char*>(body.data()), body.size()});
  auto fragmenter = stream ? Fragmenter::create(*stream) : std::unexpected(stream.error());
  if (!fragmenter) return logger("web").error("{}: {}", session_, fragmenter.error().message());
  stream_ = *std::move(stream);
  fragmenter_ = *std::move(fragmenter);
  description_ = describe(session_, *stream_, *fragmenter_);
  for (Watcher* watcher : watchers_) give_start(*watcher);
}

void Feed::take_packet(std::span<const std::byte> body) {
  const auto packet = read_wire_packet(body);
  if (!packet || !stream_) return;
  auto message = std::make_shared<Message>();
  message->keyframe = packet->keyframe;
  message->track = packet->track;
  message->pts = packet->pts;
  message->dts = packet->dts;
  message->duration = packet->duration;
  message->times = packet->times;
  message->bytes = with_headers(*packet, *stream_);
  const std::int64_t pts_ns = from_packet_clock(packet->pts).count();
  if (packet->track == 0 && packet->times.captured.count() != 0) {
    sound_offset_ns_ = packet->times.captured.count() - pts_ns;
  } else if (sound_offset_ns_) {
    // Sound, and pictures that are repeated, say nothing of when they were; their time in the stream does.
    message->times.captured = Nanoseconds(pts_ns + *sound_offset_ns_);
    message->times.submitted = message->times.encoded = monotonic_now();
  }
  keep(message);
  const MessagePtr whole = message;
  const MessagePtr piece = wants_fragments() ? fragment(*message) : nullptr;
  for (Watcher* watcher : watchers_) watcher->on_message(watcher->form() == Form::Packets ? whole : piece);
}

void Feed::keep(const MessagePtr& message) {
  if (message->keyframe && message->track == 0) {
    group_.clear();
    group_bytes_ = 0;
  } else if (group_.empty()) {
    return;
  }
  group_bytes_ += message->bytes.size();
  group_.push_back(message);
  if (group_.size() > kMostGroupPackets || group_bytes_ > kMostGroupBytes) {
    group_.clear();
    group_bytes_ = 0;
  }
}

void Feed::join(Watcher& watcher) {
  watchers_.insert(&watcher);
  if (stream_) give_start(watcher);
}

void Feed::leave(Watcher& watcher) { watchers_.erase(&watcher); }

void Feed::give_start(Watcher& watcher) {
  watcher.on_stream(description_);
  const bool fragments = watcher.form() == Form::Fragments;
  if (fragments) {
    auto header = std::make_shared<Message>();
    header->kind = MessageKind::Header;
    header->bytes = fragmenter_->header();
    watcher.on_message(header);
  }
  for (const MessagePtr& message : group_) watcher.on_message(fragments ? fragment(*message) : message);
  if (group_.empty()) request_keyframe();
}

MessagePtr Feed::fragment(const Message& message) {
  auto piece = std::make_shared<Message>(Message{MessageKind::Fragment,
                                                 message.keyframe,
                                                 message.track,
                                                 message.pts,
                                                 message.dts,
                                                 message.duration,
                                                 message.times,
                                                 {}});
  const std::int64_t usual = stream_->nominal_rate.zero()
                                 ? kPacketClock / 30
                                 : kPacketClock * stream_->nominal_rate.den / stream_->nominal_rate.num;
  const WirePacket packet = wire_packet(message);
  piece->bytes = fragmenter_->fragment(std::span(&packet, 1), usual);
  return piece;
}

bool Feed::wants_fragments() const {
  return std::ranges::any_of(watchers_, [](const Watcher* watcher) { return watcher->form() == Form::Fragments; });
}

void Feed::tell(std::span<const Congestion> watchers) {
  if (socket_.is_open()) send_back(wire_congestion(watchers));
}

void Feed::limit_gap(std::chrono::milliseconds gap) {
  if (socket_.is_open()) send_back(wire_gap(gap));
}

void Feed::send_back(std::span<const std::byte> bytes) {
  // Some thousand bytes that the other side reads before each picture: they fit, whole, or it is about to be lost.
  static_cast<void>(::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

void Feed::request_keyframe() {
  if (keyframe_pending_ || !socket_.is_open()) return;
  keyframe_pending_ = true;
  send_back(std::span(&kWireKeyframeWish, 1));
  keyframe_timer_.expires_after(kKeyframeEvery);
  keyframe_timer_.async_wait([self = shared_from_this()](const Failure&) { self->keyframe_pending_ = false; });
}

}  // namespace zc::web
