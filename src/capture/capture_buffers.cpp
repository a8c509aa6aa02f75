#include "capture/capture_buffers.h"

#include <fcntl.h>
#include <linux-dmabuf-client-protocol.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wayland-client-protocol.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

namespace zc {
namespace {

constexpr const char* kOperation = "make a buffer for the compositor's picture";
/// Since then a buffer can be refused without the end of the connection.
constexpr std::uint32_t kDmabufVersion = 3;

template <class Proxy, auto Destroy>
using Owned = std::unique_ptr<Proxy, WaylandDestroy<Destroy>>;

/// What the compositor has made of a dmabuf.
struct Answer {
  wl_buffer* made = nullptr;
  bool refused = false;
};

}  // namespace

Result<PictureMemory> PictureMemory::create(std::size_t length) {
  UniqueFd fd(::memfd_create("zerocast-picture", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(length)) != 0 ||
      ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
    return fail_errno(errno, kOperation);
  }
  void* address = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (address == MAP_FAILED) return fail_errno(errno, kOperation);
  return PictureMemory{std::move(fd),
                       std::shared_ptr<std::byte>(static_cast<std::byte*>(address),
                                                  [length](std::byte* bytes) { ::munmap(bytes, length); })};
}

BufferLease Loan::begin(const std::shared_ptr<Loan>& loan) {
  loan->out_.store(true, std::memory_order_relaxed);
  return {loan, nullptr, &Loan::end};
}

void Loan::end(void* loan, void* /*token*/) noexcept {
  auto& self = *static_cast<Loan*>(loan);
  self.out_.store(false, std::memory_order_release);
  static_cast<void>(::eventfd_write(self.wake_->get(), 1));
}

Result<CaptureBuffers> CaptureBuffers::create(WaylandClient& client, CaptureFormat format, std::optional<dev_t> device,
                                              std::shared_ptr<const UniqueFd> wake) {
  CaptureBuffers buffers(client, std::move(format), std::move(wake));
  if (buffers.format_.modifiers.empty()) return buffers;
  if (!device) return fail(ErrorKind::Unsupported, kOperation, "the compositor does not tell its GPU");
  auto gpu = GbmDevice::open(*device);
  if (!gpu) return std::unexpected(std::move(gpu.error()));
  buffers.gpu_.emplace(*std::move(gpu));
  return buffers;
}

Result<void> CaptureBuffers::make_memory(Buffer& buffer) const {
  const WaylandClient::Global* global = client_->find(wl_shm_interface.name);
  if (global == nullptr) return fail(ErrorKind::Unsupported, kOperation, "the compositor has no wl_shm");
  const std::uint64_t length = std::uint64_t{format_.stride_bytes} * format_.size.height;
  if (length > static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max())) {
    return fail(ErrorKind::Unsupported, kOperation, "the picture is larger than 2 GiB");
  }
  auto memory = PictureMemory::create(length);
  if (!memory) return std::unexpected(std::move(memory.error()));
  const Owned<wl_shm, &wl_shm_destroy> shm(client_->bind<wl_shm>(*global, wl_shm_interface, 1));
  const Owned<wl_shm_pool, &wl_shm_pool_destroy> pool(
      shm ? wl_shm_create_pool(shm.get(), memory->fd.get(), static_cast<std::int32_t>(length)) : nullptr);
  if (pool) {
    buffer.proxy.reset(wl_shm_pool_create_buffer(
        pool.get(), 0, static_cast<std::int32_t>(format_.size.width), static_cast<std::int32_t>(format_.size.height),
        static_cast<std::int32_t>(format_.stride_bytes), shm_code(format_.format)));
  }
  if (!buffer.proxy) return fail_errno(ENOMEM, kOperation);
  HostImage image{.format = format_.format, .size = format_.size, .planes = {}, .mapping = memory->bytes};
  image.planes[0] = {.data = memory->bytes.get(), .stride_bytes = format_.stride_bytes};
  buffer.image = std::move(image);
  return {};
}

Result<void> CaptureBuffers::make_dmabuf(Buffer& buffer, Nanoseconds deadline) const {
  using Params = zwp_linux_buffer_params_v1;
  static constexpr zwp_linux_buffer_params_v1_listener kListener{
      .created = [](void* data, Params*, wl_buffer* made) { static_cast<Answer*>(data)->made = made; },
      .failed = [](void* data, Params*) { static_cast<Answer*>(data)->refused = true; }};
  const WaylandClient::Global* global = client_->find(zwp_linux_dmabuf_v1_interface.name);
  if (global == nullptr || global->version < kDmabufVersion) {
    return fail(ErrorKind::Unsupported, kOperation, "the compositor takes no dmabufs");
  }
  auto allocated = gpu_->allocate(format_.size, format_.format, format_.modifiers);
  if (!allocated) return std::unexpected(std::move(allocated.error()));
  const Dmabuf& dmabuf = **allocated;
  const Owned<zwp_linux_dmabuf_v1, &zwp_linux_dmabuf_v1_destroy> factory(
      client_->bind<zwp_linux_dmabuf_v1>(*global, zwp_linux_dmabuf_v1_interface, kDmabufVersion));
  const Owned<Params, &zwp_linux_buffer_params_v1_destroy> params(
      factory ? zwp_linux_dmabuf_v1_create_params(factory.get()) : nullptr);
  if (!params) return fail_errno(ENOMEM, kOperation);
  for (unsigned i = 0; i < dmabuf.plane_count; ++i) {
    const Dmabuf::Plane& plane = dmabuf.planes.at(i);
    zwp_linux_buffer_params_v1_add(params.get(), plane.fd.get(), i, plane.offset_bytes, plane.stride_bytes,
                                   static_cast<std::uint32_t>(dmabuf.modifier >> 32U),
                                   static_cast<std::uint32_t>(dmabuf.modifier));
  }
  Answer answer;
  zwp_linux_buffer_params_v1_add_listener(params.get(), &kListener, &answer);
  zwp_linux_buffer_params_v1_create(params.get(), static_cast<std::int32_t>(dmabuf.size.width),
                                    static_cast<std::int32_t>(dmabuf.size.height), info(dmabuf.format).drm_fourcc, 0);
  auto told = client_->wait(deadline, [&] { return answer.made != nullptr || answer.refused; });
  buffer.proxy.reset(answer.made);
  if (!told) return told;
  if (answer.refused) return fail(ErrorKind::Unsupported, kOperation, "the compositor cannot read the GPU's buffer");
  buffer.image = *std::move(allocated);
  return {};
}

Result<CaptureBuffers::Buffer*> CaptureBuffers::take(Nanoseconds deadline) {
  for (const auto& buffer : buffers_) {
    if (!buffer->loan->out()) return buffer.get();
  }
  if (buffers_.size() >= kMost) return nullptr;
  auto buffer = std::make_unique<Buffer>(
      Buffer{.image = HostImage{}, .proxy = {nullptr, &wl_buffer_destroy}, .loan = std::make_shared<Loan>(wake_)});
  auto made = format_.modifiers.empty() ? make_memory(*buffer) : make_dmabuf(*buffer, deadline);
  if (!made) return std::unexpected(std::move(made.error()));
  buffers_.push_back(std::move(buffer));
  return buffers_.back().get();
}

std::uint32_t CaptureBuffers::spare() const {
  const auto lent = std::ranges::count_if(buffers_, [](const auto& buffer) { return buffer->loan->out(); });
  return static_cast<std::uint32_t>(kMost - static_cast<std::size_t>(lent));
}

void CaptureBuffers::renewed(const Buffer& buffer, const Damage& damage) {
  for (const auto& other : buffers_) {
    if (other.get() == &buffer) {
      other->stale = Damage::none();
    } else {
      other->stale.add(damage);
    }
  }
}

}  // namespace zc
