#include "zerocopy/cuda/cuda_surface_pool.h"

#include "gpu/cuda/av_device.h"
#include "media/av_words.h"
#include "zerocopy/surface_frame.h"

#include <ffnvcodec/dynlink_loader.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/error.h>
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

namespace zc {
namespace {

constexpr const char* kOperation = "make surfaces in CUDA memory";
/// Rows on multiples of this keep every pass's stores whole and satisfy NVENC where the device asks for less.
constexpr std::size_t kLeastAlignment = 256;

/// FFmpeg aligns the rows of its CUDA frames by the same attribute, so that av_hwframe_get_buffer() and we agree.
std::size_t row_alignment(const cuda::Context& context) {
  int value = 0;
  const CudaFunctions& api = context.driver().api();
  if (api.cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT, context.device().handle) !=
      CUDA_SUCCESS) {
    return kLeastAlignment;
  }
  const auto alignment = static_cast<std::size_t>(std::max(value, 0));
  const bool power_of_two = (alignment & (alignment - 1)) == 0;
  return power_of_two ? std::max(alignment, kLeastAlignment) : kLeastAlignment;
}

/// Where a picture's memory and AVFrame meet: libavutil carries device addresses as pointers.
std::uint8_t* as_pointer(CUdeviceptr address) {
  return reinterpret_cast<std::uint8_t*>(address);  // NOLINT(performance-no-int-to-ptr)
}

}  // namespace

/// What AVBufferPool's callbacks work on; lives until the last surface is gone.
struct CudaSurfacePool::State {
  std::shared_ptr<const cuda::Context> context;
  std::shared_ptr<VulkanDevice> vulkan;
  std::shared_ptr<CudaCounters> counters;
  std::size_t limit = 0;
  std::size_t bytes = 0;
  // Under the AVBufferPool's own lock, which is held while it asks for a buffer.
  std::size_t made = 0;
  std::optional<Error> refusal;  ///< of the last request

  [[nodiscard]] Result<std::unique_ptr<Slot>> make_slot();
  static AVBufferRef* allocate(void* opaque, decltype(AVBufferRef::size) size) noexcept;
  static void free_slot(void* opaque, std::uint8_t* /*data*/) noexcept { delete static_cast<Slot*>(opaque); }
  static void pool_gone(void* opaque) noexcept { delete static_cast<std::shared_ptr<State>*>(opaque); }
};

Result<std::unique_ptr<CudaSurfacePool::Slot>> CudaSurfacePool::State::make_slot() {
  auto slot = std::make_unique<Slot>();
  auto buffer = VulkanBuffer::create_exportable(vulkan, bytes);
  if (!buffer) return std::unexpected(std::move(buffer.error()));
  auto memory = CudaMemory::import(context, *buffer);
  if (!memory) return std::unexpected(std::move(memory.error()));
  counters->imports.fetch_add(1, std::memory_order_relaxed);
  slot->buffer = std::move(*buffer);
  slot->memory = std::move(*memory);
  return slot;
}

AVBufferRef* CudaSurfacePool::State::allocate(void* opaque, decltype(AVBufferRef::size) /*size*/) noexcept {
  State& state = **static_cast<std::shared_ptr<State>*>(opaque);
  state.refusal.reset();
  if (state.made >= state.limit) {
    state.refusal = Error{ErrorKind::Busy, ErrorDomain::None, 0, "import frame",
                          fmt::format("all {} surfaces are in use", state.limit)};
    return nullptr;
  }
  auto slot = state.make_slot();
  if (!slot) {
    // With others around, one comes back.
    if (state.made > 0 && slot.error().kind != ErrorKind::Lost) slot.error().kind = ErrorKind::Busy;
    state.refusal = std::move(slot.error());
    return nullptr;
  }
  std::uint8_t* const address = as_pointer((*slot)->memory.address());
  AVBufferRef* reference = av_buffer_create(address, state.bytes, &free_slot, slot->get(), 0);
  if (reference == nullptr) return nullptr;
  [[maybe_unused]] auto* const owned = slot->release();  // by the buffer
  ++state.made;
  return reference;
}

Result<std::unique_ptr<CudaSurfacePool>> CudaSurfacePool::create(const SurfaceFormat& format, std::size_t limit,
                                                                 std::shared_ptr<const cuda::Context> context,
                                                                 std::shared_ptr<VulkanDevice> vulkan,
                                                                 std::shared_ptr<CudaCounters> counters) {
  const AVPixelFormat layout_format = av_pixel_format(format.format);
  if (layout_format == AV_PIX_FMT_NONE) {
    return fail(ErrorKind::Unsupported, kOperation, fmt::format("{} surfaces", name(format.format)));
  }
  auto device = cuda::make_av_device(context);
  if (!device) return std::unexpected(std::move(device.error()));
  AvBufferPtr frames(av_hwframe_ctx_alloc(device->get()));
  if (!frames) return fail_errno(ENOMEM, kOperation);

  const SurfaceLayout layout = surface_layout(format.format, format.size, row_alignment(*context));
  auto state = std::make_shared<State>();
  state->context = std::move(context);
  state->vulkan = std::move(vulkan);
  state->counters = std::move(counters);
  state->limit = limit;
  state->bytes = layout.bytes;

  auto& hw = *reinterpret_cast<AVHWFramesContext*>(frames->data);
  hw.format = AV_PIX_FMT_CUDA;
  hw.sw_format = layout_format;
  hw.width = static_cast<int>(format.size.width);
  hw.height = static_cast<int>(format.size.height);
  auto held = std::make_unique<std::shared_ptr<State>>(state);
  hw.pool = av_buffer_pool_init2(layout.bytes, held.get(), &State::allocate, &State::pool_gone);
  if (hw.pool == nullptr) return fail_errno(ENOMEM, kOperation);
  [[maybe_unused]] auto* const owned = held.release();  // by the pool
  // libavutil frees a pool of its own only.
  hw.user_opaque = hw.pool;
  hw.free = [](AVHWFramesContext* gone) {
    auto* pool = static_cast<AVBufferPool*>(gone->user_opaque);
    av_buffer_pool_uninit(&pool);
  };
  if (const int code = av_hwframe_ctx_init(frames.get()); code < 0) {
    return std::unexpected(Error{ErrorKind::Unsupported, ErrorDomain::FFmpeg, code, kOperation,
                                 fmt::format("FFmpeg has no {} pictures in CUDA memory", name(format.format))});
  }
  return std::unique_ptr<CudaSurfacePool>(new CudaSurfacePool(format, layout, std::move(frames), std::move(state)));
}

CudaSurfacePool::CudaSurfacePool(const SurfaceFormat& format, const SurfaceLayout& layout, AvBufferPtr frames,
                                 std::shared_ptr<State> state)
    : format_(format), layout_(layout), frames_(std::move(frames)), state_(std::move(state)) {}

CudaSurfacePool::~CudaSurfacePool() = default;

Result<CudaSurfacePool::Taken> CudaSurfacePool::take() {
  auto& hw = *reinterpret_cast<AVHWFramesContext*>(frames_->data);
  AvBufferPtr reference(av_buffer_pool_get(hw.pool));
  if (!reference) {
    if (state_->refusal) return std::unexpected(*state_->refusal);
    return fail_errno(ENOMEM, kOperation);
  }
  Slot& slot = *static_cast<Slot*>(av_buffer_pool_buffer_get_opaque(reference.get()));
  return Taken(std::move(reference), slot);
}

Result<Surface> CudaSurfacePool::publish(Taken taken) {
  AvFramePtr frame(av_frame_alloc());
  if (!frame) return fail_errno(ENOMEM, kOperation);
  frame->hw_frames_ctx = av_buffer_ref(frames_.get());
  if (frame->hw_frames_ctx == nullptr) return fail_errno(ENOMEM, kOperation);
  for (unsigned i = 0; i < info(format_.format).planes; ++i) {
    const SurfaceLayout::Plane& plane = layout_.planes.at(i);
    frame->data[i] = as_pointer(taken.slot().memory.address() + plane.offset_bytes);
    frame->linesize[i] = static_cast<int>(plane.stride_bytes);
  }
  frame->buf[0] = taken.reference_.release();
  frame->format = AV_PIX_FMT_CUDA;
  describe(*frame, format_);
  return Surface(std::move(frame), format_);
}

void CudaSurfacePool::retire(Taken taken) { retired_.push_back(std::move(taken.reference_)); }

Result<void> upload(const cuda::Context& context, const Surface& picture, const SurfaceLayout& layout,
                    const CudaSurfacePool::Slot& slot) {
  const auto current = cuda::CurrentContext::push(context);
  if (!current) return std::unexpected(current.error());
  const AVFrame& from = *picture.av_frame();
  for (unsigned i = 0; i < info(layout.format).planes; ++i) {
    CUDA_MEMCPY2D copy{};
    copy.srcMemoryType = CU_MEMORYTYPE_HOST;
    copy.srcHost = from.data[i];
    copy.srcPitch = static_cast<std::size_t>(from.linesize[i]);
    copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
    copy.dstDevice = slot.memory.address() + layout.planes.at(i).offset_bytes;
    copy.dstPitch = layout.planes.at(i).stride_bytes;
    copy.WidthInBytes = row_bytes(layout.format, i, layout.size.width);
    copy.Height = plane_height(layout.format, i, layout.size.height);
    if (auto ok = context.driver().check(context.driver().api().cuMemcpy2D(&copy), "copy a picture to the GPU"); !ok) {
      return ok;
    }
  }
  // A copy from pageable memory may return while its last part is under way to the device.
  return cuda::synchronize(context);
}

}  // namespace zc
