// Layers of a session: over D-Bus and by commands.
#include "config/names.h"
#include "integration/daemon/daemon_rig.h"
#include "integration/daemon/signal_log.h"

#include <algorithm>
#include <csignal>

using namespace zc;
using namespace zc::test;

namespace {

template <class Value>
Value value_of(const std::vector<Setting>& values, std::string_view name) {
  const auto found = std::ranges::find(values, name, &Setting::name);
  return found == values.end() ? Value{} : std::get<Value>(found->value);
}
bool shown(const SessionView& session, std::size_t count) {
  return session.layers.size() == count &&
         std::ranges::all_of(session.layers, [](const auto& layer) { return value_of<bool>(layer, "shown"); });
}

/// A layer's key in a row of the property.
std::string text_of(const SignalLog::Change& change, std::size_t row, std::string_view key) {
  if (row >= change.rows.size()) return {};
  const auto found = std::ranges::find(change.rows[row], key, &std::pair<std::string, std::string>::first);
  return found == change.rows[row].end() ? std::string() : found->second;
}

}  // namespace

TEST_CASE("the property Layers is told with its value when layers come, change and go") {
  DaemonRig rig;
  const std::string name = rig.start("told.mkv");
  rig.wait_for(name, [](const SessionView& one) { return one.state == "recording"; });
  SignalLog signals;
  REQUIRE(run(rig, {"layer", "add", name, "test:128x64@10,at=tl,name=corner"}).exit_code == 0);
  const auto came = signals.wait_for_change(
      "Layers", [](const auto& change) { return change.rows.size() == 1 && text_of(change, 0, "shown") == "true"; });
  CHECK(came.path.starts_with(std::string(kManagerPath) + "/sessions/"));
  CHECK(text_of(came, 0, "name") == "corner");
  CHECK(text_of(came, 0, "x") == "0");
  CHECK(text_of(came, 0, "width") == "128");

  REQUIRE(run(rig, {"layer", "set", name, "corner", "at=30,40,opacity=50%"}).exit_code == 0);
  const auto moved = signals.wait_for_change(
      "Layers", [](const auto& change) { return text_of(change, 0, "x") == "30" && change.rows.size() == 1; });
  CHECK(text_of(moved, 0, "y") == "40");
  CHECK(text_of(moved, 0, "layer") == "test:128x64@10,at=30,40,opacity=50%,name=corner");

  REQUIRE(run(rig, {"layer", "remove", name, "corner"}).exit_code == 0);
  const auto gone = signals.wait_for_change("Layers", [](const auto& change) { return change.rows.empty(); });
  CHECK(gone.path == came.path);
  REQUIRE(rig.client().stop(name));
}

TEST_CASE("layers of a session come, move and go by commands, and are told over D-Bus") {
  DaemonRig rig;
  SignalLog signals;
  const std::string name =
      rig.start("layers.mkv", {{"layer", std::vector<std::string>{"test:128x64@10,at=tr,name=first"}, {}}});
  const SessionView begun = rig.wait_for(name, [](const SessionView& one) { return shown(one, 1); });
  CHECK(value_of<std::string>(begun.layers[0], "name") == "first");
  CHECK(value_of<std::string>(begun.layers[0], "layer") == "test:128x64@10,at=tr,name=first");
  CHECK(value_of<std::int64_t>(begun.layers[0], "x") == static_cast<std::int64_t>(begun.width) - 128);

  const Answer added = run(rig, {"layer", "add", name, "test:64x32@10,at=10,20,frames=5"});
  CHECK(added.exit_code == 2);  // the source's options stand before the layer's
  const Answer second = run(rig, {"layer", "add", name, "test:64x32@10,frames=30,at=10,20"});
  CHECK(second.exit_code == 0);
  CHECK(second.text == "layer-2\n");
  rig.wait_for(name, [](const SessionView& one) { return shown(one, 2); });
  CHECK(run(rig, {"layer", "list", name}).has("layer-2  64x32+10+20"));
  CHECK(run(rig, {"session", "status", name}).has("layer                   first: test:128x64@10"));

  CHECK(run(rig, {"layer", "set", name, "first", "at=bl,opacity=50%"}).exit_code == 0);
  rig.wait_for(name, [](const SessionView& one) {
    return value_of<std::int64_t>(one.layers.at(0), "x") == 0 &&
           value_of<std::string>(one.layers.at(0), "layer").find("opacity=50%") != std::string::npos;
  });
  const auto gone = signals.wait_for("LayerChanged");
  CHECK(gone.arguments.at(0) == "layer-2");
  CHECK_FALSE(gone.arguments.at(1).empty());

  CHECK(run(rig, {"layer", "remove", name, "layer-2"}).exit_code == 0);
  rig.wait_for(name, [](const SessionView& one) { return one.layers.size() == 1; });
  const Answer unknown = run(rig, {"layer", "remove", name, "layer-2"});
  CHECK(unknown.exit_code != 0);
  CHECK(unknown.has("there are first"));
  CHECK(run(rig, {"layer", "set", name, "first", "place=br"}).exit_code == 2);
  CHECK(run(rig, {"layer", "set", name, "first", "name=other"}).exit_code != 0);
  REQUIRE(rig.client().stop(name));
}

TEST_CASE("a session whose process crashes has its layers as they were") {
  DaemonRig rig;
  const std::string name = rig.start("crash.mkv");
  CHECK(run(rig, {"layer", "add", name, "test:128x64@10,at=tl,name=kept"}).exit_code == 0);
  CHECK(run(rig, {"layer", "set", name, "kept", "at=10,20"}).exit_code == 0);
  rig.wait_for(
      name, [](const SessionView& one) { return shown(one, 1) && value_of<std::int64_t>(one.layers[0], "y") == 20; });
  const pid_t before = process_of(name);
  REQUIRE(::kill(before, SIGKILL) == 0);
  REQUIRE(eventually([&] {
    const pid_t now = process_of(name);
    return now > 0 && now != before;
  }));
  rig.wait_for(name, [](const SessionView& one) {
    return one.state == "recording" && shown(one, 1) && value_of<std::int64_t>(one.layers[0], "y") == 20;
  });
  REQUIRE(rig.client().stop(name));
}

TEST_CASE("tables of layers in the configuration are a session's layers") {
  DaemonRig rig;
  rig.write_config("[sessions.desk]\nsource = \"test:320x240@30\"\nsinks = [\"" + rig.path("desk.mkv") +
                   "\"]\n\n[[sessions.desk.layers]]\nsource = \"test:64x32@10\"\nat = \"bl\"\nname = \"corner\"\n\n"
                   "[[sessions.desk.layers]]\nsource = \"clock\"\nsize = \"20%\"\n");
  REQUIRE(rig.client().reload());
  REQUIRE(rig.client().start({{"template", std::string("desk"), {}}}));
  const SessionView desk = rig.wait_for("desk", [](const SessionView& one) { return shown(one, 2); });
  CHECK(value_of<std::string>(desk.layers[0], "name") == "corner");
  CHECK(value_of<std::int64_t>(desk.layers[0], "y") == 240 - 32);
  CHECK(value_of<std::int64_t>(desk.layers[1], "width") == 64);
  REQUIRE(rig.client().stop("desk"));
}
