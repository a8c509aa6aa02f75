#include "capture/capture_format.h"

#include "media/pixel_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace zc {
namespace {

constexpr const char* kOperation = "agree on a format with the compositor";
constexpr std::uint32_t kMostEdge = 16'384;  // px
constexpr std::uint32_t kStrideStep = 64;    // bytes: as the CPU's cache lines

struct ShmCode {
  PixelFormat format;
  std::uint32_t code;
};
constexpr std::array kOwnCodes = {ShmCode{PixelFormat::BGRA, 0}, ShmCode{PixelFormat::BGRx, 1}};

std::optional<CaptureFormat> as_dmabuf(const CaptureConstraints& constraints, const FormatOffer::Entry& entry) {
  const auto had = std::ranges::find(constraints.dmabuf, entry.format, &DmabufFormat::format);
  if (had == constraints.dmabuf.end() || !constraints.device) return std::nullopt;
  CaptureFormat chosen{.size = constraints.size, .format = entry.format, .stride_bytes = 0, .modifiers = {}};
  for (const std::uint64_t modifier : entry.modifiers) {
    if (std::ranges::find(had->modifiers, modifier) != had->modifiers.end()) chosen.modifiers.push_back(modifier);
  }
  if (chosen.modifiers.empty()) return std::nullopt;
  return chosen;
}

std::optional<CaptureFormat> as_memory(const CaptureConstraints& constraints, const FormatOffer::Entry& entry) {
  const auto had = std::ranges::find(constraints.memory, entry.format, &CaptureConstraints::Memory::format);
  if (had == constraints.memory.end()) return std::nullopt;
  const std::uint64_t row = row_bytes(entry.format, 0, constraints.size.width);
  if (had->stride_bytes != 0 && had->stride_bytes < row) return std::nullopt;
  const auto free_stride = static_cast<std::uint32_t>((row + kStrideStep - 1) / kStrideStep * kStrideStep);
  return CaptureFormat{.size = constraints.size,
                       .format = entry.format,
                       .stride_bytes = had->stride_bytes != 0 ? had->stride_bytes : free_stride,
                       .modifiers = {}};
}

}  // namespace

Result<CaptureFormat> choose_capture_format(const CaptureConstraints& constraints, const FormatOffer& offer) {
  const auto [width, height] = constraints.size;
  if (constraints.size.empty() || width > kMostEdge || height > kMostEdge) {
    return fail(ErrorKind::Unsupported, kOperation, fmt::format("its picture is {}x{}", width, height));
  }
  for (const FormatOffer::Entry& entry : offer.formats) {
    if (auto chosen = as_dmabuf(constraints, entry)) return *std::move(chosen);
  }
  for (const FormatOffer::Entry& entry : offer.formats) {
    if (!offer.shared_memory) break;
    if (auto chosen = as_memory(constraints, entry)) return *std::move(chosen);
  }
  return fail(ErrorKind::Unsupported, kOperation,
              fmt::format("it has none of {}", offer.nothing() ? "nothing" : describe(offer)));
}

std::optional<PixelFormat> format_of_shm(std::uint32_t code) {
  const auto* const own = std::ranges::find(kOwnCodes, code, &ShmCode::code);
  const auto format = own != kOwnCodes.end() ? std::optional(own->format) : pixel_format_from_fourcc(code);
  if (!format || *format == PixelFormat::Unknown || info(*format).yuv) return std::nullopt;
  return format;
}

std::uint32_t shm_code(PixelFormat format) {
  const auto* const own = std::ranges::find(kOwnCodes, format, &ShmCode::format);
  return own != kOwnCodes.end() ? own->code : info(format).drm_fourcc;
}

// A transform mirrors by F (or not) and then turns by R^n; upside down is R^2 F, and F R^n is R^-n F.
Transform upside_down(Transform transform) {
  const auto number = static_cast<unsigned>(transform);
  const unsigned turns = (2U - (number & 3U)) & 3U;
  return static_cast<Transform>(turns | ((number & 4U) ^ 4U));
}

}  // namespace zc
