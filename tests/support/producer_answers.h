// What the test producer states and answers, as functions of its options.
#pragma once

#include "support/producer_offer.h"
#include "support/test_producer.h"

#include <cstdint>
#include <span>
#include <vector>

namespace zc::test {

/// Its EnumFormats, `formats` and `size` as they are now; recorded ones are scaled to `size` when it is not empty.
[[nodiscard]] std::vector<EnumFormat> offered_formats(const ProducerOptions& options,
                                                      std::span<const PixelFormat> formats, Size size);
/// Of `all`: those that can be had with `modifier`, with that one only.
[[nodiscard]] std::vector<EnumFormat> fixated(std::span<const EnumFormat> all, std::uint64_t modifier);
/// The modifier it allocates when these are left to it. One of its own when none of them is: it offers that, and waits
/// for a consumer that takes it.
[[nodiscard]] std::uint64_t choose_modifier(const ProducerOptions& options, std::span<const std::uint64_t> open);

[[nodiscard]] BuffersOffer offered_buffers(const ProducerOptions& options, bool dmabuf, std::size_t blocks);
/// Without SyncTimeline.
[[nodiscard]] std::vector<MetaOffer> offered_metas(const ProducerOptions& options);

}  // namespace zc::test
