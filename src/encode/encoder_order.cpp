#include "encode/encoder_order.h"

#include "media/picture_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

namespace zc {
namespace {

std::vector<std::string_view> backends() {
  std::vector<std::string_view> names;
  for (const EncoderRow& row : encoder_rows()) {
    if (std::ranges::find(names, row.backend) == names.end()) names.push_back(row.backend);
  }
  return names;
}

/// The encoder's device is the one in whose memory the pictures are.
bool holds_pictures(const EncoderRow& row, const VideoParameters& video) {
  return video.device && video.device->memory() == row.device_memory;
}

}  // namespace

Result<void> validate_order(std::span<const std::string> order) {
  const std::vector<std::string_view> known = backends();
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::string& word = order[i];
    if (std::ranges::find(known, word) == known.end() && find_encoder_row(word) == nullptr) {
      std::string names;
      for (const std::string_view name : known) names += fmt::format("{}, ", name);
      return fail(ErrorKind::Invalid, "encoder order",
                  fmt::format("'{}' is not one of {}{}", word, names, encoder_names()));
    }
    if (std::ranges::find(order.first(i), word) != order.first(i).end()) {
      return fail(ErrorKind::Invalid, "encoder order", fmt::format("'{}' stands in it twice", word));
    }
  }
  return {};
}

void sort_encoders(std::vector<const EncoderRow*>& rows, std::span<const std::string> order,
                   const VideoParameters& video) {
  const auto rank = [&](const EncoderRow* row) {
    // The more particular word decides: "nvenc,h264_nvenc" is no contradiction, nor is its reverse.
    auto place = std::ranges::find(order, row->name);
    if (place == order.end()) place = std::ranges::find(order, row->backend);
    const int kind = holds_pictures(*row, video) ? 0 : row->hardware() ? 1 : 2;
    return std::pair(place - order.begin(), kind);
  };
  std::ranges::stable_sort(rows, {}, rank);
}

}  // namespace zc
