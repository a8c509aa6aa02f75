#include "gpu/check.h"

#include "media/colour.h"
#include "zerocopy/cpu/rgb_to_yuv.h"

#include <cstring>
#include <filesystem>
#include <iterator>
#include <random>
#include <utility>

namespace zc::gpu_check {

Outcome failed(std::string reason) { return {.verdict = Outcome::Verdict::Failed, .reason = std::move(reason)}; }
Outcome skipped(std::string reason) { return {.verdict = Outcome::Verdict::Skipped, .reason = std::move(reason)}; }
Outcome outcome_of(const Error& error) {
  return error.kind == ErrorKind::Unsupported ? skipped(error.message()) : failed(error.message());
}

std::vector<std::byte> noise(Size size, unsigned seed) {
  std::vector<std::byte> pixels(size.area() * 4);
  std::minstd_rand random(seed);
  for (std::byte& byte : pixels) byte = static_cast<std::byte>(random() >> 8U);
  return pixels;
}

Result<std::vector<std::byte>> converted(std::span<const std::byte> pixels, PixelFormat source,
                                         const SurfaceLayout& layout) {
  const auto convert = RgbToYuv::create(source, layout.format, kBt709Limited);
  if (!convert) return std::unexpected(convert.error());
  std::vector<std::byte> surface(layout.bytes);
  YuvView view{layout.format, layout.size, {}};
  for (unsigned i = 0; i < info(layout.format).planes; ++i) {
    view.planes.at(i) = {surface.data() + layout.planes.at(i).offset_bytes, layout.planes.at(i).stride_bytes};
  }
  convert->convert({pixels.data(), std::size_t{layout.size.width} * 4, layout.size}, view);
  return surface;
}

std::size_t different(const std::byte* a, const std::byte* b, const SurfaceLayout& layout) {
  const std::size_t sample = info(layout.format).bits > 8 ? 2 : 1;
  std::size_t count = 0;
  for (unsigned plane = 0; plane < info(layout.format).planes; ++plane) {
    const std::size_t row = row_bytes(layout.format, plane, layout.size.width);
    for (std::uint32_t y = 0; y < plane_height(layout.format, plane, layout.size.height); ++y) {
      const std::size_t at = layout.planes.at(plane).offset_bytes + y * layout.planes.at(plane).stride_bytes;
      for (std::size_t x = 0; x < row; x += sample) {
        if (std::memcmp(a + at + x, b + at + x, sample) != 0) ++count;
      }
    }
  }
  return count;
}

Result<std::unique_ptr<Bench>> Bench::create(const std::shared_ptr<VulkanDevice>& device) {
  auto pass = ConversionPass::create(device);
  if (!pass) return std::unexpected(std::move(pass.error()));
  return std::unique_ptr<Bench>(new Bench(device, *std::move(pass)));
}

Result<VulkanBuffer> Bench::staged(std::span<const std::byte> bytes) {
  auto staging = VulkanBuffer::create_host(device_, bytes.size());
  if (staging) std::memcpy(staging->mapped(), bytes.data(), bytes.size());
  return staging;
}

Result<VulkanBuffer> Bench::upload(std::span<const std::byte> bytes) {
  const auto staging = staged(bytes);
  if (!staging) return std::unexpected(staging.error());
  auto buffer = VulkanBuffer::create_exportable(device_, bytes.size());
  if (!buffer) return buffer;
  if (auto ok = pass_->copy(*staging, *buffer, bytes.size(), kFrameTimeout); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  return buffer;
}

Result<VulkanImage> Bench::upload_image(std::span<const std::byte> pixels, PixelFormat format, Size size) {
  const auto staging = staged(pixels);
  if (!staging) return std::unexpected(staging.error());
  auto image = VulkanImage::create(device_, format, size);
  if (!image) return image;
  if (auto ok = pass_->upload(*staging, *image, kFrameTimeout); !ok) return std::unexpected(std::move(ok.error()));
  return image;
}

Result<std::vector<std::byte>> Bench::download(const VulkanBuffer& buffer, std::size_t bytes) {
  const auto staging = VulkanBuffer::create_host(device_, bytes);
  if (!staging) return std::unexpected(staging.error());
  if (auto ok = pass_->copy(buffer, *staging, bytes, kFrameTimeout); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = staging->invalidate(); !ok) return std::unexpected(std::move(ok.error()));
  return std::vector<std::byte>(staging->mapped(), staging->mapped() + bytes);
}

Result<std::size_t> wrong_samples(Bench& bench, const ConversionPass::Source& source, std::span<const std::byte> pixels,
                                  PixelFormat format, const SurfaceLayout& layout, const VulkanBuffer& target) {
  const auto plan = make_picture_plan(format, layout.size, {}, Transform::Normal, layout.size);
  if (!plan) return std::unexpected(plan.error());
  if (auto ok = bench.pass().run(source, *plan, target, layout, kBt709Limited, kFrameTimeout); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  const auto surface = bench.download(target, layout.bytes);
  if (!surface) return std::unexpected(surface.error());
  const auto wanted = converted(pixels, format, layout);
  if (!wanted) return std::unexpected(wanted.error());
  return different(surface->data(), wanted->data(), layout);
}

std::size_t open_fds() {
  const std::filesystem::directory_iterator fds("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(fds), end(fds)));
}

}  // namespace zc::gpu_check
