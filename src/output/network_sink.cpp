#include "output/network_sink.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace zc {

namespace {

/// How long sound waits for its pictures. In FLV the packets of both come in one order of time.
constexpr std::chrono::milliseconds kFlvPatience{700};

}  // namespace

NetworkSink::NetworkSink(const OutputSpec& spec, std::unique_ptr<Interrupt> interrupt, std::unique_ptr<PeerStream> peer)
    : name_(spec.name()), container_(spec.container), interrupt_(std::move(interrupt)), peer_(std::move(peer)) {}

Result<std::unique_ptr<NetworkSink>> NetworkSink::create(const OutputSpec& spec) {
  auto interrupt = Interrupt::create();
  if (!interrupt) return std::unexpected(interrupt.error());
  auto peer = std::visit(
      [&](const auto& output) -> Result<std::unique_ptr<PeerStream>> {
        using Output = std::decay_t<decltype(output)>;
        if constexpr (std::is_same_v<Output, UdpOutput>) return make_udp_stream(output, **interrupt);
        if constexpr (std::is_same_v<Output, TcpOutput>) return make_tcp_stream(output, **interrupt);
        if constexpr (std::is_same_v<Output, SrtOutput>) return make_srt_stream(output, **interrupt);
        if constexpr (std::is_same_v<Output, RtmpOutput>) return make_rtmp_stream(output, **interrupt);
        return fail(ErrorKind::Internal, "open " + spec.name(), "not a network peer");
      },
      spec.target);
  if (!peer) return std::unexpected(peer.error());
  return std::unique_ptr<NetworkSink>(new NetworkSink(spec, std::move(*interrupt), std::move(*peer)));
}

Result<void> NetworkSink::open(const StreamParameters& stream) {
  if (auto ok = check_codec(container_, stream.codec); !ok) return ok;
  if (auto ok = check_tracks(container_, stream.audio.size()); !ok) return ok;
  if (auto connected = peer_->connect(); !connected) return connected;
  auto muxer = Muxer::create(container_, stream, *peer_);
  if (!muxer) {
    peer_->disconnect();
    return std::unexpected(muxer.error());
  }
  muxer_ = std::move(*muxer);
  parameters_ = stream;
  origin_.reset();
  order_.reset();
  if (container_ == Container::Flv) order_.emplace(stream.audio.size(), kFlvPatience);
  return {};
}

Result<void> NetworkSink::write(const Packet& packet) {
  if (!muxer_) return fail(ErrorKind::Lost, "write to " + name_, "not connected");
  if (auto admitted = peer_->admit(packet.keyframe); !admitted) return admitted;
  if (packet.new_stream && !can_go_on(container_, parameters_, *packet.new_stream)) {
    return fail(ErrorKind::Lost, "go on with " + name_,
                fmt::format("{} cannot take a stream of another {}", info(container_).title,
                            packet.new_stream->size != parameters_.size ? "size" : "encoder"));
  }
  if (packet.new_stream) parameters_ = *packet.new_stream;
  return order_ ? write_in_order(packet) : muxer_->write(packet);
}

Result<void> NetworkSink::write_in_order(const Packet& packet) {
  order_->push(packet);
  while (auto next = order_->pop()) {
    if (auto written = write_next(*std::move(next)); !written) return written;
  }
  return {};
}

Result<void> NetworkSink::write_next(Packet packet) {
  if (packet.track == 0 && !origin_) origin_ = packet.dts;
  if (!origin_ || packet.dts < *origin_) return {};  // sound of before the first picture
  packet.pts -= *origin_;
  packet.dts -= *origin_;
  return muxer_->write(packet);
}

Result<void> NetworkSink::flush() { return muxer_ ? peer_->admit(false) : Result<void>{}; }

Result<void> NetworkSink::close() {
  Result<void> result;
  while (auto next = muxer_ && order_ ? order_->pop_rest() : std::nullopt) {
    result = write_next(*std::move(next));
    if (!result) break;
  }
  if (muxer_ && result) result = muxer_->finish();  // writes nothing after an error
  muxer_.reset();
  peer_->disconnect();
  return result;
}

}  // namespace zc
