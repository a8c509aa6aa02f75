// The importer of GPUs when something fails: the pictures go on, right, and nothing is left behind. In CUDA memory,
// whose stand-in fails as told.
#include "unit/zerocopy/device_support.h"
#include "zerocopy/vulkan/vulkan_converter.h"

#include <deque>

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSize{64, 36};
constexpr SurfaceFormat kCuda{
    .format = PixelFormat::NV12, .size = kSize, .colour = kBt709Limited, .memory = MemoryKind::Cuda};
constexpr SurfaceFormat kHost{.format = PixelFormat::NV12, .size = kSize, .colour = kBt709Limited};

/// A converter that fails as told, and else does its work.
struct Script {
  ErrorKind answer = ErrorKind::Unsupported;
  int good = 0;  ///< pictures before it fails
  int bad = 1 << 30;
  int unsettled = 0;  ///< how often its work is not over yet when it is asked
  int asked = 0;
  bool alive = true;
};
class ScriptedConverter final : public Converter {
 public:
  ScriptedConverter(Script& script, std::unique_ptr<Converter> worker) : script_(script), worker_(std::move(worker)) {}
  ~ScriptedConverter() override { script_.alive = false; }
  ScriptedConverter(const ScriptedConverter&) = delete;
  ScriptedConverter& operator=(const ScriptedConverter&) = delete;
  [[nodiscard]] std::string_view name() const override { return "scripted"; }
  [[nodiscard]] const std::vector<std::uint64_t>& modifiers(PixelFormat format) const override {
    return worker_->modifiers(format);
  }
  [[nodiscard]] bool takes(const PicturePlan& plan) const override { return worker_->takes(plan); }
  [[nodiscard]] Result<void> convert(const ConverterJob& job) override {
    const int number = script_.asked++;
    if (number < script_.good || number >= script_.good + script_.bad) return worker_->convert(job);
    return fail(script_.answer, "convert", "as told");
  }
  [[nodiscard]] Result<void> settle(Nanoseconds /*timeout*/) override {
    if (script_.unsettled-- > 0) return fail(ErrorKind::Timeout, "settle", "as told");
    return {};
  }
  [[nodiscard]] bool one_submission() const override { return worker_->one_submission(); }

 private:
  Script& script_;
  std::unique_ptr<Converter> worker_;
};

std::unique_ptr<Converter> real(const DeviceSetup& setup) {
  auto converter = make_vulkan_converter(setup.vulkan);
  if (!converter) FAIL(converter.error().message());
  return std::move(*converter);
}

struct Way {
  explicit Way(Script* script, GpuImporterOptions options = {}, bool second = true)
      : setup(device_setup()), counters(std::make_shared<CudaCounters>()) {
    std::vector<std::unique_ptr<Converter>> converters;
    if (script != nullptr) converters.push_back(std::make_unique<ScriptedConverter>(*script, real(setup)));
    if (second) converters.push_back(real(setup));
    importer = make_gpu_importer(cuda_gpu(setup, std::move(converters), counters), std::move(options));
    const auto configured = importer->configure(kCuda);
    if (!configured) FAIL(configured.error().message());
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

bool offers_dmabufs(const Importer& importer) {
  for (const FormatOffer::Entry& entry : importer.offer().formats) {
    if (!entry.modifiers.empty()) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a converter that fails hands over to the next within the frame, and is asked again later") {
  Script script{.answer = ErrorKind::Internal, .good = 2, .bad = 2};
  Way way(&script);
  for (std::uint32_t i = 0; i < 2; ++i) way.show(i);
  CHECK(way.importer->route() == "scripted+cuda");
  CHECK(way.importer->take_failure().empty());
  way.show(2);
  CHECK(way.importer->route() == "vulkan+cuda");
  CHECK(way.importer->take_failure() == "convert: as told");
  CHECK(way.importer->take_failure().empty());
  CHECK(script.asked == 3);
  for (std::uint32_t i = 0; i < 63; ++i) way.show(i);
  CHECK(script.asked == 3);  // resting
  for (std::uint32_t i = 0; i < 130; ++i) way.show(i);
  CHECK(script.asked > 4);  // failed once more, and works again after twice the rest
  CHECK(script.alive);
  CHECK(way.importer->route() == "scripted+cuda");
  CHECK(way.counters->uploads == 0);
}

TEST_CASE("what a converter refuses goes to the next one, and only that format with that modifier") {
  Script script{.good = 1, .bad = 1};
  Way way(&script);
  const FormatOffer offer = way.importer->offer();
  for (std::uint32_t i = 0; i < 4; ++i) way.show(i);
  CHECK(script.asked == 2);
  CHECK(script.alive);
  CHECK(way.importer->route() == "vulkan+cuda");
  CHECK(way.importer->offer() == offer);  // somebody reads it
  const RgbPicture picture(kSize, 0, 9);
  CHECK(way.importer->import(dmabuf_frame(picture, PixelFormat::RGBA)));
  CHECK(way.importer->route() == "scripted+cuda");
}

TEST_CASE("what every converter refuses is offered no more; the CPU goes on, and the surfaces stay in CUDA memory") {
  Script script{.good = 2, .bad = 1};
  Way way(&script, {}, false);
  for (std::uint32_t i = 0; i < 6; ++i) {
    way.show(i);
    CHECK(way.held.back().format().memory == MemoryKind::Cuda);
  }
  CHECK(way.importer->route() == "cpu+cuda");
  CHECK(way.counters->uploads == 4);
  // What has not changed is not copied again.
  auto again = way.importer->import(Frame{});
  REQUIRE(again);
  CHECK(again->av_frame()->data[0] == way.held.back().av_frame()->data[0]);
  CHECK(way.counters->uploads == 4);
  for (const FormatOffer::Entry& entry : way.importer->offer().formats) {
    if (entry.format == PixelFormat::BGRx) CHECK(entry.modifiers.empty());
    if (entry.format == PixelFormat::RGBA) CHECK_FALSE(entry.modifiers.empty());
  }
}

TEST_CASE("a GPU that stalls costs the pictures until it goes on") {
  Script script{.answer = ErrorKind::Timeout, .good = 1, .bad = 1, .unsettled = 3};
  Way way(&script);
  way.show(0);
  const FormatOffer offer = way.importer->offer();
  for (std::uint32_t i = 0; i < 4; ++i) CHECK(way.refused(i) == ErrorKind::Busy);
  CHECK(script.asked == 2);
  way.show(5);
  CHECK(script.alive);
  CHECK(way.importer->route() == "scripted+cuda");
  CHECK(way.importer->offer() == offer);
  CHECK_FALSE(way.importer->take_failure().empty());
}

TEST_CASE("a lost GPU: pictures go on in host memory, and it is opened anew") {
  Script script{.answer = ErrorKind::Lost, .good = 2};
  int reopened = 0;
  Way way(&script, {.reopen = [&]() -> Result<Gpu> {
    if (++reopened == 1) return fail(ErrorKind::Unsupported, "open", "as told");
    const DeviceSetup setup = device_setup();
    std::vector<std::unique_ptr<Converter>> converters;
    converters.push_back(real(setup));
    return cuda_gpu(setup, std::move(converters));
  }});
  REQUIRE(offers_dmabufs(*way.importer));
  for (std::uint32_t i = 0; i < 6; ++i) way.show(i);
  CHECK_FALSE(script.alive);
  CHECK(way.importer->route() == "cpu");
  CHECK(way.held.back().format().memory == MemoryKind::Host);
  CHECK_FALSE(offers_dmabufs(*way.importer));
  CHECK(way.importer->configure({PixelFormat::NV12, {32, 32}, kBt709Limited, MemoryKind::Cuda}).error().kind ==
        ErrorKind::Lost);
  REQUIRE(way.importer->configure(kHost));
  way.show(7);
  const Nanoseconds deadline = monotonic_now() + kSoon;
  for (std::uint32_t i = 0; way.importer->route() != "vulkan" && monotonic_now() < deadline; ++i) way.show(i % 50);
  CHECK(way.importer->route() == "vulkan");
  CHECK(reopened == 2);
  CHECK(offers_dmabufs(*way.importer));
}

TEST_CASE("a malformed or unfinished picture says nothing about its converter") {
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

TEST_CASE("strict: a failure is the picture's error, and a GPU that is gone ends it") {
  Script script{.answer = ErrorKind::Internal, .good = 1, .bad = 1};
  Way way(&script, {.strict = true}, false);
  CHECK_FALSE(way.importer->offer().shared_memory);
  way.show(0);
  CHECK(way.refused(1) == ErrorKind::Unsupported);
  const RgbPicture picture(kSize, 0, 1);
  CHECK(way.importer->import(frame_of(picture)).error().kind == ErrorKind::Unsupported);
  Script gone{.answer = ErrorKind::Lost, .good = 1};
  const Way other(&gone, {.strict = true}, false);
  CHECK(other.importer->import(dmabuf_frame(picture)));
  CHECK(other.refused(1) == ErrorKind::Lost);
}

TEST_CASE("CUDA refuses the memory: at the start it is not for this machine") {
  device_setup();  // skips the test where there is no Vulkan
  {
    const Faults faults("import");
    const auto refused = gpu_kinds().front().open({.software = true});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::Unsupported);
    CHECK(refused.error().message().find("import GPU memory into CUDA") != std::string::npos);
    CHECK(live_objects().external_memories == 0);
  }
  CHECK(gpu_kinds().front().open({.software = true}));
}

TEST_CASE("no memory is an error of the picture, and passes") {
  Way way(nullptr);
  way.show(0);
  {
    const Faults faults("import");
    CHECK(way.refused(1) == ErrorKind::Busy);  // the newest surface is held
  }
  way.held.clear();
  way.show(2);
  CHECK(way.importer->route() == "vulkan+cuda");
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
    REQUIRE(way.importer->configure(kHost));
    for (std::uint32_t i = 8; i < 12; ++i) way.show(i);
  }
}

TEST_CASE("from CUDA to host memory and back: cursor and pictures are the same") {
  Way way(nullptr);
  for (std::uint32_t i = 0; i < 3; ++i) way.show(i);
  REQUIRE(way.importer->configure(kHost));
  const RgbPicture picture(kSize, 0, 77);
  auto host = way.importer->import(dmabuf_frame(picture));  // without news of the cursor
  REQUIRE(host);
  CHECK(host->format().memory == MemoryKind::Host);
  CHECK(way.importer->route() == "vulkan");
  way.check(*host, picture, 2);
  REQUIRE(way.importer->configure(kCuda));
  auto back = way.importer->import(dmabuf_frame(picture));
  REQUIRE(back);
  CHECK(back->format().memory == MemoryKind::Cuda);
  way.check(*back, picture, 2);
}
