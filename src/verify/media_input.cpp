#include "verify/media_input.h"

#include "base/unique_fd.h"
#include "media/av_error.h"
#include "media/av_words.h"
#include "media/hdr_side_data.h"
#include "media/packet.h"
#include "output/av_format.h"
#include "output/interrupt.h"
#include "output/output_spec.h"
#include "output/resolver.h"

extern "C" {
#include <libavcodec/packet.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/mem.h>
}

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <utility>
#include <variant>

namespace zc::verify {
namespace {

constexpr int kBuffer = 64 * 1024;
constexpr std::chrono::milliseconds kPollSlice{50};
/// Bytes that are looked at to tell what they are: enough for every container that is looked for.
constexpr const char* kProbeBytes = "500000";

const std::uint8_t* side_data(const AVStream& stream, AVPacketSideDataType type) {
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
  const AVCodecParameters& codec = *stream.codecpar;
  const AVPacketSideData* data = av_packet_side_data_get(codec.coded_side_data, codec.nb_coded_side_data, type);
  return data == nullptr ? nullptr : data->data;
#else
  return av_stream_get_side_data(&stream, type, nullptr);
#endif
}

}  // namespace

struct MediaInput::Impl {
  std::string name;
  Nanoseconds timeout{};
  Stopped stopped;
  bool live = false;
  bool silent = false;
  Nanoseconds deadline{};
  UniqueFd fd;
  bool regular = false;
  int read_errno = 0;
  AvioPtr file;
  AvioConnection peer;
  AvInputPtr format;  ///< dies before what it reads from
  AvPacketPtr packet{av_packet_alloc()};
  const AVStream* video = nullptr;  ///< owned by format, as the next
  const AVStream* sound = nullptr;
  Codec codec = Codec::H264;

  [[nodiscard]] AVIOInterruptCB interrupt() { return {&Impl::interrupted, this}; }
  static int interrupted(void* self) {
    auto& impl = *static_cast<Impl*>(self);
    if (impl.stopped && impl.stopped()) return 1;
    if (monotonic_now() < impl.deadline) return 0;
    impl.silent = true;
    return 1;
  }
  static int on_read(void* self, std::uint8_t* to, int size);
  static std::int64_t on_seek(void* self, std::int64_t offset, int whence);

  [[nodiscard]] Result<void> open_file(const std::string& path);
  [[nodiscard]] Result<void> open_peer(const OutputSpec& spec);
  [[nodiscard]] Result<void> open_format();
  /// Whether the packet's stream is the one, once that is known.
  [[nodiscard]] Result<bool> choose_stream();
};

int MediaInput::Impl::on_read(void* self, std::uint8_t* to, int size) {
  auto& impl = *static_cast<Impl*>(self);
  while (true) {
    if (!impl.regular) {
      pollfd waited{impl.fd.get(), POLLIN, 0};
      const int ready = ::poll(&waited, 1, static_cast<int>(kPollSlice.count()));
      if (interrupted(self) != 0) return AVERROR_EXIT;
      if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    } else if (interrupted(self) != 0) {
      return AVERROR_EXIT;
    }
    const ssize_t got = ::read(impl.fd.get(), to, static_cast<std::size_t>(size));
    if (got > 0) {
      impl.deadline = monotonic_now() + impl.timeout;
      return static_cast<int>(got);
    }
    if (got == 0) return AVERROR_EOF;
    if (errno == EINTR || errno == EAGAIN) continue;
    impl.read_errno = errno;
    return AVERROR(impl.read_errno);
  }
}

std::int64_t MediaInput::Impl::on_seek(void* self, std::int64_t offset, int whence) {
  const auto& impl = *static_cast<Impl*>(self);
  struct stat facts{};
  if (whence == AVSEEK_SIZE) return ::fstat(impl.fd.get(), &facts) == 0 ? facts.st_size : AVERROR(errno);
  const off_t at = ::lseek(impl.fd.get(), offset, whence & ~AVSEEK_FORCE);
  return at < 0 ? AVERROR(errno) : at;
}

Result<void> MediaInput::Impl::open_file(const std::string& path) {
  const bool standard_input = path == "-";
  name = standard_input ? "stdin" : path;
  const std::string operation = fmt::format("open {}", name);
  if (standard_input) {
    auto copy = UniqueFd::dup(STDIN_FILENO);
    if (!copy) return std::unexpected(std::move(copy.error()));
    fd = *std::move(copy);
  } else {
    // A FIFO whose writer has not come yet does not hold us up either.
    fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!fd) return fail_errno(errno, operation);
  }
  struct stat facts{};
  if (::fstat(fd.get(), &facts) != 0) return fail_errno(errno, operation);
  if (S_ISDIR(facts.st_mode)) return fail(ErrorKind::Invalid, operation, "is a folder, not a file");
  regular = S_ISREG(facts.st_mode);
  if (regular && facts.st_size == 0) return fail(ErrorKind::Invalid, operation, "it is empty");
  auto* buffer = static_cast<std::uint8_t*>(av_malloc(kBuffer));
  if (buffer == nullptr) return fail_errno(ENOMEM, operation);
  file.reset(avio_alloc_context(buffer, kBuffer, 0, this, &on_read, nullptr, regular ? &on_seek : nullptr));
  if (file == nullptr) {
    av_free(buffer);
    return fail_errno(ENOMEM, operation);
  }
  return {};
}

Result<void> MediaInput::Impl::open_peer(const OutputSpec& spec) {
  name = spec.name();
  live = true;
  if (std::holds_alternative<RtmpOutput>(spec.target)) {
    return fail(ErrorKind::Unsupported, fmt::format("open {}", name), "RTMP is published, not read");
  }
  if (spec.container == Container::Hls) {
    return fail(ErrorKind::Unsupported, fmt::format("open {}", name), "an HLS stream is written, not read");
  }
  if (spec.container == Container::Rtp) {
    return fail(ErrorKind::Unsupported, fmt::format("open {}", name), "RTP and RTSP are sent, not read");
  }
  Endpoint endpoint;
  std::string scheme = "udp";
  AvOptions options;
  options.set("rw_timeout", std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(timeout).count()));
  if (const auto* udp = std::get_if<UdpOutput>(&spec.target)) {
    endpoint = udp->peer;
    options.set("overrun_nonfatal", "1");
  } else if (const auto* tcp = std::get_if<TcpOutput>(&spec.target)) {
    endpoint = tcp->endpoint;
    scheme = "tcp";
    if (tcp->listen) options.set("listen", "1");
  } else if (const auto* srt = std::get_if<SrtOutput>(&spec.target)) {
    endpoint = srt->endpoint;
    scheme = "srt";
    options.set("mode", srt->listener ? "listener" : "caller");
    if (srt->latency) {
      options.set("latency",
                  std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(*srt->latency).count()));
    }
    // As an option, never in the URL: libavformat logs URLs.
    const auto passphrase = read_passphrase(*srt);
    if (!passphrase) return std::unexpected(passphrase.error());
    if (!passphrase->empty()) options.set("passphrase", passphrase->reveal());
    if (!srt->stream_id.empty()) options.set("streamid", srt->stream_id);
    if (srt->key_bytes != 0) options.set("pbkeylen", std::to_string(srt->key_bytes));
  }
  if (endpoint.host.empty()) endpoint.host = "0.0.0.0";
  // libavformat would resolve the name itself, without a way to stop it.
  auto interrupt_event = Interrupt::create();
  if (!interrupt_event) return std::unexpected(std::move(interrupt_event.error()));
  Resolver resolver;
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(timeout);
  const auto addresses = resolver.resolve(endpoint, **interrupt_event, limit);
  if (!addresses) return std::unexpected(addresses.error());
  const std::string operation = fmt::format("open {}", name);
  if (addresses->empty()) return fail(ErrorKind::NotFound, operation, "the host has no address");
  const AVIOInterruptCB callback = interrupt();
  AVIOContext* io = nullptr;
  const std::string url = fmt::format("{}://{}", scheme, addresses->front().text());
  const int code = avio_open2(&io, url.c_str(), AVIO_FLAG_READ, &callback, options.get());
  if (code >= 0) {
    peer.reset(io);
    return {};
  }
  if (stopped && stopped()) return fail(ErrorKind::Cancelled, operation, "stopped");
  if (silent) return fail(ErrorKind::Timeout, operation, "nobody answers");
  if (code == AVERROR_PROTOCOL_NOT_FOUND) {
    return fail(ErrorKind::Unsupported, operation, fmt::format("this FFmpeg has no {}", scheme));
  }
  return fail(ErrorKind::Lost, operation, av_error_text(code));
}

Result<void> MediaInput::Impl::open_format() {
  const std::string operation = fmt::format("read {}", name);
  if (packet == nullptr) return fail_errno(ENOMEM, operation);
  AvOptions options;
  options.set("probesize", kProbeBytes);
  const int code = open_input(format, live ? peer.get() : file.get(), options, interrupt());
  if (code >= 0) return {};
  if (stopped && stopped()) return fail(ErrorKind::Cancelled, operation, "stopped");
  if (silent) {
    return fail(ErrorKind::Timeout, operation,
                fmt::format("nothing came for {:g} s", std::chrono::duration<double>(timeout).count()));
  }
  if (code == AVERROR(ENOMEM)) return fail_errno(ENOMEM, operation);
  if (read_errno != 0) return fail_errno(read_errno, operation);
  return fail(ErrorKind::Invalid, operation, "it is no Matroska, MP4 or MPEG-TS that can be read");
}

Result<std::unique_ptr<MediaInput>> MediaInput::open(const std::string& what, Nanoseconds timeout, Stopped stopped) {
  auto impl = std::make_unique<Impl>();
  impl->timeout = timeout;
  impl->stopped = std::move(stopped);
  impl->deadline = monotonic_now() + timeout;
  Result<void> opened;
  if (what.find("://") != std::string::npos) {
    const auto spec = parse_output(what, std::nullopt, false);
    if (!spec) return fail(ErrorKind::Invalid, "input", spec.error().detail);
    opened = impl->open_peer(*spec);
  } else {
    opened = impl->open_file(what);
  }
  if (opened) opened = impl->open_format();
  if (!opened) return std::unexpected(std::move(opened.error()));
  return std::unique_ptr<MediaInput>(new MediaInput(std::move(impl)));
}

MediaInput::MediaInput(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MediaInput::~MediaInput() = default;

Result<bool> MediaInput::Impl::choose_stream() {
  const AVStream* stream = format->streams[packet->stream_index];
  sound = stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO ? stream : nullptr;
  if (sound != nullptr) return true;
  if (video != nullptr) return stream == video;
  if (stream->codecpar->codec_type != AVMEDIA_TYPE_VIDEO) return false;
  const auto found = codec_of(stream->codecpar->codec_id);
  if (!found) {
    return fail(ErrorKind::Invalid, fmt::format("read {}", name),
                fmt::format("its video is {}, none of h264, hevc, av1", avcodec_get_name(stream->codecpar->codec_id)));
  }
  video = stream;
  codec = *found;
  return true;
}

Result<const AVPacket*> MediaInput::next() {
  Impl& impl = *impl_;
  const std::string operation = fmt::format("read {}", impl.name);
  // Packets of other streams do not put the end off for ever either: the deadline moves with the video only.
  if (impl.sound == nullptr) impl.deadline = monotonic_now() + impl.timeout;
  while (true) {
    av_packet_unref(impl.packet.get());
    const int code = av_read_frame(impl.format.get(), impl.packet.get());
    if (code < 0) {
      if (impl.stopped && impl.stopped()) return nullptr;
      if (impl.video == nullptr && impl.silent) return fail(ErrorKind::Timeout, operation, "no video came");
      if (impl.video == nullptr) return fail(ErrorKind::Invalid, operation, "it has no video that can be read");
      if (impl.read_errno != 0) return fail_errno(impl.read_errno, operation);
      // A peer that hangs up ends the stream, whatever libavformat calls it.
      if (code == AVERROR_EOF || impl.silent || impl.live) return nullptr;
      return fail(ErrorKind::Lost, operation, av_error_text(code));
    }
    const auto wanted = impl.choose_stream();
    if (!wanted) return std::unexpected(wanted.error());
    if (!*wanted) continue;
    const AVStream& stream = impl.sound != nullptr ? *impl.sound : *impl.video;
    av_packet_rescale_ts(impl.packet.get(), stream.time_base, {1, static_cast<int>(kPacketClock)});
    return impl.packet.get();
  }
}

const std::string& MediaInput::name() const { return impl_->name; }
const AVStream* MediaInput::sound() const { return impl_->sound; }
bool MediaInput::live() const { return impl_->live; }
bool MediaInput::went_silent() const { return impl_->silent; }
std::string MediaInput::container() const { return impl_->format->iformat->name; }
Codec MediaInput::codec() const { return impl_->codec; }

std::span<const std::byte> MediaInput::extradata() const {
  const AVCodecParameters& codec = *impl_->video->codecpar;
  if (codec.extradata == nullptr || codec.extradata_size <= 0) return {};
  return {reinterpret_cast<const std::byte*>(codec.extradata), static_cast<std::size_t>(codec.extradata_size)};
}

HdrMetadata MediaInput::hdr() const {
  HdrMetadata hdr;
  if (const auto* data = side_data(*impl_->video, AV_PKT_DATA_MASTERING_DISPLAY_METADATA)) {
    hdr.mastering = from_av(*reinterpret_cast<const AVMasteringDisplayMetadata*>(data));
  }
  if (const auto* data = side_data(*impl_->video, AV_PKT_DATA_CONTENT_LIGHT_LEVEL)) {
    hdr.light = from_av(*reinterpret_cast<const AVContentLightMetadata*>(data));
  }
  return hdr;
}

}  // namespace zc::verify
