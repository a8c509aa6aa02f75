#include "capture/drawn_source.h"

#include "base/quote.h"
#include "drawing/image_file.h"
#include "drawing/text_painter.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <functional>
#include <iomanip>
#include <mutex>
#include <optional>
#include <sstream>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

namespace zc {
namespace {

/// Draws what is to be seen now; nullopt: the same as before.
using Draw = std::function<Result<std::optional<DrawnPicture>>()>;

struct Drawn {
  std::string kind;
  std::string description;
  Rational rate;                          ///< 0: one picture
  std::function<Result<Draw>()> prepare;  ///< on start()
};

class DrawnSource final : public Source {
 public:
  explicit DrawnSource(Drawn drawn) : drawn_(std::move(drawn)) {}
  DrawnSource(const DrawnSource&) = delete;
  DrawnSource& operator=(const DrawnSource&) = delete;
  ~DrawnSource() override { thread_ = {}; }

  Result<void> start(const FormatOffer& offer, SourceListener& listener) override {
    if (auto taken = check(offer); !taken) return taken;
    auto draw = drawn_.prepare();
    if (!draw) return std::unexpected(std::move(draw.error()));
    draw_ = std::move(*draw);
    if (auto picture = draw_first(); !picture) return picture;
    listener_ = &listener;
    start_thread();
    return {};
  }
  Result<void> renegotiate(const FormatOffer& offer) override { return check(offer); }
  void rest() override { thread_ = {}; }
  Result<void> wake(const FormatOffer& offer) override {
    if (auto taken = check(offer); !taken) return taken;
    if (listener_ != nullptr && !thread_.joinable()) start_thread();
    return {};
  }
  void stop() override {
    thread_ = {};
    listener_ = nullptr;
  }

  SourceInfo info() const override {
    const std::lock_guard lock(mutex_);
    return {.kind = drawn_.kind,
            .description = drawn_.description,
            .size = picture_ ? picture_->size : Size{},
            .rate = drawn_.rate,
            .format = format_,
            .dmabuf = false};
  }
  SourceStats stats() const override { return {.delivered = delivered_.load(std::memory_order_relaxed)}; }

 private:
  [[nodiscard]] Result<void> check(const FormatOffer& offer) const {
    if (offer.shared_memory) return {};
    return fail(ErrorKind::Unsupported, "negotiate with " + drawn_.description,
                "it has shared memory only, which the consumer does not take");
  }
  [[nodiscard]] Result<void> draw_first() {
    auto picture = draw_();
    if (!picture) return std::unexpected(std::move(picture.error()));
    if (*picture) take(std::move(**picture));
    return {};
  }
  void take(DrawnPicture picture) {
    const PixelFormat format = picture.opaque() ? PixelFormat::RGBx : PixelFormat::RGBA;
    auto shared = std::make_shared<const DrawnPicture>(std::move(picture));
    const std::lock_guard lock(mutex_);
    format_ = format;
    picture_ = std::move(shared);
  }
  void start_thread() {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  void run(const std::stop_token& stop) {
    give();
    std::mutex mutex;
    std::condition_variable_any wakes;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      if (drawn_.rate.zero()) {
        wakes.wait(lock, stop, [] { return false; });
        continue;
      }
      // When the second of the clock on the wall changes.
      const auto now = std::chrono::system_clock::now();
      const auto next = std::chrono::floor<std::chrono::seconds>(now) + std::chrono::seconds(1);
      if (wakes.wait_for(lock, stop, next - now, [] { return false; }) || stop.stop_requested()) continue;
      auto picture = draw_();
      if (!picture || !*picture) continue;
      take(std::move(**picture));
      give();
    }
  }
  void give() {
    Frame frame;
    {
      const std::lock_guard lock(mutex_);
      if (!picture_) return;
      HostImage image;
      image.format = format_;
      image.size = picture_->size;
      image.planes[0] = {picture_->pixels.data(), picture_->size.width * 4};
      image.mapping = picture_;
      frame.image = std::move(image);
    }
    frame.pts = frame.arrival = monotonic_now();
    frame.sequence = delivered_.fetch_add(1, std::memory_order_relaxed);
    frame.spare = 8;  // each picture has memory of its own
    frame.colour.transfer = TransferFunction::SRGB;
    listener_->on_frame(std::move(frame));
  }

  const Drawn drawn_;
  Draw draw_;
  SourceListener* listener_ = nullptr;
  mutable std::mutex mutex_;
  std::shared_ptr<const DrawnPicture> picture_;
  PixelFormat format_ = PixelFormat::RGBA;
  std::atomic<std::uint64_t> delivered_{0};
  std::jthread thread_;  // last: it uses everything above
};

/// With "\n" as line feeds.
std::string with_lines(std::string_view text) {
  std::string lines;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool feed = text.substr(i).starts_with("\\n");
    lines += feed ? '\n' : text[i];
    if (feed) ++i;
  }
  return lines;
}

std::string time_text(const std::string& format) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  if (::localtime_r(&now, &local) == nullptr) return {};
  std::ostringstream text;
  text << std::put_time(&local, format.c_str());
  return text.str();
}

/// The same picture for ever.
Draw once(DrawnPicture picture) {
  return [picture = std::move(picture)]() mutable -> Result<std::optional<DrawnPicture>> {
    return std::exchange(picture, {});
  };
}

}  // namespace

std::unique_ptr<Source> make_image_source(ImageSpec spec) {
  std::string description = "image " + in_quotes(spec.path);
  return std::make_unique<DrawnSource>(Drawn{.kind = "image",
                                             .description = std::move(description),
                                             .rate = {},
                                             .prepare = [spec = std::move(spec)]() -> Result<Draw> {
                                               auto picture = read_image(spec.path);
                                               if (!picture) return std::unexpected(std::move(picture.error()));
                                               return once(std::move(*picture));
                                             }});
}

std::unique_ptr<Source> make_text_source(TextSpec spec) {
  std::string description = "text " + in_quotes(spec.text);
  return std::make_unique<DrawnSource>(Drawn{.kind = "text",
                                             .description = std::move(description),
                                             .rate = {},
                                             .prepare = [spec = std::move(spec)]() -> Result<Draw> {
                                               auto painter = TextPainter::open(spec.style);
                                               if (!painter) return std::unexpected(std::move(painter.error()));
                                               return once(painter->draw(with_lines(spec.text)));
                                             }});
}

std::unique_ptr<Source> make_clock_source(ClockSpec spec) {
  return std::make_unique<DrawnSource>(Drawn{
      .kind = "clock", .description = "clock", .rate = {1, 1}, .prepare = [spec = std::move(spec)]() -> Result<Draw> {
        auto painter = TextPainter::open(spec.style);
        if (!painter) return std::unexpected(std::move(painter.error()));
        auto shared = std::make_shared<TextPainter>(std::move(*painter));
        using Text = std::optional<std::string>;
        return [shared, format = spec.format, before = Text()]() mutable -> Result<std::optional<DrawnPicture>> {
          std::string now = time_text(format);
          if (now == before) return std::nullopt;
          before = std::move(now);
          return shared->draw(with_lines(*before));
        };
      }});
}

}  // namespace zc
