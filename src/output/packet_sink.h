#pragma once

#include "base/unique_fd.h"
#include "output/interrupt.h"
#include "output/output_spec.h"
#include "output/sink.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace zc {

/// Packets as they are, to a program that listens on a Unix socket (packet_wire.h).
class PacketSink final : public Sink {
 public:
  [[nodiscard]] static Result<std::unique_ptr<PacketSink>> create(const UnixOutput& output);

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] Result<void> open(const StreamParameters& stream) override;
  [[nodiscard]] Result<void> write(const Packet& packet) override;
  [[nodiscard]] Result<void> close() override;
  [[nodiscard]] bool take_keyframe_wish() override;
  [[nodiscard]] std::optional<std::vector<Congestion>> congestion() const override;
  [[nodiscard]] std::optional<Nanoseconds> longest_gap() const override;
  void interrupt() noexcept override { interrupt_->set(); }

 private:
  PacketSink(const UnixOutput& output, std::unique_ptr<Interrupt> interrupt);
  /// All of both, or Lost.
  [[nodiscard]] Result<void> send(std::span<const std::byte> head, std::span<const std::byte> bytes);

  std::string path_;
  std::string name_;
  std::unique_ptr<Interrupt> interrupt_;
  UniqueFd fd_;
  std::vector<std::byte> returned_;  ///< what came back and is not complete
  mutable std::mutex mutex_;
  std::vector<Congestion> peers_;            ///< with mutex_ held; those that the taker has told of
  std::chrono::milliseconds longest_gap_{};  ///< likewise
};

}  // namespace zc
