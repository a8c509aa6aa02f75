// What the user asked to capture, as text (`--source`, the config) and as data.
#pragma once

#include "base/error.h"
#include "capture/camera_spec.h"
#include "capture/cast_spec.h"
#include "capture/drawn_spec.h"
#include "capture/file_spec.h"
#include "capture/wayland_spec.h"
#include "media/colour.h"
#include "media/geometry.h"
#include "media/pixel_format.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace zc {

/// `test[:WxH[@FPS]][,format=NAME][,frames=N][,static][,transfer=NAME][,resize=WxH@N]...`: the synthetic pattern.
struct TestSpec {
  static constexpr std::uint32_t kMinEdge = 16;      ///< px: the smallest picture that holds a mark
  static constexpr std::uint32_t kMaxEdge = 16'384;  ///< px: what video encoders take at most

  /// From 0.01 to 1000 frames/s in numbers small enough that every deadline is exact in 64 bits.
  [[nodiscard]] static constexpr bool good_rate(Rational rate) {
    return rate.num > 0 && rate.num <= 1'000'000 && rate.den > 0 && rate.den <= 10'000 && rate.num <= rate.den * 1000 &&
           rate.num * 100ULL >= rate.den;
  }
  [[nodiscard]] static constexpr bool good_size(Size size) {
    return size.width >= kMinEdge && size.width <= kMaxEdge && size.height >= kMinEdge && size.height <= kMaxEdge;
  }

  struct Resize {
    Size size;                   ///< px
    std::uint64_t at_frame = 0;  ///< the first frame of the new size; frames count from 0
    bool operator==(const Resize&) const = default;
  };

  Size size{1280, 720};
  Rational rate{60, 1};
  std::optional<PixelFormat> format;  ///< RGB only; unset: the first of the consumer's offer
  std::uint64_t frames = 0;           ///< ends after this many frame periods; 0 = goes on until stopped
  bool still = false;                 ///< `static`: one picture, then silence, like a desktop where nothing moves
  TransferFunction transfer = TransferFunction::SRGB;  ///< that the pictures are said to have
  std::vector<Resize> resizes;                         ///< rising in `at_frame`
  bool operator==(const TestSpec&) const = default;
};

/// `node:ID`, `node:serial=SERIAL`, `node:NAME`: a PipeWire node by its id, its object.serial or its node.name.
struct NodeSpec {
  struct Id {
    std::uint32_t id = 0;
    bool operator==(const Id&) const = default;
  };
  struct Serial {
    std::uint64_t serial = 0;
    bool operator==(const Serial&) const = default;
  };
  std::variant<Id, Serial, std::string> node;
  bool operator==(const NodeSpec&) const = default;
};

/// What the desktop's dialog lets the user choose from.
enum class PortalType : std::uint8_t {
  Any,      ///< monitors and windows
  Monitor,  ///< a real screen
  Window,
  Virtual,  ///< a new screen that only exists for the capture
};
[[nodiscard]] std::string_view to_string(PortalType type);

/// `portal`, `portal:monitor`, `portal:window`, `portal:virtual`: whatever the user picks in the desktop's dialog; with
/// `multiple` (`portal:multiple`, `portal:window,multiple`) several of them, side by side.
struct PortalSpec {
  PortalType type = PortalType::Any;
  bool multiple = false;
  bool operator==(const PortalSpec&) const = default;
};

using SourceSpec = std::variant<PortalSpec, NodeSpec, TestSpec, WaylandSpec, CastSpec, ImageSpec, TextSpec, ClockSpec,
                                FileSpec, CameraSpec>;

/// Reads a source's text. ErrorKind::Invalid names the wrong part and the valid choices.
[[nodiscard]] Result<SourceSpec> parse_source(std::string_view text);

/// The shortest text that parse_source() reads back as the same spec.
[[nodiscard]] std::string to_string(const SourceSpec& spec);

/// For a process that has another working folder: paths of files in it become absolute.
void make_absolute(SourceSpec& spec);
/// Likewise of a source's text; what is none stays as it is.
[[nodiscard]] std::string absolute_source(std::string_view text);

}  // namespace zc
