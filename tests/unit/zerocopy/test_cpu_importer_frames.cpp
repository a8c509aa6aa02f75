// What goes on from frame to frame: refusals, recycled surfaces, damage, cursors.
#include "base/foreign_memory.h"
#include "base/unique_fd.h"
#include "unit/zerocopy/importer_support.h"

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <deque>
#include <set>

using namespace zc;
using namespace zc::test;

namespace {

Frame cursor_frame(CursorState cursor) {
  Frame frame;
  frame.cursor = std::move(cursor);
  return frame;
}

}  // namespace

TEST_CASE("memory that is cut short while it is read costs a picture, and the next one is whole") {
  constexpr Size kSize{64, 64};
  const RgbPicture picture(kSize, 0, 8);
  const HostImage pixels = std::get<HostImage>(frame_of(picture).image);
  const std::size_t length = std::size_t{pixels.planes[0].stride_bytes} * kSize.height;
  const UniqueFd file(::memfd_create("picture", MFD_CLOEXEC));
  const auto fill = [&] {
    REQUIRE(::pwrite(file.get(), pixels.planes[0].data, length, 0) == static_cast<ssize_t>(length));
  };
  fill();
  const auto read = [&](const ForeignMemory& memory) {
    Frame frame = frame_of(picture);
    std::get<HostImage>(frame.image).planes[0].data = memory.bytes().data();
    return frame;
  };
  const auto importer = importer_for({.format = PixelFormat::NV12, .size = kSize});
  const auto memory = *ForeignMemory::map(file.get(), 0, length);
  const auto good = importer->import(read(memory));
  REQUIRE(good);
  REQUIRE(::ftruncate(file.get(), 4096) == 0);
  const auto torn = importer->import(read(memory));
  REQUIRE_FALSE(torn);
  CHECK(torn.error().kind == ErrorKind::Invalid);
  CHECK(torn.error().message().find("cut short") != std::string::npos);
  fill();
  const auto anew = *ForeignMemory::map(file.get(), 0, length);
  const auto next = importer->import(read(anew));
  REQUIRE(next);
  check_same(view_of(*good), view_of(*next));
}

TEST_CASE("malformed frames are refused and change nothing") {
  const auto importer = importer_for({.format = PixelFormat::NV12, .size = {64, 36}});
  const RgbPicture picture({64, 36}, 0, 8);
  const auto refused = [&](auto&& spoil) {
    Frame frame = frame_of(picture);
    spoil(frame, std::get<HostImage>(frame.image));
    const auto counter = std::make_shared<LeaseCounter>();
    frame.lease = LeaseCounter::lease(counter);
    const auto result = importer->import(std::move(frame));
    CHECK(counter->returned == 1);
    REQUIRE_FALSE(result);
    return result.error().kind;
  };
  CHECK(refused([](Frame&, HostImage& i) { i.planes[0].data = nullptr; }) == ErrorKind::Invalid);
  CHECK(refused([](Frame&, HostImage& i) { i.planes[0].stride_bytes = 64 * 4 - 1; }) == ErrorKind::Invalid);
  CHECK(refused([](Frame&, HostImage& i) { i.planes[0].stride_bytes = 0x8000'0000; }) == ErrorKind::Invalid);
  CHECK(refused([](Frame&, HostImage& i) { i.size = {0, 36}; }) == ErrorKind::Invalid);
  CHECK(refused([](Frame&, HostImage& i) { i.size = {0xffff'ffff, 1}; }) == ErrorKind::Invalid);
  CHECK(refused([](Frame&, HostImage& i) { i.format = PixelFormat::Unknown; }) == ErrorKind::Unsupported);
  CHECK(refused([](Frame&, HostImage& i) { i.format = PixelFormat::NV12; }) == ErrorKind::Invalid);
  CHECK(refused([](Frame& f, HostImage&) { f.crop = {64, 0, 8, 8}; }) == ErrorKind::Invalid);
  CHECK(refused([](Frame& f, HostImage&) { f.crop = {-100, -100, 50, 50}; }) == ErrorKind::Invalid);
  CHECK(refused([](Frame& f, HostImage&) { f.transform = static_cast<Transform>(9); }) == ErrorKind::Invalid);
  CHECK(refused([](Frame& f, HostImage&) { f.image = std::shared_ptr<const Dmabuf>(); }) == ErrorKind::Invalid);

  Frame wild = frame_of(picture);
  wild.damage = Damage::none();
  wild.damage.add({-2'000'000'000, -2'000'000'000, 0xffff'ffff, 0xffff'ffff});
  wild.damage.add({60, 30, 0xffff'ffff, 0xffff'ffff});
  wild.crop = {-5, -5, 0xffff'ffff, 0xffff'ffff};
  wild.cursor = CursorState{.visible = true,
                            .position = {0x7fff'ffff, -0x7fff'ffff},
                            .hotspot = {-0x7fff'ffff, 0x7fff'ffff},
                            .bitmap = random_cursor({8, 8}, 1)};
  const auto surface = importer->import(std::move(wild));
  REQUIRE(surface);
  check_same(converted(picture, PixelFormat::BGRx, PixelFormat::NV12).view(), view_of(*surface));

  auto lying = std::make_shared<CursorBitmap>();
  lying->size = {64, 64};
  lying->pixels.resize(16);
  Frame frame = frame_of(picture);
  frame.cursor = CursorState{.visible = true, .position = {5, 5}, .hotspot = {}, .bitmap = lying};
  const auto without = importer->import(std::move(frame));
  REQUIRE(without);
  check_same(converted(picture, PixelFormat::BGRx, PixelFormat::NV12).view(), view_of(*without));
}

TEST_CASE("a linear dmabuf is read through its mapping; what cannot be read is unsupported") {
  const Size size{50, 20};
  const RgbPicture picture(size, 0, 9);
  const auto make = [&](std::uint64_t modifier, std::size_t bytes) {
    auto dmabuf = std::make_shared<Dmabuf>();
    dmabuf->size = size;
    dmabuf->format = PixelFormat::BGRx;
    dmabuf->modifier = modifier;
    dmabuf->plane_count = 1;
    UniqueFd fd(::memfd_create("dmabuf", MFD_CLOEXEC));
    REQUIRE(fd);
    REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(bytes)) == 0);
    for (std::size_t y = 0; y < size.height; ++y) {
      const auto row = static_cast<off_t>(64 + y * 256);
      if (static_cast<std::size_t>(row) + 200 > bytes) break;
      REQUIRE(::pwrite(fd.get(), picture.data() + y * picture.stride(), 200, row) == 200);
    }
    dmabuf->planes[0].fd = std::move(fd);
    dmabuf->planes[0].offset_bytes = 64;
    dmabuf->planes[0].stride_bytes = 256;
    return dmabuf;
  };
  const auto importer = importer_for({.format = PixelFormat::NV12, .size = size});
  const auto import = [&](const std::shared_ptr<const Dmabuf>& dmabuf) {
    Frame frame;
    frame.image = dmabuf;
    return importer->import(std::move(frame));
  };
  for (int buffers = 0; buffers < 3; ++buffers) {
    const auto dmabuf = make(kModifierLinear, 64 + 19 * 256 + 200);
    for (int frames = 0; frames < 2; ++frames) {
      const auto surface = import(dmabuf);
      REQUIRE(surface);
      check_same(converted(picture, PixelFormat::BGRx, PixelFormat::NV12).view(), view_of(*surface));
    }
  }
  CHECK(import(make(kModifierLinear, 64 + 19 * 256 + 199)).error().kind == ErrorKind::Invalid);
  CHECK(import(make(0x0100'0000'0000'0001, 8192)).error().kind == ErrorKind::Unsupported);
  CHECK(import(make(kModifierInvalid, 8192)).error().kind == ErrorKind::Unsupported);
}

TEST_CASE("nothing new gives the last surface again") {
  const RgbPicture picture({64, 36}, 0, 10);
  const auto importer = importer_for({.format = PixelFormat::NV12, .size = {64, 36}});
  CHECK(importer->import(Frame{}).error().kind == ErrorKind::NotFound);
  const auto first = importer->import(frame_of(picture));
  REQUIRE(first);
  Frame same = frame_of(picture);
  same.damage = Damage::none();
  const auto second = importer->import(std::move(same));
  REQUIRE(second);
  CHECK(second->av_frame()->data[0] == first->av_frame()->data[0]);
  const auto third = importer->import(Frame{});
  REQUIRE(third);
  CHECK(third->av_frame()->data[0] == first->av_frame()->data[0]);
}

TEST_CASE("surfaces are bounded, come back, and outlive their importer") {
  const RgbPicture picture({64, 36}, 0, 11);
  auto importer = importer_for({.format = PixelFormat::NV12, .size = {64, 36}}, 3);
  std::vector<Surface> held;
  for (int i = 0; i < 3; ++i) {
    auto surface = importer->import(frame_of(picture));
    REQUIRE(surface);
    held.push_back(std::move(*surface));
  }
  CHECK(importer->import(frame_of(picture)).error().kind == ErrorKind::Busy);
  held.erase(held.begin());
  CHECK(importer->import(frame_of(picture)));
  importer.reset();
  check_same(converted(picture, PixelFormat::BGRx, PixelFormat::NV12).view(), view_of(held.back()));
}

TEST_CASE("memory that was needed once goes back to the system, and is there again when it is needed") {
  const RgbPicture picture({640, 360}, 0, 1);
  const auto importer = importer_for({.format = PixelFormat::NV12, .size = picture.size()});
  const auto import = [&] {
    auto surface = importer->import(frame_of(picture));
    REQUIRE(surface);
    return std::move(*surface);
  };
  const auto resident = [](const void* address) {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const std::uintptr_t inside = (reinterpret_cast<std::uintptr_t>(address) + page) & ~(page - 1);
    unsigned char in_memory = 0;
    REQUIRE(::mincore(reinterpret_cast<void*>(inside), page, &in_memory) == 0);
    return (in_memory & 1U) != 0;
  };
  std::set<const std::uint8_t*> stutter;
  {
    std::deque<Surface> held;
    for (int i = 0; i < 6; ++i) {
      held.push_back(import());
      stutter.insert(held.back().av_frame()->data[0]);
    }
  }
  REQUIRE(stutter.size() == 6);
  CHECK(std::ranges::all_of(stutter, resident));
  for (int i = 0; i < 1000; ++i) import();
  CHECK(std::ranges::count_if(stutter, resident) <= 2);
  const YuvPicture expected = converted(picture, PixelFormat::BGRx, PixelFormat::NV12);
  std::deque<Surface> again;
  for (int i = 0; i < 6; ++i) {
    again.push_back(import());
    CHECK_FALSE(difference(expected.view(), view_of(again.back())).found);
  }
}

TEST_CASE("what a refused frame told about its changes is not lost") {
  const RgbPicture picture({64, 36}, 0, 12);
  const auto importer = importer_for({.format = PixelFormat::NV12, .size = {64, 36}}, 2);
  auto first = importer->import(frame_of(picture));
  auto second = importer->import(frame_of(picture));
  REQUIRE(first);
  REQUIRE(second);
  picture.set(10, 10, 0x00ff'00ff);
  Frame change = frame_of(picture);
  change.damage = Damage::none();
  change.damage.add({10, 10, 1, 1});
  const auto busy = importer->import(std::move(change));
  REQUIRE_FALSE(busy);
  CHECK(busy.error().kind == ErrorKind::Busy);
  first = Surface{};
  Frame later = frame_of(picture);
  later.damage = Damage::none();
  const auto third = importer->import(std::move(later));
  REQUIRE(third);
  check_same(converted(picture, PixelFormat::BGRx, PixelFormat::NV12).view(), view_of(*third));
}

TEST_CASE("damage, recycled buffers and cursors always add up to the whole picture") {
  struct Case {
    PixelFormat target = PixelFormat::NV12;
    Size picture, surface;
    Rect crop;
  };
  const std::array cases{Case{PixelFormat::NV12, {131, 67}, {132, 68}, {}},
                         Case{PixelFormat::I420, {128, 64}, {128, 64}, {}},
                         Case{PixelFormat::P010, {140, 80}, {101, 61}, {7, 5, 101, 61}},
                         Case{PixelFormat::I444, {129, 65}, {130, 66}, {}},
                         Case{PixelFormat::NV12, {96, 96}, {160, 96}, {}},  // bars
                         Case{PixelFormat::NV12, {96, 54}, {64, 36}, {}}};  // scaled
  std::uint32_t seed = 20;
  for (const Case& c : cases) {
    std::minstd_rand random(++seed);
    const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>((random() >> 8U) % n); };
    const auto at = [&](std::uint32_t n) { return static_cast<std::int32_t>(below(n)); };
    const RgbPicture picture(c.picture, 12, seed);
    const SurfaceFormat target{.format = c.target, .size = c.surface};
    const auto importer = importer_for(target, 6);
    const std::array shapes{random_cursor({13, 9}, 1), random_cursor({24, 24}, 2, PixelFormat::RGBA)};
    std::deque<Surface> held;
    std::optional<CursorState> cursor;
    bool behind = false;
    for (int step = 0; step < 300; ++step) {
      Frame frame;
      const bool picture_news = step == 0 || below(4) != 0;
      if (picture_news) {
        frame = frame_of(picture);
        frame.crop = c.crop;
        frame.damage = step == 0 ? Damage::all() : Damage::none();
        for (std::uint32_t n = below(4); n > 0; --n) {
          const Rect rect = intersect({at(c.picture.width), at(c.picture.height), below(30) + 1, below(20) + 1},
                                      {0, 0, c.picture.width, c.picture.height});
          for (std::uint32_t y = 0; y < rect.height; ++y) {
            for (std::uint32_t x = 0; x < rect.width; ++x) {
              picture.set(static_cast<std::uint32_t>(rect.x) + x, static_cast<std::uint32_t>(rect.y) + y,
                          below(1U << 24U));
            }
          }
          frame.damage.add(rect);
        }
      }
      if (below(2) == 0) {
        frame.cursor = CursorState{.visible = below(5) != 0,
                                   .position = {at(c.picture.width + 20) - 10, at(c.picture.height + 20) - 10},
                                   .hotspot = {at(5), at(5)},
                                   .bitmap = shapes.at(below(2))};
        cursor = frame.cursor;
      }
      auto surface = importer->import(std::move(frame));
      if (!surface) {
        REQUIRE(surface.error().kind == ErrorKind::Busy);
        if (picture_news) behind = true;
        held.clear();
        continue;
      }
      if (picture_news) behind = false;
      const auto fresh = importer_for(target);
      Frame whole = frame_of(picture);
      whole.crop = c.crop;
      whole.cursor = cursor;
      const auto expected = fresh->import(std::move(whole));
      REQUIRE(expected);
      if (!behind) {  // else a cursor-only frame rightly shows the picture before the one that got no surface
        INFO("step " << step);
        check_same(view_of(*expected), view_of(*surface));
      }
      held.push_back(std::move(*surface));
      while (!held.empty() && (held.size() > 4 || below(3) == 0)) {
        held.erase(held.begin() + at(static_cast<std::uint32_t>(held.size())));
      }
    }
  }
}

TEST_CASE("a cursor-only frame redraws the last picture") {
  const RgbPicture picture({128, 64}, 0, 13);
  const auto shape = random_cursor({16, 16}, 3);
  for (const PixelFormat target : kTargets) {
    const auto importer = importer_for({.format = target, .size = {128, 64}});
    std::vector<Surface> held;
    auto first = importer->import(frame_of(picture));
    REQUIRE(first);
    held.push_back(std::move(*first));
    for (const Point at : {Point{3, 3}, Point{50, 31}, Point{51, 30}, Point{-4, -6}, Point{127, 63}, Point{60, 20}}) {
      const CursorState cursor{.visible = true, .position = at, .hotspot = {2, 1}, .bitmap = shape};
      auto surface = importer->import(cursor_frame(cursor));
      REQUIRE(surface);
      Frame whole = frame_of(picture);
      whole.cursor = cursor;
      const auto expected = importer_for({.format = target, .size = {128, 64}})->import(std::move(whole));
      REQUIRE(expected);
      check_same(view_of(*expected), view_of(*surface));
      held.push_back(std::move(*surface));
      if (held.size() > 3) held.erase(held.begin());
    }
    const auto gone =
        importer->import(cursor_frame({.visible = false, .position = {}, .hotspot = {}, .bitmap = shape}));
    REQUIRE(gone);
    check_same(converted(picture, PixelFormat::BGRx, target).view(), view_of(*gone));
  }
}
