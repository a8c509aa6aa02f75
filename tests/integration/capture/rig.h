#pragma once

#include "capture/pipewire_source.h"
#include "media/format_offer.h"
#include "support/private_pipewire.h"
#include "support/recording_listener.h"
#include "support/test_picture.h"
#include "support/test_producer.h"

#include <catch2/catch_test_macros.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace zc::test {

inline std::unique_ptr<PrivatePipeWire> pipewire(
    PrivatePipeWire::SessionManager manager = PrivatePipeWire::SessionManager::WirePlumber) {
  auto started = PrivatePipeWire::start(manager);
  if (!started) FAIL(started.error().message());
  return std::move(*started);
}

inline std::unique_ptr<TestProducer> produce(ProducerOptions options) {
  auto made = TestProducer::create(std::move(options));
  if (!made) FAIL(made.error().message());
  return std::move(*made);
}

inline PipeWireTarget target(const TestProducer& producer) {
  PipeWireTarget t;
  t.node = PipeWireTarget::NodeId{producer.node_id()};
  return t;
}

inline std::unique_ptr<Source> source(PipeWireTarget t) {
  auto made = make_pipewire_source(std::move(t), "node", "the test producer");
  if (!made) FAIL(made.error().message());
  return std::move(*made);
}

inline std::unique_ptr<Source> source_with(std::shared_ptr<TimelineDevice> timelines, PipeWireTarget t) {
  auto made = make_pipewire_source_with(std::move(timelines), std::move(t), "node", "the test producer");
  if (!made) FAIL(made.error().message());
  return std::move(*made);
}

/// Every format as shared memory, in the table's order.
inline FormatOffer offer_all() {
  FormatOffer offer;
  for (const PixelFormatInfo& f : pixel_formats()) offer.formats.push_back({f.format, {}});
  return offer;
}

inline FormatOffer offer_only(PixelFormat format) {
  FormatOffer offer;
  offer.formats.push_back({format, {}});
  return offer;
}

inline std::array<PictureView, 3> views(const HostImage& image) {
  std::array<PictureView, 3> planes;
  for (std::size_t i = 0; i < planes.size(); ++i)
    planes.at(i) = {image.planes.at(i).data, image.planes.at(i).stride_bytes};
  return planes;
}

/// What a test learns of every picture, checked on the source's thread and asserted on the test's.
struct PictureLog {
  std::vector<std::uint32_t> numbers;
  std::vector<Size> sizes;
  std::vector<PixelFormat> formats;
  std::uint64_t wrong = 0;  ///< without a mark, or with a byte that is not the picture's

  /// The frame's mark when it is a correct test picture in host memory.
  std::optional<TestMark> check(const Frame& frame) {
    const auto* image = std::get_if<HostImage>(&frame.image);
    if (image == nullptr) {
      if (frame.has_image()) ++wrong;
      return std::nullopt;
    }
    const auto mark = read_picture_mark(image->format, image->size, views(*image));
    if (!mark || compare_picture(image->format, image->size, *mark, views(*image))) {
      ++wrong;
      return std::nullopt;
    }
    numbers.push_back(mark->frame);
    sizes.push_back(image->size);
    formats.push_back(image->format);
    return mark;
  }
};

inline bool rising(const std::vector<std::uint32_t>& numbers) {
  for (std::size_t i = 1; i < numbers.size(); ++i) {
    if (numbers[i] <= numbers[i - 1]) return false;
  }
  return !numbers.empty();
}

}  // namespace zc::test
