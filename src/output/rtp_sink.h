// Packets without a container: RTP to ports of a receiver, or published to a server by RTSP.
#pragma once

#include "output/av_format.h"
#include "output/interrupt.h"
#include "output/output_spec.h"
#include "output/sink.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace zc {

/// What both have in common. After close() it can be opened again; each time begins at 0 with its first picture.
class RtpSink : public Sink {
 public:
  /// Of an RtpOutput or RtspOutput. Unsupported: this libavformat was built without it.
  [[nodiscard]] static Result<std::unique_ptr<RtpSink>> create(const OutputSpec& spec);

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] Result<void> open(const StreamParameters& stream) override;
  [[nodiscard]] Result<void> write(const Packet& packet) override;
  void interrupt() noexcept override { interrupt_->set(); }

 protected:
  RtpSink(std::string name, std::unique_ptr<Interrupt> interrupt);

  /// Connects and begins a stream for each track.
  [[nodiscard]] virtual Result<void> begin(const StreamParameters& stream) = 0;
  /// `packet` at its own time of this connection.
  [[nodiscard]] virtual Result<void> send(const Packet& packet) = 0;
  [[nodiscard]] const Interrupt& stopped() const noexcept { return *interrupt_; }

 private:
  std::string name_;
  std::unique_ptr<Interrupt> interrupt_;
  std::size_t tracks_ = 0;              ///< of sound
  std::optional<std::int64_t> origin_;  ///< dts of the connection's first picture
};

/// Longest packet, its headers of RTP included: it fits any way through the Internet, encrypted by a relay as well.
inline constexpr int kRtpPacketBytes = 1200;

[[nodiscard]] Result<std::unique_ptr<RtpSink>> make_rtp_sink(const RtpOutput& output, const std::string& name,
                                                             std::unique_ptr<Interrupt> interrupt);
[[nodiscard]] Result<std::unique_ptr<RtpSink>> make_rtsp_sink(const RtspOutput& output,
                                                              std::unique_ptr<Interrupt> interrupt);

}  // namespace zc
