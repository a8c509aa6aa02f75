#include "decode/media_file.h"

#include "media/av_error.h"
#include "media/av_handles.h"
#include "media/av_log.h"

extern "C" {
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/mathematics.h>
}

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <fstream>
#include <span>
#include <string_view>
#include <utility>

namespace zc {
namespace {

/// A file that takes longer to tell what it is has something in it that waits.
constexpr Nanoseconds kOpenPatience = std::chrono::seconds(20);
/// How an HLS playlist begins, whose demuxer would look for the pieces again and again.
constexpr std::string_view kPlaylist = "#EXTM3U";

bool is_playlist(const std::string& path) {
  std::string begin(kPlaylist.size(), '\0');
  std::ifstream(path, std::ios::binary).read(begin.data(), static_cast<std::streamsize>(begin.size()));
  return begin == kPlaylist;
}

constexpr AVRational kNanosecond{1, 1'000'000'000};

struct InputClose {
  void operator()(AVFormatContext* context) const noexcept { avformat_close_input(&context); }
};
using InputPtr = std::unique_ptr<AVFormatContext, InputClose>;

const std::uint8_t* display_matrix(const AVStream& stream) {
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
  const AVCodecParameters& codec = *stream.codecpar;
  const AVPacketSideData* data =
      av_packet_side_data_get(codec.coded_side_data, codec.nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
  return data == nullptr ? nullptr : data->data;
#else
  return av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, nullptr);
#endif
}

/// Quarter turns only; a phone records no other ones.
Transform transform_of(const AVStream& stream) {
  const std::uint8_t* matrix = display_matrix(stream);
  if (matrix == nullptr) return Transform::Normal;
  // Counter-clockwise, in degrees; not a number where the matrix turns nothing.
  const double angle = av_display_rotation_get(reinterpret_cast<const std::int32_t*>(matrix));
  if (!std::isfinite(angle)) return Transform::Normal;
  switch ((static_cast<int>(std::lround(angle / 90)) % 4 + 4) % 4) {
    case 1: return Transform::Rot270;
    case 2: return Transform::Rot180;
    case 3: return Transform::Rot90;
    default: return Transform::Normal;
  }
}

Rational rate_of(AVFormatContext& format, AVStream& stream) {
  const AVRational rate = av_guess_frame_rate(&format, &stream, nullptr);
  if (rate.num <= 0 || rate.den <= 0) return {};
  return {static_cast<std::uint32_t>(rate.num), static_cast<std::uint32_t>(rate.den)};
}

/// Null: there is none.
AVStream* sound_of(const AVFormatContext& format) {
  AVStream* first = nullptr;
  for (AVStream* stream : std::span(format.streams, format.nb_streams)) {
    if (stream->codecpar->codec_type != AVMEDIA_TYPE_AUDIO) continue;
    if ((stream->disposition & AV_DISPOSITION_DEFAULT) != 0) return stream;
    if (first == nullptr) first = stream;
  }
  return first;
}

}  // namespace

struct MediaFile::Impl {
  std::string name;
  std::function<bool()> stopped;
  std::optional<Nanoseconds> open_until;  ///< set while it is opened
  InputPtr format;
  AvPacketPtr packet{av_packet_alloc()};
  AVStream* video = nullptr;  ///< owned by format
  AVStream* read = nullptr;   ///< likewise: what next() gives
  std::int64_t first = 0;     ///< the video's first time stamp, in its units
  std::int64_t zero = 0;      ///< the same, in those of what is read
  Stream stream;

  static int interrupted(void* self) {
    const auto& impl = *static_cast<Impl*>(self);
    const bool late = impl.open_until && monotonic_now() > *impl.open_until;
    return late || (impl.stopped && impl.stopped()) ? 1 : 0;
  }
  [[nodiscard]] Result<void> open(Kind kind);
};

Result<void> MediaFile::Impl::open(Kind kind) {
  const std::string operation = fmt::format("open {}", name);
  struct stat facts{};
  if (::stat(name.c_str(), &facts) != 0) return fail_errno(errno, operation);
  if (S_ISDIR(facts.st_mode)) return fail(ErrorKind::Invalid, operation, "it is a folder, not a file");
  if (!S_ISREG(facts.st_mode)) return fail(ErrorKind::Invalid, operation, "it is not a regular file");
  if (facts.st_size == 0) return fail(ErrorKind::Invalid, operation, "it is empty");
  if (is_playlist(name)) {
    return fail(ErrorKind::Invalid, operation, "it is a playlist, which as a source has a name that ends in .m3u");
  }
  open_until = monotonic_now() + kOpenPatience;
  AVFormatContext* context = avformat_alloc_context();
  if (context == nullptr || packet == nullptr) return fail_codec(AVERROR(ENOMEM), operation);
  context->interrupt_callback = {&Impl::interrupted, this};
  // Its errors are ours to tell; what it says of a damaged file would be a line each.
  const AvLogCapture quiet;
  AvOptions options;
  options.set("protocol_whitelist", "file");
  int code = avformat_open_input(&context, ("file:" + name).c_str(), nullptr, options.get());
  if (code < 0) {  // the context is gone
    if (stopped && stopped()) return fail(ErrorKind::Cancelled, operation, "stopped");
    if (code == AVERROR(EACCES) || code == AVERROR(ENOENT)) return fail_errno(-code, operation);
    return fail(ErrorKind::Invalid, operation, "it is no media file that this FFmpeg reads");
  }
  format.reset(context);
  code = avformat_find_stream_info(context, nullptr);
  if (stopped && stopped()) return fail(ErrorKind::Cancelled, operation, "stopped");
  if (code < 0) return fail(ErrorKind::Invalid, operation, av_error_text(code));
  open_until.reset();
  const int best = av_find_best_stream(context, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (best < 0) return fail(ErrorKind::Invalid, operation, "it has no video");
  video = context->streams[best];
  read = kind == Kind::Sound ? sound_of(*context) : video;
  if (read == nullptr) return fail(ErrorKind::Unsupported, operation, "it has no sound");
  for (AVStream* other : std::span(context->streams, context->nb_streams)) {
    if (other != read) other->discard = AVDISCARD_ALL;
  }
  const AVCodecParameters& codec = *read->codecpar;
  if (video->start_time != AV_NOPTS_VALUE) first = video->start_time;
  zero = av_rescale_q(first, video->time_base, read->time_base);
  stream.codec = codec.codec_id;
  stream.codec_name = avcodec_get_name(codec.codec_id);
  if (codec.width > 0 && codec.height > 0) {
    stream.size = {static_cast<std::uint32_t>(codec.width), static_cast<std::uint32_t>(codec.height)};
  }
  stream.rate = rate_of(*context, *video);
  stream.transform = transform_of(*video);
  if (context->duration > 0) stream.duration = std::chrono::microseconds(context->duration);
  return {};
}

Result<std::unique_ptr<MediaFile>> MediaFile::open(const std::string& path, std::function<bool()> stopped, Kind kind) {
  auto impl = std::make_unique<Impl>();
  impl->name = path;
  impl->stopped = std::move(stopped);
  if (auto opened = impl->open(kind); !opened) return std::unexpected(std::move(opened.error()));
  return std::unique_ptr<MediaFile>(new MediaFile(std::move(impl)));
}

MediaFile::MediaFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MediaFile::~MediaFile() = default;

const MediaFile::Stream& MediaFile::stream() const { return impl_->stream; }

const AVCodecParameters& MediaFile::parameters() const { return *impl_->read->codecpar; }

AVRational MediaFile::time_base() const { return impl_->read->time_base; }

Result<const AVPacket*> MediaFile::next() {
  Impl& impl = *impl_;
  const AvLogCapture quiet;
  while (true) {
    av_packet_unref(impl.packet.get());
    const int code = av_read_frame(impl.format.get(), impl.packet.get());
    if (code == AVERROR_EOF) return nullptr;
    if (code < 0) {
      if (impl.stopped && impl.stopped()) return fail(ErrorKind::Cancelled, "read " + impl.name, "stopped");
      return fail_ffmpeg(ErrorKind::Lost, code, "read " + impl.name);
    }
    if (impl.packet->stream_index == impl.read->index) return impl.packet.get();
  }
}

std::optional<Nanoseconds> MediaFile::time(std::int64_t stamp) const {
  if (stamp == AV_NOPTS_VALUE) return std::nullopt;
  return length(stamp - impl_->zero);
}

Nanoseconds MediaFile::length(std::int64_t ticks) const {
  return Nanoseconds(av_rescale_q(ticks, impl_->read->time_base, kNanosecond));
}

Result<void> MediaFile::seek(Nanoseconds to) {
  const std::int64_t stamp = impl_->first + av_rescale_q(to.count(), kNanosecond, impl_->video->time_base);
  const AvLogCapture quiet;
  // MPEG-TS is searched through packets of the stream, which must not be left out for that.
  const AVDiscard discard = std::exchange(impl_->video->discard, AVDISCARD_DEFAULT);
  const int code = av_seek_frame(impl_->format.get(), impl_->video->index, stamp, AVSEEK_FLAG_BACKWARD);
  impl_->video->discard = discard;
  if (code < 0) {
    return fail(ErrorKind::Unsupported, "seek in " + impl_->name, "its container does not allow it");
  }
  return {};
}

}  // namespace zc
