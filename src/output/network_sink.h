#pragma once

#include "output/interrupt.h"
#include "output/muxer.h"
#include "output/output_spec.h"
#include "output/peer_stream.h"
#include "output/sink.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace zc {

/// MPEG-TS to a network peer, or to several that come by themselves. After close() it can be opened again: each
/// connection begins with its own tables.
class NetworkSink final : public Sink {
 public:
  /// `spec` holds a UdpOutput, TcpOutput or SrtOutput. A listener's port is bound here.
  [[nodiscard]] static Result<std::unique_ptr<NetworkSink>> create(const OutputSpec& spec);

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] Result<void> open(const StreamParameters& stream) override;
  [[nodiscard]] Result<void> write(const Packet& packet) override;
  [[nodiscard]] Result<void> flush() override;
  [[nodiscard]] Result<void> close() override;
  [[nodiscard]] bool take_keyframe_wish() override { return peer_->take_keyframe_wish(); }
  [[nodiscard]] std::optional<std::size_t> viewers() const override { return peer_->viewers(); }
  void interrupt() noexcept override { interrupt_->set(); }

 private:
  NetworkSink(std::string name, std::unique_ptr<Interrupt> interrupt, std::unique_ptr<PeerStream> peer) noexcept;

  std::string name_;
  std::unique_ptr<Interrupt> interrupt_;
  std::unique_ptr<PeerStream> peer_;
  std::unique_ptr<Muxer> muxer_;  ///< empty while there is no connection
};

}  // namespace zc
