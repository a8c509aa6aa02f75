#include "session/layers.h"

#include "base/quote.h"
#include "capture/restore_tokens.h"
#include "session/picture_worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace zc {
namespace {

constexpr std::string_view kOperation = "add a layer";

/// Each permission of the desktop's is remembered by itself.
SourceOptions of_layer(SourceOptions options, const std::string& name) {
  options.restore_slot += "." + name;
  if (!RestoreTokens::good_slot(options.restore_slot)) options.persist = Persist::Never;
  if (options.cursor == CursorMode::Metadata) options.cursor = CursorMode::Embedded;
  return options;
}

/// The part of a picture that is to be shown, which keeps the whole; null: there is none.
std::shared_ptr<const Frame> cropped(std::shared_ptr<const Frame> picture, const std::optional<Rect>& crop) {
  if (!picture || !crop) return picture;
  struct Part {
    std::shared_ptr<const Frame> whole;
    Frame frame;
  };
  auto part = std::make_shared<Part>();
  part->frame.image = picture->image;
  part->frame.crop = picture->crop;
  part->frame.transform = picture->transform;
  part->frame.colour = picture->colour;
  part->whole = std::move(picture);
  if (!PictureWorker::apply_crop(part->frame, crop)) return nullptr;
  return {part, &part->frame};
}

}  // namespace

Result<void> Layers::check(const std::string& name, std::size_t more) const {
  if (layers_.size() + more > LayerOptions::kMost) {
    return fail(ErrorKind::Busy, std::string(kOperation), fmt::format("there are at most {}", LayerOptions::kMost));
  }
  if (!name.empty() && std::ranges::any_of(layers_, [&](const One& one) { return one.options.name == name; })) {
    return fail(ErrorKind::Invalid, std::string(kOperation), fmt::format("there is one named {}", in_quotes(name)));
  }
  return {};
}

Result<void> Layers::check(const std::vector<LayerOptions>& layers) const {
  const std::lock_guard lock(mutex_);
  if (auto room = check({}, layers.size()); !room) return room;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string& name = layers[i].name;
    const bool twice =
        !name.empty() && std::ranges::any_of(layers.begin(), layers.begin() + static_cast<std::ptrdiff_t>(i),
                                             [&](const LayerOptions& one) { return one.name == name; });
    if (twice)
      return fail(ErrorKind::Invalid, std::string(kOperation), fmt::format("two are named {}", in_quotes(name)));
  }
  return {};
}

std::vector<Layers::One>::iterator Layers::find(std::string_view name) {
  return std::ranges::find_if(layers_, [&](const One& one) { return one.options.name == name; });
}

std::unexpected<Error> Layers::unknown(std::string_view name) const {
  std::string names;
  for (const One& one : layers_) names += (names.empty() ? "" : ", ") + one.options.name;
  return fail(ErrorKind::NotFound, fmt::format("find layer {}", in_quotes(name)),
              names.empty() ? "there are no layers" : "there are " + names);
}

void Layers::sort() {
  std::ranges::stable_sort(layers_, [](const One& a, const One& b) {
    return a.options.order != b.options.order ? a.options.order < b.options.order : a.id < b.id;
  });
}

Result<std::string> Layers::add(LayerOptions options, const SourceOptions& source_options) {
  std::uint32_t id = 0;
  FormatOffer offer;
  {
    const std::lock_guard lock(mutex_);
    if (asleep_) return fail(ErrorKind::Busy, std::string(kOperation), "the machine is asleep");
    if (auto good = check(options.name, adding_ + 1); !good) return std::unexpected(std::move(good.error()));
    id = next_id_++;
    const bool unnamed = options.name.empty();
    for (std::uint32_t n = id; options.name.empty() || (unnamed && find(options.name) != layers_.end()); ++n) {
      options.name = fmt::format("layer-{}", n);
    }
    offer = offer_;
    ++adding_;
  }
  std::string name = options.name;
  auto input = std::make_unique<LayerInput>(
      options.source, of_layer(source_options, name),
      LayerInput::Events{.news = [this] { picture_came(); },
                         .changed = [this, name](const Error* gone) { events_.changed(name, gone); }});
  const auto started = input->start(offer);  // may ask the desktop
  std::unique_lock lock(mutex_);
  --adding_;
  if (!started) return std::unexpected(started.error());
  if (asleep_) input->rest();
  layers_.push_back(
      {.id = id, .options = std::move(options), .input = std::move(input), .picture = {}, .cropped = {}, .box = {}});
  sort();
  lock.unlock();
  events_.news();
  return name;
}

Result<void> Layers::change(std::string_view name, const std::function<Result<void>(LayerOptions& options)>& change) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = find(name);
    if (found == layers_.end()) return unknown(name);
    LayerOptions changed = found->options;
    if (auto done = change(changed); !done) return done;
    if (changed.name != found->options.name || changed.source != found->options.source) {
      return fail(ErrorKind::Invalid, fmt::format("change layer {}", in_quotes(name)),
                  "its name and source stay; remove it and add another one");
    }
    found->options = std::move(changed);
    found->changed = true;
    sort();
  }
  events_.news();
  return {};
}

Result<void> Layers::remove(std::string_view name) {
  std::unique_ptr<LayerInput> gone;  // its end waits for its threads
  {
    const std::lock_guard lock(mutex_);
    const auto found = find(name);
    if (found == layers_.end()) return unknown(name);
    gone = std::move(found->input);
    layers_.erase(found);
    removed_ = true;
  }
  events_.news();
  return {};
}

std::vector<LayerStatus> Layers::status() const {
  const std::lock_guard lock(mutex_);
  std::vector<LayerStatus> all;
  for (const One& one : layers_) {
    LayerInput::Seen seen = one.input->seen();
    all.push_back(
        {.options = one.options, .box = one.box, .shown = seen.picture != nullptr, .gone = std::move(seen.gone)});
  }
  return all;
}

void Layers::set_offer(const FormatOffer& offer) {
  const std::lock_guard lock(mutex_);
  offer_ = offer;
  if (asleep_) return;
  for (const One& one : layers_) one.input->renegotiate(offer);
}

void Layers::stop() {
  std::vector<One> all;  // their end waits for their threads
  {
    const std::lock_guard lock(mutex_);
    all.swap(layers_);
  }
}

void Layers::rest() {
  const std::lock_guard lock(mutex_);
  asleep_ = true;
  for (One& one : layers_) {
    one.input->rest();
    one.picture.reset();
    one.cropped.reset();
  }
}

void Layers::wake(const FormatOffer& offer) {
  const std::lock_guard lock(mutex_);
  asleep_ = false;
  offer_ = offer;
  for (One& one : layers_) {
    one.input->wake(offer);
    one.changed = true;
  }
}

std::optional<Nanoseconds> Layers::due(const MainBeat& main, Nanoseconds now) {
  const std::lock_guard lock(mutex_);
  beats_.clear();
  for (const One& one : layers_) {
    const LayerInput::Seen seen = one.input->seen();
    LayerBeat beat = seen.beat;
    beat.changed = one.changed || seen.picture != one.picture;
    beat.at_once = beat.at_once || one.changed;
    beats_.push_back(beat);
  }
  if (removed_) beats_.push_back({.changed = true, .at_once = true});
  const auto due = layers_due(beats_, main, drawn_, now);
  const Nanoseconds still = still_from(main);
  if (due || layers_.empty() || still <= now) return due;
  asks_again_ns_.store(still.count(), std::memory_order_relaxed);
  return still;
}

void Layers::picture_came() const {
  if (monotonic_now().count() >= asks_again_ns_.load(std::memory_order_relaxed)) events_.news();
}

bool Layers::changed() const {
  const std::lock_guard lock(mutex_);
  return removed_ || std::ranges::any_of(layers_, [](const One& one) {
           return one.changed || one.input->seen().picture != one.picture;
         });
}

std::vector<Layer> Layers::take(Size surface, Nanoseconds now) {
  const std::lock_guard lock(mutex_);
  removed_ = false;
  drawn_ = now;
  std::vector<Layer> all;
  all.reserve(layers_.size());
  for (One& one : layers_) {
    auto picture = one.input->seen().picture;
    if (one.changed || picture != one.picture) one.cropped = cropped(picture, one.options.crop);
    one.picture = std::move(picture);
    one.changed = false;
    one.box = {};
    if (!one.cropped) continue;
    const LayerPlace place = place_layer(one.options, one.cropped->visible_size(), surface);
    one.box = place.box;
    all.push_back({.id = one.id, .place = place, .picture = one.cropped});
  }
  return all;
}

}  // namespace zc
