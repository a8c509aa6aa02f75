#include "decode/clip.h"

#include "base/log.h"
#include "decode/video_decoder.h"

extern "C" {
#include <libavcodec/packet.h>
#include <libavutil/frame.h>
#include <libavutil/log.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>

namespace zc {
namespace {

/// After an error a decoder is asked on; it never needs so many answers for one packet.
constexpr int kMostErrorsInARow = 64;
/// A decoder that gave no picture for so many packets does not decode the stream.
constexpr std::size_t kTrialPackets = 256;
/// Where a file says neither rate nor lengths.
constexpr Nanoseconds kUsualLength = std::chrono::milliseconds(40);
/// Times rise at least by so much.
constexpr Nanoseconds kLeastStep = std::chrono::microseconds(100);

Nanoseconds ticks_length(const MediaFile& file, const AVFrame& frame) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
  return file.length(frame.duration);
#else
  return file.length(frame.pkt_duration);
#endif
}

}  // namespace

struct Clip::Impl {
  Impl(std::string file_path, ClipOptions wanted) : path(std::move(file_path)), options(std::move(wanted)) {}

  [[nodiscard]] Result<void> open_file();
  [[nodiscard]] Result<void> open_next_decoder();
  /// Another decoder begins with the file anew, where there is one.
  [[nodiscard]] Result<void> begin_anew(Error why);
  [[nodiscard]] Result<void> feed();
  [[nodiscard]] Result<AvFramePtr> receive();
  [[nodiscard]] Picture timed(AvFramePtr frame);

  std::string path;
  ClipOptions options;
  std::size_t next_decoder = 0;
  std::unique_ptr<MediaFile> file;
  std::unique_ptr<VideoDecoder> decoder;
  std::optional<Error> trouble;  ///< the first error of a decoder that has given no picture yet
  std::size_t packets = 0;       ///< that it was sent
  bool works = false;            ///< it has given a picture
  bool drained = false;
  std::optional<Nanoseconds> last;  ///< time of the newest picture
  Nanoseconds last_length{};
  std::uint64_t damaged = 0;
};

Result<void> Clip::Impl::open_file() {
  auto opened = MediaFile::open(path, options.stopped);
  if (!opened) return std::unexpected(std::move(opened.error()));
  file = std::move(*opened);
  if (options.start <= Nanoseconds{}) return {};
  const auto duration = file->stream().duration;
  if (duration && options.start >= *duration) {
    return fail(ErrorKind::Invalid, "open " + path,
                fmt::format("it is {:.1f} s long, which is less than the start that was asked for",
                            std::chrono::duration<double>(*duration).count()));
  }
  if (auto sought = file->seek(options.start); !sought) {
    logger("capture").debug("{}: decoded from its beginning instead", sought.error().message());
  }
  return {};
}

Result<void> Clip::Impl::open_next_decoder() {
  while (true) {
    const DecoderBackend backend = options.decoders.at(next_decoder++);
    const bool last_one = next_decoder >= options.decoders.size();
    auto opened = VideoDecoder::open(backend, file->stream().codec,
                                     {.extradata = {},
                                      .stream = &file->parameters(),
                                      .device = {},
                                      .threads = 0,
                                      .quiet = true,
                                      .on_device = options.on_device,
                                      .held = options.held});
    if (opened) {
      decoder = std::move(*opened);
      trouble.reset();
      packets = 0;
      drained = false;
      return {};
    }
    if (last_one) return std::unexpected(std::move(opened.error()));
    logger("capture").debug("{}: {}", path, opened.error().message());
  }
}

Result<void> Clip::Impl::begin_anew(Error why) {
  if (next_decoder >= options.decoders.size()) return std::unexpected(std::move(why));
  logger("capture").info("{}: {}", path, why.message());
  damaged = 0;
  if (auto opened = open_file(); !opened) return opened;
  return open_next_decoder();
}

Result<void> Clip::Impl::feed() {
  auto packet = file->next();
  if (!packet && packet.error().kind == ErrorKind::Cancelled) return std::unexpected(std::move(packet.error()));
  if (!packet) {
    logger("capture").warn("{}: it ends here", packet.error().message());
    ++damaged;
  }
  if (!packet || *packet == nullptr) {
    drained = true;
    return decoder->drain();
  }
  ++packets;
  if (auto sent = decoder->send(**packet); !sent) {
    ++damaged;
    if (!trouble) trouble = std::move(sent.error());
  }
  return {};
}

Result<AvFramePtr> Clip::Impl::receive() {
  for (int errors = 0; errors < kMostErrorsInARow; ++errors) {
    auto frame = decoder->receive();
    if (frame) return frame;
    ++damaged;
    if (!trouble) trouble = std::move(frame.error());
  }
  return AvFramePtr();
}

Clip::Picture Clip::Impl::timed(AvFramePtr frame) {
  const bool first = !last;
  if (frame->decode_error_flags != 0 || (frame->flags & AV_FRAME_FLAG_CORRUPT) != 0) ++damaged;
  const Rational rate = file->stream().rate;
  Nanoseconds length = ticks_length(*file, *frame);
  if (length <= Nanoseconds{} && !rate.zero()) length = Nanoseconds(static_cast<std::int64_t>(1e9 / rate.value()));
  if (length <= Nanoseconds{}) length = kUsualLength;
  const Nanoseconds next = last ? *last + last_length : Nanoseconds{};
  Nanoseconds time = file->time(frame->best_effort_timestamp).value_or(next);
  if (!first) time = std::max(time, *last + kLeastStep);
  last = time;
  last_length = length;
  return {.frame = std::move(frame), .time = time, .length = length};
}

Result<std::unique_ptr<Clip>> Clip::open(const std::string& path, ClipOptions options) {
  auto impl = std::make_unique<Impl>(path, std::move(options));
  if (impl->options.decoders.empty()) impl->options.decoders = {DecoderBackend::Software};
  auto opened = impl->open_file();
  if (opened) opened = impl->open_next_decoder();
  if (!opened) return std::unexpected(std::move(opened.error()));
  return std::unique_ptr<Clip>(new Clip(std::move(impl)));
}

Clip::Clip(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Clip::~Clip() = default;

const MediaFile::Stream& Clip::stream() const { return impl_->file->stream(); }
DecoderBackend Clip::decoder() const { return impl_->decoder->backend(); }
std::uint64_t Clip::damaged() const { return impl_->damaged; }

Result<std::optional<Clip::Picture>> Clip::next() {
  Impl& impl = *impl_;
  while (true) {
    auto frame = impl.receive();
    if (!frame) return std::unexpected(std::move(frame.error()));
    if (*frame != nullptr) {
      impl.works = true;
      Picture picture = impl.timed(std::move(*frame));
      if (picture.time + picture.length <= impl.options.start) continue;
      return picture;
    }
    const bool hopeless =
        !impl.works && impl.trouble &&
        (impl.drained || impl.packets >= kTrialPackets || impl.decoder->backend() != DecoderBackend::Software);
    if (hopeless) {
      if (auto anew = impl.begin_anew(std::move(*impl.trouble)); !anew) return std::unexpected(std::move(anew.error()));
      continue;
    }
    if (impl.drained) return std::nullopt;
    if (auto fed = impl.feed(); !fed) return std::unexpected(std::move(fed.error()));
  }
}

}  // namespace zc
