// Memory that crosses a border: to CUDA, and between processes.
#include "gpu/check.h"
#include "gpu/cuda/context.h"
#include "probe/collect.h"
#include "zerocopy/cuda/cuda_memory.h"

#include <fcntl.h>
#include <ffnvcodec/dynlink_loader.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

namespace zc::gpu_check {
namespace {

constexpr Size kSize{1920, 1080};
constexpr std::size_t kAlignment = 512;
constexpr PixelFormat kSource = PixelFormat::BGRx;
/// What the other process paints.
constexpr unsigned kForeignSeed = 4711;
constexpr auto kPatience = std::chrono::seconds(60);

/// What travels beside the descriptor.
struct Announcement {
  std::uint64_t bytes = 0;  ///< as VulkanBuffer::create_exportable() was asked
};

Result<void> send_fd(int socket, int fd, const Announcement& announcement) {
  Announcement copy = announcement;
  iovec part{&copy, sizeof copy};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fd)> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (::sendmsg(socket, &message, MSG_NOSIGNAL) != sizeof copy) return fail_errno(errno, "send a descriptor");
  return {};
}

Result<std::pair<UniqueFd, Announcement>> receive_fd(int socket) {
  pollfd watched{socket, POLLIN, 0};
  if (::poll(&watched, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) != 1) {
    return fail(ErrorKind::Timeout, "receive memory", "the other process sends none");
  }
  Announcement announcement;
  iovec part{&announcement, sizeof announcement};
  int fd = -1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fd)> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != sizeof announcement) {
    return fail(ErrorKind::Internal, "receive memory", "the other process failed; its words are above");
  }
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) {
    return fail(ErrorKind::Internal, "receive memory", "no descriptor came along");
  }
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return std::pair{UniqueFd(fd), announcement};
}

/// A child that owns GPU memory. Its end closes with its socket.
class Exporter {
 public:
  static Result<Exporter> start(bool software) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
      return fail_errno(errno, "make a socket");
    UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    std::vector<std::string> words{"/proc/self/exe"};
    for (std::string& word : probe::loader_words("check")) words.push_back(std::move(word));
    words.insert(words.end(), {"export-memory", std::to_string(theirs.get())});
    if (software) words.emplace_back("--software");
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0) return fail_errno(errno, "start the other process");
    if (pid == 0) {
      ::fcntl(theirs.get(), F_SETFD, 0);
      ::execv(pointers.front(), pointers.data());
      ::_exit(127);
    }
    return Exporter(pid, std::move(ours));
  }
  Exporter(Exporter&& other) noexcept : pid_(std::exchange(other.pid_, -1)), socket_(std::move(other.socket_)) {}
  Exporter& operator=(Exporter&&) = delete;
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;
  ~Exporter() { end(); }

  [[nodiscard]] int socket() const { return socket_.get(); }
  /// Lets the child go and waits until it is gone.
  void end() {
    socket_.reset();
    if (pid_ > 0) ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }

 private:
  Exporter(pid_t pid, UniqueFd socket) : pid_(pid), socket_(std::move(socket)) {}
  pid_t pid_;
  UniqueFd socket_;
};

/// A buffer that another process allocated and filled, converted here; again after that process has ended.
Outcome foreign_memory(const Setup& setup) {
  if (const std::string missing = setup.device->gpu().missing_for(VulkanUse::Export); !missing.empty()) {
    return skipped("the device has no " + missing);
  }
  auto exporter = Exporter::start(setup.software);
  if (!exporter) return failed(exporter.error().message());
  auto received = receive_fd(exporter->socket());
  if (!received) return failed(received.error().message());
  const auto buffer = VulkanBuffer::import_opaque(setup.device, std::move(received->first), received->second.bytes);
  if (!buffer) return failed(buffer.error().message());
  auto bench = Bench::create(setup.device);
  if (!bench) return outcome_of(bench.error());
  const SurfaceLayout layout = surface_layout(PixelFormat::NV12, kSize, kAlignment);
  const auto target = VulkanBuffer::create_exportable(setup.device, layout.bytes);
  if (!target) return failed(target.error().message());
  const std::vector<std::byte> pixels = noise(kSize, kForeignSeed);
  const ConversionPass::Source from{.buffer = &*buffer, .plane = {0, std::size_t{kSize.width} * 4}};
  for (const bool alive : {true, false}) {
    if (!alive) exporter->end();
    const auto wrong = wrong_samples(**bench, from, pixels, kSource, layout, *target);
    if (!wrong) return failed(wrong.error().message());
    if (*wrong != 0) {
      return failed(fmt::format("{} samples are wrong {} the other process ended", *wrong, alive ? "before" : "after"));
    }
  }
  Outcome outcome;
  outcome.figures = {{"bytes", received->second.bytes}, {"wrong_samples", 0}};
  return outcome;
}

Result<std::vector<std::byte>> read_cuda(const cuda::Driver& driver, const CudaMemory& memory, std::size_t bytes) {
  std::vector<std::byte> copy(bytes);
  const CUresult result = driver.api().cuMemcpyDtoH(copy.data(), memory.address(), bytes);
  if (auto ok = driver.check(result, "read CUDA memory"); !ok) return std::unexpected(std::move(ok.error()));
  return copy;
}

/// What the pass wrote, read by CUDA through its own import of the memory; then many imports that leave nothing behind.
Outcome cuda_import(const Setup& setup) {
  const auto context = cuda::open_context(setup.device->gpu().uuid);
  if (!context) return skipped(context.error().message());
  const auto current = cuda::CurrentContext::push(**context);
  if (!current) return failed(current.error().message());
  auto bench = Bench::create(setup.device);
  if (!bench) return outcome_of(bench.error());
  const std::vector<std::byte> pixels = noise(kSize, 99);
  const auto source = (*bench)->upload(pixels);
  if (!source) return outcome_of(source.error());
  const SurfaceLayout layout = surface_layout(PixelFormat::NV12, kSize, kAlignment);
  const auto target = VulkanBuffer::create_exportable(setup.device, layout.bytes);
  if (!target) return outcome_of(target.error());
  const ConversionPass::Source from{.buffer = &*source, .plane = {0, std::size_t{kSize.width} * 4}};
  const auto wanted = converted(pixels, kSource, layout);
  if (!wanted) return failed(wanted.error().message());
  {
    const auto view = CudaMemory::import(*context, *target);
    if (!view) return outcome_of(view.error());
    // Imported before the pass wrote: CUDA sees the memory, not a copy.
    if (const auto wrong = wrong_samples(**bench, from, pixels, kSource, layout, *target); !wrong || *wrong != 0) {
      return failed(wrong ? "Vulkan's own reading is wrong" : wrong.error().message());
    }
    const auto seen = read_cuda((*context)->driver(), *view, layout.bytes);
    if (!seen) return failed(seen.error().message());
    if (const std::size_t wrong = different(seen->data(), wanted->data(), layout); wrong != 0) {
      return failed(fmt::format("CUDA reads {} wrong samples", wrong));
    }
  }
  constexpr int kImports = 1000;
  const std::size_t fds = open_fds();
  for (int i = 0; i < kImports; ++i) {
    if (const auto view = CudaMemory::import(*context, *target); !view) {
      return failed(fmt::format("import {}: {}", i, view.error().message()));
    }
  }
  if (open_fds() != fds) return failed(fmt::format("{} imports left {} descriptors open", kImports, open_fds() - fds));
  Outcome outcome;
  outcome.figures = {{"cuda", (*context)->driver().version_text()},
                     {"device", (*context)->device().name},
                     {"wrong_samples", 0},
                     {"imports", kImports},
                     {"descriptors_left", 0}};
  return outcome;
}

constexpr std::array kChecks{
    CheckRow{"foreign-memory", "memory that another process allocated, exported and filled, before and after its end",
             foreign_memory},
    CheckRow{"cuda-import", "CUDA reads what the pass wrote; a thousand imports leave nothing behind", cuda_import},
};

}  // namespace

std::span<const CheckRow> sharing_checks() { return kChecks; }

int export_memory(int socket, bool software) {
  const UniqueFd owned(socket);
  const auto report = [](const Error& error) {
    fmt::print(stderr, "zerocast-gpu-check, the other process: {}\n", error.message());
    return 1;
  };
  auto device = VulkanDevice::open({.use = VulkanUse::Export, .software = software});
  if (!device) return report(device.error());
  auto bench = Bench::create(*device);
  if (!bench) return report(bench.error());
  const std::vector<std::byte> pixels = noise(kSize, kForeignSeed);
  const auto buffer = (*bench)->upload(pixels);
  if (!buffer) return report(buffer.error());
  const auto fd = buffer->export_fd();
  if (!fd) return report(fd.error());
  if (auto sent = send_fd(socket, fd->get(), {.bytes = buffer->bytes()}); !sent) return report(sent.error());
  // The memory is given back when the parent hangs up.
  char nothing = 0;
  while (::read(socket, &nothing, 1) > 0) {
  }
  return 0;
}

}  // namespace zc::gpu_check
