#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "capture/capture_format.h"
#include "capture/gbm_device.h"
#include "capture/wayland_client.h"
#include "media/frame.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

struct wl_buffer;

namespace zc {

/// Whether somebody reads a picture, and the eventfd that wakes its source when nobody does any more. Shared with the
/// leases, which may outlive everything else.
class Loan {
 public:
  explicit Loan(std::shared_ptr<const UniqueFd> wake) : wake_(std::move(wake)) {}
  [[nodiscard]] bool out() const { return out_.load(std::memory_order_acquire); }
  [[nodiscard]] static BufferLease begin(const std::shared_ptr<Loan>& loan);

 private:
  static void end(void* loan, void* token) noexcept;
  std::shared_ptr<const UniqueFd> wake_;
  std::atomic<bool> out_ = false;
};

/// Our buffers for one stream of a compositor's pictures: made when they are needed, lent out with frames, used again
/// when the leases have died. Used on the client's thread, and gone before it; leases die anywhere, and what they hold
/// stays readable.
class CaptureBuffers {
 public:
  /// More are not made: a consumer that holds all of them is slow, and misses pictures.
  static constexpr std::size_t kMost = 6;

  struct Buffer {
    std::variant<HostImage, std::shared_ptr<const Dmabuf>> image;
    Damage stale = Damage::all();  ///< where it is older than the newest picture
    std::unique_ptr<wl_buffer, void (*)(wl_buffer*)> proxy;
    std::shared_ptr<Loan> loan;
  };

  /// `wake`: an eventfd that is written to when a lease dies. Unsupported: the compositor's GPU gives no such dmabufs.
  [[nodiscard]] static Result<CaptureBuffers> create(WaylandClient& client, CaptureFormat format,
                                                     std::optional<dev_t> device, std::shared_ptr<const UniqueFd> wake);

  [[nodiscard]] const CaptureFormat& format() const { return format_; }
  /// One that nobody reads; null: all are held. A new one is asked of the compositor, until `deadline`.
  /// Unsupported: it takes no such buffer.
  [[nodiscard]] Result<Buffer*> take(Nanoseconds deadline);
  /// Those that could be taken.
  [[nodiscard]] std::uint32_t spare() const;
  /// A new picture of this buffer: where it has changed, all others are older than it now.
  void renewed(const Buffer& buffer, const Damage& damage);

 private:
  CaptureBuffers(WaylandClient& client, CaptureFormat format, std::shared_ptr<const UniqueFd> wake)
      : client_(&client), format_(std::move(format)), wake_(std::move(wake)) {}
  [[nodiscard]] Result<void> make_memory(Buffer& buffer) const;
  [[nodiscard]] Result<void> make_dmabuf(Buffer& buffer, Nanoseconds deadline) const;

  WaylandClient* client_;
  CaptureFormat format_;
  std::optional<GbmDevice> gpu_;
  std::shared_ptr<const UniqueFd> wake_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
};

/// Private memory of that many bytes, for pictures that others read, too: an fd that cannot shrink, and its mapping,
/// which lives as long as somebody holds it.
struct PictureMemory {
  UniqueFd fd;
  std::shared_ptr<std::byte> bytes;
  [[nodiscard]] static Result<PictureMemory> create(std::size_t length);
};

}  // namespace zc
