#include "output/network_sink.h"

#include <type_traits>
#include <utility>
#include <variant>

namespace zc {

NetworkSink::NetworkSink(std::string name, std::unique_ptr<Interrupt> interrupt,
                         std::unique_ptr<PeerStream> peer) noexcept
    : name_(std::move(name)), interrupt_(std::move(interrupt)), peer_(std::move(peer)) {}

Result<std::unique_ptr<NetworkSink>> NetworkSink::create(const OutputSpec& spec) {
  auto interrupt = Interrupt::create();
  if (!interrupt) return std::unexpected(interrupt.error());
  auto peer = std::visit(
      [&](const auto& output) -> Result<std::unique_ptr<PeerStream>> {
        using Output = std::decay_t<decltype(output)>;
        if constexpr (std::is_same_v<Output, UdpOutput>) return make_udp_stream(output, **interrupt);
        if constexpr (std::is_same_v<Output, TcpOutput>) return make_tcp_stream(output, **interrupt);
        if constexpr (std::is_same_v<Output, SrtOutput>) return make_srt_stream(output, **interrupt);
        return fail(ErrorKind::Internal, "open " + spec.name(), "not a network peer");
      },
      spec.target);
  if (!peer) return std::unexpected(peer.error());
  return std::unique_ptr<NetworkSink>(new NetworkSink(spec.name(), std::move(*interrupt), std::move(*peer)));
}

Result<void> NetworkSink::open(const StreamParameters& stream) {
  if (auto ok = check_codec(Container::Ts, stream.codec); !ok) return ok;
  if (auto connected = peer_->connect(); !connected) return connected;
  auto muxer = Muxer::create(Container::Ts, stream, *peer_);
  if (!muxer) {
    peer_->disconnect();
    return std::unexpected(muxer.error());
  }
  muxer_ = std::move(*muxer);
  return {};
}

Result<void> NetworkSink::write(const Packet& packet) {
  if (!muxer_) return fail(ErrorKind::Lost, "write to " + name_, "not connected");
  if (auto admitted = peer_->admit(packet.keyframe); !admitted) return admitted;
  return muxer_->write(packet);
}

Result<void> NetworkSink::flush() { return muxer_ ? peer_->admit(false) : Result<void>{}; }

Result<void> NetworkSink::close() {
  Result<void> result;
  if (muxer_) result = muxer_->finish();  // writes nothing after an error
  muxer_.reset();
  peer_->disconnect();
  return result;
}

}  // namespace zc
