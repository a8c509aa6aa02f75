#include "capture/picture_copies.h"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

using namespace zc;

namespace {

/// A producer's buffer with rows that are longer than the picture's, each sample another one.
struct Producer {
  Producer(PixelFormat pixel_format, Size picture_size) : format(pixel_format), size(picture_size) {
    for (unsigned plane = 0; plane < info(format).planes; ++plane) {
      stride.push_back(row_bytes(format, plane, size.width) + 20);
      auto& bytes = planes.emplace_back(stride.back() * plane_height(format, plane, size.height));
      for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7 + plane * 31);
    }
  }
  [[nodiscard]] Frame frame() {
    HostImage image{.format = format, .size = size, .planes = {}, .mapping = {}};
    for (std::size_t plane = 0; plane < planes.size(); ++plane) {
      image.planes.at(plane) = {.data = planes[plane].data(),
                                .stride_bytes = static_cast<std::uint32_t>(stride[plane])};
    }
    Frame frame;
    frame.image = std::move(image);
    frame.lease = BufferLease(given_back, nullptr, [](void* count, void*) noexcept { ++*static_cast<int*>(count); });
    return frame;
  }
  void write_again() {
    for (auto& bytes : planes) std::ranges::fill(bytes, std::byte{0xee});
  }

  PixelFormat format;
  Size size;
  std::vector<std::size_t> stride;
  std::vector<std::vector<std::byte>> planes;
  std::shared_ptr<int> given_back = std::make_shared<int>(0);
};

bool same_samples(const HostImage& image, const Producer& producer) {
  for (unsigned plane = 0; plane < producer.planes.size(); ++plane) {
    for (std::uint32_t y = 0; y < plane_height(image.format, plane, image.size.height); ++y) {
      const auto& one = image.planes.at(plane);
      if (!std::equal(one.data + std::size_t{y} * one.stride_bytes,
                      one.data + std::size_t{y} * one.stride_bytes + row_bytes(image.format, plane, image.size.width),
                      producer.planes[plane].data() + y * producer.stride[plane])) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

TEST_CASE("a copied picture stays what it is when its buffer is written again") {
  for (const PixelFormat format : {PixelFormat::YUY2, PixelFormat::NV12, PixelFormat::I420, PixelFormat::BGRx}) {
    CAPTURE(name(format));
    PictureCopies copies;
    Producer producer(format, {37, 23});
    const Producer before = producer;
    Frame frame = producer.frame();
    REQUIRE(copies.take_over(frame));
    CHECK(*producer.given_back == 1);
    producer.write_again();
    const auto& image = std::get<HostImage>(frame.image);
    CHECK(image.format == format);
    CHECK(image.size == Size{37, 23});
    CHECK(same_samples(image, before));
    CHECK(frame.spare == PictureCopies::kMost - 1);
  }
}

TEST_CASE("a copy is kept while it is read, and its room is used again") {
  auto copies = std::make_unique<PictureCopies>();
  Producer producer(PixelFormat::YUY2, {32, 8});
  std::vector<Frame> read;
  for (std::size_t i = 0; i < PictureCopies::kMost; ++i) {
    read.push_back(producer.frame());
    REQUIRE(copies->take_over(read.back()));
  }
  Frame more = producer.frame();
  CHECK_FALSE(copies->take_over(more));
  CHECK(*producer.given_back == static_cast<int>(PictureCopies::kMost));
  const std::byte* room = std::get<HostImage>(read[3].image).planes[0].data;
  read[3].lease.reset();
  REQUIRE(copies->take_over(more));
  CHECK(std::get<HostImage>(more.image).planes[0].data == room);
  copies.reset();  // pictures outlive their source
  CHECK(same_samples(std::get<HostImage>(more.image), producer));
}

TEST_CASE("a frame without a picture in host memory stays as it is") {
  PictureCopies copies;
  Frame frame;
  frame.spare = 5;
  CHECK(copies.take_over(frame));
  CHECK_FALSE(frame.has_image());
  CHECK(frame.spare == 5);
}
