// Whose sound is recorded.
#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "media/audio.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace zc {

/// What the default sink plays, also when the default changes.
struct DesktopAudio {};
/// What every application plays but those of that name.
struct DesktopAudioWithout {
  std::string application;
};
/// The default source, also when the default changes.
struct MicrophoneAudio {};
/// What the applications of that name play, as they come and go: application.name, application.process.binary,
/// node.name or media.role, in any case.
struct ApplicationAudio {
  std::string application;
};
/// A source, or what a sink plays, by node.name; waited for while it is not there.
struct NodeAudio {
  std::string name;
};
/// Beeps that say when they are (media/test_sound.h); needs no PipeWire.
struct TestAudio {};
/// What is heard of the media file whose pictures are recorded.
struct FileAudio {};
using AudioSourceSpec =
    std::variant<DesktopAudio, DesktopAudioWithout, MicrophoneAudio, ApplicationAudio, NodeAudio, TestAudio, FileAudio>;

/// "desktop", "desktop-app:NAME", "mic", "app:NAME", "file", "test", or a node's name. Invalid: a name is missing;
/// names the valid ones.
[[nodiscard]] Result<AudioSourceSpec> parse_audio_source(std::string_view text);
/// The words it is parsed from.
[[nodiscard]] std::string to_string(const AudioSourceSpec& spec);

/// Takes what an AudioSource gives. A stream is one loudspeaker's, microphone's or application's sound; none has had
/// the number of another before.
class AudioReader {
 public:
  virtual ~AudioReader() = default;
  AudioReader() = default;
  AudioReader(const AudioReader&) = delete;
  AudioReader& operator=(const AudioReader&) = delete;
  virtual void on_stream(std::uint32_t stream) = 0;
  virtual void on_block(std::uint32_t stream, const AudioBlock& block) = 0;
  virtual void on_end(std::uint32_t stream) = 0;
};

/// Sound of kAudioRate and of the layout that is wanted; through PipeWire, which converts. It never ends: what goes is
/// waited for, PipeWire itself, too.
class AudioSource {
 public:
  virtual ~AudioSource() = default;
  AudioSource(const AudioSource&) = delete;
  AudioSource& operator=(const AudioSource&) = delete;

  /// Hands over what has come since the last call, which is two seconds ago at most. It waits for no sound, but some
  /// fifty times a second for PipeWire's thread, and for one that has gone and comes back. One thread.
  virtual void read(AudioReader& reader) = 0;
  /// Blocks that were lost because nobody read.
  [[nodiscard]] virtual std::uint64_t lost() const = 0;

 protected:
  AudioSource() = default;
};

class FileSound;

/// `file`: what FileAudio is, of that layout. NotFound, Denied: PipeWire does not answer. Invalid: there is no file.
[[nodiscard]] Result<std::unique_ptr<AudioSource>> open_audio_source(AudioSourceSpec spec, std::uint64_t layout,
                                                                     const std::shared_ptr<FileSound>& file = {});

}  // namespace zc
