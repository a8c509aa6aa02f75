// SRT outputs, and where libsrt is out of reach a caller through libavformat's own protocol, which tells nothing of how
// it keeps up.
#include "media/av_error.h"
#include "output/av_format.h"
#include "output/peer_stream.h"
#include "output/resolver.h"

#include <fmt/format.h>

#include <cerrno>
#include <string>

namespace zc {
namespace {

using std::chrono::microseconds;

class SrtCaller final : public PeerStream {
 public:
  SrtCaller(const SrtOutput& output, const Interrupt& interrupt)
      : output_(output), name_("srt://" + output.endpoint.text()), interrupt_(&interrupt) {}

  Result<void> connect() override {
    const std::string operation = "connect to " + name_;
    // libavformat would resolve the name itself, without a way to stop it.
    const auto addresses = resolver_.resolve(output_.endpoint, *interrupt_, kConnectTimeout);
    if (!addresses) return std::unexpected(addresses.error());
    if (addresses->empty()) return fail(ErrorKind::NotFound, operation, "the host has no address");

    const auto passphrase = read_passphrase(output_);
    if (!passphrase) return std::unexpected(passphrase.error());
    Result<void> result;
    for (const SocketAddress& address : *addresses) {
      result = connect_to(address, *passphrase, operation);
      if (result || result.error().kind != ErrorKind::Lost) break;
    }
    return result;
  }

  Result<void> write(std::span<const std::byte> bytes) override {
    avio_write(io_.get(), reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    avio_flush(io_.get());
    if (io_->error >= 0) return {};
    const std::string operation = "write to " + name_;
    if (interrupt_->is_set()) return fail(ErrorKind::Cancelled, operation, "stopped");
    return lost(io_->error, operation);
  }

  void disconnect() noexcept override {
    if (io_ != nullptr && io_->error >= 0) static_cast<void>(interrupt_->sleep(srt_tail(output_)));
    io_.reset();
  }
  [[nodiscard]] std::size_t message_bytes() const override { return kTsMessageBytes; }

 private:
  Result<void> connect_to(const SocketAddress& address, const Secret& passphrase, const std::string& operation) {
    AvOptions options;
    options.set("mode", "caller");
    options.set("pkt_size", std::to_string(kTsMessageBytes));
    options.set("connect_timeout", std::to_string(kConnectTimeout.count()));
    options.set("timeout", std::to_string(microseconds(kWriteTimeout).count()));
    options.set("linger", "0");
    if (output_.latency) options.set("latency", std::to_string(microseconds(*output_.latency).count()));
    if (!output_.stream_id.empty()) options.set("streamid", output_.stream_id);
    if (output_.key_bytes != 0) options.set("pbkeylen", std::to_string(output_.key_bytes));
    // As an option, never in the URL: libavformat logs URLs.
    if (!passphrase.empty()) options.set("passphrase", passphrase.reveal());

    const AVIOInterruptCB callback{&SrtCaller::interrupted, this};
    AVIOContext* io = nullptr;
    const std::string url = "srt://" + address.text();
    const int code = avio_open2(&io, url.c_str(), AVIO_FLAG_WRITE, &callback, options.get());
    if (interrupt_->is_set() && code < 0) return fail(ErrorKind::Cancelled, operation, "stopped");
    if (code < 0) return lost(code, operation);
    io_.reset(io);
    if (const std::string left = options.left_over(); !left.empty()) {
      disconnect();
      return fail(ErrorKind::Unsupported, operation, fmt::format("this libavformat does not know '{}'", left));
    }
    return {};
  }

  static int interrupted(void* self) noexcept { return static_cast<SrtCaller*>(self)->interrupt_->is_set() ? 1 : 0; }

  static std::unexpected<Error> lost(int code, const std::string& operation) {
    return fail_ffmpeg(ErrorKind::Lost, code, operation);
  }

  SrtOutput output_;
  std::string name_;
  const Interrupt* interrupt_;
  Resolver resolver_;
  AvioConnection io_;
};

}  // namespace

Result<std::unique_ptr<PeerStream>> make_srt_stream(const SrtOutput& output, const Interrupt& interrupt) {
  if (!has_output_protocol("srt")) {
    return fail(ErrorKind::Unsupported, "open srt://" + output.endpoint.text(),
                "this libavformat was built without SRT; udp:// and tcp:// work");
  }
  if (output.listener) return make_srt_listener(output, interrupt);
  // Now, and again at each connection: it may change.
  if (const auto passphrase = read_passphrase(output); !passphrase) return std::unexpected(passphrase.error());
  if (auto direct = make_srt_caller(output, interrupt)) return direct;
  return std::make_unique<SrtCaller>(output, interrupt);
}

}  // namespace zc
