#include "zerocopy/cpu/surface_pool.h"

#include "media/av_words.h"
#include "zerocopy/surface_frame.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/frame.h>
}

namespace zc {
namespace {

constexpr std::size_t kAlignment = 64;

/// What the pool promises to be readable behind the last plane.
constexpr std::size_t kTail = 64;

class HeapMemory final : public SurfaceMemory {
 public:
  HeapMemory(std::byte* data, std::size_t bytes) : data_(data), bytes_(bytes) {}
  HeapMemory(const HeapMemory&) = delete;
  HeapMemory& operator=(const HeapMemory&) = delete;
  ~HeapMemory() override { std::free(data_); }  // NOLINT(cppcoreguidelines-no-malloc)
  [[nodiscard]] std::byte* data() const override { return data_; }
  void discard() override {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto begin = reinterpret_cast<std::uintptr_t>(data_);
    const std::uintptr_t first = (begin + page - 1) & ~(page - 1);
    const std::uintptr_t end = (begin + bytes_) & ~(page - 1);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): whole pages inside the allocation
    if (end > first) static_cast<void>(::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED));
  }

 private:
  std::byte* data_;
  std::size_t bytes_;
};

/// A surface that was not needed for this many pictures was needed because an encoder stuttered once.
constexpr std::uint64_t kIdlePictures = 600;
/// How often that is looked at.
constexpr std::uint64_t kIdleCheck = 128;

Result<std::unique_ptr<SurfaceMemory>> from_heap(std::size_t bytes) {
  void* memory = nullptr;
  if (::posix_memalign(&memory, kAlignment, bytes) != 0) return fail_errno(ENOMEM, "allocate a surface");
  return std::make_unique<HeapMemory>(static_cast<std::byte*>(memory), bytes);
}

}  // namespace

struct SurfacePool::Slot {
  Buffer buffer;
  std::unique_ptr<SurfaceMemory> memory;
  std::atomic<bool> in_use = false;
  std::uint64_t taken = 0;  ///< the count of pictures when it was taken last
  bool discarded = false;
  std::shared_ptr<Storage> keep_alive;  ///< set while a surface refers to the slot
};

struct SurfacePool::Storage {
  std::vector<std::unique_ptr<Slot>> slots;

  /// AVBuffer's free callback. The encoder thread that drops the last reference ends up here.
  static void give_back(void* opaque, std::uint8_t* /*data*/) noexcept {
    auto* slot = static_cast<Slot*>(opaque);
    const std::shared_ptr<Storage> keep = std::move(slot->keep_alive);
    slot->in_use.store(false, std::memory_order_release);
  }
};

SurfacePool::SurfacePool(const SurfaceFormat& format, std::size_t limit, Allocate allocate)
    : format_(format),
      layout_(surface_layout(format.format, format.size, kAlignment)),
      limit_(limit),
      allocate_(allocate ? std::move(allocate) : from_heap),
      storage_(std::make_shared<Storage>()) {
  storage_->slots.reserve(limit);
}

SurfacePool::~SurfacePool() = default;

std::uint64_t damage_area(const Damage& damage, std::uint64_t whole) {
  if (damage.everything()) return whole;
  std::uint64_t area = 0;
  for (const Rect& r : damage.rects()) area += r.size().area();
  return area;
}

Result<SurfacePool::Slot*> SurfacePool::allocate() {
  auto slot = std::make_unique<Slot>();
  slot->buffer.view = {format_.format, format_.size, {}};
  const std::size_t bytes = layout_.bytes + kTail;
  auto memory = allocate_(bytes);
  if (!memory) return std::unexpected(std::move(memory.error()));
  slot->memory = std::move(*memory);
  slot->buffer.memory = slot->memory.get();
  for (unsigned i = 0; i < info(format_.format).planes; ++i) {
    const SurfaceLayout::Plane& plane = layout_.planes.at(i);
    slot->buffer.view.planes.at(i) = {slot->memory->data() + plane.offset_bytes, plane.stride_bytes};
  }
  slot->buffer.index = storage_->slots.size();
  storage_->slots.push_back(std::move(slot));
  return storage_->slots.back().get();
}

Result<SurfacePool::Buffer*> SurfacePool::take() {
  Slot* best = nullptr;
  std::uint64_t best_cost = 0;
  const std::uint64_t whole = format_.size.area();
  for (const auto& slot : storage_->slots) {
    if (slot->in_use.load(std::memory_order_acquire)) continue;
    const std::uint64_t cost = slot->buffer.filled ? damage_area(slot->buffer.stale, whole) : whole + 1;
    if (best == nullptr || cost < best_cost) {
      best = slot.get();
      best_cost = cost;
    }
  }
  if (best != nullptr) return hand_out(*best);
  if (storage_->slots.size() >= limit_) {
    return fail(ErrorKind::Busy, "import frame", fmt::format("all {} surfaces are in use", limit_));
  }
  auto slot = allocate();
  if (!slot) return std::unexpected(std::move(slot.error()));
  return hand_out(**slot);
}

SurfacePool::Buffer* SurfacePool::hand_out(Slot& slot) {
  slot.taken = ++pictures_;
  slot.discarded = false;
  if (pictures_ % kIdleCheck == 0) discard_idle();
  return &slot.buffer;
}

void SurfacePool::discard_idle() {
  for (const auto& slot : storage_->slots) {
    if (slot->discarded || pictures_ - slot->taken < kIdlePictures) continue;
    if (slot->in_use.load(std::memory_order_acquire)) continue;
    slot->memory->discard();
    slot->discarded = true;
    slot->buffer.filled = false;
    slot->buffer.under.clear();
  }
}

Result<Surface> SurfacePool::publish(Buffer& buffer) {
  Slot& slot = *storage_->slots.at(buffer.index);
  AvFramePtr frame(av_frame_alloc());
  if (!frame) return fail_errno(ENOMEM, "allocate a frame");
  // Not AV_BUFFER_FLAG_READONLY: the memory is ours alone; but nobody writes, and a filter that must write copies
  // because the importer keeps a reference of its own.
  frame->buf[0] = av_buffer_create(reinterpret_cast<std::uint8_t*>(slot.memory->data()), layout_.bytes + kTail,
                                   &Storage::give_back, &slot, 0);
  if (frame->buf[0] == nullptr) return fail_errno(ENOMEM, "allocate a frame");
  slot.keep_alive = storage_;
  slot.in_use.store(true, std::memory_order_relaxed);
  for (unsigned i = 0; i < info(format_.format).planes; ++i) {
    frame->data[i] = reinterpret_cast<std::uint8_t*>(buffer.view.planes.at(i).data);
    frame->linesize[i] = static_cast<int>(buffer.view.planes.at(i).stride_bytes);
  }
  frame->format = av_pixel_format(format_.format);
  describe(*frame, format_);
  return Surface(std::move(frame), format_);
}

void SurfacePool::retire(Buffer& buffer) {
  storage_->slots.at(buffer.index)->in_use.store(true, std::memory_order_relaxed);
}

void SurfacePool::forget_contents() {
  for (const auto& slot : storage_->slots) {
    slot->buffer.filled = false;
    slot->buffer.stale = Damage::all();
    slot->buffer.under.clear();
  }
}

void SurfacePool::mark_changed(const Damage& area, const Buffer& current) {
  for (const auto& slot : storage_->slots) {
    if (&slot->buffer != &current) slot->buffer.stale.add(area);
  }
}

}  // namespace zc
