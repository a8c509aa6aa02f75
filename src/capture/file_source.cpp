#include "capture/file_source.h"

#include "base/log.h"
#include "capture/file_list.h"
#include "capture/file_sound_writer.h"
#include "decode/clip.h"
#include "decode/decoded_picture.h"
#include "decode/decoder_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace zc {
namespace {

/// Unpaced: so many pictures may wait to be read; a recording's mailbox has room for them, and the pacer holds one.
constexpr std::size_t kAhead = 4;
/// For a decoder on a GPU: those, what is being read, what is kept until the next one, and one on its way.
constexpr unsigned kHeld = kAhead + 4;
/// Frame::spare: no producer waits for these buffers.
constexpr std::uint32_t kSpare = 8;
/// Later pictures are left out.
constexpr Nanoseconds kTooLate = std::chrono::milliseconds(500);
/// An encoder is open by then.
constexpr Nanoseconds kFirstPatience = std::chrono::seconds(5);
constexpr Nanoseconds kPoll = std::chrono::milliseconds(2);
/// In real time sound is decoded so long before it is heard, while pictures are decoded or waited for.
constexpr Nanoseconds kSoundAhead = std::chrono::seconds(1);

class FileSource final : public Source {
 public:
  FileSource(FileSpec spec, FileSourceOptions options)
      : spec_(std::move(spec)), options_(std::move(options)), sound_(options_.sound) {
    info_.kind = "file";
    info_.description = "file " + spec_.path;
  }
  ~FileSource() override { stop_thread(); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  Result<void> start(const FormatOffer& offer, SourceListener& listener) override;
  /// The decoder stays: its pictures are read one way or the other.
  Result<void> renegotiate(const FormatOffer& offer) override { return check(offer); }
  void rest() override {
    stop_thread();
    clip_.reset();
    sound_.rest();
  }
  Result<void> wake(const FormatOffer& offer) override;
  void stop() override {
    stop_thread();
    listener_ = nullptr;
  }

  SourceInfo info() const override {
    const std::lock_guard lock(mutex_);
    return info_;
  }
  SourceStats stats() const override {
    SourceStats stats;
    stats.delivered = delivered_.load(std::memory_order_relaxed);
    stats.skipped = skipped_.load(std::memory_order_relaxed);
    stats.corrupt = corrupt_.load(std::memory_order_relaxed);
    return stats;
  }

 private:
  enum class Played : std::uint8_t { Whole, Stopped, Failed };

  [[nodiscard]] static Result<void> check(const FormatOffer& offer);
  void choose_decoders(const FormatOffer& offer);
  /// The file at `position_`, from `from` on.
  [[nodiscard]] Result<void> open_clip(Nanoseconds from, const std::function<bool()>& stopped);
  [[nodiscard]] Result<void> open_sound(Nanoseconds from, const std::function<bool()>& stopped);
  void describe();
  void start_thread();
  void stop_thread() { thread_ = {}; }
  void run(const std::stop_token& stop);
  void run_guarded(const std::stop_token& stop);
  [[nodiscard]] Played play(const std::stop_token& stop);
  [[nodiscard]] bool deliver(Clip::Picture picture, const std::stop_token& stop);
  void begin_clock(Nanoseconds time, const std::stop_token& stop);
  [[nodiscard]] bool end_sound(const std::stop_token& stop);
  void note_damage();
  void end(Error error);
  [[nodiscard]] bool wait_until(Nanoseconds moment, const std::stop_token& stop);
  /// Paced: until that time of what is played, with its sound.
  [[nodiscard]] bool play_until(Nanoseconds time, const std::stop_token& stop);

  const FileSpec spec_;
  const FileSourceOptions options_;
  mutable std::mutex mutex_;  ///< info_
  SourceInfo info_;
  std::atomic<std::uint64_t> delivered_ = 0;
  std::atomic<std::uint64_t> skipped_ = 0;
  std::atomic<std::uint64_t> corrupt_ = 0;

  SourceListener* listener_ = nullptr;
  std::vector<std::string> files_;
  ClipOptions clip_options_;

  // The thread's own, while it runs.
  DecodedPictures pictures_;
  std::unique_ptr<Clip> clip_;
  FileSoundWriter sound_;
  std::size_t position_ = 0;  ///< in files_
  Nanoseconds resume_{};      ///< of the present file, where it goes on after a rest
  Nanoseconds before_{};      ///< length of what was played before the present file began, less what was left out of it
  std::optional<Nanoseconds> begin_;  ///< CLOCK_MONOTONIC of time zero; set by the first picture
  Nanoseconds end_{};                 ///< when the newest picture is over, after begin_
  std::optional<Nanoseconds> newest_;
  std::uint64_t shown_in_round_ = 0;
  std::uint64_t sequence_ = 0;

  std::mutex wake_mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

Result<void> FileSource::check(const FormatOffer& offer) {
  if (offer.shared_memory || !offer.device_memory.empty()) return {};
  return fail(ErrorKind::Unsupported, "play a media file",
              "its pictures are decoded into host memory, which the consumer does not take");
}

void FileSource::choose_decoders(const FormatOffer& offer) {
  auto [decoders, on_device] = decoders_for(offer, spec_.decoder);
  clip_options_.decoders = std::move(decoders);
  clip_options_.on_device = on_device;
  clip_options_.held = kHeld;
}

Result<void> FileSource::open_clip(Nanoseconds from, const std::function<bool()>& stopped) {
  ClipOptions options = clip_options_;
  options.start = from;
  options.stopped = stopped;
  auto opened = Clip::open(files_[position_], std::move(options));
  if (!opened) return std::unexpected(std::move(opened.error()));
  if (auto heard = open_sound(from, stopped); !heard) return heard;
  clip_ = std::move(*opened);
  describe();
  return {};
}

Result<void> FileSource::open_sound(Nanoseconds from, const std::function<bool()>& stopped) {
  auto opened = sound_.open(files_[position_], before_, from, stopped);
  if (opened || opened.error().kind == ErrorKind::Cancelled) return opened;
  if (files_.size() == 1) return opened;
  logger("capture").warn("silent: {}", opened.error().message());
  return {};
}

void FileSource::describe() {
  const MediaFile::Stream& stream = clip_->stream();
  const std::lock_guard lock(mutex_);
  info_.description = fmt::format("file {} ({}, {})", std::filesystem::path(files_[position_]).filename().string(),
                                  stream.codec_name, to_string(clip_->decoder()));
  info_.size = stream.size;
  info_.rate = stream.rate;
  info_.steady = false;  // a start far behind a keyframe takes its time
}

Result<void> FileSource::start(const FormatOffer& offer, SourceListener& listener) {
  if (thread_.joinable()) return fail(ErrorKind::Invalid, "play a media file", "it runs already");
  if (auto fits = check(offer); !fits) return fits;
  auto files = files_of(spec_.path);
  if (!files) return std::unexpected(std::move(files.error()));
  files_ = std::move(*files);
  choose_decoders(offer);
  position_ = 0;
  resume_ = spec_.start;
  before_ = -spec_.start;
  begin_.reset();
  end_ = {};
  shown_in_round_ = 0;
  sound_.restart();
  if (auto opened = open_clip(resume_, [this] { return options_.stop.stop_requested(); }); !opened) return opened;
  listener_ = &listener;
  start_thread();
  return {};
}

Result<void> FileSource::wake(const FormatOffer& offer) {
  if (listener_ == nullptr) return fail(ErrorKind::Invalid, "play a media file", "it has not been started");
  if (thread_.joinable()) return renegotiate(offer);
  if (auto fits = check(offer); !fits) return fits;
  choose_decoders(offer);
  if (!options_.unpaced) begin_.reset();  // it goes on from here
  start_thread();
  return {};
}

void FileSource::start_thread() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run_guarded(stop); });
}

void FileSource::run_guarded(const std::stop_token& stop) {
  try {
    run(stop);
  } catch (const std::exception& e) {
    end({ErrorKind::Internal, ErrorDomain::None, 0, "play " + spec_.path, e.what()});
  }
}

void FileSource::end(Error error) {
  sound_.end();
  listener_->on_state(SourceState::Ended, &error);
}

void FileSource::run(const std::stop_token& stop) {
  listener_->on_state(SourceState::Connecting, nullptr);
  listener_->on_state(SourceState::Streaming, nullptr);
  std::optional<Error> failure;
  while (true) {
    Played played = Played::Failed;
    Result<void> opened;
    if (!clip_) opened = open_clip(resume_, [&stop] { return stop.stop_requested(); });
    if (opened) {
      played = play(stop);
    } else if (!stop.stop_requested()) {
      logger("capture").warn("left out: {}", opened.error().message());
      if (!failure) failure = std::move(opened.error());
    }
    if (stop.stop_requested() || played == Played::Stopped) return;
    if (!end_sound(stop)) return;
    clip_.reset();
    before_ = end_;
    resume_ = {};
    if (++position_ < files_.size()) continue;
    if (!spec_.loop || shown_in_round_ == 0) break;
    position_ = 0;
    resume_ = spec_.start;
    before_ = end_ - spec_.start;
    shown_in_round_ = 0;
  }
  if (delivered_.load(std::memory_order_relaxed) == 0) {
    if (!failure) failure = fail(ErrorKind::Invalid, "play " + spec_.path, "no picture in it can be decoded").error();
    return end(std::move(*failure));
  }
  // The last picture stands for its time. Unpaced, the first ones must have been taken before an end is told.
  if (!options_.unpaced) {
    if (!wait_until(*begin_ + end_, stop)) return;
  } else if (delivered_.load(std::memory_order_relaxed) <= kAhead) {
    const Nanoseconds deadline = monotonic_now() + kFirstPatience;
    while (pictures_.lent() > 0 && monotonic_now() < deadline) {
      if (!wait_until(monotonic_now() + kPoll, stop)) return;
    }
  }
  end({ErrorKind::Cancelled, ErrorDomain::None, 0, "play " + spec_.path,
       fmt::format("came to its end after {} pictures", delivered_.load(std::memory_order_relaxed))});
}

FileSource::Played FileSource::play(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    auto next = clip_->next();
    if (!next) {
      if (next.error().kind == ErrorKind::Cancelled) return Played::Stopped;
      logger("capture").warn("left out: {}", next.error().message());
      return Played::Failed;
    }
    if (!*next) {
      note_damage();
      return Played::Whole;
    }
    if (!deliver(std::move(**next), stop)) return Played::Stopped;
  }
  return Played::Stopped;
}

/// The present file's pictures are over; its sound is, too.
bool FileSource::end_sound(const std::stop_token& stop) {
  // A picture may be the last one for a long time.
  if (sound_.wanted() && !options_.unpaced && begin_ && !play_until(end_ - kSoundAhead, stop)) return false;
  return sound_.end_file(end_, stop);
}

void FileSource::note_damage() {
  const std::uint64_t pictures = clip_->damaged();
  const std::uint64_t damaged = pictures + sound_.damaged();
  if (damaged == 0) return;
  corrupt_.fetch_add(pictures, std::memory_order_relaxed);
  logger("capture").warn("{}: {} damaged {}; what could be decoded was used", files_[position_], damaged,
                         damaged == 1 ? "part" : "parts");
}

/// The clock begins with the first picture, or when that has been taken.
void FileSource::begin_clock(Nanoseconds time, const std::stop_token& stop) {
  if (options_.from_first && !options_.unpaced) {
    const Nanoseconds deadline = monotonic_now() + kFirstPatience;
    while (pictures_.lent() > 0 && monotonic_now() < deadline) {
      if (!wait_until(monotonic_now() + kPoll, stop)) return;
    }
    begin_ = monotonic_now() - time;
  }
}

bool FileSource::deliver(Clip::Picture picture, const std::stop_token& stop) {
  const Nanoseconds time = before_ + picture.time;
  const bool first = !begin_;
  if (first) begin_ = monotonic_now() - time;
  if (options_.unpaced) {
    pictures_.wait_until_below(kAhead, stop);
    if (stop.stop_requested()) return false;
  } else if (!first && !play_until(time, stop)) {
    return false;  // after a rest it is the next one
  }
  resume_ = picture.time + picture.length;
  end_ = time + picture.length;
  ++shown_in_round_;
  if (!options_.unpaced && !first && monotonic_now() > *begin_ + time + kTooLate) {
    skipped_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  Frame frame;
  if (auto put = pictures_.put(std::move(picture.frame), frame); !put) {
    if (put.error().kind == ErrorKind::Busy) {
      skipped_.fetch_add(1, std::memory_order_relaxed);
    } else if (corrupt_.fetch_add(1, std::memory_order_relaxed) == 0) {
      logger("capture").warn("{}: {}", files_[position_], put.error().message());
    }
    return true;
  }
  frame.spare = kSpare;
  frame.transform = clip_->stream().transform;
  frame.pts = *begin_ + time;
  if (newest_ && frame.pts <= *newest_) frame.pts = *newest_ + Nanoseconds(1);
  newest_ = frame.pts;
  frame.arrival = monotonic_now();
  frame.sequence = sequence_++;
  {
    const std::lock_guard lock(mutex_);
    info_.size = frame.buffer_size();
    info_.format = frame.format();
  }
  delivered_.fetch_add(1, std::memory_order_relaxed);
  listener_->on_frame(std::move(frame));
  if (first) begin_clock(time, stop);
  sound_.begin(*begin_, time);
  // Behind the picture: nobody listens before one has been taken.
  if (options_.unpaced && !sound_.write_to(time, stop)) return false;
  return !stop.stop_requested();
}

bool FileSource::play_until(Nanoseconds time, const std::stop_token& stop) {
  while (sound_.wanted()) {
    const Nanoseconds now = monotonic_now() - *begin_;
    if (!sound_.write_to(now + kSoundAhead, stop)) return false;
    if (time <= now + kSoundAhead / 2) break;
    if (!wait_until(*begin_ + now + kSoundAhead / 2, stop)) return false;
  }
  return wait_until(*begin_ + time, stop);
}

bool FileSource::wait_until(Nanoseconds moment, const std::stop_token& stop) {
  std::unique_lock lock(wake_mutex_);
  wake_.wait_until(lock, stop, std::chrono::steady_clock::time_point(moment), [] { return false; });
  return !stop.stop_requested();
}

}  // namespace

Result<std::unique_ptr<Source>> make_file_source(const FileSpec& spec, FileSourceOptions options) {
  if (spec.path.empty()) return fail(ErrorKind::Invalid, "play a media file", "it has no path");
  return std::make_unique<FileSource>(spec, std::move(options));
}

}  // namespace zc
