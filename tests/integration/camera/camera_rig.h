#pragma once

#include "session/recording.h"
#include "support/camera_reader.h"
#include "support/child_process.h"
#include "support/private_pipewire.h"
#include "support/temporary_folder.h"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace zc::test {

inline std::unique_ptr<PrivatePipeWire> pipewire() {
  auto started = PrivatePipeWire::start();
  if (!started) FAIL(started.error().message());
  return std::move(*started);
}

/// `zerocast ...`, whose log is the folder's "log".
inline ChildProcess run(const std::vector<std::string>& arguments, const TemporaryFolder& folder,
                        const std::vector<std::string>& environment = {}) {
  std::vector<std::string> all{"env"};
  all.insert(all.end(), environment.begin(), environment.end());
  all.emplace_back(ZEROCAST);
  all.insert(all.end(), arguments.begin(), arguments.end());
  auto child = ChildProcess::start(all, folder.file("log"));
  if (!child) FAIL(child.error().message());
  return std::move(*child);
}

inline OutputSpec output(const std::string& text) { return parse_output(text, std::nullopt, false).value(); }

/// Of the test pattern, whose pictures are numbered.
inline RecordingOptions of_pattern(const std::vector<std::string>& outputs, const char* source = "test:320x240@60") {
  RecordingOptions options;
  options.source = parse_source(source).value();
  for (const std::string& text : outputs) options.outputs.push_back(output(text));
  options.encoder.options = {{"preset", "ultrafast"}};
  options.live = true;
  return options;
}

inline std::unique_ptr<Recording> start(RecordingOptions options) {
  auto recording = Recording::start(std::move(options), {});
  if (!recording) FAIL(recording.error().error.message());
  return std::move(*recording);
}

/// Waits, 60 s at most.
template <class Good>
bool eventually(const Good& good) {
  for (int i = 0; i < 6000; ++i) {
    if (good()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

inline OutputStatus camera_status(const Recording& recording) {
  for (OutputStatus& one : recording.status().outputs) {
    if (one.name.starts_with("camera:")) return std::move(one);
  }
  return {};
}

inline bool shown(const Recording& recording, const std::string& name) {
  return eventually([&] { return recording.status().first_picture && cameras_named(name) == 1; });
}

/// Numbers rise from picture to picture, and none was damaged or written over while it was read. A picture that is
/// shown once more, because somebody has come, has the number of the one before.
inline void check_sound(const std::vector<ReadPicture>& pictures) {
  std::uint32_t last = 0;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const ReadPicture& one = pictures[i];
    INFO("picture " << i << " of " << pictures.size());
    REQUIRE(one.mark);
    CHECK(one.mark->frame >= last);
    CHECK_FALSE(one.changed);
    last = one.mark->frame;
    if (i > 0) CHECK(one.sequence > pictures[i - 1].sequence);
    if (i > 0) CHECK(one.pts >= pictures[i - 1].pts);
  }
}

}  // namespace zc::test
