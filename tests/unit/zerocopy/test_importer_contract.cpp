// What every importer owes a recording, whatever it runs on. A new importer is a row of importer_rows.h.
#include "unit/zerocopy/device_support.h"
#include "unit/zerocopy/driver_calls.h"
#include "unit/zerocopy/importer_rows.h"
#include "unit/zerocopy/scene_reference.h"

#include <catch2/catch_template_test_macros.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kImports = 1'000;
#else
constexpr int kImports = 10'000;
#endif
constexpr Size kSize{32, 18};
constexpr std::size_t kLimit = 8;

SurfaceFormat format_in(MemoryKind memory, PixelFormat format = PixelFormat::NV12, Size size = kSize) {
  return {.format = format, .size = size, .colour = kBt709Limited, .memory = memory};
}

/// Everything that a leak would make more.
struct Held {
  std::size_t fds = open_fds();
  std::map<std::string, long> drivers = DriverCalls::live();
  softgpu::LiveObjects cuda = live_objects();
  bool operator==(const Held&) const = default;
  /// Mesa keeps the memory that a context was bound to last.
  [[nodiscard]] bool no_more_than(const Held& other) const {
    return fds <= other.fds && drivers == other.drivers && cuda == other.cuda;
  }
};
std::string text(const Held& held) {
  std::string all = "fds " + std::to_string(held.fds);
  for (const auto& [kind, number] : held.drivers) all += ", " + kind + " " + std::to_string(number);
  return all + ", CUDA memory " + std::to_string(held.cuda.external_memories) + ", textures " +
         std::to_string(held.cuda.graphics_resources);
}

template <ImporterRow Row>
std::unique_ptr<Importer> ready(std::size_t limit = kLimit) {
  auto importer = Row::make(limit);
  REQUIRE(importer->configure(format_in(Row::kMemory)));
  return importer;
}

Surface readable(const Surface& surface) {
  return surface.format().memory == MemoryKind::Host ? surface.share() : downloaded(surface);
}

/// What the CPU makes of it, without any of the importers' bookkeeping.
bool right(const Surface& got, const RgbPicture& picture, std::optional<CursorState> cursor = std::nullopt) {
  Frame frame = frame_of(picture);
  frame.cursor = std::move(cursor);
  SurfaceFormat host = got.format();
  host.memory = MemoryKind::Host;
  const auto want = importer_for(host)->import(std::move(frame));
  REQUIRE(want);
  const Difference d = difference(view_of(*want), view_of(readable(got)));
  UNSCOPED_INFO("component " << d.component << " at " << d.x << ", " << d.y << ": " << d.a << ", not " << d.b);
  return !d.found;
}

/// Imports with a lease that must come back exactly once.
Result<Surface> import_leased(Importer& importer, Frame frame) {
  const auto leases = std::make_shared<LeaseCounter>();
  frame.lease = LeaseCounter::lease(leases);
  auto surface = importer.import(std::move(frame));
  CHECK(leases->returned == 1);
  return surface;
}

[[maybe_unused]] bool offers(const Importer& importer, PixelFormat format, std::uint64_t modifier) {
  for (const FormatOffer::Entry& entry : importer.offer().formats) {
    if (entry.format == format && std::ranges::find(entry.modifiers, modifier) != entry.modifiers.end()) return true;
  }
  return false;
}

}  // namespace

TEMPLATE_TEST_CASE("pictures come out right, with their route's name, and leases come back", "", ZC_IMPORTER_ROWS) {
  const auto importer = ready<TestType>();
  const auto arrow = random_cursor({8, 8}, 1);
  std::deque<Surface> held;
  for (std::uint32_t i = 0; i < 8; ++i) {
    const RgbPicture picture(kSize, 8, i);
    Frame frame = TestType::frame(picture);
    const CursorState cursor{
        .visible = i % 4 != 3, .position = {static_cast<std::int32_t>(i * 5), 4}, .hotspot = {}, .bitmap = arrow};
    frame.cursor = cursor;
    auto surface = import_leased(*importer, std::move(frame));
    if (!surface) FAIL(surface.error().message());
    CHECK(surface->format().memory == TestType::kMemory);
    CHECK(importer->route() == TestType::kRoute);
    CHECK(right(*surface, picture, cursor));
    held.push_back(std::move(*surface));
    if (held.size() > 3) held.pop_front();
  }
}

TEMPLATE_TEST_CASE("layers are drawn in the same pass, and leave nothing behind", "", ZC_IMPORTER_ROWS) {
  if constexpr (!TestType::kDriver) {
    SKIP("the CPU's layers have tests of their own");
  } else {
    const auto importer = ready<TestType>();
    const RgbPicture main(kSize, 0, 1);
    const std::array pictures{RgbPicture({12, 10}, 0, 2), RgbPicture({9, 7}, 8, 3), RgbPicture({16, 16}, 0, 4)};
    const auto draw = [&](std::uint32_t n) {
      ReferenceScene reference = scene_of(main.image(PixelFormat::BGRx), format_in(MemoryKind::Host));
      std::vector<Layer> layers;
      for (std::uint32_t i = 0; i < n % 4; ++i) {
        const RgbPicture& picture = pictures.at(i);
        const PixelFormat format = i == 2 ? PixelFormat::BGRA : PixelFormat::BGRx;
        const LayerPlace place{
            .box = {static_cast<std::int32_t>(n % 9 + i * 7) - 2, static_cast<std::int32_t>(i * 3), 12, 10},
            .opacity = static_cast<std::uint8_t>(i == 1 ? 150 : 255),
            .radius = i};
        auto frame = std::make_shared<Frame>();
        if (n % 2 == 0 && i == 0) {
          frame->image = memfd_dmabuf(picture, format);
        } else {
          frame->image = picture.image(format);
        }
        layers.push_back({.id = i, .place = place, .picture = std::move(frame)});
        reference.layers.push_back({.image = picture.image(format), .place = place});
      }
      importer->set_layers(std::move(layers));
      const auto surface = import_leased(*importer, TestType::frame(main));
      if (!surface) FAIL(surface.error().message());
      CHECK(importer->route() == TestType::kRoute);
      if (n % 10 > 3) return;
      const double worst = reference.worst(view_of(readable(*surface)));
      CAPTURE(n, reference.where);
      CHECK(worst <= 1.01);
    };
    for (std::uint32_t n = 0; n < 36; ++n) draw(n);
    const Held before;
    for (std::uint32_t n = 36; n < 144; ++n) draw(n);
    const Held after;
    INFO(text(before) << " -> " << text(after));
    CHECK(after.no_more_than(before));
  }
}

TEMPLATE_TEST_CASE("many imports leave nothing behind, and a warm one makes nothing in a driver", "",
                   ZC_IMPORTER_ROWS) {
  const auto importer = ready<TestType>();
  const RgbPicture picture(kSize, 0, 1);
  // What PipeWire negotiates; a buffer is replaced now and then.
  std::vector<Frame> ring;
  for (int i = 0; i < 4; ++i) ring.push_back(TestType::frame(picture));
  const auto arrow = random_cursor({8, 8}, 1);
  const auto leases = std::make_shared<LeaseCounter>();
  std::deque<Surface> held;
  std::set<const std::uint8_t*> addresses;
  int lent = 0;
  const auto run = [&](int frames) {
    for (int i = 0; i < frames; ++i) {
      Frame frame;
      if (i % 5 != 4) {
        if (i % 500 == 499) ring.at(static_cast<std::size_t>(i) % ring.size()) = TestType::frame(picture);
        frame.image = ring.at(static_cast<std::size_t>(i) % ring.size()).image;
        frame.damage = Damage::all();
        frame.lease = LeaseCounter::lease(leases);
        ++lent;
      }
      frame.cursor = CursorState{.visible = i % 3 != 0, .position = {i % 32, i % 18}, .hotspot = {}, .bitmap = arrow};
      auto surface = importer->import(std::move(frame));
      if (!surface) FAIL(i << ": " << surface.error().message());
      addresses.insert(surface->av_frame()->data[0]);
      held.push_back(std::move(*surface));
      if (held.size() > 3) held.pop_front();
    }
  };
  run(550);  // one replaced buffer, as in what follows
  const Held before;
  const std::size_t known = addresses.size();
  run(kImports);
  const Held after;
  INFO(text(before) << " -> " << text(after));
  CHECK(after == before);
  CHECK(addresses.size() == known);
  CHECK(known <= kLimit);
  CHECK(leases->returned == lent);
  CHECK(importer->route() == TestType::kRoute);
  const unsigned long made = DriverCalls::made();
  run(100);
  CHECK(DriverCalls::made() == made);
}

TEMPLATE_TEST_CASE("a hundred changes of size and format leave nothing behind", "", ZC_IMPORTER_ROWS) {
  const auto importer = ready<TestType>();
  const auto cycle = [&](std::uint32_t n) {
    const Size size{32 + n % 5 * 10, 16 + n % 5 * 6};
    const auto format = n % 2 == 0 ? PixelFormat::NV12 : PixelFormat::P010;
    REQUIRE(importer->configure(format_in(TestType::kMemory, format, size)));
    const RgbPicture picture(size, 0, n);
    const auto surface = import_leased(*importer, TestType::frame(picture));
    if (!surface) FAIL(surface.error().message());
    if (n % 10 == 0) CHECK(right(*surface, picture));
  };
  for (std::uint32_t n = 0; n < 10; ++n) cycle(n);  // every size in every format
  const Held before;
  for (std::uint32_t n = 0; n < 100; ++n) cycle(n);
  const Held after;
  INFO(text(before) << " -> " << text(after));
  CHECK(after == before);
}

TEMPLATE_TEST_CASE("all surfaces held: Busy, and on as soon as one comes back", "", ZC_IMPORTER_ROWS) {
  const auto importer = ready<TestType>(3);
  std::deque<Surface> held;
  for (std::uint32_t i = 0; held.size() < 3; ++i) {
    // What keeps one for itself, to repeat it, keeps the last one.
    const RgbPicture picture(kSize, 0, i);
    auto surface = import_leased(*importer, TestType::frame(picture));
    REQUIRE(surface);
    held.push_back(std::move(*surface));
  }
  const RgbPicture picture(kSize, 0, 9);
  for (int i = 0; i < 3; ++i) {
    const auto busy = import_leased(*importer, TestType::frame(picture));
    REQUIRE_FALSE(busy);
    CHECK(busy.error().kind == ErrorKind::Busy);
  }
  held.pop_front();
  const auto after = import_leased(*importer, TestType::frame(picture));
  if (!after) FAIL(after.error().message());
  CHECK(right(*after, picture));
  CHECK(importer->route() == TestType::kRoute);
}

TEMPLATE_TEST_CASE("a surface outlives its importer, and then everything has gone back", "", ZC_IMPORTER_ROWS) {
  ready<TestType>().reset();  // what the drivers keep for the process
  const RgbPicture picture(kSize, 0, 9);
  static_cast<void>(import_leased(*ready<TestType>(), TestType::frame(picture)));
  const Held before;
  {
    Surface kept;
    {
      const auto importer = ready<TestType>();
      auto surface = import_leased(*importer, TestType::frame(picture));
      REQUIRE(surface);
      kept = std::move(*surface);
    }
    CHECK(right(kept, picture));
  }
  const Held after;
  INFO(text(before) << " -> " << text(after));
  CHECK(after == before);
}

TEMPLATE_TEST_CASE("an importer is made on one thread, used and ended on another, and leaves nothing there", "",
                   ZC_IMPORTER_ROWS) {
  const RgbPicture picture(kSize, 0, 9);
  const auto live = [&] {
    auto importer = TestType::make(kLimit);
    CHECK_FALSE(importer->offer().formats.empty());
    leave_thread();
    Surface surface;
    std::jthread([&] {
      if (!importer->configure(format_in(TestType::kMemory))) return;
      for (int i = 0; i < 3; ++i) {
        auto made = importer->import(TestType::frame(picture));
        if (made) surface = std::move(*made);
      }
      importer.reset();
      leave_thread();
    }).join();
    REQUIRE(surface);
    CHECK(right(surface, picture));
  };
  live();
  const Held before;
  for (int i = 0; i < 3; ++i) live();
  const Held after;
  INFO(text(before) << " -> " << text(after));
  CHECK(after == before);
}

TEMPLATE_TEST_CASE("a frame that cannot be is refused with its lease, and the next one is right", "",
                   ZC_IMPORTER_ROWS) {
  const auto importer = TestType::make(kLimit);
  const RgbPicture picture(kSize, 0, 3);
  CHECK(import_leased(*importer, TestType::frame(picture)).error().kind == ErrorKind::Invalid);  // not configured
  CHECK(importer->configure(format_in(TestType::kMemory, PixelFormat::BGRx)).error().kind == ErrorKind::Unsupported);
  CHECK(importer->configure(format_in(TestType::kMemory, PixelFormat::NV12, {0, 4})).error().kind ==
        ErrorKind::Invalid);
  REQUIRE(importer->configure(format_in(TestType::kMemory)));
  CHECK(importer->import(Frame{}).error().kind == ErrorKind::NotFound);
  // The newest surface and the one before it are there.
  for (int i = 0; i < 2; ++i) REQUIRE(import_leased(*importer, TestType::frame(picture)));
  const auto short_memory = memfd_dmabuf(picture, PixelFormat::BGRx);
  const Held before;
  Frame missing;
  missing.image = std::shared_ptr<const Dmabuf>();
  CHECK(import_leased(*importer, std::move(missing)).error().kind == ErrorKind::Invalid);
  Frame outside = TestType::frame(picture);
  outside.crop = {1000, 1000, 4, 4};
  CHECK(import_leased(*importer, std::move(outside)).error().kind == ErrorKind::Invalid);
  auto lies = std::make_shared<Dmabuf>();  // memory that ends before its rows do
  lies->size = {kSize.width, 4000};
  lies->format = PixelFormat::BGRx;
  lies->modifier = kModifierLinear;
  lies->plane_count = 1;
  lies->planes[0] = {std::move(*short_memory->planes[0].fd.dup()), 0, short_memory->planes[0].stride_bytes};
  Frame too_short;
  too_short.image = std::shared_ptr<const Dmabuf>(std::move(lies));
  too_short.crop = {0, 0, kSize.width, kSize.height};
  CHECK(import_leased(*importer, std::move(too_short)).error().kind == ErrorKind::Invalid);
  {
    const auto surface = import_leased(*importer, TestType::frame(picture));
    if (!surface) FAIL(surface.error().message());
    CHECK(right(*surface, picture));
  }
  const Held after;
  INFO(text(before) << " -> " << text(after));
  CHECK(after == before);
  CHECK(importer->route() == TestType::kRoute);
}

TEMPLATE_TEST_CASE("a modifier that the driver refuses is offered no more, and the picture goes another way", "",
                   ZC_IMPORTER_ROWS) {
  if constexpr (!TestType::kDriver) {
    SKIP("no driver imports anything for it");
  } else {
    const auto importer = ready<TestType>();
    REQUIRE(offers(*importer, PixelFormat::BGRx, kModifierLinear));
    const RgbPicture picture(kSize, 0, 5);
    {
      const auto refusing = DriverCalls::refuse_imports();
      const auto surface = import_leased(*importer, TestType::frame(picture));
      if (!surface) FAIL(surface.error().message());
      CHECK(right(*surface, picture));
    }
    CHECK_FALSE(offers(*importer, PixelFormat::BGRx, kModifierLinear));
    // For a while, not for one picture.
    const auto again = import_leased(*importer, TestType::frame(picture));
    REQUIRE(again);
    CHECK(right(*again, picture));
    CHECK_FALSE(offers(*importer, PixelFormat::BGRx, kModifierLinear));
    CHECK(importer->offer().shared_memory);
  }
}

TEMPLATE_TEST_CASE("any driver call may fail: a picture is lost at the most, nothing leaks, the stream goes on", "",
                   ZC_IMPORTER_ROWS) {
  if constexpr (!TestType::kDriver) {
    SKIP("it calls no driver");
  } else {
    const auto arrow = random_cursor({8, 8}, 1);
    const std::array pictures{RgbPicture(kSize, 0, 1), RgbPicture(kSize, 0, 2), RgbPicture(kSize, 0, 3)};
    /// A short life of an importer: pictures, one of them with a cursor. How many were lost.
    const auto live = [&] {
      int lost = 0;
      auto importer = TestType::make(kLimit);
      if (!importer->configure(format_in(TestType::kMemory))) return 1;  // CUDA's memory, say: the chain goes on
      for (std::size_t i = 0; i < pictures.size(); ++i) {
        Frame frame = TestType::frame(pictures.at(i));
        const CursorState cursor{.visible = i == 1, .position = {5, 4}, .hotspot = {}, .bitmap = arrow};
        frame.cursor = cursor;
        const auto surface = import_leased(*importer, std::move(frame));
        if (!surface) {
          INFO(surface.error().message());
          CHECK(surface.error().kind != ErrorKind::Invalid);
          ++lost;
          continue;
        }
        CHECK(right(*surface, pictures.at(i), cursor));
      }
      return lost;
    };
    for (int i = 0; i < 2; ++i) CHECK(live() == 0);  // what the drivers keep for the process
    const Held before;
    for (const DriverFailure how : {DriverFailure::NoMemory, DriverFailure::Lost}) {
      unsigned at = 0;
      do {
        ++at;
        DriverCalls::fail_at(at, how);
        const int lost = live();
        const std::string failed = DriverCalls::failed();
        DriverCalls::fail_at(0, how);
        const Held after;
        CAPTURE(at, failed, how, text(before), text(after));
        CHECK(lost <= 1);
        CHECK(after.no_more_than(before));
        if (failed.empty()) break;
      } while (at < 1000);
      CHECK(at > 10);
      CHECK(at < 1000);
    }
  }
}

TEMPLATE_TEST_CASE("layers are blended in RGB above the picture, in memory of either kind", "", ZC_IMPORTER_ROWS) {
  constexpr Size kCanvas{64, 36};
  const RgbPicture picture(kCanvas, 0, 1);
  const std::array<Rect, 6> boxes{
      {{20, 10, 24, 14}, {21, 11, 23, 13}, {-5, -3, 20, 16}, {50, 28, 30, 20}, {0, 0, 64, 36}, {-9, -9, 90, 60}}};
  const auto importer = TestType::make(kLimit);
  REQUIRE(importer->configure(format_in(TestType::kMemory, PixelFormat::NV12, kCanvas)));
  std::uint32_t seed = 40;
  std::uint32_t id = 0;
  for (const Rect& box : boxes) {
    for (const unsigned opacity : {255U, 100U}) {
      for (const std::uint32_t radius : {0U, 6U}) {
        const bool in_host_memory = ++id % 2 == 0;
        CAPTURE(box.x, box.y, opacity, radius, in_host_memory);
        const RgbPicture above(box.size(), 0, ++seed);
        const SceneLayer reference{.image = above.image(PixelFormat::BGRx),
                                   .place = {box, static_cast<std::uint8_t>(opacity), radius}};
        Layer layer = layer_of(id, reference);
        if (!in_host_memory) layer.picture = std::make_shared<const Frame>(TestType::frame(above));
        importer->set_layers({std::move(layer)});
        const auto surface = import_leased(*importer, TestType::frame(picture));
        if (!surface) FAIL(surface.error().message());
        const Surface got = readable(*surface);
        const ReferenceScene scene = scene_of(picture.image(PixelFormat::BGRx), got.format(), {reference});
        const double worst = scene.worst(view_of(got));
        CAPTURE(scene.where);
        CHECK(worst <= 1.5);
      }
    }
  }
  importer->set_layers({});
  const auto without = import_leased(*importer, TestType::frame(picture));
  REQUIRE(without);
  CHECK(right(*without, picture));
}

TEMPLATE_TEST_CASE("eight layers that come, move and go leave nothing behind", "", ZC_IMPORTER_ROWS) {
  constexpr Size kCanvas{64, 36};
  const auto importer = TestType::make(kLimit);
  REQUIRE(importer->configure(format_in(TestType::kMemory, PixelFormat::NV12, kCanvas)));
  const RgbPicture picture(kCanvas, 0, 1);
  std::deque<RgbPicture> pictures;
  for (std::uint32_t i = 0; i < 8; ++i) pictures.emplace_back(Size{12 + i, 10 + i}, 0, 60 + i);
  const auto cycle = [&](std::int32_t n) {
    std::vector<Layer> layers;
    std::vector<SceneLayer> references;
    for (std::uint32_t i = 0; i < 8; ++i) {
      const auto at = static_cast<std::int32_t>(i);
      const RgbPicture& above = pictures.at((i + static_cast<std::uint32_t>(n)) % 8);
      const Rect box{at * 7 - n % 5, at * 3 - n % 3, above.size().width, above.size().height};
      references.push_back({.image = above.image(PixelFormat::BGRx),
                            .place = {box, static_cast<std::uint8_t>(i % 2 == 0 ? 255 : 120), i}});
      layers.push_back(layer_of(i + 1, references.back()));
      if (i % 2 == 1) layers.back().picture = std::make_shared<const Frame>(TestType::frame(above));
    }
    importer->set_layers(std::move(layers));
    const auto surface = import_leased(*importer, TestType::frame(picture));
    if (!surface) FAIL(surface.error().message());
    if (n % 10 != 0) return;
    const Surface got = readable(*surface);
    const ReferenceScene scene = scene_of(picture.image(PixelFormat::BGRx), got.format(), std::move(references));
    const double worst = scene.worst(view_of(got));
    CAPTURE(n, scene.where);
    CHECK(worst <= 1.5);
  };
  const auto end = [&] {
    importer->set_layers({});
    for (int i = 0; i < 3; ++i) REQUIRE(import_leased(*importer, TestType::frame(picture)));
  };
  for (int round = 0; round < 3; ++round) {  // every pool has what it needs
    for (std::int32_t n = 0; n < 12; ++n) cycle(n);
    end();
  }
  const Held before;
  for (std::int32_t n = 0; n < 100; ++n) cycle(n);
  end();
  const Held after;
  INFO(text(before) << " -> " << text(after));
  CHECK(after.no_more_than(before));
}
