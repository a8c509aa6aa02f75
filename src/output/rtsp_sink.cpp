// Publishing by libavformat's RTSP (rtspenc.c): ANNOUNCE and RECORD, packets in the same TCP connection.
#include "base/clock.h"
#include "media/av_error.h"
#include "media/av_log.h"
#include "output/av_streams.h"
#include "output/peer_stream.h"
#include "output/resolver.h"
#include "output/rtp_sink.h"

#include <cerrno>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace zc {
namespace {

/// For taking leave, which nobody waits for.
constexpr std::chrono::milliseconds kLeaveTimeout{500};

class RtspPublisher final : public RtpSink {
 public:
  RtspPublisher(RtspOutput output, std::unique_ptr<Interrupt> interrupt)
      : RtpSink(output.url, std::move(interrupt)), output_(std::move(output)), packet_(av_packet_alloc()) {}
  ~RtspPublisher() override { leave(); }
  RtspPublisher(const RtspPublisher&) = delete;
  RtspPublisher& operator=(const RtspPublisher&) = delete;
  RtspPublisher(RtspPublisher&&) = delete;
  RtspPublisher& operator=(RtspPublisher&&) = delete;

  Result<void> close() override {
    leave();
    return {};
  }

 protected:
  Result<void> begin(const StreamParameters& stream) override {
    leave();
    const std::string operation = "connect to " + output_.url;
    // libavformat resolves the name again, without a way to stop it; the answer is known by then.
    const auto addresses = resolver_.resolve(output_.endpoint, stopped(), kConnectTimeout);
    if (!addresses) return std::unexpected(addresses.error());
    if (addresses->empty()) return fail(ErrorKind::NotFound, operation, "the host has no address");
    AVFormatContext* raw = nullptr;
    if (packet_ == nullptr || avformat_alloc_output_context2(&raw, nullptr, "rtsp", output_.url.c_str()) < 0) {
      return fail(ErrorKind::Internal, operation, "out of memory");
    }
    format_.reset(raw);
    raw->interrupt_callback = {&RtspPublisher::interrupted, this};
    raw->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;  // AV1, where it knows it
    raw->max_delay = 0;
    av_dict_set(&raw->metadata, "title", "zerocast", 0);
    streams_.assign(1, avformat_new_stream(raw, nullptr));
    bool described = streams_[0] != nullptr && describe(stream, *streams_[0]);
    for (const AudioStreamParameters& track : stream.audio) {
      streams_.push_back(avformat_new_stream(raw, nullptr));
      described = described && streams_.back() != nullptr && describe(track, *streams_.back());
    }
    if (!described) return fail(ErrorKind::Internal, operation, "out of memory");
    AvOptions options;
    options.set("rtsp_transport", "tcp");
    options.set("pkt_size", std::to_string(kRtpPacketBytes));
    const AvLogCapture log;
    limit(kConnectTimeout);
    const int code = avformat_write_header(raw, options.get());
    begun_ = code >= 0;
    if (begun_) return {};
    return failed(operation, code, code == AVERROR(EIO) || code == AVERROR_INVALIDDATA ? log.text() : "",
                  "it does not answer");
  }

  Result<void> send(const Packet& packet) override {
    limit(kWriteTimeout);
    const int code = write_frame(*format_, *packet_, *streams_.at(packet.track), packet, packet.duration);
    if (code >= 0) return {};
    return failed("write to " + output_.url, code, "", "it takes nothing");
  }

 private:
  void limit(std::chrono::milliseconds time) noexcept { deadline_ = monotonic_now() + time; }
  [[nodiscard]] bool late() const noexcept { return monotonic_now() >= deadline_; }

  [[nodiscard]] Result<void> failed(const std::string& operation, int code, std::string detail,
                                    const char* silent) const {
    if (stopped().is_set()) return fail(ErrorKind::Cancelled, operation, "stopped");
    if (late()) return fail(ErrorKind::Timeout, operation, silent);
    return fail_ffmpeg(code == AVERROR_PATCHWELCOME ? ErrorKind::Unsupported : ErrorKind::Lost, code, operation,
                       std::move(detail));
  }

  static int interrupted(void* data) noexcept {
    const auto& self = *static_cast<RtspPublisher*>(data);
    return self.late() || (!self.leaving_ && self.stopped().is_set()) ? 1 : 0;
  }

  void leave() noexcept {
    limit(kLeaveTimeout);
    leaving_ = true;
    if (begun_) av_write_trailer(format_.get());
    leaving_ = begun_ = false;
    streams_.clear();
    format_.reset();
  }

  RtspOutput output_;
  Resolver resolver_;
  Nanoseconds deadline_{};  ///< of the call that runs
  bool leaving_ = false;
  bool begun_ = false;
  AvOutputPtr format_;
  std::vector<AVStream*> streams_;  ///< by track; the format's own
  AvPacketPtr packet_;
};

}  // namespace

Result<std::unique_ptr<RtpSink>> make_rtsp_sink(const RtspOutput& output, std::unique_ptr<Interrupt> interrupt) {
  if (av_guess_format("rtsp", nullptr, nullptr) == nullptr) {
    return fail(ErrorKind::Unsupported, "open " + output.url, "this libavformat was built without RTSP");
  }
  return std::make_unique<RtspPublisher>(output, std::move(interrupt));
}

}  // namespace zc
