// What the commands that drive the daemon are asked, as plain data.
#pragma once

#include "config/setting_value.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace zc {

struct StartOptions {
  std::vector<Setting> settings;  ///< as StartSession takes them
  bool wait = true;               ///< until it records or has failed
  bool json = false;
};

struct StatusOptions {
  std::string name;     ///< empty: all sessions, as a list
  bool figures = true;  ///< else where they go
  bool watch = false;
  bool json = false;
};

enum class SessionAction : std::uint8_t {
  Stop,
  Pause,
  Resume,
  Keyframe,
  Bitrate,
  Framerate,
  AddSink,
  RemoveSink,
  Audio,
  AddLayer,
  SetLayer,
  RemoveLayer,
  ListLayers,
  SaveReplay,
  Reload,
};

struct ActionOptions {
  SessionAction action = SessionAction::Stop;
  std::string name;
  std::string value;             ///< rate, sink, layer, its changes, or file
  std::string source;            ///< of Audio, with one of the next; of SetLayer the layer's name
  std::optional<double> volume;  ///< dB
  std::optional<bool> muted;
  bool json = false;
};

}  // namespace zc
