// Publishing by libavformat's RTMP, over TCP or TLS. Its options and what it does with them: rtmpproto.c, tls.h.
#include "base/clock.h"
#include "media/av_error.h"
#include "media/av_log.h"
#include "output/av_format.h"
#include "output/peer_stream.h"
#include "output/resolver.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {
namespace {

/// For taking leave, which nobody waits for.
constexpr std::chrono::milliseconds kLeaveTimeout{500};

/// Bytes; the kernel takes it twice, for its own share. Enough for 10 Mbit/s at 200 ms there and back.
constexpr int kShortBuffer = 256 * 1024;

/// rtmpproto.c returns -1 for much of what a server refuses.
constexpr std::array kVagueCodes{-1, AVERROR(EIO), AVERROR_UNKNOWN, AVERROR_INVALIDDATA};

std::string without(std::string text, std::string_view secret) {
  for (std::size_t at = text.find(secret); !secret.empty() && at != std::string::npos; at = text.find(secret, at)) {
    text.replace(at, secret.size(), "...");
    at += 3;
  }
  return text;
}

class RtmpPublisher final : public PeerStream {
 public:
  RtmpPublisher(RtmpOutput output, const Interrupt& interrupt) : output_(std::move(output)), interrupt_(&interrupt) {}
  ~RtmpPublisher() override { RtmpPublisher::disconnect(); }
  RtmpPublisher(const RtmpPublisher&) = delete;
  RtmpPublisher& operator=(const RtmpPublisher&) = delete;
  RtmpPublisher(RtmpPublisher&&) = delete;
  RtmpPublisher& operator=(RtmpPublisher&&) = delete;

  Result<void> connect() override {
    const std::string operation = "connect to " + output_.url;
    // libavformat resolves the name again, without a way to stop it; the answer is known by then. Over TLS it needs the
    // name, which the certificate has.
    const auto addresses = resolver_.resolve(output_.endpoint, *interrupt_, kConnectTimeout);
    if (!addresses) return std::unexpected(addresses.error());
    if (addresses->empty()) return fail(ErrorKind::NotFound, operation, "the host has no address");
    const auto key = read_key(output_);
    if (!key) return std::unexpected(key.error());

    AvOptions options;
    // As an option, never in the URL: libavformat logs URLs.
    options.set("rtmp_playpath", key->reveal());
    options.set("rtmp_live", "live");
    options.set("tcp_nodelay", "1");
    if (output_.short_buffer) options.set("send_buffer_size", std::to_string(kShortBuffer));
    if (output_.tls) options.set("tls_verify", "1");
    const std::string url =
        std::string(output_.tls ? "rtmps" : "rtmp") + "://" + output_.endpoint.text() + "/" + output_.app;
    const AVIOInterruptCB callback{&RtmpPublisher::interrupted, this};
    AVIOContext* io = nullptr;
    const AvLogCapture log;
    begin(kConnectTimeout);
    const int code = avio_open2(&io, url.c_str(), AVIO_FLAG_WRITE, &callback, options.get());
    if (code >= 0) {
      io_.reset(io);
      return {};
    }
    if (interrupt_->is_set()) return fail(ErrorKind::Cancelled, operation, "stopped");
    if (late()) return fail(ErrorKind::Timeout, operation, "it does not answer");
    // Where the code is that of any failure, what TLS or the server says.
    const bool vague = std::ranges::find(kVagueCodes, code) != kVagueCodes.end();
    return fail_ffmpeg(ErrorKind::Lost, code, operation,
                       vague && !log.lines().empty() ? without(log.lines().front(), key->reveal()) : "");
  }

  Result<void> write(std::span<const std::byte> bytes) override {
    begin(kWriteTimeout);
    avio_write(io_.get(), reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    avio_flush(io_.get());
    if (io_->error >= 0) return {};
    const std::string operation = "write to " + output_.url;
    if (interrupt_->is_set()) return fail(ErrorKind::Cancelled, operation, "stopped");
    if (late()) return fail(ErrorKind::Lost, operation, "it takes nothing");
    return fail_ffmpeg(ErrorKind::Lost, io_->error, operation);
  }

  /// libavformat has the socket: what does not go through is seen by what waits before write().
  [[nodiscard]] std::optional<std::vector<Congestion>> congestion() const override {
    return std::vector<Congestion>(1);
  }
  void disconnect() noexcept override {
    begin(kLeaveTimeout);
    leaving_ = true;
    io_.reset();
    leaving_ = false;
  }

 private:
  void begin(std::chrono::milliseconds limit) noexcept { deadline_ = monotonic_now() + limit; }
  [[nodiscard]] bool late() const noexcept { return monotonic_now() >= deadline_; }

  static int interrupted(void* data) noexcept {
    const auto& self = *static_cast<RtmpPublisher*>(data);
    return self.late() || (!self.leaving_ && self.interrupt_->is_set()) ? 1 : 0;
  }

  RtmpOutput output_;
  const Interrupt* interrupt_;
  Resolver resolver_;
  Nanoseconds deadline_{};  ///< of the call that runs
  bool leaving_ = false;
  AvioConnection io_;
};

}  // namespace

Result<std::unique_ptr<PeerStream>> make_rtmp_stream(const RtmpOutput& output, const Interrupt& interrupt) {
  const char* protocol = output.tls ? "rtmps" : "rtmp";
  if (!has_output_protocol(protocol)) {
    return fail(ErrorKind::Unsupported, "open " + output.url,
                std::string("this libavformat was built without ") + protocol);
  }
  // Now, and again at each connection: it may change.
  if (const auto key = read_key(output); !key) return std::unexpected(key.error());
  return std::make_unique<RtmpPublisher>(output, interrupt);
}

}  // namespace zc
