#include "capture/test_source.h"

#include "capture/spec_text.h"
#include "capture/test_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

namespace zc {
namespace {

/// Periods a late thread makes good before it gives up on them.
constexpr std::uint64_t kCatchUp = 8;

/// Buffers of one size and format. Shared by the source and by every lease, so a picture stays readable after a resize
/// and after the source itself is gone.
class Pool {
 public:
  struct Buffer {
    std::unique_ptr<std::byte[]> pixels;  ///< made when first needed
    std::atomic<bool> leased = false;
    Rect dirty;  ///< where it differs from the background, beside the mark
  };

  Pool(PixelFormat format, Size size) : pattern_(format, size) {}
  [[nodiscard]] const TestPattern& pattern() const { return pattern_; }
  [[nodiscard]] std::span<std::byte> pixels(const Buffer& buffer) const {
    return {buffer.pixels.get(), pattern_.size_bytes()};
  }

  /// A buffer nobody reads, marked as leased; nullptr when all are held. Only the source's thread takes.
  [[nodiscard]] Result<Buffer*> take() {
    for (Buffer& buffer : buffers_) {
      if (buffer.leased.load(std::memory_order_acquire)) continue;
      if (!buffer.pixels) {
        // Huge pictures are the user's wish; running out of memory for them is an error, not the end of the process.
        buffer.pixels.reset(new (std::nothrow) std::byte[pattern_.size_bytes()]());
        if (!buffer.pixels) return fail_errno(ENOMEM, "allocate a test picture");
        pattern_.paint_background(pixels(buffer));
      }
      buffer.leased.store(true, std::memory_order_relaxed);
      return &buffer;
    }
    return nullptr;
  }
  /// Buffers that nobody reads.
  [[nodiscard]] std::uint32_t spare() const {
    return static_cast<std::uint32_t>(
        std::ranges::count_if(buffers_, [](const Buffer& b) { return !b.leased.load(std::memory_order_relaxed); }));
  }
  static void give_back(void* /*pool*/, void* buffer) noexcept {
    static_cast<Buffer*>(buffer)->leased.store(false, std::memory_order_release);
  }

 private:
  TestPattern pattern_;
  std::array<Buffer, 6> buffers_;
};

class TestSource final : public Source {
 public:
  explicit TestSource(TestSpec spec) : spec_(std::move(spec)), size_(spec_.size) {}
  ~TestSource() override { stop_thread(); }
  TestSource(const TestSource&) = delete;
  TestSource& operator=(const TestSource&) = delete;

  Result<void> start(const FormatOffer& offer, SourceListener& listener) override {
    if (thread_.joinable()) return fail(ErrorKind::Invalid, "start the test source", "it runs already");
    if (auto chosen = choose(offer); !chosen) return chosen;
    set_size(spec_.size);
    listener_ = &listener;
    next_ = 0;
    start_thread();
    return {};
  }

  Result<void> renegotiate(const FormatOffer& offer) override { return choose(offer); }

  void rest() override {
    stop_thread();
    pool_.reset();
  }

  Result<void> wake(const FormatOffer& offer) override {
    if (listener_ == nullptr) return fail(ErrorKind::Invalid, "wake the test source", "it has not been started");
    if (thread_.joinable()) return renegotiate(offer);
    if (auto chosen = choose(offer); !chosen) return chosen;
    start_thread();
    return {};
  }

  void stop() override {
    stop_thread();
    listener_ = nullptr;
  }

  SourceInfo info() const override {
    const std::lock_guard lock(mutex_);
    return {.kind = "test",
            .description =
                fmt::format("synthetic pattern {}x{} at {} fps", size_.width, size_.height, rate_text(spec_.rate)),
            .size = size_,
            .rate = spec_.rate,
            .format = format_,
            .dmabuf = false};
  }

  SourceStats stats() const override {
    SourceStats stats;
    stats.delivered = delivered_.load(std::memory_order_relaxed);
    stats.skipped = skipped_.load(std::memory_order_relaxed);
    return stats;
  }

 private:
  void start_thread() {
    shown_.reset();  // the listener has seen nothing yet
    thread_ = std::jthread([this](const std::stop_token& stop) { run_guarded(stop, *listener_); });
  }

  void stop_thread() {
    thread_ = {};  // asks it to stop and joins
  }

  Result<void> choose(const FormatOffer& offer) {
    static constexpr auto kOperation = "negotiate with the test source";
    if (!offer.shared_memory) {
      return fail(ErrorKind::Unsupported, kOperation, "it has shared memory only, which the consumer does not take");
    }
    for (const FormatOffer::Entry& entry : offer.formats) {
      const bool wanted = spec_.format ? entry.format == *spec_.format : entry.format != PixelFormat::Unknown;
      if (!wanted || zc::info(entry.format).yuv) continue;
      const std::lock_guard lock(mutex_);
      format_ = entry.format;
      return {};
    }
    return fail(ErrorKind::Unsupported, kOperation,
                spec_.format ? fmt::format("the consumer does not take {}", name(*spec_.format))
                             : "the consumer takes no RGB format");
  }

  /// When frame `n` is due, after the first one. Exact: no period is rounded more than once.
  [[nodiscard]] Nanoseconds due(std::uint64_t n) const {
    const std::uint64_t whole = n / spec_.rate.num;
    const std::uint64_t rest = n % spec_.rate.num;
    return std::chrono::seconds(whole * spec_.rate.den) +
           Nanoseconds(rest * spec_.rate.den * 1'000'000'000 / spec_.rate.num);
  }

  void run_guarded(const std::stop_token& stop, SourceListener& listener) {
    try {
      run(stop, listener);
    } catch (const std::exception& e) {
      const Error error{ErrorKind::Internal, ErrorDomain::None, 0, "test source", e.what()};
      listener.on_state(SourceState::Ended, &error);
    }
  }

  void run(const std::stop_token& stop, SourceListener& listener) {
    listener.on_state(SourceState::Connecting, nullptr);
    listener.on_state(SourceState::Streaming, nullptr);
    std::uint64_t& n = next_;
    const Nanoseconds begin = monotonic_now() - due(n);
    auto resize = spec_.resizes.begin();
    for (; spec_.frames == 0 || n < spec_.frames; ++n) {
      if (!wait_until(begin + due(n), stop)) return;
      while (resize != spec_.resizes.end() && resize->at_frame <= n) set_size((resize++)->size);
      if (overslept(begin, n)) {
        skipped_.fetch_add(1, std::memory_order_relaxed);
      } else if (auto made = make_frame(n, begin + due(n), listener); !made) {
        listener.on_state(SourceState::Ended, &made.error());
        return;
      }
    }
    if (!wait_until(begin + due(n), stop)) return;  // the last picture stands for a whole period
    const Error end{ErrorKind::Cancelled, ErrorDomain::None, 0, "test source",
                    fmt::format("came to its end after {} frames", spec_.frames)};
    listener.on_state(SourceState::Ended, &end);
  }

  /// Sleeps until `deadline`; false when stopped.
  [[nodiscard]] bool wait_until(Nanoseconds deadline, const std::stop_token& stop) {
    std::unique_lock lock(wake_mutex_);
    const auto at = std::chrono::steady_clock::time_point(deadline);
    wake_.wait_until(lock, stop, at, [] { return false; });
    return !stop.stop_requested();
  }

  [[nodiscard]] bool overslept(Nanoseconds begin, std::uint64_t n) const {
    if (spec_.still) return false;  // nothing piles up
    const bool last = spec_.frames != 0 && n + 1 == spec_.frames;
    return !last && monotonic_now() > begin + due(n + kCatchUp);
  }

  void set_size(Size size) {
    const std::lock_guard lock(mutex_);
    size_ = size;
  }

  /// Paints and delivers frame `n`, unless nothing is new or every buffer is held.
  Result<void> make_frame(std::uint64_t n, Nanoseconds pts, SourceListener& listener) {
    Size size;
    PixelFormat format{};
    {
      const std::lock_guard lock(mutex_);
      size = size_;
      format = format_;
    }
    if (!pool_ || pool_->pattern().size() != size || pool_->pattern().format() != format) {
      pool_ = std::make_shared<Pool>(format, size);
      shown_.reset();
    }
    if (spec_.still && shown_) return {};
    const auto taken = pool_->take();
    if (!taken) return std::unexpected(taken.error());
    Pool::Buffer* buffer = *taken;
    if (buffer == nullptr) {
      skipped_.fetch_add(1, std::memory_order_relaxed);
      return {};
    }
    Frame frame;
    frame.lease = BufferLease(pool_, buffer, &Pool::give_back);
    frame.spare = pool_->spare();
    paint(*buffer, n, pts);
    const TestPattern& pattern = pool_->pattern();
    HostImage image;
    image.format = format;
    image.size = size;
    image.planes[0] = {buffer->pixels.get(), pattern.stride_bytes()};
    image.mapping = pool_;
    frame.image = std::move(image);
    frame.pts = pts;
    frame.arrival = monotonic_now();
    frame.sequence = sequence_++;
    if (shown_) {
      frame.damage = Damage::none();
      frame.damage.add(pattern.mark_area());
      frame.damage.add(*shown_);
      frame.damage.add(buffer->dirty);
    }
    frame.colour = {ColourMatrix::Unknown, ColourRange::Full, ColourPrimaries::BT709, spec_.transfer};
    shown_ = buffer->dirty;
    delivered_.fetch_add(1, std::memory_order_relaxed);
    listener.on_frame(std::move(frame));
    return {};
  }

  void paint(Pool::Buffer& buffer, std::uint64_t n, Nanoseconds pts) const {
    const TestPattern& pattern = pool_->pattern();
    const auto pixels = pool_->pixels(buffer);
    pattern.paint_background(pixels, buffer.dirty);
    pattern.paint_box(pixels, n);
    buffer.dirty = pattern.box(n);
    pattern.paint_mark(pixels, {.frame = static_cast<std::uint32_t>(n), .time = pts});
  }

  const TestSpec spec_;
  mutable std::mutex mutex_;  ///< size_, format_
  Size size_;
  PixelFormat format_ = PixelFormat::Unknown;
  std::atomic<std::uint64_t> delivered_ = 0;
  std::atomic<std::uint64_t> skipped_ = 0;

  SourceListener* listener_ = nullptr;

  // The thread's own.
  std::uint64_t next_ = 0;  ///< frame
  std::shared_ptr<Pool> pool_;
  std::optional<Rect> shown_;  ///< the box of the last delivered frame of this pool
  std::uint64_t sequence_ = 0;

  std::mutex wake_mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace

Result<std::unique_ptr<Source>> make_test_source(const TestSpec& spec) {
  if (!TestSpec::good_size(spec.size) || !TestSpec::good_rate(spec.rate) ||
      (spec.format && zc::info(*spec.format).yuv)) {
    return fail(ErrorKind::Invalid, "make the test source", "it needs a size, a rate and an RGB format within bounds");
  }
  return std::make_unique<TestSource>(spec);
}

}  // namespace zc
