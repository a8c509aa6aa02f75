#pragma once

#include "base/error.h"
#include "media/frame.h"
#include "media/surface.h"
#include "zerocopy/cpu/saved_under.h"
#include "zerocopy/cpu/yuv_view.h"
#include "zerocopy/surface_layout.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace zc {

/// Memory of one surface, readable and writable by the CPU. May die on any thread.
class SurfaceMemory {
 public:
  SurfaceMemory() = default;
  virtual ~SurfaceMemory() = default;
  SurfaceMemory(const SurfaceMemory&) = delete;
  SurfaceMemory& operator=(const SurfaceMemory&) = delete;
  /// Aligned to 64 bytes.
  [[nodiscard]] virtual std::byte* data() const = 0;
  /// What it holds is of no use any more and nobody needs it soon: its pages may go back to the system. It stays as
  /// writable as before.
  virtual void discard() {}
};

/// Host-memory surfaces of one format. Buffers are allocated when first needed, up to a limit, and come back when the
/// last AVFrame that refers to them is freed, on whichever thread. Memory that an encoder's stutter made necessary goes
/// back to the system some seconds later. The pool may die before its surfaces.
/// 64-byte aligned planes, strides a multiple of 64, 64 readable bytes behind the last plane: what FFmpeg's software
/// encoders and its SIMD code like. One worker thread makes every call.
class SurfacePool {
 public:
  /// One buffer and what the worker remembers about its contents. Meaningful while no surface refers to it.
  struct Buffer {
    YuvView view;
    bool filled = false;  ///< holds a picture of the current plan (with a cursor drawn over `under`)
    Damage stale;         ///< where that picture differs from the newest one; surface px, chroma-aligned
    SavedUnder under;
    SurfaceMemory* memory = nullptr;
    std::size_t index = 0;  ///< the pool's own
  };

  /// Where its memory comes from, in pieces of so many bytes; empty: from the heap.
  using Allocate = std::function<Result<std::unique_ptr<SurfaceMemory>>(std::size_t bytes)>;
  SurfacePool(const SurfaceFormat& format, std::size_t limit, Allocate allocate = {});
  ~SurfacePool();
  SurfacePool(const SurfacePool&) = delete;
  SurfacePool& operator=(const SurfacePool&) = delete;
  SurfacePool(SurfacePool&&) = delete;
  SurfacePool& operator=(SurfacePool&&) = delete;

  [[nodiscard]] const SurfaceFormat& format() const { return format_; }
  /// Where the planes of every buffer are.
  [[nodiscard]] const SurfaceLayout& layout() const { return layout_; }
  /// The free buffer that needs least work to hold the newest picture, or a new one. Busy: all are referred to.
  /// It stays free until publish().
  [[nodiscard]] Result<Buffer*> take();
  /// A surface over a taken buffer.
  [[nodiscard]] Result<Surface> publish(Buffer& buffer);

  /// Never takes this free buffer again: a GPU may still write to it.
  void retire(Buffer& buffer);
  /// No buffer holds anything of use any more.
  void forget_contents();
  /// The newest picture, now in `current`, differs from the one before in `area`.
  void mark_changed(const Damage& area, const Buffer& current);

 private:
  struct Slot;
  struct Storage;
  [[nodiscard]] Result<Slot*> allocate();
  [[nodiscard]] Buffer* hand_out(Slot& slot);
  /// Gives the memory of buffers that were not needed for long back to the system.
  void discard_idle();

  SurfaceFormat format_;
  SurfaceLayout layout_;
  std::size_t limit_;
  Allocate allocate_;
  std::uint64_t pictures_ = 0;
  std::shared_ptr<Storage> storage_;
};

/// Pixels an area of damage covers, overlaps counted twice; `whole` for everything.
[[nodiscard]] std::uint64_t damage_area(const Damage& damage, std::uint64_t whole);

}  // namespace zc
