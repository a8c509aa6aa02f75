// What the configuration file says, and whom it concerns.
#include "integration/daemon/daemon_rig.h"

#include <filesystem>
#include <fstream>

using namespace zc;
using namespace zc::test;

namespace {

constexpr const char* kSmall = "source = \"test:320x180@30\"\n";

}  // namespace

TEST_CASE("the defaults of [record] and [stream] hold for sessions, below what is asked for") {
  DaemonRig rig(
      "[record]\nsize = \"160x90\"\ncrf = 30\noverwrite = true\n[stream]\nsize = \"192x108\"\n"
      "[sessions.large]\nsize = \"256x144\"\nbitrate = \"500k\"\n" +
      std::string(kSmall));
  const auto width = [&](const std::string& name) {
    return rig.wait_for(name, [](const SessionView& one) { return one.width != 0; }).width;
  };
  CHECK(width(rig.start("plain.mkv")) == 160);
  CHECK(width(rig.start("typed.mkv", {{"size", std::string("320x180"), {}}})) == 320);
  // Its bit rate excludes the default's quality.
  CHECK(width(rig.start("large.mkv", {{"template", std::string("large"), {}}})) == 256);
  const auto live = rig.client().start(
      {{"source", std::string("test:320x180@30"), {}}, {"sinks", std::vector<std::string>{"udp://127.0.0.1:9"}, {}}});
  REQUIRE(live);
  CHECK(width(*live) == 192);
  // Its file is there already.
  std::ofstream(rig.path("again.mkv")) << "something";
  CHECK(width(rig.start("again.mkv")) == 160);
}

TEST_CASE("a template that changes is followed by the sessions started from it, but for what was typed") {
  DaemonRig rig;
  const auto configure = [&](const std::string& rate) {
    rig.write_config("[sessions.still]\nsource = \"test:320x180@1\"\nmin-fps = " + rate + "\n");
    REQUIRE(rig.client().reload());
  };
  configure("1");
  const Setting from{"template", std::string("still"), {}};
  const Setting still{"source", std::string("test:320x180@1"), {}};
  rig.start("follows.mkv", {from, still, {"name", std::string("follows"), {}}});
  rig.start("typed.mkv", {from, still, {"name", std::string("typed"), {}}, {"min-fps", std::int64_t{1}, {}}});
  rig.start("namesake.mkv", {still, {"name", std::string("still"), {}}, {"min-fps", std::int64_t{1}, {}}});
  configure("30");
  const auto frames = [&](const std::string& name) {
    const auto session = rig.client().session(name);
    REQUIRE(session);
    return figure(*session, "encoder_frames");
  };
  rig.wait_for("follows", [](const SessionView& one) { return figure(one, "encoder_frames") >= 300; });
  // Both began before the change, and have a picture or two a second.
  CHECK(frames("typed") < 150);
  CHECK(frames("still") < 150);
}

TEST_CASE("a configuration file behind symbolic links is followed") {
  DaemonRig rig;
  namespace fs = std::filesystem;
  const auto write = [](const std::string& path, const std::string& name) {
    std::ofstream(path) << "[sessions." << name << "]\n" << kSmall;
  };
  const auto knows = [&](const std::string& name) {
    return eventually([&] {
      const auto started = rig.client().start(
          {{"template", name, {}}, {"sinks", std::vector{rig.path("a.mkv")}, {}}, {"overwrite", true, {}}});
      return started && rig.client().stop(*started);
    });
  };
  for (const char* folder : {"dotfiles", "more"}) fs::create_directory(rig.path(folder));
  write(rig.path("dotfiles/one.toml"), "first");
  fs::create_symlink("dotfiles/link.toml", rig.path("link"));
  fs::create_symlink("one.toml", rig.path("dotfiles/link.toml"));
  fs::rename(rig.path("link"), rig.path("zerocast.toml"));  // by one step, as tools for such files do
  CHECK(knows("first"));
  write(rig.path("dotfiles/one.toml"), "second");  // what is at the end
  CHECK(knows("second"));
  write(rig.path("more/two.toml"), "third");
  fs::create_symlink("../more/two.toml", rig.path("link"));
  fs::rename(rig.path("link"), rig.path("dotfiles/link.toml"));  // a link between
  CHECK(knows("third"));
  write(rig.path("more/two.toml"), "fourth");
  CHECK(knows("fourth"));
}
