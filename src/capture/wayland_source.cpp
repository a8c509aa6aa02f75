#include "capture/wayland_source.h"

#include "base/log.h"
#include "base/process_stats.h"
#include "capture/desktop_picture.h"
#include "capture/ext_capture.h"
#include "capture/output_stream.h"
#include "capture/producer_clock.h"
#include "capture/region.h"
#include "capture/screencopy.h"
#include "capture/wayland_client.h"
#include "capture/wayland_outputs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace zc {
namespace {

constexpr Nanoseconds kStartPatience = std::chrono::seconds(5);
constexpr Nanoseconds kLongTime = std::chrono::hours(1);

class WaylandSource final : public Source {
 public:
  WaylandSource(WaylandSpec spec, WaylandSourceOptions options) : spec_(std::move(spec)), options_(std::move(options)) {
    info_.kind = "wayland";
    info_.description = options_.region        ? "a region of the Wayland desktop"
                        : spec_.window.empty() ? fmt::format("output {} of the Wayland compositor", spec_.output)
                                               : fmt::format("window {} of the Wayland compositor", spec_.window);
  }
  WaylandSource(const WaylandSource&) = delete;
  WaylandSource& operator=(const WaylandSource&) = delete;
  ~WaylandSource() override { WaylandSource::stop(); }

  Result<void> start(const FormatOffer& offer, SourceListener& listener) override;
  Result<void> renegotiate(const FormatOffer& offer) override {
    return on_thread([&] { return begin_again(offer); });
  }
  void rest() override {
    static_cast<void>(on_thread([&]() -> Result<void> {
      resting_ = true;
      close();
      return {};
    }));
  }
  Result<void> wake(const FormatOffer& offer) override {
    return on_thread([&] {
      resting_ = false;
      return begin_again(offer);
    });
  }
  void stop() override;

  SourceInfo info() const override {
    const std::lock_guard lock(info_mutex_);
    return info_;
  }
  SourceStats stats() const override {
    return {.delivered = delivered_.load(std::memory_order_relaxed),
            .bad_pts = bad_pts_.load(std::memory_order_relaxed)};
  }

 private:
  /// Binds what is to be captured, and agrees on formats.
  [[nodiscard]] Result<void> begin(const FormatOffer& offer);
  [[nodiscard]] Result<void> begin_again(const FormatOffer& offer);
  [[nodiscard]] Result<void> begin_window(const FormatOffer& offer, Nanoseconds deadline);
  [[nodiscard]] Result<void> begin_outputs(FormatOffer offer, Nanoseconds deadline);
  void close();
  void describe();

  // The source's thread:
  void run();
  [[nodiscard]] Result<void> step();
  [[nodiscard]] bool layout_changed() const;
  void take(std::size_t index, OutputStream::Shot& shot);
  void deliver(Frame frame, std::optional<Nanoseconds> stamp);
  [[nodiscard]] Result<void> deliver_desktop();
  [[nodiscard]] std::optional<Nanoseconds> due() const;
  /// Runs it on the thread, which is between two steps then.
  [[nodiscard]] Result<void> on_thread(const std::function<Result<void>()>& task);
  void run_task();

  const WaylandSpec spec_;
  const WaylandSourceOptions options_;
  SourceListener* listener_ = nullptr;
  std::atomic<std::uint64_t> delivered_ = 0, bad_pts_ = 0;
  mutable std::mutex info_mutex_;
  SourceInfo info_;

  std::stop_source ends_;                 ///< the waits, and the thread
  std::shared_ptr<const UniqueFd> wake_;  ///< eventfd
  std::mutex task_mutex_;
  std::condition_variable task_done_;
  const std::function<Result<void>()>* task_ = nullptr;
  Result<void> task_result_;
  bool over_ = false;  ///< the thread runs no tasks any more

  // In the order of their making: the connection outlives what is on it.
  std::optional<WaylandClient> client_;
  std::optional<WaylandOutputs> outputs_;
  std::vector<std::size_t> chosen_;  ///< of outputs_
  std::vector<Rect> places_;         ///< theirs, as they were when it began
  FormatOffer offer_;
  std::optional<DesktopPicture> desktop_;     ///< of several outputs
  std::optional<Nanoseconds> desktop_stamp_;  ///< of what was shown last in it
  Nanoseconds next_desktop_{};                ///< when it may be delivered again
  std::vector<std::unique_ptr<OutputStream>> streams_;
  ProducerClock clock_;
  std::uint64_t sequence_ = 0;
  bool resting_ = false;
  bool whole_ = true;  ///< the next frame is the first

  std::jthread thread_;  // last: it uses everything above
};

Result<void> WaylandSource::start(const FormatOffer& offer, SourceListener& listener) {
  if (client_) return fail(ErrorKind::Invalid, "capture from the Wayland compositor", "it runs already");
  if (options_.cursor == CursorMode::Metadata) {
    return fail(ErrorKind::Invalid, "--cursor metadata",
                "the Wayland compositor draws the pointer itself or leaves it out; choose embedded or hidden");
  }
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return fail_errno(errno, "make an eventfd");
  ends_ = {};
  const std::stop_callback pass_on(options_.stop, [this] { ends_.request_stop(); });
  auto client = WaylandClient::connect(ends_.get_token());
  if (!client) return std::unexpected(std::move(client.error()));
  client_.emplace(*std::move(client));
  wake_ = std::make_shared<const UniqueFd>(std::move(wake));
  listener_ = &listener;
  over_ = resting_ = false;
  auto begun = client_->find_globals(monotonic_now() + kStartPatience);
  if (begun) begun = begin(offer);
  if (!begun) {
    close();
    client_.reset();
    return begun;
  }
  client_->wake_by(wake_->get());
  thread_ = std::jthread([this] {
    name_this_thread("zc-wayland");
    run();
  });
  return {};
}

void WaylandSource::stop() {
  ends_.request_stop();
  if (wake_) static_cast<void>(::eventfd_write(wake_->get(), 1));
  if (thread_.joinable()) thread_.join();
  close();
  client_.reset();
}

void WaylandSource::close() {
  desktop_.reset();
  streams_.clear();
  outputs_.reset();
  chosen_.clear();
  places_.clear();
}

Result<void> WaylandSource::begin_again(const FormatOffer& offer) {
  close();
  client_->wake_by(-1);  // a wait for the compositor is not disturbed by leases that die
  auto begun = begin(offer);
  if (!begun) close();  // another offer may do
  client_->wake_by(wake_->get());
  return begun;
}

Result<void> WaylandSource::begin(const FormatOffer& offer) {
  const Nanoseconds deadline = monotonic_now() + kStartPatience;
  offer_ = offer;
  whole_ = true;
  auto begun = spec_.window.empty() ? begin_outputs(offer, deadline) : begin_window(offer, deadline);
  if (begun) describe();
  return begun;
}

Result<void> WaylandSource::begin_window(const FormatOffer& offer, Nanoseconds deadline) {
  if (options_.region) {
    return fail(ErrorKind::Invalid, "--region", "a window has no place on the desktop; --crop takes a part of it");
  }
  auto capture = capture_window_by_ext(*client_, spec_.window, options_.cursor == CursorMode::Embedded, deadline);
  if (!capture) return std::unexpected(std::move(capture.error()));
  streams_.push_back(std::make_unique<OutputStream>(*client_, *std::move(capture), offer, Rational{}, wake_,
                                                    "window " + spec_.window));
  return streams_.back()->agree(deadline);
}

Result<void> WaylandSource::begin_outputs(FormatOffer offer, Nanoseconds deadline) {
  auto outputs = WaylandOutputs::read(*client_, deadline);
  if (!outputs) return std::unexpected(std::move(outputs.error()));
  outputs_.emplace(*std::move(outputs));
  auto chosen = choose_outputs("wayland", spec_.output, options_.region, outputs_->all());
  if (!chosen) return std::unexpected(std::move(chosen.error()));
  chosen_ = *std::move(chosen);
  const bool by_ext = has_ext_output_capture(*client_);
  const bool with_cursor = options_.cursor == CursorMode::Embedded;
  const bool several = chosen_.size() > 1;
  if (several) offer.drop_dmabufs();  // they are copied on the CPU
  if (several) std::erase_if(offer.formats, [](const auto& entry) { return zc::info(entry.format).yuv; });
  std::optional<DmabufFeedback> feedback;
  if (!by_ext && offer.has_dmabufs()) {
    if (auto told = read_dmabuf_feedback(*client_, deadline)) {
      feedback = *std::move(told);
    } else {
      logger("capture").debug("no dmabufs from the compositor: {}", told.error().message());
    }
  }
  for (const std::size_t index : chosen_) {
    const WaylandOutput& output = outputs_->at(index);
    places_.push_back(output.place);
    auto capture = by_ext ? capture_output_by_ext(*client_, outputs_->proxy(index), with_cursor)
                          : capture_by_screencopy(*client_, *outputs_, index, with_cursor, feedback);
    if (!capture) return std::unexpected(std::move(capture.error()));
    streams_.push_back(std::make_unique<OutputStream>(*client_, *std::move(capture), offer, output.rate, wake_,
                                                      "output " + output.name));
    if (auto agreed = streams_.back()->agree(deadline); !agreed) return agreed;
    // All that are put side by side have one format.
    const PixelFormat format = streams_.back()->format()->format;
    if (several) std::erase_if(offer.formats, [&](const auto& entry) { return entry.format != format; });
  }
  if (several) desktop_.emplace(*options_.region, places_, streams_.front()->format()->format, wake_);
  return {};
}

/// For a person, and the session.
void WaylandSource::describe() {
  const CaptureFormat& format = *streams_.front()->format();
  std::vector<std::string_view> names;
  Rational rate;
  for (const std::size_t index : chosen_) {
    names.push_back(outputs_->at(index).name);
    if (outputs_->at(index).rate.value() > rate.value()) rate = outputs_->at(index).rate;
  }
  const std::lock_guard lock(info_mutex_);
  if (!chosen_.empty()) {
    info_.description =
        fmt::format("output{} {} of the Wayland compositor", names.size() > 1 ? "s" : "", fmt::join(names, " and "));
  }
  if (options_.region) {
    info_.description = fmt::format("region {} on {}", region_text(*options_.region), info_.description);
  }
  info_.size = format.size;
  info_.rate = rate.value() > offer_.max_rate.value() ? offer_.max_rate : rate;
  info_.format = format.format;
  info_.dmabuf = !format.modifiers.empty();
}

Result<void> WaylandSource::on_thread(const std::function<Result<void>()>& task) {
  std::unique_lock lock(task_mutex_);
  if (!thread_.joinable() || over_) {
    return fail(ErrorKind::Lost, "capture from the Wayland compositor", "it does not run any more");
  }
  task_ = &task;
  static_cast<void>(::eventfd_write(wake_->get(), 1));
  task_done_.wait(lock, [this] { return task_ == nullptr || over_; });
  if (task_ == nullptr) return std::exchange(task_result_, {});
  task_ = nullptr;
  return fail(ErrorKind::Lost, "capture from the Wayland compositor", "it does not run any more");
}

void WaylandSource::run_task() {
  {
    const std::lock_guard lock(task_mutex_);
    if (task_ == nullptr) return;
    task_result_ = (*task_)();
    task_ = nullptr;
  }
  task_done_.notify_all();
}

void WaylandSource::run() {
  listener_->on_state(SourceState::Streaming, nullptr);
  Result<void> outcome;
  while (outcome && !ends_.stop_requested()) {
    run_task();
    const auto until = due();
    Result<void> stepped;
    outcome = client_->wait(until.value_or(monotonic_now() + kLongTime), [&] {
      eventfd_t ignored = 0;
      const bool called = ::eventfd_read(wake_->get(), &ignored) == 0;
      if (!resting_) stepped = step();
      return called || !stepped || due() != until;
    });
    if (!stepped) outcome = std::move(stepped);
    if (!outcome && outcome.error().kind == ErrorKind::Timeout) outcome = {};
  }
  {
    const std::lock_guard lock(task_mutex_);
    over_ = true;
  }
  task_done_.notify_all();
  if (outcome || ends_.stop_requested()) return;
  listener_->on_state(SourceState::Ended, &outcome.error());
}

std::optional<Nanoseconds> WaylandSource::due() const {
  std::optional<Nanoseconds> first;
  const auto also = [&](std::optional<Nanoseconds> time) {
    if (time && (!first || *time < *first)) first = time;
  };
  for (const auto& stream : streams_) also(stream->due());
  if (desktop_ && desktop_->changed() && next_desktop_ > monotonic_now()) also(next_desktop_);
  return first;
}

/// Nothing of what it was chosen by is as it was.
bool WaylandSource::layout_changed() const {
  if (!options_.region) return false;
  for (std::size_t i = 0; i < chosen_.size(); ++i) {
    if (outputs_->at(chosen_[i]).place != places_[i]) return true;
  }
  return false;
}

Result<void> WaylandSource::step() {
  for (const std::size_t index : chosen_) {
    if (outputs_->present(index)) continue;
    return fail(ErrorKind::Lost, "capture output " + outputs_->at(index).name, "it has been unplugged");
  }
  if (layout_changed()) {
    logger("capture").info("the outputs have other places: what shows the region is looked for again");
    if (auto begun = begin_again(offer_); !begun) {
      begun.error().kind = ErrorKind::Lost;
      return begun;
    }
  }
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    while (true) {
      auto shot = streams_[i]->step(monotonic_now());
      if (!shot) return std::unexpected(std::move(shot.error()));
      if (!*shot) break;
      take(i, **shot);
    }
  }
  return desktop_ ? deliver_desktop() : Result<void>();
}

void WaylandSource::take(std::size_t index, OutputStream::Shot& shot) {
  if (desktop_) {
    desktop_stamp_ = shot.picture.time;
    desktop_->show(index, std::get<HostImage>(shot.buffer.image), Loan::begin(shot.buffer.loan), shot.picture.transform,
                   shot.picture.damage);
    return;
  }
  Frame frame;
  std::visit([&](const auto& image) { frame.image = image; }, shot.buffer.image);
  frame.transform = shot.picture.transform;
  frame.damage = whole_ ? Damage::all() : shot.picture.damage;
  if (options_.region) {
    if (!crop_to_region(frame, *options_.region, places_.front())) return;
    const auto inside = [&](const Rect& rect) { return frame.crop.empty() || !intersect(rect, frame.crop).empty(); };
    if (!frame.damage.everything() && std::ranges::none_of(frame.damage.rects(), inside)) return;
  }
  frame.lease = Loan::begin(shot.buffer.loan);
  frame.spare = shot.spare;
  const CaptureFormat& format = *streams_.front()->format();
  if (info_.size != format.size || info_.format != format.format || info_.dmabuf == format.modifiers.empty()) {
    describe();  // only this thread changes what is read here
  }
  deliver(std::move(frame), shot.picture.time);
}

Result<void> WaylandSource::deliver_desktop() {
  const Nanoseconds now = monotonic_now();
  if (!desktop_->changed() || now < next_desktop_) return {};
  auto frame = desktop_->compose();
  if (!frame) return std::unexpected(std::move(frame.error()));
  if (!*frame) return {};
  // Outputs beat each for itself: together they give no more pictures than the fastest.
  Nanoseconds beat{};
  {
    const std::lock_guard lock(info_mutex_);
    info_.size = desktop_->size();
    if (!info_.rate.zero()) beat = Nanoseconds(static_cast<std::int64_t>(1e9 / info_.rate.value()));
  }
  next_desktop_ = std::max(next_desktop_ + beat, now);
  deliver(*std::move(*frame), desktop_stamp_);
  return {};
}

void WaylandSource::deliver(Frame frame, std::optional<Nanoseconds> stamp) {
  whole_ = false;
  frame.arrival = monotonic_now();
  const auto stated = stamp ? std::optional(stamp->count()) : std::nullopt;
  const auto time = clock_.picture(stated, frame.arrival);
  if (time.replaced) bad_pts_.fetch_add(1, std::memory_order_relaxed);
  frame.pts = time.pts;
  frame.sequence = sequence_++;
  delivered_.fetch_add(1, std::memory_order_relaxed);
  listener_->on_frame(std::move(frame));
}

}  // namespace

Result<std::unique_ptr<Source>> make_wayland_source(WaylandSpec spec, WaylandSourceOptions options) {
  return std::make_unique<WaylandSource>(std::move(spec), std::move(options));
}

}  // namespace zc
