#include "capture/coded_stream.h"

#include "base/foreign_memory.h"
#include "base/log.h"
#include "media/nal_units.h"

extern "C" {
#include <libavutil/frame.h>
}

#include <algorithm>
#include <exception>
#include <span>
#include <utility>

namespace zc {
namespace {

/// Nobody waits for these buffers.
constexpr std::uint32_t kSpare = 8;
/// Pictures on a GPU that are read, kept and on their way.
constexpr unsigned kHeld = 8;
/// After an error a decoder is asked on; it never needs so many answers for one picture.
constexpr int kMostErrorsInARow = 16;
/// A camera that never begins anew is shown with its faults, rather than not at all: ten seconds at 30 Hz.
constexpr unsigned kMostAwaited = 300;

AVCodecID codec_id(CodedFormat format) { return format == CodedFormat::Mjpeg ? AV_CODEC_ID_MJPEG : AV_CODEC_ID_H264; }

}  // namespace

CodedStream::CodedStream(CodedFormat format, DecoderChoice choice, std::function<void(Frame)> deliver)
    : format_(format), deliver_(std::move(deliver)), choice_(std::move(choice)) {
  thread_ = std::jthread([this](const std::stop_token& stop) {
    try {
      run(stop);
    } catch (const std::exception& e) {
      logger("capture").error("decode {}: {}", name(format_), e.what());
    }
  });
}

void CodedStream::push(const Frame& frame) {
  const auto* coded = std::get_if<CodedImage>(&frame.image);
  if (coded == nullptr || coded->format != format_ || coded->bytes.empty()) {
    corrupt_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (!coded->follows && format_ != CodedFormat::Mjpeg) broken_ = true;
    if (broken_ && !stands_alone(coded->bytes)) {
      skipped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    if (count_ == kWaiting) {
      skipped_.fetch_add(1, std::memory_order_relaxed);
      if (format_ != CodedFormat::Mjpeg) {
        broken_ = true;
        return;
      }
      first_ = (first_ + 1) % kWaiting;
      --count_;
    }
    Coded& slot = ring_.at((first_ + count_) % kWaiting);
    const std::uint64_t torn = ForeignMemory::torn_so_far();
    slot.bytes.assign(coded->bytes.begin(), coded->bytes.end());
    if (ForeignMemory::torn_so_far() != torn) {
      corrupt_.fetch_add(1, std::memory_order_relaxed);
      broken_ = format_ != CodedFormat::Mjpeg;
      return;
    }
    broken_ = false;
    slot.origin = {.pts = frame.pts, .arrival = frame.arrival, .transform = frame.transform};
    ++count_;
  }
  arrived_.notify_one();
}

bool CodedStream::stands_alone(std::span<const std::byte> coded) {
  constexpr unsigned kIdrSlice = 5;
  constexpr unsigned kSequenceParameters = 7;  // also where an intra refresh begins (H.264 table 7-1)
  bool found = false;
  for_each_nal(coded, [&](std::span<const std::byte> unit) {
    const auto head = std::to_integer<unsigned>(unit.front());
    found = (head & 31U) == kIdrSlice || (head & 31U) == kSequenceParameters;
    return found || is_slice(true, head);
  });
  if (!found && awaited_ < kMostAwaited) {
    ++awaited_;
    return false;
  }
  awaited_ = 0;
  return true;
}

SourceStats CodedStream::stats() const {
  SourceStats stats;
  stats.delivered = delivered_.load(std::memory_order_relaxed);
  stats.skipped = skipped_.load(std::memory_order_relaxed);
  stats.corrupt = corrupt_.load(std::memory_order_relaxed);
  return stats;
}

void CodedStream::run(const std::stop_token& stop) {
  if (!open_next()) return;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (!arrived_.wait(lock, stop, [this] { return count_ > 0; })) return;
      std::swap(present_, ring_.at(first_));
      first_ = (first_ + 1) % kWaiting;
      --count_;
    }
    decode(present_);
    if (!decoder_) return;
  }
}

bool CodedStream::open_next() {
  decoder_.reset();
  while (next_decoder_ < choice_.decoders.size()) {
    auto opened = VideoDecoder::open(
        choice_.decoders.at(next_decoder_++), codec_id(format_),
        {.extradata = {}, .device = {}, .live = true, .quiet = true, .on_device = choice_.on_device, .held = kHeld});
    if (opened) {
      decoder_ = std::move(*opened);
      return true;
    }
    const bool last = next_decoder_ == choice_.decoders.size();
    logger("capture").log(last ? spdlog::level::err : spdlog::level::debug, "{}", opened.error().message());
  }
  return false;
}

void CodedStream::decode(const Coded& coded) {
  origins_.at(next_origin_++ % kRemembered) = coded.origin;
  while (true) {
    auto sent = decoder_->send(coded.bytes, coded.origin.pts.count());
    if (sent) break;
    // Hardware says with its first picture that it does not decode the stream.
    const bool refused = sent.error().kind == ErrorKind::Unsupported && delivered_.load() == 0;
    if (!refused) {
      note_damage(sent.error());
      return;
    }
    logger("capture").info("{}", sent.error().message());
    if (!open_next()) return;
  }
  receive();
}

void CodedStream::receive() {
  for (int errors = 0; errors < kMostErrorsInARow;) {
    auto picture = decoder_->receive();
    if (!picture) {
      ++errors;
      note_damage(picture.error());
      continue;
    }
    if (*picture == nullptr) return;
    const Nanoseconds pts((*picture)->pts);
    const auto* const origin = std::ranges::find(origins_, pts, &Origin::pts);
    Frame frame;
    frame.pts = pts;
    frame.arrival = origin == origins_.end() ? monotonic_now() : origin->arrival;
    if (origin != origins_.end()) frame.transform = origin->transform;
    if (auto put = pictures_.put(std::move(*picture), frame); !put) {
      note_damage(put.error());
      continue;
    }
    frame.spare = kSpare;
    frame.sequence = sequence_++;
    delivered_.fetch_add(1, std::memory_order_relaxed);
    deliver_(std::move(frame));
  }
}

void CodedStream::note_damage(const Error& error) {
  if (format_ == CodedFormat::H264) broken_ = true;
  if (corrupt_.fetch_add(1, std::memory_order_relaxed) == 0) {
    logger("capture").warn("a {} picture of the camera cannot be decoded: {}", name(format_), error.message());
  }
}

}  // namespace zc
