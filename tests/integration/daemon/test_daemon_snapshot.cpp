// Pictures of sessions as PNG files, over D-Bus and by `zerocast snapshot`.
#include "base/clock.h"
#include "integration/daemon/daemon_rig.h"
#include "tools/png.h"
#include "verify/quality.h"
#include "verify/reference_picture.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <span>
#include <string>

using namespace zc;
using namespace zc::test;

namespace {

PngFile picture(const std::string& path) {
  auto file = PngFile::read(path);
  REQUIRE(file);
  REQUIRE(file->mark());
  return *std::move(file);
}

/// dB, of the worst component, to the test source's picture of that number.
double likeness(const PngFile& file) {
  verify::ReferencePicture original({file.view().size, file.view().bits, true, 0, 0, kRgbFull});
  original.paint(*file.mark());
  return std::ranges::min(verify::compare(file.view(), original).psnr);
}

bool left_over(const DaemonRig& rig) {
  const std::filesystem::directory_iterator all(rig.path(""));
  return std::ranges::any_of(
      all, [](const auto& entry) { return entry.path().native().find(".part") != std::string::npos; });
}

/// What a command has written, which is a picture.
std::uint32_t number_in(const Answer& answer) {
  CAPTURE(answer.exit_code);
  const auto file = PngFile::parse(std::as_bytes(std::span(answer.text)));
  REQUIRE(file);
  REQUIRE(file->mark());
  return file->mark()->frame;
}

}  // namespace

TEST_CASE("a session's newest picture, while it records and while it is paused; the stream does not notice") {
  DaemonRig rig("", {"env", "HOME={}"});
  const std::string name =
      rig.start("main.mkv", {{"name", std::string("show"), {}}, {"gop", std::string("infinite"), {}}});
  const auto snapshot = [&](const std::string& path) { return rig.client().call(name, "Snapshot", path); };
  const Nanoseconds asked = monotonic_now();
  const auto first = snapshot(rig.path("{name}-{n}.png"));
  REQUIRE(first);
  CHECK(*first == rig.path("show-1.png"));
  const PngFile one = picture(*first);
  CHECK(one.mark()->time <= monotonic_now());
  CHECK(likeness(one) > 26);  // the stream's chroma is subsampled
  CHECK(one.chunk("sRGB"));

  const double encoded = figure(*rig.client().session(name), "encoder_frames");
  rig.wait_for(name, [&](const SessionView& view) { return figure(view, "encoder_frames") >= encoded + 10; });
  REQUIRE(snapshot(rig.path("later.png")));
  const PngFile later = picture(rig.path("later.png"));
  CHECK(later.mark()->frame >= one.mark()->frame + 5);
  CHECK(later.mark()->time > asked);

  CHECK(snapshot(rig.path("later.png")).error().kind == ErrorKind::Invalid);  // it exists
  CHECK(snapshot(rig.path("later.jpg")).error().kind == ErrorKind::Invalid);
  CHECK(snapshot("later-2.png").error().kind == ErrorKind::Invalid);
  CHECK(snapshot(rig.path("no/folder.png")).error().kind == ErrorKind::NotFound);
  CHECK(rig.client().call("nobody", "Snapshot", rig.path("n.png")).error().kind == ErrorKind::NotFound);

  // Nobody has thought of a name.
  const auto nameless = snapshot("");
  REQUIRE(nameless);
  CHECK(nameless->starts_with(rig.path("Videos/zerocast/show_")));
  picture(*nameless);

  const double before = figure(*rig.client().session(name), "encoder_frames");
  const SessionView since =
      rig.wait_for(name, [&](const SessionView& view) { return figure(view, "encoder_frames") >= before + 10; });
  CHECK(figure(since, "encoder_keyframes") == 1);

  REQUIRE(rig.client().call(name, "Pause"));
  rig.wait_for_state(name, "paused");
  REQUIRE(snapshot(rig.path("paused.png")));
  REQUIRE(snapshot(rig.path("still.png")));
  CHECK(picture(rig.path("paused.png")).mark() == picture(rig.path("still.png")).mark());
  REQUIRE(rig.client().call(name, "Resume"));
  rig.wait_for_state(name, "recording");

  REQUIRE(rig.client().stop(name));
  const FrameReport file = check_file(rig.path("main.mkv"));
  CHECK(file.last_mark >= picture(rig.path("still.png")).mark()->frame);
  CHECK_FALSE(left_over(rig));
}

TEST_CASE("a screen that stands still, and colours that nothing has been left out of") {
  DaemonRig rig;
  const std::string still = rig.start(
      "still.mkv", {{"source", std::string("test:320x180@30,static"), {}}, {"chroma", std::string("rgb"), {}}});
  REQUIRE(rig.client().call(still, "Snapshot", rig.path("still.png")));
  CHECK(std::isinf(likeness(picture(rig.path("still.png")))));
}

TEST_CASE("zerocast snapshot: the only session, one of several, a source, and none of them") {
  DaemonRig rig;
  const std::string path = rig.path("shot.png");
  // No session: the desktop is asked, and there is none here.
  const Answer nobody = run(rig, {"snapshot", path});
  CHECK(nobody.exit_code == 3);
  CHECK(nobody.has("portal"));
  CHECK_FALSE(std::filesystem::exists(path));

  const Answer source = run(rig, {"snapshot", "--source", "test:320x180@30", path});
  CHECK(source.text.empty());
  CHECK(source.exit_code == 0);
  CHECK(std::isinf(likeness(picture(path))));

  rig.start("a.mkv", {{"name", std::string("first"), {}}});
  const Answer there = run(rig, {"snapshot", path});
  CHECK(there.exit_code == 2);
  CHECK(there.has("exists; pass --overwrite"));
  const Answer only = run(rig, {"snapshot", "--overwrite", path});
  CHECK(only.text.empty());
  CHECK(only.exit_code == 0);
  CHECK(likeness(picture(path)) < 50);  // the session's now
  CHECK(number_in(run(rig, {"snapshot", "-"})) >= picture(path).mark()->frame);

  rig.start("b.mkv", {{"name", std::string("second"), {}}});
  const Answer which = run(rig, {"snapshot", rig.path("which.png")});
  CHECK(which.exit_code == 2);
  CHECK(which.has("first, second"));
  const Answer named = run(rig, {"snapshot", "--session", "second", rig.path("{name}.png")});
  CHECK(named.exit_code == 0);
  picture(rig.path("second.png"));
  CHECK(run(rig, {"snapshot", "--session", "third", rig.path("third.png")}).exit_code == 9);
  CHECK(run(rig, {"snapshot", "--session", "first", rig.path("no/folder.png")}).exit_code == 6);
  CHECK(run(rig, {"snapshot", "--source", "test:320x180@30", rig.path("no/folder.png")}).exit_code == 6);
  CHECK_FALSE(left_over(rig));
}
