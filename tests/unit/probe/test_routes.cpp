// The trial of a route: right pixels pass, wrong ones do not, and what cannot be opened is told.
#include "probe/frame_memory.h"
#include "probe/routes.h"
#include "zerocopy/host_importer.h"

#include <unistd.h>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <string>

extern "C" {
#include <libavutil/frame.h>
}

using namespace zc;
using namespace zc::probe;

namespace {

constexpr std::array kSmall{Size{640, 360}};

const RouteRow& row(const std::string& name) { return *std::ranges::find(route_rows(), name, &RouteRow::name); }

RouteReport attempt(const RouteRow& row) {
  return try_route(row, kSmall, [](const RouteReport&) {});
}

/// The CPU route with one sample of each surface spoilt.
class Spoiler final : public Importer {
 public:
  [[nodiscard]] std::string_view route() const override { return "spoilt"; }
  [[nodiscard]] FormatOffer offer() const override { return inner_->offer(); }
  [[nodiscard]] Result<void> configure(const SurfaceFormat& target) override { return inner_->configure(target); }
  void set_layers(std::vector<Layer> layers) override { inner_->set_layers(std::move(layers)); }
  [[nodiscard]] Result<Surface> import(Frame frame) override {
    auto surface = inner_->import(std::move(frame));
    if (surface) surface->av_frame()->data[0][100] ^= 0x10;
    return surface;
  }

 private:
  std::unique_ptr<Importer> inner_ = make_host_importer(4);
};

}  // namespace

TEST_CASE("the CPU route is last, is no zero-copy and works everywhere") {
  CHECK(route_rows().back().name == "cpu");
  const RouteReport report = attempt(row("cpu"));
  CAPTURE(report.reason);
  CHECK(report.works);
  CHECK_FALSE(report.saves());
  CHECK_FALSE(report.source_memory.empty());
  CHECK(report.modifier == "LINEAR");
  REQUIRE(report.sizes.size() == 1);
  CHECK(report.sizes[0].samples == 640 * 360 * 3 / 2);
  CHECK(report.sizes[0].different == 0);
  CHECK(report.sizes[0].frames > 0);
  CHECK(report.sizes[0].median_us > 0);
}

TEST_CASE("the way into FFmpeg's Vulkan images gives the CPU's pixels, on a software renderer where there is no GPU") {
  const RouteReport report = attempt(row("vulkan+vulkan-video"));
  if (report.device.empty()) SKIP(report.reason);
  CAPTURE(report.reason);
  CHECK(report.works);
  CHECK(report.zero_copy);
  CHECK(report.saves() == !report.software);
  CHECK(report.surface_memory == "vulkan");
  REQUIRE(report.sizes.size() == 1);
  CHECK(report.sizes[0].different == 0);
}

TEST_CASE("the Vulkan route gives the CPU's pixels") {
  const RouteReport report = attempt(row("vulkan"));
  if (report.device.empty()) SKIP(report.reason);
  CAPTURE(report.reason);
  CHECK(report.works);
  CHECK(report.zero_copy);
  CHECK(report.saves() == !report.software);
  REQUIRE(report.sizes.size() == 1);
  CHECK(report.sizes[0].max_difference == 0);
}

TEST_CASE("one wrong sample is found") {
  const RouteRow spoilt{"spoilt", "", true, [](const GpuChoice&) -> Result<OpenedRoute> {
                          OpenedRoute route;
                          route.importer = std::make_unique<Spoiler>();
                          return route;
                        }};
  const RouteReport report = attempt(spoilt);
  CHECK_FALSE(report.works);
  REQUIRE(report.sizes.size() == 1);
  CHECK_FALSE(report.sizes[0].works);
  CHECK(report.sizes[0].different == 1);
  CHECK(report.sizes[0].max_difference == 16);
  CHECK(report.reason.find("1 of 345600 samples differ from the CPU route's, by up to 16") != std::string::npos);
}

TEST_CASE("a route that does not open says why") {
  const RouteRow closed{"closed", "nothing", true, [](const GpuChoice&) -> Result<OpenedRoute> {
                          return fail(ErrorKind::Unsupported, "open it", "there is no such thing");
                        }};
  int told = 0;
  const RouteReport report = try_route(closed, kSmall, [&](const RouteReport&) { ++told; });
  CHECK_FALSE(report.works);
  CHECK(report.reason == "open it: there is no such thing");
  CHECK(report.sizes.empty());
  CHECK(told == 1);
}

TEST_CASE("frame memory holds the picture, or says why there is none") {
  const TestPicture picture = make_test_picture({321, 200});
  CHECK(make_test_picture({321, 200}).pixels == picture.pixels);
  constexpr std::array<std::uint64_t, 1> kLinear{kModifierLinear};
  bool any = false;
  for (const FrameMemory& memory : frame_memories()) {
    CAPTURE(memory.name);
    const auto dmabuf = memory.make(picture, kLinear);
    if (!dmabuf) {
      CHECK_FALSE(dmabuf.error().message().empty());
      continue;
    }
    any = true;
    CHECK((*dmabuf)->size == picture.size);
    CHECK((*dmabuf)->validate());
    if ((*dmabuf)->modifier != kModifierLinear) continue;
    std::vector<std::byte> line(picture.stride_bytes());
    const Dmabuf::Plane& plane = (*dmabuf)->planes[0];
    const auto at = static_cast<off_t>(plane.offset_bytes + std::uint64_t{plane.stride_bytes} * 150);
    if (::pread(plane.fd.get(), line.data(), line.size(), at) != static_cast<ssize_t>(line.size())) continue;
    CHECK(std::equal(line.begin(), line.end(), picture.pixels.data() + 150 * picture.stride_bytes()));
  }
  CHECK(any);
}

TEST_CASE("memory of our own is LINEAR only") {
  constexpr std::array<std::uint64_t, 1> kTiled{0x0100'0000'0000'0001};
  const auto memfd = std::ranges::find(frame_memories(), std::string_view("memfd"), &FrameMemory::name);
  const auto made = memfd->make(make_test_picture({64, 64}), kTiled);
  REQUIRE_FALSE(made);
  CHECK(made.error().kind == ErrorKind::Unsupported);
}
