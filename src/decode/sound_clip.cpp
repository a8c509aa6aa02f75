#include "decode/sound_clip.h"

#include "base/log.h"
#include "media/av_error.h"
#include "media/av_handles.h"
#include "media/av_log.h"
#include "media/surface.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libavutil/frame.h>
#include <libswresample/swresample.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace zc {
namespace {

/// A decoder's first frames behind a seek are made of what came before, which it has not seen.
constexpr Nanoseconds kRunUp = std::chrono::seconds(1);
/// Stamps may be off by so many samples (10 ms: containers round); more is a gap, or sound that is there twice.
constexpr std::int64_t kJump = kAudioRate / 100;
/// After an error a decoder is asked on; it never needs so many answers for one packet.
constexpr int kMostErrorsInARow = 64;

std::int64_t samples_in(Nanoseconds time) {
  return std::llround(std::chrono::duration<double>(time).count() * kAudioRate);
}

struct SwrFree {
  void operator()(SwrContext* context) const noexcept { swr_free(&context); }
};

/// A frame's layout, or the usual one of so many channels where it names none.
class Layout {
 public:
  explicit Layout(const AVChannelLayout& of) {
    if (of.order == AV_CHANNEL_ORDER_UNSPEC || av_channel_layout_copy(&layout_, &of) < 0) {
      av_channel_layout_default(&layout_, of.nb_channels);
    }
  }
  explicit Layout(std::uint64_t mask) { av_channel_layout_from_mask(&layout_, mask); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  ~Layout() { av_channel_layout_uninit(&layout_); }
  [[nodiscard]] AVChannelLayout* get() { return &layout_; }  // FFmpeg 5.1 takes no const

 private:
  AVChannelLayout layout_{};
};

}  // namespace

struct SoundClip::Impl {
  /// Samples that follow each other.
  struct Piece {
    std::int64_t position = 0;
    std::vector<float> samples;
  };

  Impl(std::string file_path, SoundClipOptions wanted)
      : path(std::move(file_path)),
        options(std::move(wanted)),
        channels(AudioFormat{.layout = options.layout}.channels()) {}

  [[nodiscard]] Result<void> open();
  /// There are more samples, or it is over. Cancelled.
  [[nodiscard]] Result<void> decode();
  [[nodiscard]] Result<void> feed();
  void take(const AVFrame& sound);
  [[nodiscard]] bool fits(const AVFrame& other) const;
  [[nodiscard]] bool open_converter(const AVFrame& sound);
  /// Null: what is still inside the filter.
  void convert(const AVFrame* sound);
  /// What is still inside the filter comes out; what comes next may be of any time.
  void end_run() {
    if (std::exchange(running, false)) convert(nullptr);
  }
  [[nodiscard]] std::int64_t end_of(const Piece& piece) const {
    return piece.position + static_cast<std::int64_t>(piece.samples.size() / channels);
  }

  std::string path;
  SoundClipOptions options;
  std::size_t channels;
  std::unique_ptr<MediaFile> file;
  AvCodecContextPtr decoder;
  AvFramePtr frame{av_frame_alloc()};
  std::unique_ptr<SwrContext, SwrFree> swr;
  // What swr converts.
  int rate = 0;
  int format = AV_SAMPLE_FMT_NONE;
  std::unique_ptr<Layout> from;
  bool running = false;   ///< frames follow each other
  std::int64_t next = 0;  ///< position of what swr gives next; what lies before `end` is there already
  std::int64_t end = 0;   ///< position behind the newest sample
  bool drained = false;
  bool over = false;
  std::deque<Piece> pieces;
  std::uint64_t damaged = 0;
};

Result<void> SoundClip::Impl::open() {
  auto opened = MediaFile::open(path, options.stopped, MediaFile::Kind::Sound);
  if (!opened) return std::unexpected(std::move(opened.error()));
  file = std::move(*opened);
  const std::string operation = "decode the sound of " + path;
  const AVCodec* codec = avcodec_find_decoder(file->stream().codec);
  if (codec == nullptr) {
    return fail(ErrorKind::Unsupported, operation,
                fmt::format("this FFmpeg has no decoder for {}", file->stream().codec_name));
  }
  decoder.reset(avcodec_alloc_context3(codec));
  if (decoder == nullptr || frame == nullptr) return fail_codec(AVERROR(ENOMEM), operation);
  const AvLogCapture quiet;
  int code = avcodec_parameters_to_context(decoder.get(), &file->parameters());
  decoder->pkt_timebase = file->time_base();  // to leave out an encoder's priming
  decoder->thread_count = 1;
  if (code >= 0) code = avcodec_open2(decoder.get(), codec, nullptr);
  if (code < 0) return fail_ffmpeg(ErrorKind::Unsupported, code, operation);
  if (options.start <= kRunUp) return {};
  if (auto sought = file->seek(options.start - kRunUp); !sought) {
    logger("capture").debug("{}: decoded from its beginning instead", sought.error().message());
  }
  return {};
}

Result<void> SoundClip::Impl::feed() {
  auto packet = file->next();
  if (!packet && packet.error().kind == ErrorKind::Cancelled) return std::unexpected(std::move(packet.error()));
  if (!packet) ++damaged;
  drained = !packet || *packet == nullptr;
  const AvLogCapture quiet;
  if (avcodec_send_packet(decoder.get(), drained ? nullptr : *packet) < 0) ++damaged;
  return {};
}

Result<void> SoundClip::Impl::decode() {
  for (int errors = 0;;) {
    int code = 0;
    {
      const AvLogCapture quiet;
      code = avcodec_receive_frame(decoder.get(), frame.get());
    }
    if (code >= 0) {
      take(*frame);
      av_frame_unref(frame.get());
      return {};
    }
    if (code != AVERROR(EAGAIN) && code != AVERROR_EOF) {
      ++damaged;
      if (++errors < kMostErrorsInARow) continue;
    }
    if (drained) {
      end_run();
      over = true;
      return {};
    }
    errors = 0;
    if (auto fed = feed(); !fed) return fed;
  }
}

bool SoundClip::Impl::fits(const AVFrame& other) const {
  return swr && other.sample_rate == rate && other.format == format &&
         av_channel_layout_compare(Layout(other.ch_layout).get(), from->get()) == 0;
}

bool SoundClip::Impl::open_converter(const AVFrame& sound) {
  Layout to(options.layout);
  from = std::make_unique<Layout>(sound.ch_layout);
  rate = sound.sample_rate;
  format = sound.format;
  SwrContext* context = nullptr;
  const AvLogCapture quiet;
  const int code = swr_alloc_set_opts2(&context, to.get(), AV_SAMPLE_FMT_FLT, static_cast<int>(kAudioRate), from->get(),
                                       static_cast<AVSampleFormat>(format), rate, 0, nullptr);
  swr.reset(context);
  if (code < 0 || swr_init(context) < 0) swr.reset();
  return swr != nullptr;
}

void SoundClip::Impl::take(const AVFrame& sound) {
  if (sound.nb_samples <= 0) return;
  if (!fits(sound)) {
    end_run();
    if (!open_converter(sound)) {
      ++damaged;
      return;
    }
  }
  const auto time = file->time(sound.best_effort_timestamp);
  const std::int64_t due = running ? next + swr_get_delay(swr.get(), kAudioRate) : end;
  const std::int64_t at = time ? samples_in(*time) : due;
  if (!running || std::abs(at - due) > kJump) {
    end_run();
    next = at;
    running = swr_init(swr.get()) >= 0;
  }
  if (running) convert(&sound);
}

void SoundClip::Impl::convert(const AVFrame* sound) {
  const int count = sound == nullptr ? 0 : sound->nb_samples;
  const int most = swr_get_out_samples(swr.get(), count);
  if (most <= 0) return;
  std::vector<float> samples(static_cast<std::size_t>(most) * channels);
  auto* out = reinterpret_cast<std::uint8_t*>(samples.data());
  auto** in = sound == nullptr ? nullptr : const_cast<const std::uint8_t**>(sound->extended_data);
  const int made = swr_convert(swr.get(), &out, most, in, count);
  if (made <= 0) {
    if (made < 0) ++damaged;
    return;
  }
  const std::int64_t begin = std::exchange(next, next + made);
  if (next <= end) return;
  const auto again = static_cast<std::size_t>(std::max<std::int64_t>(end - begin, 0)) * channels;
  samples.resize(static_cast<std::size_t>(made) * channels);
  samples.erase(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(again));
  pieces.push_back({.position = std::max(begin, end), .samples = std::move(samples)});
  end = next;
}

Result<std::unique_ptr<SoundClip>> SoundClip::open(const std::string& path, SoundClipOptions options) {
  auto impl = std::make_unique<Impl>(path, std::move(options));
  if (auto opened = impl->open(); !opened) return std::unexpected(std::move(opened.error()));
  return std::unique_ptr<SoundClip>(new SoundClip(std::move(impl)));
}

SoundClip::SoundClip(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SoundClip::~SoundClip() = default;

std::uint64_t SoundClip::damaged() const { return impl_->damaged; }

Result<void> SoundClip::read(std::int64_t position, std::span<float> out) {
  Impl& impl = *impl_;
  const std::int64_t wanted = position + static_cast<std::int64_t>(out.size() / impl.channels);
  std::ranges::fill(out, 0.0F);
  while (!impl.over && impl.end < wanted) {
    if (auto decoded = impl.decode(); !decoded) return decoded;
    while (!impl.pieces.empty() && impl.end_of(impl.pieces.front()) <= position) impl.pieces.pop_front();
  }
  for (const Impl::Piece& piece : impl.pieces) {
    const std::int64_t begin = std::max(position, piece.position);
    const std::int64_t end = std::min(wanted, impl.end_of(piece));
    if (begin >= end) continue;
    const auto from = static_cast<std::size_t>(begin - piece.position) * impl.channels;
    const auto count = static_cast<std::size_t>(end - begin) * impl.channels;
    std::ranges::copy(
        std::span(piece.samples).subspan(from, count),
        out.begin() + static_cast<std::ptrdiff_t>(begin - position) * static_cast<std::ptrdiff_t>(impl.channels));
  }
  while (!impl.pieces.empty() && impl.end_of(impl.pieces.front()) <= wanted) impl.pieces.pop_front();
  return {};
}

}  // namespace zc
