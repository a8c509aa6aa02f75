#include "output/remux.h"

#include "base/unique_fd.h"
#include "media/av_error.h"
#include "media/av_words.h"
#include "output/av_format.h"
#include "output/mp4_boxes.h"
#include "output/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

namespace zc {
namespace {

constexpr int kBuffer = 256 * 1024;
constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::min();  // AV_NOPTS_VALUE

std::unexpected<Error> fail_av(int code, std::string operation) {
  // libavformat passes the file system's errors on.
  for (const int error : {ENOSPC, EDQUOT, EFBIG, EIO, EACCES, EPERM, EROFS, ENOMEM}) {
    if (code == AVERROR(error)) return fail_errno(error, std::move(operation));
  }
  return fail_ffmpeg(ErrorKind::Unsupported, code, std::move(operation));
}

/// The end of what libavformat bears: it opens no MP4 that was cut off in the middle of a `moof`.
std::int64_t readable_bytes(int fd, std::int64_t size) {
  std::int64_t at = 0;
  while (at < size) {
    std::array<std::byte, 16> header{};
    if (::pread(fd, header.data(), header.size(), at) < 8) return size;
    mp4::BoxReader in(header);
    std::uint64_t bytes = in.u32();
    const mp4::BoxType type = in.u32();
    if (at == 0 && type != mp4::box_type("ftyp")) return size;
    if (bytes == 1) bytes = in.number(8);
    if (bytes < 8 || std::cmp_greater(bytes, size - at)) return type == mp4::box_type("moof") ? at : size;
    at += static_cast<std::int64_t>(bytes);
  }
  return size;
}

bool takes(Container container, const AVStream& stream) {
  // What libavformat's mpegts muxer has a stream type for; it has no table to ask for that.
  constexpr std::array kTsAudio{AV_CODEC_ID_AAC, AV_CODEC_ID_MP2,  AV_CODEC_ID_MP3,
                                AV_CODEC_ID_AC3, AV_CODEC_ID_EAC3, AV_CODEC_ID_OPUS};
  const AVCodecParameters& codec = *stream.codecpar;
  if (const auto ours = codec_of(codec.codec_id)) return check_codec(container, *ours).has_value();
  if ((stream.disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) return false;
  if (codec.codec_type != AVMEDIA_TYPE_VIDEO && codec.codec_type != AVMEDIA_TYPE_AUDIO &&
      codec.codec_type != AVMEDIA_TYPE_SUBTITLE) {
    return false;
  }
  if (container == Container::Ts) return std::ranges::find(kTsAudio, codec.codec_id) != kTsAudio.end();
  const AVOutputFormat* muxer = av_guess_format(info(container).muxer, nullptr, nullptr);
  return muxer != nullptr && avformat_query_codec(muxer, codec.codec_id, FF_COMPLIANCE_NORMAL) == 1;
}

/// "stream 1 (audio, flac)".
std::string shown(const AVStream& stream) {
  const char* type = av_get_media_type_string(stream.codecpar->codec_type);
  return fmt::format("stream {} ({}, {})", stream.index, type != nullptr ? type : "unknown",
                     avcodec_get_name(stream.codecpar->codec_id));
}

/// False when out of memory.
bool describe(const AVStream& from, Container container, AVStream& to) {
  if (avcodec_parameters_copy(to.codecpar, from.codecpar) < 0) return false;
#if LIBAVFORMAT_VERSION_INT < AV_VERSION_INT(60, 15, 100)
  for (int i = 0; i < from.nb_side_data; ++i) {  // HDR metadata among it
    const AVPacketSideData& data = from.side_data[i];
    std::uint8_t* copy = av_stream_new_side_data(&to, data.type, data.size);
    if (copy == nullptr) return false;
    std::memcpy(copy, data.data, data.size);
  }
#endif
  // As recordings have it (muxer.cpp).
  const bool hvc1 = container == Container::Mp4 && from.codecpar->codec_id == AV_CODEC_ID_HEVC;
  to.codecpar->codec_tag = hvc1 ? MKTAG('h', 'v', 'c', '1') : 0;
  to.time_base = from.time_base;
  to.avg_frame_rate = from.avg_frame_rate;
  to.r_frame_rate = from.r_frame_rate;
  to.sample_aspect_ratio = from.sample_aspect_ratio;
  to.disposition = from.disposition;
  return av_dict_copy(&to.metadata, from.metadata, 0) >= 0;
}

}  // namespace

struct RecordedFile::Impl {
  std::string path;
  UniqueFd fd;
  struct stat facts{};
  std::int64_t position = 0;
  std::int64_t end = 0;  ///< bytes that are read
  AvioPtr io;
  AvInputPtr format;  ///< dies before `io`

  static int on_read(void* self, std::uint8_t* to, int size) noexcept {
    auto& impl = *static_cast<Impl*>(self);
    const std::int64_t wanted = std::min<std::int64_t>(size, impl.end - impl.position);
    if (wanted <= 0) return AVERROR_EOF;
    const ssize_t got = ::pread(impl.fd.get(), to, static_cast<std::size_t>(wanted), impl.position);
    if (got < 0) return AVERROR(errno);
    if (got == 0) return AVERROR_EOF;
    impl.position += got;
    return static_cast<int>(got);
  }
  static std::int64_t on_seek(void* self, std::int64_t offset, int whence) noexcept {
    auto& impl = *static_cast<Impl*>(self);
    switch (whence & ~AVSEEK_FORCE) {
      case AVSEEK_SIZE: return impl.end;
      case SEEK_SET: break;
      case SEEK_CUR: offset += impl.position; break;
      case SEEK_END: offset += impl.end; break;
      default: return AVERROR(EINVAL);
    }
    if (offset < 0) return AVERROR(EINVAL);
    impl.position = offset;
    return offset;
  }

  [[nodiscard]] Result<void> open();
  [[nodiscard]] Result<void> check_output(const FileOutput& output) const;
};

RecordedFile::RecordedFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RecordedFile::~RecordedFile() = default;

Result<std::unique_ptr<RecordedFile>> RecordedFile::open(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  if (auto opened = impl->open(); !opened) return std::unexpected(std::move(opened.error()));
  return std::unique_ptr<RecordedFile>(new RecordedFile(std::move(impl)));
}

Result<void> RecordedFile::Impl::open() {
  const std::string operation = fmt::format("open {}", path);
  fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd || ::fstat(fd.get(), &facts) != 0) return fail_errno(errno, operation);
  if (S_ISDIR(facts.st_mode)) return fail(ErrorKind::Invalid, operation, "is a folder, not a file");
  if (!S_ISREG(facts.st_mode)) return fail(ErrorKind::Invalid, operation, "is no file that lies on a disk");
  if (facts.st_size == 0) return fail(ErrorKind::Invalid, operation, "it is empty");
  end = readable_bytes(fd.get(), facts.st_size);
  auto* buffer = static_cast<std::uint8_t*>(av_malloc(kBuffer));
  if (buffer != nullptr) io.reset(avio_alloc_context(buffer, kBuffer, 0, this, &on_read, nullptr, &on_seek));
  if (io == nullptr) {
    av_free(buffer);
    return fail_errno(ENOMEM, operation);
  }
  AvOptions options;
  if (open_input(format, io.get(), options) < 0 || avformat_find_stream_info(format.get(), nullptr) < 0) {
    return fail(ErrorKind::Invalid, fmt::format("read {}", path), "it is no Matroska, MP4 or MPEG-TS that can be read");
  }
  return {};
}

Result<void> RecordedFile::Impl::check_output(const FileOutput& output) const {
  struct stat there{};
  if (::stat(output.path.c_str(), &there) != 0) return {};
  if (there.st_dev != facts.st_dev || there.st_ino != facts.st_ino) return {};
  return fail(ErrorKind::Invalid, fmt::format("write {}", output.path), fmt::format("it is the same file as {}", path));
}

namespace {

/// The streams of one file on their way into another.
struct Copy {
  struct Stream {
    AVStream* to = nullptr;       ///< empty: it is left out
    std::int64_t last = kNoTime;  ///< decoding time, in the new one's ticks
  };

  AVFormatContext* from = nullptr;
  std::string operation;
  AvioConnection io;
  AvOutputPtr to;  ///< dies before `io`
  AvPacketPtr packet{av_packet_alloc()};
  std::vector<Stream> streams;
  std::vector<std::string> left_out;
  bool empty = true;

  [[nodiscard]] Result<void> open(const std::string& path, Container container);
  /// False at the end.
  [[nodiscard]] Result<bool> step(bool torn_is_whole);
  [[nodiscard]] Result<void> finish();
};

Result<void> Copy::open(const std::string& path, Container container) {
  AVFormatContext* context = nullptr;
  if (avformat_alloc_output_context2(&context, nullptr, info(container).muxer, nullptr) < 0 || packet == nullptr) {
    return fail_errno(ENOMEM, operation);
  }
  to.reset(context);
  to->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;  // FFmpeg 5.1 still calls FLAC in MP4 that
  streams.resize(from->nb_streams);
  for (unsigned i = 0; i < from->nb_streams; ++i) {
    const AVStream& stream = *from->streams[i];
    if (!takes(container, stream)) {
      left_out.push_back(fmt::format("{} does not fit into {}", shown(stream), info(container).title));
      continue;
    }
    AVStream* made = avformat_new_stream(to.get(), nullptr);
    if (made == nullptr || !describe(stream, container, *made)) return fail_errno(ENOMEM, operation);
    streams[i].to = made;
  }
  if (to->nb_streams == 0) {
    return fail(ErrorKind::Unsupported, operation,
                left_out.empty() ? std::string("there is no stream to copy") : left_out.front());
  }
  av_dict_copy(&to->metadata, from->metadata, 0);
  for (const char* brand : {"major_brand", "minor_version", "compatible_brands"}) {
    av_dict_set(&to->metadata, brand, nullptr, 0);  // of the container that it was in
  }
  AVIOContext* opened = nullptr;
  if (const int code = avio_open(&opened, ("file:" + path).c_str(), AVIO_FLAG_WRITE); code < 0) {
    return fail_av(code, operation);
  }
  io.reset(opened);
  to->pb = opened;
  if (const int code = avformat_write_header(to.get(), nullptr); code < 0) return fail_av(code, operation);
  return {};
}

Result<bool> Copy::step(bool torn_is_whole) {
  const int code = av_read_frame(from, packet.get());
  if (code == AVERROR(EAGAIN)) return true;
  if (code < 0) {
    if (code != AVERROR_EOF) {
      left_out.push_back(fmt::format("what follows cannot be read: {}", fail_av(code, "").error().detail));
    }
    return false;
  }
  const auto index = static_cast<std::size_t>(packet->stream_index);
  const bool torn = !torn_is_whole && (packet->flags & AV_PKT_FLAG_CORRUPT) != 0;
  if (torn) left_out.push_back(fmt::format("a packet of {} was cut off", shown(*from->streams[index])));
  if (torn || index >= streams.size() || streams[index].to == nullptr) {
    av_packet_unref(packet.get());
    return true;
  }
  Stream& stream = streams[index];
  const AVRational base = from->streams[index]->time_base;
  if (from->start_time != kNoTime) {
    const std::int64_t start = av_rescale_q(from->start_time, {1, AV_TIME_BASE}, base);
    if (packet->pts != kNoTime) packet->pts -= start;
    if (packet->dts != kNoTime) packet->dts -= start;
  }
  av_packet_rescale_ts(packet.get(), base, stream.to->time_base);
  if (packet->dts != kNoTime) {
    // Muxers refuse times that do not rise.
    if (stream.last != kNoTime && packet->dts <= stream.last) {
      packet->dts = stream.last + 1;
      if (packet->pts != kNoTime) packet->pts = std::max(packet->pts, packet->dts);
    }
    stream.last = packet->dts;
  }
  packet->stream_index = stream.to->index;
  packet->pos = -1;
  const int written = av_interleaved_write_frame(to.get(), packet.get());  // takes the packet over
  if (written < 0) return fail_av(written, operation);
  empty = false;
  return true;
}

Result<void> Copy::finish() {
  int code = av_write_trailer(to.get());
  avio_flush(io.get());
  if (code >= 0) code = io->error;
  const int closed = avio_close(io.release());
  if (code >= 0) code = closed;
  if (code < 0) return fail_av(code, operation);
  return {};
}

}  // namespace

Result<std::vector<std::string>> RecordedFile::copy_to(const FileOutput& output, Container container,
                                                       const std::function<bool()>& stopped) {
  if (auto good = impl_->check_output(output); !good) return std::unexpected(std::move(good.error()));
  auto file = NewFile::create(output);
  if (!file) return std::unexpected(std::move(file.error()));
  Copy copy;
  copy.from = impl_->format.get();
  copy.operation = fmt::format("write {}", output.path);
  if (auto opened = copy.open(file->partial(), container); !opened) return std::unexpected(std::move(opened.error()));
  // MPEG-TS marks every packet behind a gap.
  const bool transport_stream = std::string_view(copy.from->iformat->name) == "mpegts";
  while (true) {
    if (stopped && stopped()) return fail(ErrorKind::Cancelled, copy.operation, "stopped, and nothing was made");
    const auto more = copy.step(transport_stream);
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
  }
  if (copy.empty) return fail(ErrorKind::Invalid, fmt::format("read {}", impl_->path), "nothing is in it yet");
  if (auto finished = copy.finish(); !finished) return std::unexpected(std::move(finished.error()));
  if (auto renamed = file->finish(); !renamed) return std::unexpected(std::move(renamed.error()));
  return std::move(copy.left_out);
}

}  // namespace zc
