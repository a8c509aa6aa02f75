#include "capture/cast_source.h"

#include "capture/end_once.h"
#include "capture/kwin_cast.h"
#include "capture/mutter_cast.h"
#include "capture/pipewire_source.h"

#include <fmt/format.h>

#include <mutex>
#include <utility>

namespace zc {
namespace {

class CastSource final : public Source {
 public:
  CastSource(OpenCast open, CastSpec spec, CursorMode cursor, std::stop_token stop)
      : open_(std::move(open)), spec_(std::move(spec)), cursor_(cursor), stop_(std::move(stop)) {}
  CastSource(const CastSource&) = delete;
  CastSource& operator=(const CastSource&) = delete;
  ~CastSource() override { CastSource::stop(); }

  Result<void> start(const FormatOffer& offer, SourceListener& listener) override {
    if (cast_) return fail(ErrorKind::Invalid, "capture " + description(), "it runs already");
    auto cast = open_(spec_, cursor_, stop_);
    if (!cast) return std::unexpected(std::move(cast.error()));
    PipeWireTarget target{.remote = {}, .node = PipeWireTarget::NodeId{(*cast)->node()}};
    // A new monitor of Mutter's has the size that its consumer wants.
    if (const auto* monitor = std::get_if<CastSpec::Virtual>(&spec_.what)) target.size = monitor->size;
    auto stream = make_pipewire_source(std::move(target), std::string(to_string(spec_.desktop)), description(), stop_);
    if (!stream) return std::unexpected(std::move(stream.error()));
    {
      const std::lock_guard lock(mutex_);
      stream_ = std::move(*stream);
    }
    relay_ = std::make_unique<EndOnce>(listener);
    if (auto started = stream_->start(offer, *relay_); !started) {
      stream_->stop();
      relay_.reset();
      return started;
    }
    cast_ = std::move(*cast);
    cast_->watch([relay = relay_.get()](const Error& error) { relay->on_state(SourceState::Ended, &error); });
    return {};
  }
  Result<void> renegotiate(const FormatOffer& offer) override {
    if (!cast_) return not_running();
    return stream_->renegotiate(offer);
  }
  void rest() override {
    if (cast_) stream_->rest();
  }
  Result<void> wake(const FormatOffer& offer) override {
    if (!cast_) return not_running();
    return stream_->wake(offer);
  }
  /// The stream object stays: its counters are for the closing report.
  void stop() override {
    if (!cast_) return;
    stream_->stop();
    cast_.reset();  // joins its thread
    relay_.reset();
  }
  SourceInfo info() const override {
    const std::lock_guard lock(mutex_);
    if (stream_) return stream_->info();
    SourceInfo info;
    info.kind = to_string(spec_.desktop);
    info.description = description();
    return info;
  }
  SourceStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stream_ ? stream_->stats() : SourceStats{};
  }

 private:
  [[nodiscard]] std::string description() const { return fmt::format("'{}'", text_of(spec_)); }
  [[nodiscard]] Result<void> not_running() const {
    return fail(ErrorKind::Invalid, "capture " + description(), "it does not run");
  }

  const OpenCast open_;
  const CastSpec spec_;
  const CursorMode cursor_;
  const std::stop_token stop_;
  mutable std::mutex mutex_;        ///< the pointer stream_, which info() and stats() read from any thread
  std::unique_ptr<Source> stream_;  ///< changed by start() only
  std::unique_ptr<EndOnce> relay_;  ///< outlives the cast's thread and the stream's delivery
  std::unique_ptr<ScreenCast> cast_;
};

}  // namespace

std::unique_ptr<Source> make_cast_source_with(OpenCast open, CastSpec spec, CursorMode cursor, std::stop_token stop) {
  return std::make_unique<CastSource>(std::move(open), std::move(spec), cursor, std::move(stop));
}

Result<std::unique_ptr<Source>> make_cast_source(CastSpec spec, CursorMode cursor, std::stop_token stop) {
  const OpenCast open =
      spec.desktop == CastSpec::Desktop::KWin ? OpenCast(&open_kwin_cast) : OpenCast(&open_mutter_cast);
  return make_cast_source_with(open, std::move(spec), cursor, std::move(stop));
}

}  // namespace zc
