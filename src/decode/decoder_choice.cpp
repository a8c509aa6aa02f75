#include "decode/decoder_choice.h"

#include <algorithm>
#include <array>

namespace zc {
namespace {

struct Row {
  MemoryKind memory;
  DecoderBackend decoder;
};
constexpr std::array kRows{Row{MemoryKind::Cuda, DecoderBackend::Nvdec}, Row{MemoryKind::Vaapi, DecoderBackend::Vaapi},
                           Row{MemoryKind::Vulkan, DecoderBackend::Vulkan}};

}  // namespace

DecoderChoice decoders_for(const FormatOffer& offer, std::optional<DecoderBackend> only) {
  DecoderChoice choice;
  for (const MemoryKind memory : offer.device_memory) {
    const auto* const row = std::ranges::find(kRows, memory, &Row::memory);
    if (row != kRows.end()) choice.decoders.push_back(row->decoder);
  }
  if (only) {
    choice.on_device = std::ranges::find(choice.decoders, *only) != choice.decoders.end();
    choice.decoders = {*only};
    return choice;
  }
  choice.on_device = !choice.decoders.empty();
  choice.decoders.push_back(DecoderBackend::Software);
  return choice;
}

}  // namespace zc
