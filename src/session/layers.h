#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "media/format_offer.h"
#include "media/layer.h"
#include "session/layer_input.h"
#include "session/layer_options.h"
#include "session/layer_pace.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

struct LayerStatus {
  LayerOptions options;
  Rect box;                   ///< px of the surface; empty: no picture has come yet
  bool shown = false;         ///< it has a picture
  std::optional<Error> gone;  ///< why its source is waited for
};

/// A recording's layers: they come, go and change while it runs, each with a source and a thread of its own. Any
/// thread, but as it says.
class Layers {
 public:
  struct Events {
    std::function<void()> news;  ///< there is something else to be drawn
    /// As LayerInput's, with the layer's name.
    std::function<void(const std::string& name, const Error* gone)> changed;
  };
  explicit Layers(Events events) : events_(std::move(events)) {}

  /// Names as they will be, and whether there is room for all. Invalid: a name that is taken; Busy: too many.
  [[nodiscard]] Result<void> check(const std::vector<LayerOptions>& layers) const;
  /// Starts its source; `source_options` as the main source's. Its name. Errors as check() and Source::start(); Busy:
  /// the machine is asleep.
  [[nodiscard]] Result<std::string> add(LayerOptions options, const SourceOptions& source_options);
  /// Another place or look; not another source. NotFound: names those there are.
  [[nodiscard]] Result<void> change(std::string_view name,
                                    const std::function<Result<void>(LayerOptions& options)>& change);
  /// NotFound: as change().
  [[nodiscard]] Result<void> remove(std::string_view name);
  [[nodiscard]] std::vector<LayerStatus> status() const;

  /// What their sources may give from now on.
  void set_offer(const FormatOffer& offer);
  /// Ends them all.
  void stop();
  /// The machine is about to sleep, or awake.
  void rest();
  void wake(const FormatOffer& offer);

  // Session worker.
  /// When they are to be drawn, if the main source gives nothing, or when to ask again if nothing has changed yet:
  /// pictures that come until then are not told of as news. nullopt: news will come.
  [[nodiscard]] std::optional<Nanoseconds> due(const MainBeat& main, Nanoseconds now);
  /// Something has changed since take().
  [[nodiscard]] bool changed() const;
  /// All of them for a surface of that size, lowest first; they count as drawn.
  [[nodiscard]] std::vector<Layer> take(Size surface, Nanoseconds now);

 private:
  struct One {
    std::uint32_t id = 0;
    LayerOptions options;
    std::unique_ptr<LayerInput> input;
    std::shared_ptr<const Frame> picture;  ///< that was drawn last
    std::shared_ptr<const Frame> cropped;  ///< what of it was: the same, or a part; null: nothing
    Rect box;
    bool changed = true;  ///< by its user
  };
  [[nodiscard]] Result<void> check(const std::string& name, std::size_t more) const;
  [[nodiscard]] std::vector<One>::iterator find(std::string_view name);
  [[nodiscard]] std::unexpected<Error> unknown(std::string_view name) const;
  void sort();
  void picture_came() const;

  const Events events_;
  mutable std::mutex mutex_;
  std::vector<One> layers_;  ///< lowest first
  std::size_t adding_ = 0;
  std::uint32_t next_id_ = 1;
  bool removed_ = false;
  bool asleep_ = false;
  FormatOffer offer_;
  Nanoseconds drawn_{};
  std::atomic<Nanoseconds::rep> asks_again_ns_{0};  ///< CLOCK_MONOTONIC; the past: it waits for news
  std::vector<LayerBeat> beats_;
};

}  // namespace zc
