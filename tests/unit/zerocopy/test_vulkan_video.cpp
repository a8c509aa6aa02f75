// Dmabufs to FFmpeg's Vulkan frames: right pixels, FFmpeg's rules for its images kept, a way on from every failure.
// What no test here can show is an encoder that takes them: lavapipe has none.
#include "unit/zerocopy/vulkan_video_support.h"
#include "zerocopy/vulkan_video/frame_pool.h"
#include "zerocopy/vulkan_video/frame_trial.h"
#include "zerocopy/vulkan_video/frame_writer.h"

#include <catch2/generators/catch_generators.hpp>

#include <deque>
#include <set>
#include <thread>

extern "C" {
#include <libavutil/hwcontext_vulkan.h>
}

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSize{64, 36};

std::unique_ptr<Importer> importer_on(const std::shared_ptr<VulkanDevice>& device,
                                      const GpuImporterOptions& options = {}) {
  auto made = video_importer(device, options);
  if (!made) FAIL(made.error().message());
  return std::move(*made);
}
std::unique_ptr<Importer> ready(const SurfaceFormat& target, const GpuImporterOptions& options = {}) {
  auto importer = importer_on(adopted_device(), options);
  const auto configured = importer->configure(target);
  if (!configured) FAIL(configured.error().message());
  return importer;
}

Frame in_dmabuf(const RgbPicture& picture, PixelFormat format = PixelFormat::BGRx) {
  Frame frame;
  frame.image = memfd_dmabuf(picture, format);
  frame.damage = Damage::all();
  return frame;
}

/// What the CPU's importer makes of a frame in host memory.
Surface expected(Frame frame, const SurfaceFormat& format) {
  SurfaceFormat host = format;
  host.memory = MemoryKind::Host;
  auto made = importer_for(host)->import(std::move(frame));
  if (!made) FAIL(made.error().message());
  return std::move(*made);
}

void compare(const Surface& got, const Surface& want, int tolerance = 0) {
  const Surface host = read_back(got);
  const Difference d = difference(view_of(want), view_of(host), tolerance);
  CAPTURE(d.component, d.x, d.y, d.a, d.b);
  CHECK_FALSE(d.found);
  CHECK(got.av_frame()->colorspace == want.av_frame()->colorspace);
  CHECK(got.av_frame()->color_range == want.av_frame()->color_range);
  CHECK(got.av_frame()->chroma_location == want.av_frame()->chroma_location);
}

AVVkFrame& vk_frame(const Surface& surface) { return *reinterpret_cast<AVVkFrame*>(surface.av_frame()->data[0]); }

}  // namespace

TEST_CASE("a dmabuf becomes one of FFmpeg's Vulkan frames with the CPU's bits") {
  const PixelFormat target = GENERATE(PixelFormat::NV12, PixelFormat::P010);
  const PixelFormat source =
      GENERATE(PixelFormat::BGRx, PixelFormat::BGRA, PixelFormat::RGBx, PixelFormat::RGBA, PixelFormat::xRGB_210LE);
  const ColourDescription colour = GENERATE(
      kBt709Limited,
      ColourDescription{ColourMatrix::BT601, ColourRange::Full, ColourPrimaries::BT601, TransferFunction::BT709});
  CAPTURE(name(target), name(source), colour.matrix == ColourMatrix::BT601);
  const SurfaceFormat format = in_vulkan(target, kSize, colour);
  const auto importer = ready(format);
  const RgbPicture picture(kSize, 8, 3);
  const auto leases = std::make_shared<LeaseCounter>();
  Frame frame = in_dmabuf(picture, source);
  const auto device = importer->device_for(frame);
  REQUIRE(device);
  CHECK(device->memory() == MemoryKind::Vulkan);
  frame.lease = LeaseCounter::lease(leases);
  const auto surface = importer->import(std::move(frame));
  if (!surface) FAIL(surface.error().message());
  CHECK(leases->returned == 1);
  CHECK(importer->route() == "vulkan+vulkan-video");
  CHECK(surface->format() == format);
  CHECK(surface->av_frame()->format == AV_PIX_FMT_VULKAN);
  // An encoder opened on the device the importer names shares the frames'.
  const auto av_device = device->av_device();
  REQUIRE(av_device);
  const auto& frames = *reinterpret_cast<const AVHWFramesContext*>(surface->av_frame()->hw_frames_ctx->data);
  CHECK(frames.device_ref->data == (*av_device)->data);
  compare(*surface, expected(frame_of(picture, source), format));
}

TEST_CASE("crop, turn, bars and size follow the plan") {
  const SurfaceFormat format = GENERATE(in_vulkan(PixelFormat::NV12, {64, 48}), in_vulkan(PixelFormat::P010, {96, 64}),
                                        in_vulkan(PixelFormat::NV12, {50, 70}));
  const auto [crop, transform] = GENERATE(table<Rect, Transform>({{Rect{}, Transform::Normal},
                                                                  {Rect{8, 4, 64, 48}, Transform::Normal},
                                                                  {Rect{8, 0, 48, 64}, Transform::Rot90},
                                                                  {Rect{15, 16, 31, 33}, Transform::Flipped180}}));
  const auto importer = ready(format);
  const RgbPicture picture({96, 64}, 0, 5);
  Frame frame = in_dmabuf(picture);
  Frame plain = frame_of(picture);
  frame.crop = plain.crop = crop;
  frame.transform = plain.transform = transform;
  const auto plan = make_picture_plan(PixelFormat::BGRx, picture.size(), crop, transform, format.size);
  REQUIRE(plan);
  const auto surface = importer->import(std::move(frame));
  if (!surface) FAIL(surface.error().message());
  CHECK(importer->route() == "vulkan+vulkan-video");
  const Surface want = expected(std::move(plain), format);
  if (!plan->scaled) compare(*surface, want);
  if (plan->barred()) {  // scaled pictures are within the filters' freedom, bars are not
    const Surface got = read_back(*surface);
    CHECK(sample(view_of(got), 0, 0, 0) == sample(view_of(want), 0, 0, 0));
  }
}

TEST_CASE("a plain picture is as plain when it was scaled") {
  const SurfaceFormat format = in_vulkan(PixelFormat::NV12, {96, 54});
  const auto importer = ready(format);
  RgbPicture picture({192, 108}, 0, 5);
  for (std::size_t i = 0; i < picture.bytes().size(); ++i)
    picture.data()[i] = i % 4 == 1 ? std::byte{200} : std::byte{60};
  const auto surface = importer->import(in_dmabuf(picture));
  if (!surface) FAIL(surface.error().message());
  CHECK(importer->route() == "vulkan+vulkan-video");
  compare(*surface, expected(frame_of(picture), format), 2);
}

TEST_CASE("cursors come, move over still pictures, and go") {
  const SurfaceFormat format = in_vulkan(GENERATE(PixelFormat::NV12, PixelFormat::P010), kSize);
  const auto importer = ready(format);
  const auto cpu = importer_for({format.format, format.size});
  const auto arrow = random_cursor({20, 16}, 4);
  const auto hand = random_cursor({9, 30}, 5);
  std::deque<Surface> held;  // as an encoder does
  for (int i = 0; i < 40; ++i) {
    const RgbPicture picture(kSize, 8, static_cast<std::uint32_t>(i / 4));
    const auto make = [&](bool dmabuf) {
      Frame f;
      if (i % 4 == 0 || i % 4 == 2) f = dmabuf ? in_dmabuf(picture) : frame_of(picture);
      if (i % 4 == 2) f.damage = Damage::none();
      if (i % 8 != 6) {
        f.cursor = CursorState{.visible = i % 13 != 5,
                               .position = {i * 7 % 80 - 8, i * 3 % 50 - 8},
                               .hotspot = {2, 2},
                               .bitmap = i % 16 < 8 ? arrow : hand};
      }
      return f;
    };
    CAPTURE(i);
    auto got = importer->import(make(true));
    const auto want = cpu->import(make(false));
    REQUIRE(got);
    REQUIRE(want);
    CHECK(importer->route() == "vulkan+vulkan-video");
    compare(*got, *want);
    held.push_back(std::move(*got));
    if (held.size() > 3) held.pop_front();
  }
}

TEST_CASE("nothing changed: the same surface again") {
  const auto importer = ready(in_vulkan(PixelFormat::NV12, kSize));
  const RgbPicture picture(kSize, 0, 1);
  const auto dmabuf = memfd_dmabuf(picture, PixelFormat::BGRx);
  const auto frame = [&](const Damage& damage) {
    Frame f;
    f.image = dmabuf;
    f.damage = damage;
    return f;
  };
  const auto first = importer->import(frame(Damage::all()));
  const auto again = importer->import(frame(Damage::none()));
  const auto only_cursor = importer->import(Frame{});
  REQUIRE(first);
  REQUIRE(again);
  REQUIRE(only_cursor);
  CHECK(again->av_frame()->data[0] == first->av_frame()->data[0]);
  CHECK(only_cursor->av_frame()->data[0] == first->av_frame()->data[0]);
  // A change that did not make it into a surface is not forgotten.
  Frame bad = frame(Damage::all());
  bad.crop = {1000, 1000, 4, 4};
  CHECK_FALSE(importer->import(std::move(bad)));
  const auto after = importer->import(frame(Damage::none()));
  REQUIRE(after);
  CHECK(after->av_frame()->data[0] != first->av_frame()->data[0]);
}

TEST_CASE("every write waits for a frame's semaphores and raises them") {
  const auto device = adopted_device();
  const SurfaceFormat format = in_vulkan(PixelFormat::NV12, kSize);
  const auto pool = VulkanFramePool::create(format, 1, *device->adopted());
  const auto writer = FrameWriter::create(device);
  REQUIRE(pool);
  REQUIRE(writer);
  const SurfaceLayout layout = surface_layout(format.format, format.size, 256);
  auto picture = VulkanBuffer::create_upload(device, layout.bytes);
  REQUIRE(picture);
  std::fill_n(picture->mapped(), layout.bytes, std::byte{77});
  const auto surface = (*pool)->take();
  REQUIRE(surface);
  AVVkFrame& vk = vk_frame(*surface);
  const auto write = [&](Nanoseconds patience) {
    (*writer)->prepare(*surface->av_frame(), *picture, layout);
    return (*writer)->write(patience);
  };
  const std::uint64_t before = vk.sem_value[0];
  REQUIRE(write(kSoon));
  CHECK(vk.sem_value[0] == before + 1);
  CHECK(vk.layout[0] == VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
  if (vk.img[1] != VK_NULL_HANDLE) CHECK(vk.sem_value[1] == before + 1);

  // Somebody else's work on the frame is under way: its end is waited for on the GPU.
  vk.sem_value[0] += 1;
  const auto early = write(std::chrono::milliseconds(30));
  REQUIRE_FALSE(early);
  CHECK(early.error().kind == ErrorKind::Timeout);
  CHECK(vk.sem_value[0] == before + 3);
  VkSemaphoreSignalInfo signal{};
  signal.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO;
  signal.semaphore = vk.sem[0];
  signal.value = before + 2;
  REQUIRE(device->fn().SignalSemaphore(device->handle(), &signal) == VK_SUCCESS);
  REQUIRE(write(kSoon));
  CHECK(vk.sem_value[0] == before + 4);
  const Surface got = read_back(*surface);
  CHECK(sample(view_of(got), 0, 5, 5) == 77);
  CHECK(sample(view_of(got), 2, 5, 5) == 77);
}

TEST_CASE("no more surfaces than may be out, and they outlive pool and importer") {
  const std::size_t fds = [] {
    static_cast<void>(ready(in_vulkan(PixelFormat::NV12, kSize))->import(in_dmabuf(RgbPicture(kSize, 0, 1))));
    return open_fds();
  }();
  const RgbPicture picture(kSize, 0, 9);
  const SurfaceFormat format = in_vulkan(PixelFormat::NV12, kSize);
  std::vector<Surface> kept;
  {
    const auto importer = ready(format, {.surface_limit = 3});
    CHECK(importer->surface_limit() == 3);
    for (int i = 0; i < 3; ++i) {
      auto surface = importer->import(in_dmabuf(picture));
      REQUIRE(surface);
      kept.push_back(std::move(*surface));
    }
    const auto leases = std::make_shared<LeaseCounter>();
    Frame frame = in_dmabuf(picture);
    frame.lease = LeaseCounter::lease(leases);
    const auto busy = importer->import(std::move(frame));
    REQUIRE_FALSE(busy);
    CHECK(busy.error().kind == ErrorKind::Busy);
    CHECK(leases->returned == 1);
    std::set<const std::uint8_t*> frames;
    for (const Surface& surface : kept) frames.insert(surface.av_frame()->data[0]);
    CHECK(frames.size() == 3);
    kept.pop_back();
    kept.pop_back();
    CHECK(importer->import(in_dmabuf(picture)));
  }
  compare(kept.front(), expected(frame_of(picture), format));
  kept.clear();
  CHECK(open_fds() == fds);
}

TEST_CASE("pictures that the pass does not take are made in host memory and uploaded") {
  const SurfaceFormat format = in_vulkan(PixelFormat::NV12, kSize);
  const auto importer = ready(format);
  for (std::uint32_t i = 0; i < 6; ++i) {
    CAPTURE(i);
    const RgbPicture picture(kSize, 0, i);
    const bool on_gpu = i % 2 == 0;
    const auto surface = importer->import(on_gpu ? in_dmabuf(picture) : frame_of(picture));
    if (!surface) FAIL(surface.error().message());
    CHECK(surface->format().memory == MemoryKind::Vulkan);
    CHECK(importer->route() == (on_gpu ? "vulkan+vulkan-video" : "cpu+vulkan-video"));
    compare(*surface, expected(frame_of(picture), format));
    // Nothing has changed: the same once more.
    const auto again = importer->import(Frame{});
    REQUIRE(again);
    CHECK(again->av_frame()->data[0] == surface->av_frame()->data[0]);
  }
  CHECK(importer->device_for(frame_of(RgbPicture(kSize, 0, 0))) == nullptr);
  const auto strict = ready(format, {.strict = true});
  CHECK_FALSE(strict->offer().shared_memory);
  CHECK(strict->import(frame_of(RgbPicture(kSize, 0, 0))).error().kind == ErrorKind::Unsupported);
}

TEST_CASE("for an encoder of host memory it makes pictures there, and back again") {
  const SurfaceFormat format = in_vulkan(PixelFormat::NV12, kSize);
  const auto importer = ready(format);
  SurfaceFormat host = format;
  host.memory = MemoryKind::Host;
  const RgbPicture picture(kSize, 0, 2);
  for (const SurfaceFormat& target : {host, format, host}) {
    REQUIRE(importer->configure(target));
    const auto surface = importer->import(in_dmabuf(picture));
    if (!surface) FAIL(surface.error().message());
    CHECK(surface->format().memory == target.memory);
    compare(*surface, expected(frame_of(picture), format));
  }
}

TEST_CASE("surfaces that no encoder takes are refused") {
  const auto importer = importer_on(adopted_device());
  CHECK(importer->configure(in_vulkan(PixelFormat::I444, kSize)).error().kind == ErrorKind::Unsupported);
  CHECK(importer->configure(in_vulkan(PixelFormat::NV12, {63, 36})).error().kind == ErrorKind::Unsupported);
  CHECK(importer->configure(in_vulkan(PixelFormat::NV12, {64, 0})).error().kind == ErrorKind::Invalid);
  REQUIRE(importer->configure(in_vulkan(PixelFormat::NV12, kSize)));
}

TEST_CASE("a GPU that hangs costs pictures, and the surface it writes to is nobody's") {
#if defined(__SANITIZE_ADDRESS__)
  SKIP("what the GPU may still write to is leaked on purpose");
#endif
  // A device of its own, whose waits end too early.
  struct Hook {
    static VkResult wait(VkDevice /*device*/, std::uint32_t /*count*/, const VkFence* /*fences*/, VkBool32 /*all*/,
                         std::uint64_t /*timeout*/) {
      return VK_TIMEOUT;
    }
    static VkResult look(VkDevice /*device*/, VkFence /*fence*/) { return VK_NOT_READY; }
  };
  const auto shared = adopted_device();
  const auto device = VulkanDevice::adopt(shared->adopted());
  REQUIRE(device);
  const VulkanDeviceFunctions real = (*device)->fn();
  auto importer = importer_on(*device, {.surface_limit = 4});
  const SurfaceFormat format = in_vulkan(PixelFormat::NV12, kSize);
  REQUIRE(importer->configure(format));
  const RgbPicture picture(kSize, 0, 7);
  REQUIRE(importer->import(in_dmabuf(picture)));
  VulkanDeviceFunctions hung = real;
  hung.WaitForFences = &Hook::wait;
  hung.GetFenceStatus = &Hook::look;
  (*device)->replace_functions(hung);
  for (int i = 0; i < 3; ++i) {
    const auto leases = std::make_shared<LeaseCounter>();
    Frame frame = in_dmabuf(picture);
    frame.lease = LeaseCounter::lease(leases);
    const auto surface = importer->import(std::move(frame));
    REQUIRE_FALSE(surface);
    CHECK(surface.error().kind == ErrorKind::Busy);
    CHECK(leases->returned == 1);
  }
  CHECK_FALSE(importer->take_failure().empty());
  (*device)->replace_functions(real);
  auto after = importer->import(in_dmabuf(picture));
  for (const Nanoseconds deadline = monotonic_now() + kSoon; !after && monotonic_now() < deadline;) {
    after = importer->import(in_dmabuf(picture));
  }
  if (!after) FAIL(after.error().message());
  CHECK(importer->route() == "vulkan+vulkan-video");
  compare(*after, expected(frame_of(picture), format));
  // It hangs, and ends with that.
  (*device)->replace_functions(hung);
  CHECK_FALSE(importer->import(in_dmabuf(picture)));
  importer.reset();
  CHECK((*device)->abandoned());
}

TEST_CASE("a device that encodes nothing is passed over with the reason") {
  const auto device = adopted_device();
  CHECK_FALSE(device->adopted()->encodes());
  const auto found = find_vulkan_video_device();
  if (found) SKIP("there is a device that encodes");
  CHECK(found.error().kind == ErrorKind::Unsupported);
  CAPTURE(found.error().message());
  CHECK(found.error().message().find("software renderer") != std::string::npos);
  const auto trying = find_vulkan_video_device(true);
  REQUIRE(trying);
  CHECK((*trying)->gpu().name == device->gpu().name);
}

TEST_CASE("there is no device beyond the driver's list") {
  const auto beyond = vulkan::Device::open(99);
  REQUIRE_FALSE(beyond);
  CHECK(beyond.error().kind == ErrorKind::Unsupported);
  CHECK_FALSE(beyond.error().detail.empty());
}
