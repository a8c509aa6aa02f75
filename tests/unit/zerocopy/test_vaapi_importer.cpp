// Dmabufs to surfaces in VA-API memory, on the stand-in VA driver: right pixels, nothing left behind, a way on from
// every failure.
#include "unit/zerocopy/vaapi_support.h"
#include "zerocopy/picture_plan.h"

#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <deque>

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSize{64, 48};

/// What the CPU's importer makes of a frame in host memory.
Surface expected(Frame frame, const SurfaceFormat& format) {
  SurfaceFormat host = format;
  host.memory = MemoryKind::Host;
  auto made = importer_for(host)->import(std::move(frame));
  if (!made) FAIL(made.error().message());
  return std::move(*made);
}

/// The surface has the very samples of a dmabuf of its format.
bool same_samples(const Surface& surface, const Dmabuf& dmabuf) {
  const Surface host = readable(surface);
  const YuvView view = view_of(host);
  std::vector<std::byte> row(row_bytes(view.format, 0, view.size.width));
  for (unsigned plane = 0; plane < 2; ++plane) {
    for (std::uint32_t y = 0; y < plane_height(view.format, plane, view.size.height); ++y) {
      const Dmabuf::Plane& p = dmabuf.planes.at(plane);
      const auto bytes = static_cast<ssize_t>(row.size());
      REQUIRE(::pread(p.fd.get(), row.data(), row.size(), p.offset_bytes + off_t{y} * p.stride_bytes) == bytes);
      if (std::memcmp(row.data(), view.planes.at(plane).data + y * view.planes.at(plane).stride_bytes, row.size()) !=
          0) {
        return false;
      }
    }
  }
  return true;
}

/// The stand-in computes in floating point, the CPU in fixed point.
bool right(const Surface& got, const Surface& want, int tolerance = 1) {
  const Surface host = readable(got);
  const Difference d = difference(view_of(want), view_of(host), tolerance);
  UNSCOPED_INFO("component " << d.component << " at " << d.x << ", " << d.y << ": " << d.b << ", not " << d.a);
  return !d.found;
}

struct Way {
  explicit Way(const VaapiImporterOptions& options = {}, SurfaceFormat format = in_vaapi(PixelFormat::NV12, kSize))
      : importer(vaapi_importer(options)), target(format) {
    const auto configured = importer->configure(target);
    if (!configured) FAIL(configured.error().message());
  }
  /// One picture in, checked; its lease comes back once.
  void show(std::uint32_t number, bool cursor = false) {
    const RgbPicture picture(kSize, 0, number);
    const auto leases = std::make_shared<LeaseCounter>();
    Frame frame = frame_in(rgb_dmabuf(picture));
    Frame plain = frame_of(picture);
    frame.cursor = CursorState{
        .visible = cursor, .position = {static_cast<std::int32_t>(number % 50), 9}, .hotspot = {}, .bitmap = arrow};
    plain.cursor = frame.cursor;
    frame.lease = LeaseCounter::lease(leases);
    auto surface = importer->import(std::move(frame));
    if (!surface) FAIL(number << ": " << surface.error().message());
    CHECK(leases->returned == 1);
    CHECK(right(*surface, expected(std::move(plain), target)));
    held.push_back(std::move(*surface));
    if (held.size() > 3) held.pop_front();
  }
  ErrorKind refused(std::uint32_t number, bool shared_memory = false) const {
    const RgbPicture picture(kSize, 0, number);
    const auto leases = std::make_shared<LeaseCounter>();
    Frame frame = shared_memory ? frame_of(picture) : frame_in(rgb_dmabuf(picture));
    frame.lease = LeaseCounter::lease(leases);
    const auto surface = importer->import(std::move(frame));
    REQUIRE_FALSE(surface);
    CHECK(leases->returned == 1);
    return surface.error().kind;
  }

  std::unique_ptr<Importer> importer;
  SurfaceFormat target;
  std::deque<Surface> held;
  std::shared_ptr<const CursorBitmap> arrow = random_cursor({12, 10}, 3);
};

bool offers(const Importer& importer, PixelFormat format) {
  const FormatOffer offer = importer.offer();
  const auto entry = std::ranges::find(offer.formats, format, &FormatOffer::Entry::format);
  return entry != offer.formats.end() && std::ranges::find(entry->modifiers, kModifierLinear) != entry->modifiers.end();
}

}  // namespace

TEST_CASE("what came through a trial is offered") {
  const auto importer = vaapi_importer();
  CHECK(importer->route() == "vaapi");
  for (const PixelFormat format : {PixelFormat::BGRx, PixelFormat::BGRA, PixelFormat::RGBx, PixelFormat::NV12}) {
    CAPTURE(name(format));
    CHECK(offers(*importer, format));
  }
  CHECK(importer->offer().shared_memory);
  CHECK_FALSE(vaapi_importer({.strict = true})->offer().shared_memory);
  // Nothing of the trials is left but the device itself.
  const softva::Counts counts = va_counts();
  CHECK(counts.surfaces == 0);
  CHECK(counts.imported == 0);
  CHECK(counts.contexts == 0);
}

TEST_CASE("a driver that lacks something, or means other colours, is passed over with the reason") {
  struct Case {
    const char* fault;
    const char* words;
  };
  const Case c = GENERATE(Case{"no-proc", "has none"}, Case{"colour", "colours are wrong"}, Case{"import", "modifier"},
                          Case{"export", "export a surface"});
  CAPTURE(c.fault);
  const std::size_t fds = open_descriptors();
  {
    const VaFaults faults(c.fault);
    const auto refused = make_vaapi_importer({});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::Unsupported);
    CAPTURE(refused.error().message());
    CHECK(refused.error().message().find(c.words) != std::string::npos);
  }
  CHECK(va_counts().surfaces == 0);
  CHECK(open_descriptors() == fds);
  CHECK(make_vaapi_importer({}));
}

TEST_CASE("RGB dmabufs become the surface that was asked for") {
  const PixelFormat source = GENERATE(PixelFormat::BGRx, PixelFormat::BGRA, PixelFormat::RGBx, PixelFormat::RGBA);
  const PixelFormat target = GENERATE(PixelFormat::NV12, PixelFormat::P010);
  const ColourDescription colour = GENERATE(
      kBt709Limited,
      ColourDescription{ColourMatrix::BT601, ColourRange::Full, ColourPrimaries::BT601, TransferFunction::BT709});
  CAPTURE(name(source), name(target), colour.matrix == ColourMatrix::BT601);
  const auto importer = vaapi_importer();
  const SurfaceFormat format = in_vaapi(target, kSize, colour);
  REQUIRE(importer->configure(format));
  const RgbPicture picture(kSize, 32, 4);
  const Frame asked = frame_in(rgb_dmabuf(picture, source));
  CHECK(importer->device_for(asked) != nullptr);
  const auto surface = importer->import(frame_in(rgb_dmabuf(picture, source)));
  if (!surface) FAIL(surface.error().message());
  CHECK(surface->format() == format);
  CHECK(importer->route() == "vaapi");
  CHECK(right(*surface, expected(frame_of(picture, source), format)));
}

TEST_CASE("crop, bars and size follow the plan") {
  const auto importer = vaapi_importer();
  const RgbPicture picture({96, 64}, 0, 5);
  const Rect crop = GENERATE(Rect{}, Rect{8, 4, 64, 48}, Rect{16, 16, 32, 32});
  const SurfaceFormat format = in_vaapi(PixelFormat::NV12, GENERATE(Size{64, 48}, Size{96, 64}, Size{128, 64}));
  REQUIRE(importer->configure(format));
  Frame frame = frame_in(rgb_dmabuf(picture));
  Frame plain = frame_of(picture);
  frame.crop = plain.crop = crop;
  const auto plan = make_picture_plan(PixelFormat::BGRx, picture.size(), crop, Transform::Normal, format.size);
  REQUIRE(plan);
  const auto surface = importer->import(std::move(frame));
  if (!surface) FAIL(surface.error().message());
  CHECK(importer->route() == "vaapi");
  const Surface want = expected(std::move(plain), format);
  if (!plan->scaled && !plan->barred()) CHECK(right(*surface, want));
  // Scaled pictures are the driver's own affair; the bars are not.
  if (plan->barred()) {
    const Surface got = readable(*surface);
    CHECK(sample(view_of(got), 0, 0, 0) == sample(view_of(want), 0, 0, 0));
    CHECK(sample(view_of(got), 0, 0, 0) == 16);
  }
}

TEST_CASE("the cursor is drawn, moved and taken away") {
  const PixelFormat format = GENERATE(PixelFormat::NV12, PixelFormat::P010);
  const auto importer = vaapi_importer();
  const SurfaceFormat target = in_vaapi(format, kSize);
  REQUIRE(importer->configure(target));
  const RgbPicture picture(kSize, 0, 8);
  const auto arrow = random_cursor({17, 13}, 2);
  const auto reference = importer_for({.format = format, .size = kSize, .colour = kBt709Limited});
  const auto step = [&](Frame frame, Frame plain, std::optional<CursorState> cursor) {
    frame.cursor = cursor;
    plain.cursor = cursor;
    const auto surface = importer->import(std::move(frame));
    const auto want = reference->import(std::move(plain));
    if (!surface) FAIL(surface.error().message());
    REQUIRE(want);
    CHECK(importer->route() == "vaapi");
    CHECK(right(*surface, *want));
    CHECK(difference(view_of(expected(frame_of(picture), target)), view_of(readable(*surface)), 1).found ==
          (cursor && cursor->visible));
  };
  const auto at = [&](Point position) {
    return CursorState{.visible = true, .position = position, .hotspot = {2, 1}, .bitmap = arrow};
  };
  step(frame_in(rgb_dmabuf(picture)), frame_of(picture), at({20, 20}));
  for (const Point p : {Point{21, 21}, Point{0, 0}, Point{63, 47}, Point{40, 13}}) step({}, {}, at(p));
  step({}, {}, CursorState{.visible = false, .position = {1, 1}, .hotspot = {}, .bitmap = arrow});
  step({}, {}, at({5, 30}));
}

TEST_CASE("a driver that lets no cursor be drawn: pictures that show it take another way") {
  const char* fault = GENERATE("get-image", "put-image");
  Way way;
  way.show(0);
  {
    const VaFaults faults(fault);
    const RgbPicture picture(kSize, 0, 1);
    Frame frame = frame_in(rgb_dmabuf(picture));
    frame.cursor = CursorState{.visible = true, .position = {9, 9}, .hotspot = {}, .bitmap = way.arrow};
    CHECK(way.importer->import(std::move(frame)).error().kind == ErrorKind::Busy);
  }
  for (std::uint32_t i = 2; i < 8; ++i) {
    way.show(i, i % 2 == 0);
    CHECK(way.importer->route() == (i % 2 == 0 ? "cpu+vaapi" : "vaapi"));
    CHECK(way.held.back().format().memory == MemoryKind::Vaapi);
  }
}

TEST_CASE("an import that is refused: the next way within the frame, and the modifier is offered no more") {
  Way way;
  way.show(0);
  const auto version = way.importer->offer_version();
  {
    const VaFaults faults("import");
    way.show(1);
  }
  CHECK(way.importer->route() == "cpu+vaapi");
  CHECK_FALSE(way.importer->take_setback().empty());
  CHECK(way.importer->offer_version() > version);
  CHECK_FALSE(offers(*way.importer, PixelFormat::BGRx));
  const auto narrowed = way.importer->offer_version();
  way.show(2);
  CHECK(way.importer->offer_version() == narrowed);
}

TEST_CASE("a video processor that fails or hangs is left, and pictures are uploaded") {
  const char* fault = GENERATE("proc=3", "sync");
  CAPTURE(fault);
  Way way;
  const auto version = way.importer->offer_version();
  {
    const VaFaults faults(fault);
    for (std::uint32_t i = 0; i < 6; ++i) way.show(i, i % 2 == 1);
  }
  CHECK(way.importer->route() == "cpu+vaapi");
  CHECK(way.held.back().format().memory == MemoryKind::Vaapi);
  CHECK(way.importer->offer_version() > version);
  CHECK_FALSE(offers(*way.importer, PixelFormat::BGRx));
  // What has not changed is not uploaded again.
  const auto again = way.importer->import(Frame{});
  REQUIRE(again);
  CHECK(again->av_frame()->data[3] == way.held.back().av_frame()->data[3]);
}

TEST_CASE("strict: a failure is the picture's error, and the last one ends it") {
  const Way way({.strict = true});
  CHECK(way.refused(0, true) == ErrorKind::Unsupported);
  const RgbPicture picture(kSize, 0, 1);
  REQUIRE(way.importer->import(frame_in(rgb_dmabuf(picture))));
  {
    const VaFaults faults("proc=1");
    CHECK(way.refused(1) == ErrorKind::Lost);
  }
  CHECK(way.refused(2) == ErrorKind::Lost);
}

TEST_CASE("no memory is an error of the picture, and passes") {
  Way way;
  way.show(0);
  {
    const VaFaults faults("alloc=1");
    CHECK(way.refused(1) == ErrorKind::Busy);
  }
  way.show(2);
  CHECK(way.importer->route() == "vaapi");
}

TEST_CASE("VA-API is lost: pictures go out in host memory, for whichever encoder takes over") {
  Way way;
  for (std::uint32_t i = 0; i < 3; ++i) way.show(i);
  {
    way.held.clear();
    const VaFaults faults("lost=1");
    for (std::uint32_t i = 3; i < 8; ++i) {
      way.show(i, true);
      CHECK(way.held.back().format().memory == MemoryKind::Host);
    }
    CHECK(way.importer->route() == "cpu");
    CHECK_FALSE(way.importer->take_setback().empty());
    CHECK(way.importer->configure(way.target).error().kind == ErrorKind::Lost);
    way.target.memory = MemoryKind::Host;
    REQUIRE(way.importer->configure(way.target));
    for (std::uint32_t i = 8; i < 12; ++i) way.show(i);
  }
}

TEST_CASE("from VA-API to host memory and back") {
  Way way;
  way.show(0);
  const auto version = way.importer->offer_version();
  way.target.memory = MemoryKind::Host;
  REQUIRE(way.importer->configure(way.target));
  CHECK(way.importer->offer_version() > version);
  for (std::uint32_t i = 1; i < 3; ++i) way.show(i, true);
  CHECK(way.held.back().format().memory == MemoryKind::Host);
  CHECK(way.importer->route() == "cpu");
  way.target.memory = MemoryKind::Vaapi;
  REQUIRE(way.importer->configure(way.target));
  for (std::uint32_t i = 3; i < 6; ++i) way.show(i, true);
  CHECK(way.held.back().format().memory == MemoryKind::Vaapi);
  CHECK(way.importer->route() == "vaapi");
}

TEST_CASE("pictures the encoder reads where they are: with their lease, and never the producer's last buffers") {
  const PixelFormat format = GENERATE(PixelFormat::NV12, PixelFormat::P010);
  const SurfaceFormat target = in_vaapi(format, kSize);
  const auto importer = vaapi_importer();
  REQUIRE(importer->configure(target));
  const auto leases = std::make_shared<LeaseCounter>();
  std::vector<std::shared_ptr<const Dmabuf>> ring;
  for (std::uint32_t i = 0; i < 4; ++i) ring.push_back(yuv_dmabuf(format, kSize, i));
  int lent = 0;
  std::deque<Surface> held;
  const auto show = [&](std::uint32_t number) {
    Frame frame = frame_in(ring.at(number % ring.size()));
    frame.lease = LeaseCounter::lease(leases);
    ++lent;
    auto surface = importer->import(std::move(frame));
    if (!surface) FAIL(surface.error().message());
    CHECK(same_samples(*surface, *ring.at(number % ring.size())));
    held.push_back(std::move(*surface));
  };
  for (std::uint32_t i = 0; i < 12; ++i) {
    show(i);
    // Two stay with the producer whatever the encoder holds.
    CHECK(lent - leases->returned <= 2);
  }
  CHECK(lent - leases->returned == 2);
  const std::size_t processed = va_counts().processed;
  held.clear();
  show(12);
  CHECK(va_counts().processed == processed);  // no pass at all
  held.clear();
  // A cursor is never drawn into the producer's memory.
  Frame frame = frame_in(ring[1]);
  frame.lease = LeaseCounter::lease(leases);
  ++lent;
  frame.cursor = CursorState{.visible = true, .position = {20, 20}, .hotspot = {}, .bitmap = random_cursor({8, 8}, 1)};
  auto drawn = importer->import(std::move(frame));
  REQUIRE(drawn);
  CHECK(va_counts().processed == processed + 1);
  CHECK(leases->returned == lent);
  CHECK_FALSE(same_samples(*drawn, *ring[1]));
  Frame plain = frame_in(yuv_dmabuf(format, kSize, 1));  // as it was made
  plain.cursor = CursorState{.visible = false, .position = {}, .hotspot = {}, .bitmap = nullptr};
  const auto untouched = importer->import(std::move(plain));
  REQUIRE(untouched);
  CHECK(same_samples(*untouched, *ring[1]));
}

TEST_CASE("a lent buffer outlives its importer") {
  const SurfaceFormat target = in_vaapi(PixelFormat::NV12, kSize);
  const auto leases = std::make_shared<LeaseCounter>();
  std::vector<std::shared_ptr<const Dmabuf>> ring;
  for (std::uint32_t i = 0; i < 4; ++i) ring.push_back(yuv_dmabuf(PixelFormat::NV12, kSize, i));
  Surface kept;
  int lent = 0;
  {
    const auto importer = vaapi_importer();
    REQUIRE(importer->configure(target));
    for (; lent < 4; ++lent) {
      Frame frame = frame_in(ring.at(static_cast<std::size_t>(lent)));
      frame.lease = LeaseCounter::lease(leases);
      auto surface = importer->import(std::move(frame));
      REQUIRE(surface);
      kept = std::move(*surface);
    }
  }
  CHECK(leases->returned == lent - 1);
  CHECK(same_samples(kept, *ring[3]));
  kept = {};
  CHECK(leases->returned == lent);
  CHECK(va_counts().surfaces == 0);
  CHECK(va_counts().imported == 0);
}

TEST_CASE("a turned picture is made by the CPU and uploaded") {
  const auto importer = vaapi_importer();
  const SurfaceFormat target = in_vaapi(PixelFormat::NV12, {48, 64});
  REQUIRE(importer->configure(target));
  const RgbPicture picture(kSize, 0, 5);
  Frame frame = frame_in(rgb_dmabuf(picture));
  Frame plain = frame_of(picture);
  frame.transform = plain.transform = Transform::Rot90;
  CHECK(importer->device_for(frame) == nullptr);
  const auto surface = importer->import(std::move(frame));
  if (!surface) FAIL(surface.error().message());
  CHECK(importer->route() == "cpu+vaapi");
  CHECK(right(*surface, expected(std::move(plain), target), 0));
}
