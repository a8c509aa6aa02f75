#include "zerocopy/picture_copier.h"

#include "base/foreign_memory.h"
#include "zerocopy/picture_plan.h"

#include <ffnvcodec/dynlink_loader.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
#include <libavutil/hwcontext_cuda.h>
}

namespace zc {
namespace {

constexpr const char* kWhat = "bring a picture to the GPU";
/// Rows on whole vectors of any GPU.
constexpr std::size_t kAlignment = 256;

const AVCUDADeviceContext& cuda_device(const AVFrame& frame) {
  const auto& frames = *reinterpret_cast<const AVHWFramesContext*>(frame.hw_frames_ctx->data);
  return *static_cast<const AVCUDADeviceContext*>(frames.device_ctx->hwctx);
}

Result<void> check(const HostImage& image) {
  if (auto good = check_edges(image.size, kWhat); !good) return good;
  if (image.format == PixelFormat::Unknown) return fail(ErrorKind::Invalid, kWhat, "its format is unknown");
  for (unsigned i = 0; i < info(image.format).planes; ++i) {
    const HostImage::Plane& plane = image.planes.at(i);
    if (plane.data == nullptr || plane.stride_bytes < row_bytes(image.format, i, image.size.width)) {
      return fail(ErrorKind::Invalid, kWhat, fmt::format("plane {} is missing or too narrow", i));
    }
  }
  return {};
}

}  // namespace

bool PictureCopier::on_device(const DeviceImage& image) const {
  return cuda_ && image.memory == MemoryKind::Cuda && image.frame && image.frame->hw_frames_ctx != nullptr &&
         image.frame->format == AV_PIX_FMT_CUDA && cuda_device(*image.frame).cuda_ctx == cuda_->handle();
}

Result<void> PictureCopier::copy(const Frame& frame, PictureCopy& into) {
  if (const auto* host = std::get_if<HostImage>(&frame.image)) return copy_host(*host, into);
  if (const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image)) {
    if (!*dmabuf) return fail(ErrorKind::Invalid, kWhat, "its dmabuf is missing");
    return copy_dmabuf(*dmabuf, into);
  }
  const auto* device = std::get_if<std::shared_ptr<const DeviceImage>>(&frame.image);
  if (device == nullptr || !*device) return fail(ErrorKind::Invalid, kWhat, "it is missing");
  if (on_device(**device)) return copy_cuda(**device, into);
  const auto read = reader_.read(**device);
  if (!read) return std::unexpected(read.error());
  return copy_host(*read, into);
}

Result<void> PictureCopier::copy_dmabuf(const std::shared_ptr<const Dmabuf>& dmabuf, PictureCopy& into) {
  const auto image = mapper_.map(dmabuf);
  if (!image) return std::unexpected(image.error());
  const auto read = DmabufRead::begin(dmabuf);
  if (!read) return std::unexpected(read.error());
  return copy_host(*image, into);
}

Result<void> PictureCopier::copy_host(const HostImage& image, PictureCopy& into) {
  if (auto good = check(image); !good) return good;
  into.layout = surface_layout(image.format, image.size, kAlignment);
  // The last pair of packed 4:2:2 is whole, also in pictures of an odd width.
  const std::size_t pair = info(image.format).bytes_per_sample[0] == 2 && info(image.format).planes == 1 ? 4 : 1;
  if (into.buffer.mapped() == nullptr || into.buffer.bytes() < into.layout.bytes) {
    into.cuda = {};
    into.buffer = {};
    auto buffer = VulkanBuffer::create_shared_upload(device_, into.layout.bytes);
    if (!buffer) return std::unexpected(std::move(buffer.error()));
    into.buffer = std::move(*buffer);
  }
  const std::uint64_t torn = ForeignMemory::torn_so_far();
  for (unsigned i = 0; i < info(image.format).planes; ++i) {
    const SurfaceLayout::Plane& to = into.layout.planes.at(i);
    const HostImage::Plane& from = image.planes.at(i);
    const std::size_t bytes = row_bytes(image.format, i, image.size.width);
    const std::size_t row = std::min<std::size_t>((bytes + pair - 1) / pair * pair, from.stride_bytes);
    for (std::size_t y = 0; y < plane_height(image.format, i, image.size.height); ++y) {
      std::memcpy(into.buffer.mapped() + to.offset_bytes + y * to.stride_bytes,
                  from.data + y * std::size_t{from.stride_bytes}, row);
    }
    device_->counters().uploaded_bytes.fetch_add(row * plane_height(image.format, i, image.size.height),
                                                 std::memory_order_relaxed);
  }
  if (ForeignMemory::torn_so_far() != torn) {
    return fail(ErrorKind::Invalid, kWhat, "its memory was cut short while it was read");
  }
  return {};
}

Result<void> PictureCopier::copy_cuda(const DeviceImage& image, PictureCopy& into) {
  if (auto good = check_edges(image.size, kWhat); !good) return good;
  into.layout = surface_layout(image.format, image.size, kAlignment);
  const AVFrame& from = *image.frame;
  if (from.width < static_cast<int>(image.size.width) || from.height < static_cast<int>(image.size.height)) {
    return fail(ErrorKind::Invalid, kWhat, "it is larger than its memory");
  }
  if (into.cuda.bytes() < into.layout.bytes) {
    into.cuda = {};
    into.buffer = {};
    auto buffer = VulkanBuffer::create_exportable(device_, into.layout.bytes);
    if (!buffer) return std::unexpected(std::move(buffer.error()));
    auto memory = CudaMemory::import(cuda_, *buffer);
    if (!memory) return std::unexpected(std::move(memory.error()));
    into.buffer = std::move(*buffer);
    into.cuda = std::move(*memory);
  }
  const auto current = cuda::CurrentContext::push(*cuda_);
  if (!current) return std::unexpected(current.error());
  const cuda::Driver& driver = cuda_->driver();
  // The decoder's own stream, on which its work on the picture may still be under way.
  CUstream stream = cuda_device(from).stream;
  for (unsigned i = 0; i < info(image.format).planes; ++i) {
    const SurfaceLayout::Plane& to = into.layout.planes.at(i);
    CUDA_MEMCPY2D copy{};
    copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
    copy.srcDevice = reinterpret_cast<CUdeviceptr>(from.data[i]);
    copy.srcPitch = static_cast<std::size_t>(from.linesize[i]);
    copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
    copy.dstDevice = into.cuda.address() + to.offset_bytes;
    copy.dstPitch = to.stride_bytes;
    copy.WidthInBytes = row_bytes(image.format, i, image.size.width);
    copy.Height = plane_height(image.format, i, image.size.height);
    if (auto ok = driver.check(driver.api().cuMemcpy2DAsync(&copy, stream), kWhat); !ok) return ok;
  }
  return driver.check(driver.api().cuStreamSynchronize(stream), kWhat);
}

}  // namespace zc
