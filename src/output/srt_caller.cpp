// An SRT caller by libsrt itself, which tells how the connection keeps up; libavformat's says nothing.
#include "output/peer_stream.h"
#include "output/resolver.h"
#include "output/srt_library.h"

#include <srt/srt.h>

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace zc {
namespace {

using Clock = std::chrono::steady_clock;

/// How often it is looked whether a call was answered, or whether a full buffer has room again.
constexpr std::chrono::milliseconds kLookOut{10};

class SrtDirectCaller final : public PeerStream {
 public:
  SrtDirectCaller(const LibSrt& srt, const SrtOutput& output, const Interrupt& interrupt)
      : output_(output), name_("srt://" + output.endpoint.text()), interrupt_(&interrupt), srt_(srt) {}

  Result<void> connect() override {
    const std::string operation = "connect to " + name_;
    const auto addresses = resolver_.resolve(output_.endpoint, *interrupt_, kConnectTimeout);
    if (!addresses) return std::unexpected(addresses.error());
    if (addresses->empty()) return fail(ErrorKind::NotFound, operation, "the host has no address");
    const auto passphrase = read_passphrase(output_);
    if (!passphrase) return std::unexpected(passphrase.error());
    Result<void> result;
    for (const SocketAddress& address : *addresses) {
      result = call(address, *passphrase, operation);
      if (result || result.error().kind == ErrorKind::Cancelled) break;
    }
    return result;
  }

  Result<void> admit(bool /*keyframe*/) override {
    link_.look(srt_, socket_.get());
    const std::lock_guard lock(mutex_);
    congestion_ = {link_.now()};
    return {};
  }

  Result<void> write(std::span<const std::byte> bytes) override {
    const std::string operation = "write to " + name_;
    const auto* data = reinterpret_cast<const char*>(bytes.data());
    const auto until = Clock::now() + kWriteTimeout;
    while (srt_->sendmsg2(socket_.get(), data, static_cast<int>(bytes.size()), nullptr) == SRT_ERROR) {
      working_ = srt_->getlasterror(nullptr) == SRT_EASYNCSND;
      if (!working_) return lost(operation);
      if (interrupt_->sleep(kLookOut)) return fail(ErrorKind::Cancelled, operation, "stopped");
      if (Clock::now() > until) return fail(ErrorKind::Lost, operation, "it takes nothing");
    }
    link_.add(bytes.size());
    return {};
  }

  void disconnect() noexcept override {
    if (std::exchange(working_, false)) static_cast<void>(interrupt_->sleep(srt_tail(output_)));
    socket_ = {};
    const std::lock_guard lock(mutex_);
    congestion_.clear();
  }

  [[nodiscard]] std::optional<std::vector<Congestion>> congestion() const override {
    const std::lock_guard lock(mutex_);
    return congestion_;
  }
  [[nodiscard]] std::size_t message_bytes() const override { return kTsMessageBytes; }

 private:
  Result<void> call(const SocketAddress& address, const Secret& passphrase, const std::string& operation) {
    SrtSocket socket(srt_, srt_->create_socket());
    const int timeout = static_cast<int>(kConnectTimeout.count());
    const std::string& stream = output_.stream_id;
    const bool ready = socket && set_srt_options(srt_, socket.get(), output_, passphrase, address.family()) &&
                       srt_->setsockflag(socket.get(), SRTO_CONNTIMEO, &timeout, sizeof timeout) != SRT_ERROR &&
                       (stream.empty() || srt_->setsockflag(socket.get(), SRTO_STREAMID, stream.data(),
                                                            static_cast<int>(stream.size())) != SRT_ERROR) &&
                       srt_->connect(socket.get(), address.get(), static_cast<int>(address.length)) != SRT_ERROR;
    if (!ready) return lost(operation);
    SRT_SOCKSTATUS state = SRTS_CONNECTING;
    while ((state = srt_->getsockstate(socket.get())) == SRTS_CONNECTING) {
      if (interrupt_->sleep(kLookOut)) return fail(ErrorKind::Cancelled, operation, "stopped");
    }
    if (state != SRTS_CONNECTED) {
      return fail(ErrorKind::Lost, operation, srt_->rejectreason_str(srt_->getrejectreason(socket.get())));
    }
    socket_ = std::move(socket);
    link_ = SrtLink(++calls_);
    working_ = true;
    return {};
  }

  /// Whatever the number, the peer has to be called again.
  [[nodiscard]] std::unexpected<Error> lost(const std::string& operation) const {
    auto failed = srt_failure(srt_, operation);
    failed.error().kind = ErrorKind::Lost;
    return failed;
  }

  SrtOutput output_;
  std::string name_;
  const Interrupt* interrupt_;
  Resolver resolver_;
  bool working_ = false;  ///< what was written goes out
  std::uint64_t calls_ = 0;
  SrtLink link_;
  mutable std::mutex mutex_;
  std::vector<Congestion> congestion_;  ///< with mutex_ held
  SrtStarted srt_;                      // its socket ends before it
  SrtSocket socket_;
};

}  // namespace

std::unique_ptr<PeerStream> make_srt_caller(const SrtOutput& output, const Interrupt& interrupt) {
  const auto srt = load_libsrt();
  return srt ? std::make_unique<SrtDirectCaller>(*srt, output, interrupt) : nullptr;
}

}  // namespace zc
