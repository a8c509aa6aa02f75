// One picture of a source, and of a recording that does not notice.
#include "session/snapshot.h"

#include "support/temporary_folder.h"
#include "tools/decode.h"
#include "tools/frame_report.h"
#include "tools/png.h"
#include "verify/quality.h"
#include "verify/reference_picture.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>

using namespace zc;
using test::PngFile;
using test::TemporaryFolder;
using namespace std::chrono_literals;

namespace {

RecordingOptions of(std::string_view source) {
  RecordingOptions options;
  options.source = parse_source(source).value();
  return options;
}

/// dB, of the worst component, to the test source's picture of that number.
double likeness(const PngFile& file) {
  const auto mark = file.mark();
  REQUIRE(mark);
  verify::ReferencePicture original({file.view().size, file.view().bits, true, 0, 0, kRgbFull});
  original.paint(*mark);
  return std::ranges::min(verify::compare(file.view(), original).psnr);
}

std::size_t files_in(const TemporaryFolder& folder) {
  return static_cast<std::size_t>(std::ranges::distance(std::filesystem::directory_iterator(folder.path())));
}

}  // namespace

TEST_CASE("a source's first picture has every colour as it is") {
  const auto* source = GENERATE("test:320x240@30", "test:320x240@30,frames=1", "test:320x240@30,static",
                                "test:321x241@30", "test:320x240@30,format=xBGR_210LE");
  CAPTURE(source);
  auto picture = first_picture(of(source), {});
  REQUIRE(picture);
  const TemporaryFolder folder;
  REQUIRE(save_png(std::move(*picture), {.path = folder.file("a.png")}));
  CHECK(files_in(folder) == 1);
  const auto file = PngFile::read(folder.file("a.png"));
  REQUIRE(file);
  CHECK(file->view().size == Size{320, 240});
  if (std::string_view(source).find("321") == std::string_view::npos) CHECK(std::isinf(likeness(*file)));
}

TEST_CASE("HDR is shown as an SDR screen shows it where there is a curve for it, and kept where there is none") {
  const auto pq = first_picture(of("test:320x240,transfer=pq"), {});
  REQUIRE(pq);
  CHECK(pq->format().colour == kRgbFull);
  const auto hlg = first_picture(of("test:320x240,transfer=hlg"), {});
  REQUIRE(hlg);
  CHECK(hlg->format().colour.transfer == TransferFunction::HLG);
  CHECK(info(hlg->format().format).bits == 10);
}

TEST_CASE("a part of the picture, and one that is outside of it") {
  RecordingOptions options = of("test:320x240@30");
  options.crop = Rect{0, 0, 200, 100};
  const auto part = first_picture(options, {});
  REQUIRE(part);
  CHECK(part->format().size == Size{200, 100});
  options.crop = Rect{400, 0, 20, 20};
  const auto outside = first_picture(options, {});
  REQUIRE_FALSE(outside);
  CHECK(outside.error().part == Part::Settings);
}

TEST_CASE("a picture that is not waited for any more is none") {
  std::stop_source stop;
  stop.request_stop();
  const auto none = first_picture(of("test:320x240@30"), stop.get_token());
  REQUIRE_FALSE(none);
  CHECK(none.error().error.kind == ErrorKind::Cancelled);
}

TEST_CASE("a recording's newest picture, whatever it is coded as") {
  const auto chroma = GENERATE(Chroma::Yuv420, Chroma::Yuv444);
  const unsigned bits = GENERATE(8U, 10U);
  CAPTURE(bits);
  const TemporaryFolder folder;
  RecordingOptions options = of("test:320x240@30");
  options.outputs.push_back(parse_output(folder.file("all.mkv"), std::nullopt, false).value());
  options.encoder.chroma = chroma;
  options.encoder.bit_depth = bits;
  options.encoder.options = {{"preset", "ultrafast"}};
  options.encoder.gop_seconds = kInfiniteGop;
  const auto recording = Recording::start(std::move(options), {});
  REQUIRE(recording);
  Recording& running = **recording;
  const auto reach = [&](std::uint64_t packets) {
    while (running.status().packets < packets) REQUIRE_FALSE(running.wait(5ms));
  };
  reach(1);
  const std::string path = folder.file("a.png");
  REQUIRE(running.save_picture({.path = path}));
  const auto first = PngFile::read(path);
  REQUIRE(first);
  CHECK(likeness(*first) > (chroma == Chroma::Yuv420 ? 26 : 45));
  CHECK(first->view().bits == (bits > 8 ? 16 : 8));

  CHECK(running.save_picture({.path = path}).error().kind == ErrorKind::Invalid);  // it exists
  CHECK(running.save_picture({.path = folder.file("no/a.png")}).error().kind == ErrorKind::NotFound);
  reach(running.status().packets + 10);
  REQUIRE(running.save_picture({.path = path, .overwrite = true}));
  const auto second = PngFile::read(path);
  REQUIRE(second);
  CHECK(second->mark()->frame > first->mark()->frame);

  running.set_paused(true);
  while (!running.status().paused) REQUIRE_FALSE(running.wait(5ms));
  CHECK(running.save_picture({.path = path, .overwrite = true}));
  CHECK(files_in(folder) == 2);

  const RecordingReport report = running.finish();
  CHECK(report.counters.keyframes == 1);
  auto decoder = test::Decoder::open(folder.file("all.mkv"));
  REQUIRE(decoder);
  const auto frames = test::check_frames(std::move(*decoder), {});
  REQUIRE(frames);
  CHECK(frames->out_of_order == 0);
  CHECK(frames->distinct == report.counters.captured - report.counters.dropped);
  CHECK(frames->last_mark >= second->mark()->frame);
}

TEST_CASE("a recording that is over has no picture to save") {
  const TemporaryFolder folder;
  RecordingOptions options = of("test:320x240@30");
  options.outputs.push_back(parse_output(folder.file("all.mkv"), std::nullopt, false).value());
  const auto recording = Recording::start(std::move(options), {});
  REQUIRE(recording);
  (*recording)->request_stop();
  static_cast<void>((*recording)->finish());
  CHECK((*recording)->save_picture({.path = folder.file("a.png")}).error().kind == ErrorKind::Busy);
  CHECK_FALSE(std::filesystem::exists(folder.file("a.png")));
}
