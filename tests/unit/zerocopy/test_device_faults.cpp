// Every step of the way into CUDA memory fails once: the pictures go on, right, and nothing is left behind.
#include "unit/zerocopy/device_support.h"

#include <algorithm>
#include <deque>

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSize{64, 36};
constexpr SurfaceFormat kCuda{
    .format = PixelFormat::NV12, .size = kSize, .colour = kBt709Limited, .memory = MemoryKind::Cuda};

/// A route that fails as told, and else does its work.
struct Script {
  ErrorKind answer = ErrorKind::Unsupported;
  int good = 0;  ///< pictures before it fails
  int bad = 1 << 30;
  bool loses_modifier = false;
  int asked = 0;
  bool alive = true;
};
class ScriptedRoute final : public DeviceConverter {
 public:
  ScriptedRoute(Script& script, std::unique_ptr<DeviceConverter> worker)
      : script_(script), worker_(std::move(worker)) {}
  ~ScriptedRoute() override { script_.alive = false; }
  ScriptedRoute(const ScriptedRoute&) = delete;
  ScriptedRoute& operator=(const ScriptedRoute&) = delete;
  [[nodiscard]] std::string_view route() const override { return "scripted"; }
  [[nodiscard]] std::vector<std::uint64_t> modifiers(PixelFormat format) const override {
    return refused_ ? std::vector<std::uint64_t>{} : worker_->modifiers(format);
  }
  [[nodiscard]] bool takes(const Dmabuf& dmabuf, const PicturePlan& plan) const override {
    return !refused_ && worker_->takes(dmabuf, plan);
  }
  [[nodiscard]] Result<void> convert(const DevicePicture& picture) override {
    const int number = script_.asked++;
    if (number < script_.good || number >= script_.good + script_.bad) return worker_->convert(picture);
    refused_ = script_.loses_modifier;
    return fail(script_.answer, "convert", "as told");
  }

 private:
  Script& script_;
  std::unique_ptr<DeviceConverter> worker_;
  bool refused_ = false;
};

std::unique_ptr<DeviceConverter> vulkan_route(const DeviceSetup& setup) {
  auto route = device_routes().front().make(setup);
  if (!route) FAIL(route.error().message());
  return std::move(*route);
}

struct Way {
  explicit Way(Script* script, const DeviceImporterOptions& options = {}, bool second = true)
      : setup(device_setup()), counters(std::make_shared<CudaCounters>()) {
    std::vector<std::unique_ptr<DeviceConverter>> routes;
    if (script != nullptr) routes.push_back(std::make_unique<ScriptedRoute>(*script, vulkan_route(setup)));
    if (second) routes.push_back(vulkan_route(setup));
    importer = make_device_importer(options, setup, std::move(routes), make_cpu_importer(), counters);
    REQUIRE(importer->configure(kCuda));
  }

  /// One picture in, checked; its lease comes back once.
  void show(std::uint32_t number, bool shared_memory = false) {
    const RgbPicture picture(kSize, 0, number);
    const auto leases = std::make_shared<LeaseCounter>();
    Frame frame = shared_memory ? frame_of(picture) : dmabuf_frame(picture);
    frame.lease = LeaseCounter::lease(leases);
    frame.cursor = CursorState{
        .visible = true, .position = {static_cast<std::int32_t>(number % 40), 9}, .hotspot = {}, .bitmap = arrow};
    auto surface = importer->import(std::move(frame));
    if (!surface) FAIL(surface.error().message());
    CHECK(leases->returned == 1);
    check(*surface, picture, number);
    held.push_back(std::move(*surface));
    if (held.size() > 3) held.pop_front();
  }
  void check(const Surface& surface, const RgbPicture& picture, std::uint32_t number) const {
    Frame frame = frame_of(picture);
    frame.cursor = CursorState{
        .visible = true, .position = {static_cast<std::int32_t>(number % 40), 9}, .hotspot = {}, .bitmap = arrow};
    const auto want = importer_for({PixelFormat::NV12, kSize})->import(std::move(frame));
    REQUIRE(want);
    const Surface host = surface.format().memory == MemoryKind::Cuda ? downloaded(surface) : surface.share();
    const Difference d = difference(view_of(*want), view_of(host));
    CAPTURE(number, d.component, d.x, d.y, d.a, d.b);
    CHECK_FALSE(d.found);
  }
  /// An import that fails; its lease comes back all the same.
  ErrorKind refused(std::uint32_t number) const {
    const RgbPicture picture(kSize, 0, number);
    const auto leases = std::make_shared<LeaseCounter>();
    Frame frame = dmabuf_frame(picture);
    frame.lease = LeaseCounter::lease(leases);
    const auto surface = importer->import(std::move(frame));
    REQUIRE_FALSE(surface);
    CHECK(leases->returned == 1);
    return surface.error().kind;
  }

  DeviceSetup setup;
  std::shared_ptr<CudaCounters> counters;
  std::unique_ptr<Importer> importer;
  std::deque<Surface> held;
  std::shared_ptr<const CursorBitmap> arrow = random_cursor({12, 10}, 3);
};

}  // namespace

TEST_CASE("a route that fails hands over to the next within the frame, and is tried again later") {
  for (const ErrorKind answer : {ErrorKind::Unsupported, ErrorKind::Internal}) {
    Script script{.answer = answer, .good = 2, .bad = 2};
    Way way(&script);
    for (std::uint32_t i = 0; i < 2; ++i) way.show(i);
    CHECK(way.importer->route() == "scripted+cuda");
    CHECK(way.importer->take_setback().empty());
    way.show(2);
    CHECK(way.importer->route() == "vulkan+cuda");
    CHECK(way.importer->take_setback() == "convert: as told");
    CHECK(way.importer->take_setback().empty());
    CHECK(script.asked == 3);
    for (std::uint32_t i = 0; i < 63; ++i) way.show(i);
    CHECK(script.asked == 3);  // resting
    for (std::uint32_t i = 0; i < 130; ++i) way.show(i);
    CHECK(script.asked > 4);  // failed once more, and works again after twice the rest
    CHECK(script.alive);
    CHECK(way.importer->route() == "scripted+cuda");
    CHECK(way.counters->uploads == 0);
  }
}

TEST_CASE("a route that hangs or loses its device is left for good") {
  for (const ErrorKind answer : {ErrorKind::Timeout, ErrorKind::Lost}) {
    Script script{.answer = answer, .good = 2};
    Way way(&script);
    const auto version = way.importer->offer_version();
    for (std::uint32_t i = 0; i < 6; ++i) way.show(i);
    CHECK(script.asked == 3);
    CHECK_FALSE(script.alive);
    CHECK(way.importer->route() == "vulkan+cuda");
    CHECK(way.importer->offer_version() != version);
    CHECK(way.counters->uploads == 0);
  }
}

TEST_CASE("without a route the CPU goes on, and the surfaces stay in CUDA memory") {
  for (const ErrorKind answer : {ErrorKind::Timeout, ErrorKind::Lost, ErrorKind::Unsupported, ErrorKind::Internal}) {
    Script script{.answer = answer, .good = 2};
    Way way(&script, {}, false);
    for (std::uint32_t i = 0; i < 6; ++i) {
      way.show(i);
      CHECK(way.held.back().format().memory == MemoryKind::Cuda);
    }
    CHECK(way.importer->route() == "cpu+cuda");
    CHECK(way.counters->uploads == 4);
    // What has not changed is not copied again.
    Frame still;
    auto again = way.importer->import(std::move(still));
    REQUIRE(again);
    CHECK(again->av_frame()->data[0] == way.held.back().av_frame()->data[0]);
    CHECK(way.counters->uploads == 4);
  }
}

TEST_CASE("a modifier that a route refuses goes another way, and is offered no more") {
  Script script{.good = 1, .loses_modifier = true};
  Way way(&script, {}, false);
  const auto version = way.importer->offer_version();
  for (std::uint32_t i = 0; i < 4; ++i) way.show(i);
  CHECK(script.asked == 2);
  CHECK(script.alive);
  CHECK(way.importer->offer_version() != version);
  for (const FormatOffer::Entry& entry : way.importer->offer().formats) CHECK(entry.modifiers.empty());
}

TEST_CASE("a malformed or unfinished picture says nothing about its route") {
  for (const ErrorKind answer : {ErrorKind::Invalid, ErrorKind::Busy}) {
    Script script{.answer = answer, .good = 1, .bad = 2};
    Way way(&script);
    way.show(0);
    CHECK(way.refused(1) == answer);
    CHECK(way.refused(2) == answer);
    way.show(3);
    CHECK(way.importer->route() == "scripted+cuda");
  }
}

TEST_CASE("shared memory between dmabufs is copied to the GPU, which then goes on") {
  Way way(nullptr);
  for (std::uint32_t i = 0; i < 12; ++i) {
    way.show(i, i % 4 >= 2);
    CHECK(way.importer->route() == (i % 4 >= 2 ? "cpu+cuda" : "vulkan+cuda"));
  }
  CHECK(way.counters->uploads == 6);
}

TEST_CASE("strict: a failure is the picture's error, and the last one ends it") {
  Script script{.answer = ErrorKind::Internal, .good = 1, .bad = 1};
  Way way(&script, {.strict = true}, false);
  way.show(0);
  CHECK(way.refused(1) == ErrorKind::Unsupported);
  const RgbPicture picture(kSize, 0, 1);
  CHECK(way.importer->import(frame_of(picture)).error().kind == ErrorKind::Unsupported);
  Script hangs{.answer = ErrorKind::Timeout, .good = 1};
  const Way other(&hangs, {.strict = true}, false);
  const auto first = other.importer->import(dmabuf_frame(picture));
  CHECK(first);
  CHECK(other.refused(1) == ErrorKind::Lost);
}

TEST_CASE("CUDA refuses the memory: at the start the route is not offered, later the CPU goes on") {
  const DeviceSetup setup = device_setup();
  {
    const Faults faults("import");
    const auto refused = make_device_importer({});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::Unsupported);
    CHECK(refused.error().message().find("import GPU memory into CUDA") != std::string::npos);
    CHECK(live_objects().external_memories == 0);

    const std::size_t fds = open_fds();
    {
      Way way(nullptr);
      for (std::uint32_t i = 0; i < 5; ++i) way.show(i);
      CHECK(way.importer->route() == "cpu+cuda");
      CHECK(way.counters->imports == 0);
      CHECK(way.counters->uploads == 5);
    }
    CHECK(open_fds() <= fds + 1);  // lavapipe's own

    const Way strict(nullptr, {.strict = true});
    CHECK(strict.refused(0) == ErrorKind::Lost);
  }
  CHECK(make_device_importer({}));
}

TEST_CASE("no memory at all is an error of the picture, and passes") {
  Way way(nullptr);
  {
    const Faults faults("import,alloc=1");
    CHECK(way.refused(0) == ErrorKind::Busy);
    way.show(1);
  }
  CHECK(way.importer->route() == "cpu+cuda");
}

TEST_CASE("CUDA is lost: pictures go out in host memory, for whichever encoder takes over") {
  Way way(nullptr);
  for (std::uint32_t i = 0; i < 3; ++i) way.show(i);
  {
    const Faults faults("lost=1");
    softgpu_function<decltype(softgpu_count_frame)>("softgpu_count_frame")();
    way.held.clear();
    for (std::uint32_t i = 3; i < 8; ++i) {
      way.show(i, true);
      CHECK(way.held.back().format().memory == MemoryKind::Host);
    }
    CHECK(way.importer->route() == "cpu");
    REQUIRE(way.importer->configure({PixelFormat::NV12, kSize}));
    for (std::uint32_t i = 8; i < 12; ++i) way.show(i);
  }
}

TEST_CASE("from CUDA to host memory and back: cursor and pictures are the same") {
  Way way(nullptr);
  for (std::uint32_t i = 0; i < 3; ++i) way.show(i);
  REQUIRE(way.importer->configure({PixelFormat::NV12, kSize}));
  const RgbPicture picture(kSize, 0, 77);
  auto host = way.importer->import(dmabuf_frame(picture));  // without news of the cursor
  REQUIRE(host);
  CHECK(host->format().memory == MemoryKind::Host);
  way.check(*host, picture, 2);
  REQUIRE(way.importer->configure(kCuda));
  auto back = way.importer->import(dmabuf_frame(picture));
  REQUIRE(back);
  CHECK(back->format().memory == MemoryKind::Cuda);
  way.check(*back, picture, 2);
}
