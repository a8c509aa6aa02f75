// A producer, our source and a real importer together: what happens when the importer refuses what was agreed on.
#include "integration/capture/rig.h"
#include "media/format_table.h"
#include "session/frame_mailbox.h"
#include "session/recording.h"
#include "support/temporary_folder.h"
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/tiled_support.h"
#include "zerocopy/gpu_importer.h"
#include "zerocopy/open_gpu.h"

#include <functional>
#include <set>

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSize{320, 180};
constexpr SurfaceFormat kNv12{.format = PixelFormat::NV12, .size = kSize};

/// What the CPU makes of the test picture with that mark, converted as a whole.
bool is_picture(const Surface& surface, const TestMark& mark) {
  const std::size_t stride = std::size_t{kSize.width} * 4;
  std::vector<std::byte> pixels(stride * kSize.height);
  paint_picture(PixelFormat::BGRx, kSize, mark, {{{pixels.data(), stride}}});
  const YuvPicture want(PixelFormat::NV12, kSize);
  const auto convert = RgbToYuv::create(PixelFormat::BGRx, PixelFormat::NV12, kBt709Limited);
  REQUIRE(convert);
  convert->convert({pixels.data(), stride, kSize}, want.view());
  return !difference(view_of(surface), want.view());
}

/// The number in the mark of an NV12 surface.
std::optional<TestMark> mark_of(const Surface& surface) {
  std::array<PictureView, 3> planes{};
  const YuvView view = view_of(surface);
  for (std::size_t i = 0; i < 2; ++i) planes.at(i) = {view.planes.at(i).data, view.planes.at(i).stride_bytes};
  return read_picture_mark(PixelFormat::NV12, kSize, planes);
}

/// Puts frames into a mailbox, as a recording does.
class MailboxListener final : public SourceListener {
 public:
  void on_frame(Frame frame) override { mailbox.put(std::move(frame)); }
  void on_state(SourceState state, const Error* why) override {
    if (state != SourceState::Ended) return;
    if (why != nullptr) error = *why;
    ended = true;
  }
  FrameMailbox mailbox;
  std::optional<Error> error;  ///< readable once `ended`
  std::atomic<bool> ended = false;
};

/// The way of a recording from the producer to surfaces, every one of them checked.
class Way {
 public:
  using MakeImporter = std::function<std::unique_ptr<Importer>(FormatTable&)>;
  Way(const MakeImporter& make, ProducerOptions options)
      : importer_(make(formats_)), producer_(produce(std::move(options))), source_(source(target(*producer_))) {
    REQUIRE(importer_->configure(kNv12));
    const auto started = source_->start(formats_.begin(monotonic_now()), listener_);
    if (!started) FAIL(started.error().message());
  }
  Way(const Way&) = delete;
  Way& operator=(const Way&) = delete;
  ~Way() { source_->stop(); }

  /// Imports until `count` pictures came right in buffers of this kind: a modifier, or shared memory.
  bool reach(std::optional<std::uint64_t> modifier, int count) {
    const auto deadline = monotonic_now() + std::chrono::seconds(40);
    while (count > 0 && monotonic_now() < deadline && !listener_.ended) {
      auto frame = listener_.mailbox.take({}, monotonic_now() + std::chrono::milliseconds(200));
      if (!frame || !frame->has_image()) continue;
      const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&frame->image);
      const auto kind = dmabuf != nullptr ? std::optional((*dmabuf)->modifier) : std::nullopt;
      const PixelFormat format = frame->format();
      const auto surface = importer_->import(std::move(*frame));
      follow(format, kind, surface ? nullptr : &surface.error());
      if (!surface) {
        refused.insert(kind);
        continue;
      }
      const auto mark = mark_of(*surface);
      if (!mark || !is_picture(*surface, *mark)) {
        ++wrong;
        continue;
      }
      if (!numbers_.empty() && mark->frame < numbers_.back()) ++wrong;  // a stale picture
      numbers_.push_back(mark->frame);
      if (kind == modifier) --count;
    }
    return count == 0;
  }
  [[nodiscard]] const Importer& importer() const { return *importer_; }
  [[nodiscard]] const Source& src() const { return *source_; }
  [[nodiscard]] std::optional<Error> error() const { return listener_.ended ? listener_.error : std::nullopt; }

  int wrong = 0;
  int asked = 0;
  std::set<std::optional<std::uint64_t>> refused;

 private:
  FormatTable formats_;
  std::unique_ptr<Importer> importer_;
  std::unique_ptr<TestProducer> producer_;
  std::unique_ptr<Source> source_;
  MailboxListener listener_;
  /// As PictureWorker does.
  void follow(PixelFormat format, std::optional<std::uint64_t> modifier, const Error* error) {
    const Nanoseconds now = monotonic_now();
    if (error == nullptr) formats_.taken(format, modifier, now);
    if (error != nullptr && error->kind == ErrorKind::Unsupported && modifier) {
      formats_.refuse(format, *modifier, error->detail, now);
    }
    const auto offer = formats_.next(now);
    if (!offer) return;
    REQUIRE_FALSE(offer->nothing());
    ++asked;
    CHECK(source_->renegotiate(*offer));
  }

  std::vector<std::uint32_t> numbers_;
};

/// Does what it is told with each modifier, for as many pictures.
class MoodyConverter final : public Converter {
 public:
  struct Mood {
    std::uint64_t modifier = 0;
    int good = 0;                               ///< pictures it converts
    ErrorKind answer = ErrorKind::Unsupported;  ///< to the next one
  };
  explicit MoodyConverter(std::vector<Mood> moods) : moods_(std::move(moods)) {
    for (const Mood& mood : moods_) modifiers_.push_back(mood.modifier);
  }
  [[nodiscard]] std::string_view name() const override { return "moody"; }
  [[nodiscard]] const std::vector<std::uint64_t>& modifiers(PixelFormat format) const override {
    return format == PixelFormat::BGRx ? modifiers_ : none_;
  }
  [[nodiscard]] bool takes(const PicturePlan& plan) const override { return !plan.scaled; }
  [[nodiscard]] Result<void> settle(Nanoseconds /*timeout*/) override { return {}; }
  [[nodiscard]] bool one_submission() const override { return true; }
  [[nodiscard]] Result<void> convert(const ConverterJob& job) override {
    const auto mood = std::ranges::find(moods_, job.dmabuf->modifier, &Mood::modifier);
    if (mood == moods_.end()) return fail(ErrorKind::Unsupported, "convert", "never offered");
    if (mood->good-- <= 0) return fail(mood->answer, "convert", "as told");
    const Dmabuf::Plane& plane = job.dmabuf->planes[0];
    std::vector<std::byte> pixels(std::size_t{plane.stride_bytes} * job.dmabuf->size.height);
    const ssize_t got = ::pread(plane.fd.get(), pixels.data(), pixels.size(), plane.offset_bytes);
    if (got != static_cast<ssize_t>(pixels.size())) return fail(ErrorKind::Invalid, "convert", "short");
    YuvView view{job.layout.format, job.layout.size, {}};
    for (std::size_t i = 0; i < 2; ++i) {
      view.planes.at(i) = {job.target.mapped() + job.layout.planes.at(i).offset_bytes,
                           job.layout.planes.at(i).stride_bytes};
    }
    const auto convert = RgbToYuv::create(PixelFormat::BGRx, job.layout.format, job.colour);
    convert->convert({pixels.data(), plane.stride_bytes, job.dmabuf->size}, view);
    return {};
  }

 private:
  std::vector<Mood> moods_;
  std::vector<std::uint64_t> modifiers_, none_;
};

Way::MakeImporter moody(std::vector<MoodyConverter::Mood> moods) {
  return [moods = std::move(moods)](FormatTable& formats) {
    Gpu gpu{.device = tiled_device()};
    gpu.converters.push_back(std::make_unique<MoodyConverter>(moods));
    return make_gpu_importer(std::move(gpu), {.surface_limit = 8, .formats = &formats});
  };
}
std::unique_ptr<Importer> on_tiled_device(FormatTable& formats) {
  auto gpu = open_host_gpu(tiled_device(), {.converter = "vulkan"});
  if (!gpu) FAIL(gpu.error().message());
  return make_gpu_importer(std::move(*gpu), {.formats = &formats});
}

ProducerOptions either(std::vector<std::uint64_t> modifiers) {
  ProducerOptions options;
  options.size = kSize;
  options.memory = Memory::Either;
  options.modifiers = std::move(modifiers);
  return options;
}

constexpr std::uint64_t kFirst = 0x7e00'0000'0000'0011;
constexpr std::uint64_t kSecond = 0x7e00'0000'0000'0012;

}  // namespace

TEST_CASE("a driver that refuses the first modifier gets the second, tiled and right") {
  const auto daemon = pipewire();
  Way way(on_tiled_device, either({kRefusedModifier, kTiledModifier, kModifierLinear}));
  CHECK(way.reach(kTiledModifier, 8));
  CHECK(way.wrong == 0);
  CHECK(way.refused == std::set<std::optional<std::uint64_t>>{kRefusedModifier});
  CHECK(way.asked == 1);
  CHECK(way.importer().route() == "vulkan");
  CHECK(way.src().info().dmabuf);
}

TEST_CASE("a producer whose every modifier is refused ends in shared memory") {
  const auto daemon = pipewire();
  Way way(on_tiled_device, either({kRefusedModifier}));
  CHECK(way.reach(std::nullopt, 6));
  CHECK(way.wrong == 0);
  CHECK(way.asked >= 1);
  CHECK_FALSE(way.src().info().dmabuf);
}

TEST_CASE("modifiers refused one after the other, then the GPU lost: every picture is right, the stream goes on") {
  const auto daemon = pipewire();
  Way way(moody({{kFirst, 0, ErrorKind::Unsupported},
                 {kSecond, 5, ErrorKind::Unsupported},
                 {kModifierLinear, 5, ErrorKind::Lost}}),
          either({kFirst, kSecond, kModifierLinear}));
  CHECK(way.reach(kSecond, 5));
  CHECK(way.reach(kModifierLinear, 5));
  CHECK(way.reach(std::nullopt, 5));
  CHECK(way.wrong == 0);
  CHECK(way.refused == std::set<std::optional<std::uint64_t>>{kFirst, kSecond});
  CHECK(way.importer().route() == "cpu");
  CHECK_FALSE(way.src().info().dmabuf);
}

TEST_CASE("a producer that lets us choose is answered without the refused modifier, too") {
  const auto daemon = pipewire();
  ProducerOptions options = either({kSecond, kFirst, kModifierLinear});
  options.name = "xdg-desktop-portal-wlr";
  options.fixation = Fixation::Consumer;
  Way way(moody({{kFirst, 0, ErrorKind::Unsupported}, {kSecond, 5, ErrorKind::Lost}}), std::move(options));
  CHECK(way.reach(kSecond, 5));
  CHECK(way.reach(std::nullopt, 5));
  CHECK(way.wrong == 0);
  CHECK(way.refused.contains(kFirst));
}

TEST_CASE("a producer that has nothing but what is refused ends with the reason, not in a hang") {
  const auto daemon = pipewire();
  ProducerOptions options = either({kFirst});
  options.memory = Memory::DmaBuf;
  Way way(moody({{.modifier = kFirst}, {.modifier = kSecond}}), std::move(options));
  CHECK_FALSE(way.reach(kSecond, 1));
  REQUIRE(way.error());
  CHECK(way.error()->kind == ErrorKind::Unsupported);
  CHECK(way.wrong == 0);
}

TEST_CASE("a recording begins with the first picture of a screen that stands still, however long that takes") {
  const auto daemon = pipewire();
  const TemporaryFolder folder;
  ProducerOptions options;
  SECTION("a screen") { options.variable_rate = true; }
  SECTION("a camera, which does not work then") {}
  const auto producer = produce(options);
  producer->fall_silent(Silence::ForEver);
  RecordingOptions recorded;
  recorded.source = NodeSpec{.node = NodeSpec::Id{producer->node_id()}};
  recorded.outputs.push_back(parse_output(folder.file("still.mkv"), std::nullopt, false).value());
  recorded.encoder.options = {{"preset", "ultrafast"}};
  recorded.duration = std::chrono::milliseconds(500);
  auto recording = Recording::start(std::move(recorded), {});
  REQUIRE(recording);
  if (options.variable_rate) {
    CHECK_FALSE((*recording)->wait(std::chrono::seconds(12)));
    CHECK_FALSE((*recording)->status().first_picture);
    producer->fall_silent(Silence::None);
  }
  REQUIRE((*recording)->wait(std::chrono::seconds(100)));
  const RecordingReport report = (*recording)->finish();
  CHECK(report.end == (options.variable_rate ? EndReason::Duration : EndReason::Failed));
  CHECK((report.counters.packets > 0) == options.variable_rate);
  if (!options.variable_rate) {
    REQUIRE(report.failure);
    CHECK(report.failure->error.kind == ErrorKind::Timeout);
  }
}
