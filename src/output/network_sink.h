#pragma once

#include "output/interrupt.h"
#include "output/muxer.h"
#include "output/output_spec.h"
#include "output/peer_stream.h"
#include "output/sink.h"
#include "output/track_order.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace zc {

/// MPEG-TS, or RTMP's FLV, to a network peer, or to several that come by themselves. After close() it can be opened
/// again: each connection begins with its own tables, and an FLV stream at 0.
class NetworkSink final : public Sink {
 public:
  /// `spec` holds a UdpOutput, TcpOutput, SrtOutput or RtmpOutput. A listener's port is bound here.
  [[nodiscard]] static Result<std::unique_ptr<NetworkSink>> create(const OutputSpec& spec);

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] Result<void> open(const StreamParameters& stream) override;
  [[nodiscard]] Result<void> write(const Packet& packet) override;
  [[nodiscard]] Result<void> flush() override;
  [[nodiscard]] Result<void> close() override;
  [[nodiscard]] bool take_keyframe_wish() override { return peer_->take_keyframe_wish(); }
  [[nodiscard]] std::optional<std::size_t> viewers() const override { return peer_->viewers(); }
  [[nodiscard]] std::optional<std::vector<Congestion>> congestion() const override { return peer_->congestion(); }
  void interrupt() noexcept override { interrupt_->set(); }

 private:
  NetworkSink(const OutputSpec& spec, std::unique_ptr<Interrupt> interrupt, std::unique_ptr<PeerStream> peer);

  [[nodiscard]] Result<void> write_in_order(const Packet& packet);
  /// Of FLV.
  [[nodiscard]] Result<void> write_next(Packet packet);

  std::string name_;
  Container container_;
  std::unique_ptr<Interrupt> interrupt_;
  std::unique_ptr<PeerStream> peer_;
  std::unique_ptr<Muxer> muxer_;  ///< empty while there is no connection
  StreamParameters parameters_;
  std::optional<TrackOrder> order_;     ///< FLV
  std::optional<std::int64_t> origin_;  ///< FLV: dts of the connection's first picture
};

}  // namespace zc
