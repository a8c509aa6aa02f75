#include "capture/joined_source.h"

#include "base/log.h"
#include "base/process_stats.h"
#include "base/unique_fd.h"
#include "capture/desktop_picture.h"
#include "capture/kept_picture.h"
#include "capture/producer_clock.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

namespace zc {
namespace {

/// How long a picture without all parts is waited with.
constexpr Nanoseconds kPatience = std::chrono::seconds(1);
constexpr Nanoseconds kLongTime = std::chrono::hours(1);

spdlog::logger& log() { return logger("capture"); }

/// RGB of the same bytes without alpha.
PixelFormat opaque(PixelFormat format) {
  switch (format) {
    case PixelFormat::BGRA: return PixelFormat::BGRx;
    case PixelFormat::RGBA: return PixelFormat::RGBx;
    case PixelFormat::ARGB: return PixelFormat::xRGB;
    case PixelFormat::ABGR: return PixelFormat::xBGR;
    case PixelFormat::ARGB_210LE: return PixelFormat::xRGB_210LE;
    case PixelFormat::ABGR_210LE: return PixelFormat::xBGR_210LE;
    case PixelFormat::RGBA_102LE: return PixelFormat::RGBx_102LE;
    case PixelFormat::BGRA_102LE: return PixelFormat::BGRx_102LE;
    default: return format;
  }
}

/// What the parts may give, since it is copied here, pixel by pixel: RGB in shared memory; with the colours in the same
/// bytes as `like`, if that is known.
Result<FormatOffer> for_parts(FormatOffer offer, PixelFormat like) {
  offer.drop_dmabufs();
  std::erase_if(offer.formats, [&](const auto& entry) {
    return zc::info(entry.format).yuv || (like != PixelFormat::Unknown && opaque(entry.format) != opaque(like));
  });
  offer.device_memory.clear();
  offer.coded.clear();
  offer.size.reset();
  if (offer.shared_memory && !offer.formats.empty()) return offer;
  return fail(ErrorKind::Unsupported, "put pictures side by side",
              "that is done in shared memory and RGB, which the consumer does not take");
}

class JoinedSource final : public Source {
 public:
  JoinedSource(std::vector<JoinedPart> parts, JoinedOptions options) : options_(std::move(options)) {
    for (JoinedPart& part : parts) parts_.push_back(std::make_unique<Part>(*this, std::move(part)));
  }
  JoinedSource(const JoinedSource&) = delete;
  JoinedSource& operator=(const JoinedSource&) = delete;
  ~JoinedSource() override { JoinedSource::stop(); }

  Result<void> start(const FormatOffer& offer, SourceListener& listener) override;
  Result<void> renegotiate(const FormatOffer& offer) override;
  void rest() override;
  Result<void> wake(const FormatOffer& offer) override;
  void stop() override;
  SourceInfo info() const override;
  SourceStats stats() const override;

 private:
  /// Hears one source, on its thread; the rest is the joining thread's.
  struct Part final : SourceListener {
    Part(JoinedSource& whole, JoinedPart part)
        : joined(whole), source(std::move(part.source)), place(part.place), name(std::move(part.name)) {}
    void on_frame(Frame frame) override;
    void on_state(SourceState now, const Error* error) override;

    JoinedSource& joined;
    const std::unique_ptr<Source> source;
    const std::optional<Rect> place;
    const std::string name;

    // With JoinedSource::mutex_.
    std::optional<Frame> waiting;
    SourceState state = SourceState::Connecting;
    std::optional<Error> ended;

    // The joining thread's.
    KeptPicture picture;
    Size laid_out;         ///< of the picture, in the layout
    bool cleared = false;  ///< it has ended, and its place is black
  };

  void start_thread();
  void stop_thread();
  void wake_up() const { static_cast<void>(::eventfd_write(wake_->get(), 1)); }

  void run(const std::stop_token& stop);
  void sleep();
  void step();
  void take(Part& part, Frame frame);
  void clear(Part& part, const Error& error);
  /// Whether there is a picture to be shown.
  [[nodiscard]] bool lay_out();
  [[nodiscard]] Result<void> deliver();
  void report(std::optional<Error> error);

  const JoinedOptions options_;
  std::vector<std::unique_ptr<Part>> parts_;
  std::shared_ptr<const UniqueFd> wake_;
  SourceListener* listener_ = nullptr;

  mutable std::mutex mutex_;
  Size size_;
  PixelFormat format_ = PixelFormat::Unknown;  ///< changed by start() only
  Rational rate_;
  std::atomic<std::uint64_t> delivered_ = 0;

  // The joining thread's.
  std::optional<DesktopPicture> desktop_;
  std::vector<Part*> shown_;  ///< who is in desktop_, in its order
  bool stale_ = false;        ///< the layout
  std::optional<Nanoseconds> first_;
  std::optional<Nanoseconds> stamp_;
  Nanoseconds next_{};
  ColourDescription colour_;
  SourceState reported_ = SourceState::Connecting;
  ProducerClock clock_;
  std::uint64_t sequence_ = 0;
  std::jthread thread_;
};

void JoinedSource::Part::on_frame(Frame frame) {
  {
    const std::lock_guard lock(joined.mutex_);
    if (waiting) frame.supersede(std::move(*waiting));
    waiting = std::move(frame);
  }
  joined.wake_up();
}

void JoinedSource::Part::on_state(SourceState now, const Error* error) {
  {
    const std::lock_guard lock(joined.mutex_);
    state = now;
    if (error != nullptr && !ended) ended = *error;
  }
  joined.wake_up();
}

Result<void> JoinedSource::start(const FormatOffer& offer, SourceListener& listener) {
  if (listener_ != nullptr) return fail(ErrorKind::Invalid, "put pictures side by side", "it runs already");
  auto offered = for_parts(offer, PixelFormat::Unknown);
  if (!offered) return std::unexpected(std::move(offered.error()));
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return fail_errno(errno, "make an eventfd");
  wake_ = std::make_shared<const UniqueFd>(std::move(wake));
  for (const auto& part : parts_) {
    part->waiting.reset();
    part->state = SourceState::Connecting;
    part->ended.reset();
    part->cleared = false;
  }
  PixelFormat format = PixelFormat::Unknown;
  for (const auto& part : parts_) {
    auto started = part->source->start(*offered, *part);
    if (started && format == PixelFormat::Unknown) {
      // All have the format that the first one agreed on.
      const PixelFormat agreed = part->source->info().format;
      format = opaque(agreed == PixelFormat::Unknown ? offered->formats.front().format : agreed);
      offered = for_parts(*offered, format);
      if (!offered) started = std::unexpected(offered.error());
    }
    if (started) continue;
    for (const auto& one : parts_) one->source->stop();
    return started;
  }
  const bool taken = std::ranges::any_of(offer.formats, [&](const auto& entry) { return entry.format == format; });
  {
    const std::lock_guard lock(mutex_);
    format_ = taken ? format : offered->formats.front().format;
  }
  listener_ = &listener;
  reported_ = SourceState::Connecting;
  start_thread();
  return {};
}

Result<void> JoinedSource::renegotiate(const FormatOffer& offer) {
  const auto offered = for_parts(offer, info().format);
  if (!offered) return std::unexpected(offered.error());
  Result<void> outcome;
  for (const auto& part : parts_) {
    if (auto asked = part->source->renegotiate(*offered); !asked && outcome) outcome = std::move(asked);
  }
  // Those that have ended cannot be asked, and need not be.
  const std::lock_guard lock(mutex_);
  const bool some_gone = std::ranges::any_of(parts_, [](const auto& part) { return part->ended.has_value(); });
  return some_gone ? Result<void>{} : outcome;
}

void JoinedSource::rest() {
  if (listener_ == nullptr) return;
  for (const auto& part : parts_) part->source->rest();
  stop_thread();
  start_thread();  // which hears of an end
}

Result<void> JoinedSource::wake(const FormatOffer& offer) {
  if (listener_ == nullptr) return fail(ErrorKind::Invalid, "put pictures side by side", "it has not been started");
  const auto offered = for_parts(offer, info().format);
  if (!offered) return std::unexpected(offered.error());
  std::optional<Error> failed;
  bool any = false;
  for (const auto& part : parts_) {
    {
      const std::lock_guard lock(mutex_);
      if (part->ended) continue;
    }
    auto woken = part->source->wake(*offered);
    any = any || woken;
    if (woken) continue;
    failed = woken.error();
    part->on_state(SourceState::Ended, &*failed);
  }
  if (!any) {
    return failed ? std::unexpected(*std::move(failed))
                  : fail(ErrorKind::Lost, "put pictures side by side", "all of them have ended");
  }
  wake_up();  // for those that could not be woken
  return {};
}

void JoinedSource::stop() {
  for (const auto& part : parts_) part->source->stop();
  stop_thread();
  listener_ = nullptr;
}

SourceInfo JoinedSource::info() const {
  SourceInfo info;
  info.kind = options_.kind;
  info.description = options_.description;
  const std::lock_guard lock(mutex_);
  info.size = size_;
  info.rate = rate_;
  info.format = format_;
  return info;
}

SourceStats JoinedSource::stats() const {
  SourceStats all;
  for (const auto& part : parts_) {
    const SourceStats one = part->source->stats();
    all.skipped += one.skipped;
    all.corrupt += one.corrupt;
    all.bad_pts += one.bad_pts;
  }
  all.delivered = delivered_.load(std::memory_order_relaxed);
  return all;
}

void JoinedSource::start_thread() {
  thread_ = std::jthread([this](const std::stop_token& stop) {
    name_this_thread("zc-joined");
    run(stop);
  });
}

/// And lets go of every picture.
void JoinedSource::stop_thread() {
  if (thread_.joinable()) {
    thread_.request_stop();
    wake_up();
    thread_.join();
  }
  desktop_.reset();
  shown_.clear();
  first_.reset();
  stamp_.reset();
  for (const auto& part : parts_) {
    part->picture = {};
    const std::lock_guard lock(mutex_);
    part->waiting.reset();
  }
}

void JoinedSource::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    step();
    if (reported_ == SourceState::Ended) return;
    sleep();
  }
}

/// Until something comes, or what there is may be shown.
void JoinedSource::sleep() {
  const Nanoseconds now = monotonic_now();
  Nanoseconds until = now + kLongTime;
  if (desktop_ && desktop_->changed() && next_ > now) until = next_;
  if (!desktop_ && first_) until = std::max(*first_ + kPatience, now);
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(until - now);
  pollfd readable{wake_->get(), POLLIN, 0};
  ::poll(&readable, 1, static_cast<int>(wait.count()));
  eventfd_t ignored = 0;
  static_cast<void>(::eventfd_read(wake_->get(), &ignored));
}

void JoinedSource::step() {
  std::optional<Error> last;
  for (const auto& part : parts_) {
    std::optional<Frame> frame;
    std::optional<Error> ended;
    {
      const std::lock_guard lock(mutex_);
      frame = std::exchange(part->waiting, std::nullopt);
      ended = part->ended;
    }
    if (frame) take(*part, std::move(*frame));
    if (!ended || part->cleared) continue;
    clear(*part, *ended);
    last = std::move(ended);
  }
  report(std::move(last));
  if (reported_ == SourceState::Ended || !lay_out()) return;
  if (auto delivered = deliver(); !delivered) {
    reported_ = SourceState::Ended;
    listener_->on_state(SourceState::Ended, &delivered.error());
  }
}

/// The producer has its buffer back at once: it may have few.
void JoinedSource::take(Part& part, Frame frame) {
  if (!std::holds_alternative<HostImage>(frame.image)) return;
  colour_ = frame.colour;
  const Damage news = part.picture.keep(frame);
  if (part.picture.empty()) return;  // nothing of its buffer is to be shown
  if (!first_) first_ = monotonic_now();
  stamp_ = std::max(stamp_.value_or(frame.pts), frame.pts);
  const auto shown = std::ranges::find(shown_, &part);
  if (shown == shown_.end() || part.picture.size() != part.laid_out) {
    stale_ = true;
  } else if (desktop_ && !stale_) {
    desktop_->show(static_cast<std::size_t>(shown - shown_.begin()), part.picture.image(format_), {},
                   part.picture.transform(), news);
  }
}

void JoinedSource::clear(Part& part, const Error& error) {
  part.cleared = true;
  const auto alive = std::ranges::count_if(parts_, [](const auto& one) { return !one->cleared; });
  if (alive > 0) log().warn("{} has ended: {}; its place is black, {} left", part.name, error.detail, alive);
  part.picture.blacken();
  const auto shown = std::ranges::find(shown_, &part);
  if (!desktop_ || stale_ || shown == shown_.end()) return;
  desktop_->show(static_cast<std::size_t>(shown - shown_.begin()), part.picture.image(format_), {},
                 part.picture.transform(), Damage::all());
}

/// What all of them are in together, told when it changes.
void JoinedSource::report(std::optional<Error> error) {
  SourceState state = SourceState::Ended;
  {
    const std::lock_guard lock(mutex_);
    for (const SourceState one : {SourceState::Connecting, SourceState::Paused, SourceState::Streaming}) {
      if (std::ranges::any_of(parts_, [&](const auto& part) { return !part->ended && part->state == one; }))
        state = one;
    }
  }
  if (state == reported_ || (state == SourceState::Ended && !error)) return;
  reported_ = state;
  listener_->on_state(state, error && state == SourceState::Ended ? &*error : nullptr);
}

bool JoinedSource::lay_out() {
  if (desktop_ && !stale_) return true;
  if (!first_) return false;
  const bool patient = !desktop_ && monotonic_now() < *first_ + kPatience;
  std::vector<Part*> shown;
  for (const auto& part : parts_) {
    if (part->picture.empty() && part->cleared && !part->place) continue;  // it never was there
    if (part->picture.empty() && !part->cleared && patient) return false;
    if (part->picture.empty() && !part->place) continue;
    if (part->picture.empty()) part->picture = KeptPicture(part->place->size());
    shown.push_back(part.get());
  }
  if (shown.empty()) return false;

  double scale = 0;  // px of a logical one, of the finest
  Rect whole;
  const auto include = [&](const Rect& place) { whole = whole.empty() ? place : bounding(whole, place); };
  for (const Part* part : shown) {
    if (!part->place) continue;
    include(*part->place);
    scale = std::max(scale, static_cast<double>(part->picture.size().width) / part->place->width);
  }
  if (scale == 0) scale = 1;
  std::vector<Rect> places;
  for (const Part* part : shown) {
    if (part->place) {
      places.push_back(*part->place);
      continue;
    }
    const auto logical = [&](std::uint32_t px) {
      return static_cast<std::uint32_t>(std::max<long>(1, std::lround(px / scale)));
    };
    const Size size = part->picture.size();
    places.push_back(
        {whole.x + static_cast<std::int32_t>(whole.width), whole.y, logical(size.width), logical(size.height)});
    include(places.back());
  }

  Rational rate;
  for (const Part* part : shown) {
    const Rational one = part->source->info().rate;
    if (one.value() > rate.value()) rate = one;
  }
  {
    const std::lock_guard lock(mutex_);
    rate_ = rate;
  }
  desktop_.emplace(options_.region.value_or(whole), places, format_, wake_);
  shown_ = std::move(shown);
  stale_ = false;
  for (std::size_t i = 0; i < shown_.size(); ++i) {
    const KeptPicture& picture = shown_[i]->picture;
    shown_[i]->laid_out = picture.size();
    desktop_->show(i, picture.image(format_), {}, picture.transform(), Damage::all());
  }
  return true;
}

Result<void> JoinedSource::deliver() {
  const Nanoseconds now = monotonic_now();
  if (!desktop_->changed() || now < next_) return {};
  auto composed = desktop_->compose();
  if (!composed) return std::unexpected(std::move(composed.error()));
  if (!*composed) return {};
  Frame frame = *std::move(*composed);
  Nanoseconds beat{};
  {
    const std::lock_guard lock(mutex_);
    size_ = desktop_->size();
    if (!rate_.zero()) beat = Nanoseconds(static_cast<std::int64_t>(1e9 / rate_.value()));
  }
  // Each beats for itself: together they give no more pictures than the fastest.
  next_ = std::max(next_ + beat, now);
  frame.arrival = now;
  const auto stated = stamp_ ? std::optional(stamp_->count()) : std::nullopt;
  stamp_.reset();
  frame.pts = clock_.picture(stated, now).pts;
  frame.sequence = sequence_++;
  frame.colour = colour_;
  delivered_.fetch_add(1, std::memory_order_relaxed);
  listener_->on_frame(std::move(frame));
  return {};
}

}  // namespace

std::unique_ptr<Source> make_joined_source(std::vector<JoinedPart> parts, JoinedOptions options) {
  return std::make_unique<JoinedSource>(std::move(parts), std::move(options));
}

}  // namespace zc
