#include "output/v4l2_sink.h"

#include "base/log.h"

#include <fcntl.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace zc {
namespace {

struct Row {
  std::uint32_t v4l2;
  PixelFormat ours;
};
/// What programs read best comes first.
constexpr std::array kFormats{Row{V4L2_PIX_FMT_YUYV, PixelFormat::YUY2}, Row{V4L2_PIX_FMT_NV12, PixelFormat::NV12},
                              Row{V4L2_PIX_FMT_YUV420, PixelFormat::I420}, Row{V4L2_PIX_FMT_XBGR32, PixelFormat::BGRx}};

std::uint32_t colour_space(ColourMatrix matrix) {
  switch (matrix) {
    case ColourMatrix::BT601: return V4L2_COLORSPACE_SMPTE170M;
    case ColourMatrix::BT2020: return V4L2_COLORSPACE_BT2020;
    case ColourMatrix::Rgb: return V4L2_COLORSPACE_SRGB;
    default: return V4L2_COLORSPACE_REC709;
  }
}

/// Again where a signal came in between.
template <class Argument>
int call(int fd, unsigned long request, Argument& argument) {
  int result = 0;
  do {
    result = ::ioctl(fd, request, &argument);
  } while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace

V4l2Sink::V4l2Sink(const CameraOutput& output)
    : device_(output.device), name_(OutputSpec{.container = Container::Pictures, .target = output}.name()) {}

Result<std::unique_ptr<V4l2Sink>> V4l2Sink::create(const CameraOutput& output) {
  std::unique_ptr<V4l2Sink> sink(new V4l2Sink(output));
  if (auto opened = sink->open_device(); !opened) return std::unexpected(std::move(opened.error()));
  return sink;
}

Result<void> V4l2Sink::open_device() {
  if (fd_) return {};
  UniqueFd fd(::open(device_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return fail_errno(errno, "open " + name_);
  v4l2_capability can{};
  if (call(fd.get(), VIDIOC_QUERYCAP, can) < 0) {
    return fail(ErrorKind::Unsupported, "open " + name_, "it is no V4L2 device");
  }
  const std::uint32_t of_device = (can.capabilities & V4L2_CAP_DEVICE_CAPS) != 0 ? can.device_caps : can.capabilities;
  if ((of_device & V4L2_CAP_VIDEO_OUTPUT) == 0 || (of_device & V4L2_CAP_READWRITE) == 0) {
    return fail(ErrorKind::Unsupported, "open " + name_, "it takes no pictures: only a v4l2loopback device does");
  }
  fd_ = std::move(fd);
  return {};
}

Result<CameraLayout> V4l2Sink::agree(const StreamParameters& stream) const {
  const auto offered = camera_formats(stream.colour);
  for (const Row& row : kFormats) {
    if (std::ranges::find(offered, row.ours) == offered.end()) continue;
    const CameraLayout layout{.format = row.ours, .size = stream.size};
    v4l2_format format{};
    format.type = V4L2_BUF_TYPE_VIDEO_OUTPUT;
    format.fmt.pix.width = stream.size.width;
    format.fmt.pix.height = stream.size.height;
    format.fmt.pix.pixelformat = row.v4l2;
    format.fmt.pix.field = V4L2_FIELD_NONE;
    format.fmt.pix.bytesperline = layout.stride_bytes();
    format.fmt.pix.sizeimage = static_cast<std::uint32_t>(layout.bytes());
    format.fmt.pix.colorspace = colour_space(stream.colour.matrix);
    if (call(fd_.get(), VIDIOC_S_FMT, format) < 0) continue;
    const v4l2_pix_format& got = format.fmt.pix;
    const bool same = got.pixelformat == row.v4l2 && got.width == stream.size.width && got.height == stream.size.height;
    if (same && (got.bytesperline == 0 || got.bytesperline == layout.stride_bytes())) return layout;
  }
  return fail(
      ErrorKind::Unsupported, "open " + name_,
      fmt::format("it does not take {}x{} in any of YUYV, NV12, YUV420 and XBGR32; does another program use it?",
                  stream.size.width, stream.size.height));
}

Result<void> V4l2Sink::open(const StreamParameters& stream) {
  if (auto opened = open_device(); !opened) return opened;
  const auto layout = agree(stream);
  if (!layout) return std::unexpected(layout.error());
  layout_ = *layout;
  memory_.resize(layout_.bytes());
  open_ = true;
  return {};
}

void V4l2Sink::show(const Surface& picture, Nanoseconds /*captured*/) {
  if (!watched()) return;
  const std::lock_guard lock(mutex_);
  if (waiting_) dropped_.fetch_add(1, std::memory_order_relaxed);
  waiting_ = picture.share();
  changed_.notify_all();
}

Result<void> V4l2Sink::attend(const std::function<void()>& picture_wanted) {
  picture_wanted();
  while (true) {
    std::optional<Surface> picture;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return interrupted_ || waiting_; });
      if (interrupted_) return fail(ErrorKind::Cancelled, "write " + name_, "stopped on request");
      picture = std::exchange(waiting_, std::nullopt);
    }
    if (auto written = write_picture(*picture); !written) return written;
  }
}

Result<void> V4l2Sink::write_picture(const Surface& picture) {
  if (!picture) return {};
  const auto left_out = [this](const Error& why) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    if (!std::exchange(failure_told_, true)) logger("output").warn("{}: {}", name_, why.message());
    return Result<void>();
  };
  if (const auto made = picture_.write(picture, layout_, memory_); !made) return left_out(made.error());
  const ssize_t written = ::write(fd_.get(), memory_.data(), memory_.size());
  if (written >= 0) {
    shown_.fetch_add(1, std::memory_order_relaxed);
    return {};
  }
  const int error = errno;
  auto failed = fail_errno(error, "write " + name_);
  if (error == EAGAIN || error == EINTR) return left_out(failed.error());
  failed.error().kind = ErrorKind::Lost;
  return failed;
}

Result<void> V4l2Sink::close() {
  open_ = false;
  fd_.reset();
  const std::lock_guard lock(mutex_);
  waiting_.reset();
  return {};
}

void V4l2Sink::interrupt() noexcept {
  const std::lock_guard lock(mutex_);
  interrupted_ = true;
  changed_.notify_all();
}

PictureSink::Counters V4l2Sink::counters() const {
  const std::uint64_t shown = shown_.load(std::memory_order_relaxed);
  return {.shown = shown, .bytes = shown * layout_.bytes(), .dropped = dropped_.load(std::memory_order_relaxed)};
}

}  // namespace zc
