#pragma once

#include "media/format_offer.h"
#include "zerocopy/converter.h"

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {

/// A GPU's converters in the order in which they are asked, and what became of each: what it has refused, and whether
/// it rests after a failure. One thread.
class Converters {
 public:
  struct Way {
    std::unique_ptr<Converter> converter;
    std::vector<std::pair<PixelFormat, std::uint64_t>> refused = {};  ///< formats with modifiers, see ask_again()
    unsigned failures = 0;                                            ///< in a row
    std::uint64_t resting_to = 0;                                     ///< picture before which it is not asked
  };

  /// `implicit`: buffers with DRM_FORMAT_MOD_INVALID come from this very GPU.
  explicit Converters(bool implicit) : implicit_(implicit) {}

  void adopt(std::vector<std::unique_ptr<Converter>> converters);
  /// Waits, bounded, for what they still do.
  void clear() { ways_.clear(); }
  /// "vulkan"; "cpu" where there is none.
  [[nodiscard]] std::string_view first_name() const;
  /// What they list, whatever they have refused.
  void add_to(FormatOffer& offer) const;

  /// A further picture; rests are counted in them.
  void begin_picture() { ++picture_; }
  /// The first one behind `after` (null: of all) that would take such a picture; null: there is none.
  [[nodiscard]] Way* pick(const PicturePlan& plan, std::uint64_t modifier, const Way* after = nullptr);
  /// `way` lists this modifier of the format and has not refused it.
  [[nodiscard]] bool reads(const Way& way, PixelFormat format, std::uint64_t modifier) const;
  /// The first one behind `after` that draws layers, for a picture that is a copy.
  [[nodiscard]] Way* pick_composing(const Way* after = nullptr);
  /// Some converter reads it, even if it rests just now.
  [[nodiscard]] bool read(const PicturePlan& plan, std::uint64_t modifier) const;
  /// `way` does not read this. True: nobody does any more.
  [[nodiscard]] bool refuse(Way& way, PixelFormat format, std::uint64_t modifier);
  /// What was refused is worth another try.
  void ask_again(PixelFormat format, std::uint64_t modifier);
  /// It rests for so many pictures (64, then 128, ...), which it returns.
  std::uint64_t rest(Way& way) const;

  // As those of Converter, of all of them.
  [[nodiscard]] Result<void> settle(Nanoseconds timeout);
  void forget_targets();

 private:
  [[nodiscard]] bool lists(const Way& way, PixelFormat format, std::uint64_t modifier) const;
  [[nodiscard]] std::vector<std::uint64_t> modifiers(PixelFormat format) const;
  [[nodiscard]] std::vector<Way>::iterator behind(const Way* way) {
    return way == nullptr ? ways_.begin() : ways_.begin() + (way - ways_.data()) + 1;
  }

  const bool implicit_;
  std::uint64_t picture_ = 0;
  std::vector<Way> ways_;
};

}  // namespace zc
