#include "capture/audio_source.h"

#include "base/clock.h"
#include "base/log.h"
#include "capture/audio_delay.h"
#include "capture/audio_stream.h"
#include "capture/audio_test_source.h"
#include "capture/file_sound.h"
#include "pipewire/pipewire_connection.h"

#include <pipewire/keys.h>
#include <pipewire/node.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cmath>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace zc {
namespace {

/// How often it is looked for streams that come and go: when something has changed, and else.
constexpr Nanoseconds kLook = std::chrono::milliseconds(20);
constexpr Nanoseconds kLookAnyway = std::chrono::milliseconds(500);
constexpr Nanoseconds kReconnect = std::chrono::seconds(1);
/// What a stream's sound waits for, until it is known when it is heard.
constexpr Nanoseconds kDelayKnown = std::chrono::milliseconds(300);

bool same_word(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other,
                            [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

/// An application's sound on its way to a loudspeaker, with what the registry does not say of it.
class Playback {
 public:
  Playback(pw_registry* registry, const RegistryObject& object, std::atomic<bool>& changed)
      : changed_(changed),
        serial_(object.property(PW_KEY_OBJECT_SERIAL)),
        proxy_(static_cast<pw_proxy*>(pw_registry_bind(registry, object.id, object.type.c_str(), PW_VERSION_NODE, 0))) {
    if (proxy_) pw_node_add_listener(reinterpret_cast<pw_node*>(proxy_.get()), hook_.get(), &kEvents, this);
  }
  Playback(const Playback&) = delete;
  Playback& operator=(const Playback&) = delete;
  ~Playback() { hook_.remove(); }

  [[nodiscard]] const std::string& serial() const { return serial_; }
  [[nodiscard]] bool known() const { return known_; }
  /// Other applications' sound: a filter's or loopback's output.
  [[nodiscard]] bool passes_on() const { return passes_on_; }
  [[nodiscard]] bool is(std::string_view application) const {
    return std::ranges::any_of(names_, [&](const std::string& name) { return same_word(name, application); });
  }

 private:
  static void info(void* data, const pw_node_info* info) noexcept {
    auto& self = *static_cast<Playback*>(data);
    if ((info->change_mask & PW_NODE_CHANGE_MASK_PROPS) == 0) return;  // then props is empty, not null
    self.names_.clear();
    for (const char* key : {PW_KEY_APP_NAME, PW_KEY_APP_PROCESS_BINARY, PW_KEY_NODE_NAME, PW_KEY_MEDIA_ROLE}) {
      if (const char* value = spa_dict_lookup(info->props, key)) self.names_.emplace_back(value);
    }
    self.passes_on_ = spa_dict_lookup(info->props, "node.link-group") != nullptr;
    self.known_ = true;
    self.changed_ = true;
  }
  static constexpr pw_node_events kEvents = [] {
    pw_node_events events{};
    events.version = PW_VERSION_NODE_EVENTS;
    events.info = info;
    return events;
  }();

  std::atomic<bool>& changed_;
  std::string serial_;
  std::vector<std::string> names_;
  bool known_ = false;
  bool passes_on_ = false;
  ProxyPtr proxy_;
  Hook hook_;
};

class PipeWireAudio final : public AudioSource {
 public:
  PipeWireAudio(AudioSourceSpec spec, std::uint64_t layout) : spec_(std::move(spec)), layout_(layout) {}
  PipeWireAudio(const PipeWireAudio&) = delete;
  PipeWireAudio& operator=(const PipeWireAudio&) = delete;
  ~PipeWireAudio() override { close(); }

  Result<void> open();
  void read(AudioReader& reader) override;
  [[nodiscard]] std::uint64_t lost() const override;

 private:
  struct Stream {
    std::uint32_t number = 0;  ///< 0: nothing has come yet
    std::unique_ptr<AudioStream> sound;
    std::optional<AudioDelay> delay = {};
    Nanoseconds since{};    ///< its sound waits to have a delay
    bool mistaken = false;  ///< it is not what was asked for
    Nanoseconds from{};     ///< what came before was not
  };

  void close();
  /// The streams that there should be, by the serial or name of their node (empty: the default).
  [[nodiscard]] std::map<std::string, bool> wanted();
  void look_for_applications(std::map<std::string, bool>& wanted);
  void keep_up(AudioReader& reader);
  void look_for_delays();
  void hand_over(AudioReader& reader, Stream& stream);
  void end(AudioReader& reader, Stream& stream);

  const AudioSourceSpec spec_;
  const std::uint64_t layout_;
  std::uint32_t last_ = 0;
  std::uint64_t lost_before_ = 0;
  Nanoseconds look_at_{};
  Nanoseconds look_anyway_{};
  std::atomic<bool> changed_ = true;
  std::atomic<bool> gone_ = false;
  std::unique_ptr<PipeWireConnection> connection_;
  std::map<std::uint32_t, std::unique_ptr<Playback>> playbacks_;   ///< by id; of the loop's thread
  std::map<std::string, std::unique_ptr<PortLatency>> latencies_;  ///< by port's serial; of the loop's thread
  std::map<std::string, Stream> streams_;
};

Result<void> PipeWireAudio::open() {
  PipeWireConnection::Callbacks callbacks;
  callbacks.changed = [this] { changed_ = true; };
  callbacks.lost = [this](const Error&) { gone_ = true; };
  gone_ = false;
  auto connection = PipeWireConnection::open({}, std::move(callbacks));
  if (!connection) return std::unexpected(std::move(connection.error()));
  connection_ = std::move(*connection);
  return {};
}

void PipeWireAudio::close() {
  if (!connection_) return;
  connection_->stop_thread();
  for (const auto& [target, stream] : streams_) lost_before_ += stream.sound->lost();
  streams_.clear();
  playbacks_.clear();
  latencies_.clear();
  connection_.reset();
}

std::uint64_t PipeWireAudio::lost() const {
  std::uint64_t lost = lost_before_;
  for (const auto& [target, stream] : streams_) lost += stream.sound->lost();
  return lost;
}

void PipeWireAudio::read(AudioReader& reader) {
  const Nanoseconds now = monotonic_now();
  if (now >= look_at_) {
    look_at_ = now + kLook;
    if (gone_ && connection_) {
      for (auto& [target, stream] : streams_) end(reader, stream);
      close();
    }
    if (!connection_ && !open()) look_at_ = now + kReconnect;
    if (connection_ && (changed_.exchange(false) || now >= look_anyway_)) {
      look_anyway_ = now + kLookAnyway;
      keep_up(reader);
      look_for_delays();
      for (auto& [target, stream] : streams_) {
        if (stream.mistaken && stream.number != 0) reader.on_end(std::exchange(stream.number, 0));
      }
    }
  }
  for (auto& [target, stream] : streams_) hand_over(reader, stream);
}

void PipeWireAudio::hand_over(AudioReader& reader, Stream& stream) {
  if (stream.mistaken) {
    while (stream.sound->read()) continue;
    return;
  }
  if (!stream.delay) return;
  while (auto block = stream.sound->read()) {
    if (block->time < stream.from) continue;
    if (stream.number == 0) reader.on_stream(stream.number = ++last_);
    // A block is a cycle's.
    const double samples =
        static_cast<double>(block->samples.size()) / static_cast<double>(AudioFormat{.layout = layout_}.channels());
    block->time += stream.delay->more + Nanoseconds(std::llround(stream.delay->cycles * samples * 1e9 / kAudioRate));
    reader.on_block(stream.number, *block);
  }
}

void PipeWireAudio::end(AudioReader& reader, Stream& stream) {
  hand_over(reader, stream);
  if (stream.number != 0) reader.on_end(std::exchange(stream.number, 0));
}

std::map<std::string, bool> PipeWireAudio::wanted() {
  std::map<std::string, bool> wanted;
  if (std::holds_alternative<DesktopAudio>(spec_)) {
    wanted.emplace("", true);
  } else if (std::holds_alternative<MicrophoneAudio>(spec_)) {
    // Where there is none, the session manager takes what a sink plays for one.
    const auto is_source = [](const auto& entry) {
      const std::string_view kind = entry.second.property(PW_KEY_MEDIA_CLASS);
      return kind.starts_with("Audio/Source") || kind == "Audio/Duplex";
    };
    const bool any = connection_->look([&](const auto& registry) { return std::ranges::any_of(registry, is_source); });
    if (any) wanted.emplace("", false);
  } else if (const auto* node = std::get_if<NodeAudio>(&spec_)) {
    connection_->look([&](const PipeWireConnection::Registry& registry) {
      for (const auto& [id, object] : registry) {
        if (object.type != PW_TYPE_INTERFACE_Node || object.property(PW_KEY_NODE_NAME) != node->name) continue;
        const std::string_view kind = object.property(PW_KEY_MEDIA_CLASS);
        const bool sink = kind.starts_with("Audio/Sink");
        const bool gives =
            sink || kind.starts_with("Audio/Source") || kind == "Audio/Duplex" || kind == "Stream/Output/Audio";
        const std::string_view serial = object.property(PW_KEY_OBJECT_SERIAL);
        if (gives && !serial.empty()) wanted.emplace(serial, sink);
      }
    });
  } else {
    look_for_applications(wanted);
  }
  return wanted;
}

void PipeWireAudio::look_for_applications(std::map<std::string, bool>& wanted) {
  std::vector<RegistryObject> there = connection_->look([](const PipeWireConnection::Registry& registry) {
    std::vector<RegistryObject> playing;
    for (const auto& [id, object] : registry) {
      if (object.type == PW_TYPE_INTERFACE_Node && object.property(PW_KEY_MEDIA_CLASS) == "Stream/Output/Audio" &&
          !object.property(PW_KEY_OBJECT_SERIAL).empty()) {
        playing.push_back(object);
      }
    }
    return playing;
  });
  const auto* only = std::get_if<ApplicationAudio>(&spec_);
  const auto* but = std::get_if<DesktopAudioWithout>(&spec_);
  connection_->run([&] {
    std::erase_if(playbacks_, [&](const auto& known) {
      const auto same = std::ranges::find(there, known.first, &RegistryObject::id);
      return same == there.end() || same->property(PW_KEY_OBJECT_SERIAL) != known.second->serial();
    });
    for (const RegistryObject& object : there) {
      auto& playback = playbacks_[object.id];
      if (!playback) playback = std::make_unique<Playback>(connection_->registry(), object, changed_);
      if (!playback->known()) continue;
      if (only != nullptr ? playback->is(only->application)
                          : !playback->passes_on() && !playback->is(but->application)) {
        wanted.emplace(playback->serial(), false);
      }
    }
  });
}

void PipeWireAudio::keep_up(AudioReader& reader) {
  const std::map<std::string, bool> now = wanted();
  for (auto stream = streams_.begin(); stream != streams_.end();) {
    const auto next = std::next(stream);
    if (!now.contains(stream->first) || stream->second.sound->over()) {
      end(reader, stream->second);
      lost_before_ += stream->second.sound->lost();
      connection_->run([&] { stream->second.sound.reset(); });
      streams_.erase(stream);
    }
    stream = next;
  }
  for (const auto& [target, monitor] : now) {
    if (streams_.contains(target)) continue;
    Result<std::unique_ptr<AudioStream>> sound;
    connection_->run([&] { sound = AudioStream::connect(connection_->core(), {target, monitor}, layout_); });
    if (!sound) {
      logger("capture").debug("no sound from {}: {}", to_string(spec_), sound.error().message());
      continue;
    }
    streams_.emplace(target, Stream{.sound = std::move(*sound)});
  }
}

void PipeWireAudio::look_for_delays() {
  connection_->run([&] {
    std::map<std::string, std::unique_ptr<PortLatency>> used;
    for (auto& [target, stream] : streams_) {
      const auto way = connection_->look([&](const PipeWireConnection::Registry& registry) {
        return loudspeaker_port(registry, stream.sound->node());
      });
      // And where those there are give nothing, because nothing is plugged in.
      const bool mistaken = way && way->sink && std::holds_alternative<MicrophoneAudio>(spec_);
      if (std::exchange(stream.mistaken, mistaken) && !mistaken) stream.from = monotonic_now();
      std::optional<AudioDelay> delay;
      if (way && way->port == 0) {
        delay.emplace();
      } else if (way) {
        auto& latency = used[way->serial];
        if (!latency) latency = std::move(latencies_[way->serial]);
        if (!latency) {
          latency = std::make_unique<PortLatency>(connection_->registry(), way->port, [this] { changed_ = true; });
        }
        delay = latency->value();
        // A sink that drives the graph is done last, and what listens to it has that cycle's sound in the next one.
        if (delay && way->sink == stream.sound->driver()) delay->cycles -= 1;
      }
      if (!delay && !stream.delay) {
        if (!stream.sound->any()) {
          stream.since = monotonic_now();
        } else if (monotonic_now() > stream.since + kDelayKnown) {
          delay.emplace();  // nobody says
        }
      }
      if (!delay || delay == stream.delay) continue;
      stream.delay = delay;
      logger("capture").debug("sound of {}{}{} is heard {:+.1f} cycles and {} us after it comes", to_string(spec_),
                              target.empty() ? "" : ", ", target, delay->cycles, delay->more.count() / 1000);
    }
    latencies_ = std::move(used);
  });
}

constexpr std::string_view kApplication = "app:";
constexpr std::string_view kWithout = "desktop-app:";

}  // namespace

Result<AudioSourceSpec> parse_audio_source(std::string_view text) {
  if (text == "desktop") return DesktopAudio{};
  if (text == "mic") return MicrophoneAudio{};
  if (text == "file") return FileAudio{};
  if (text == "test") return TestAudio{};
  const auto named = [&](std::string_view prefix) { return text.starts_with(prefix) && text.size() > prefix.size(); };
  if (named(kApplication)) return ApplicationAudio{std::string(text.substr(kApplication.size()))};
  if (named(kWithout)) return DesktopAudioWithout{std::string(text.substr(kWithout.size()))};
  if (text.empty() || text == kApplication || text == kWithout) {
    return fail(
        ErrorKind::Invalid, fmt::format("take sound from '{}'", text),
        "valid are desktop, mic, app:NAME, desktop-app:NAME (all but that one), file (of --source file:PATH), test and "
        "the name of a PipeWire node");
  }
  return NodeAudio{std::string(text)};
}

std::string to_string(const AudioSourceSpec& spec) {
  struct Words {
    std::string operator()(const DesktopAudio& /*one*/) const { return "desktop"; }
    std::string operator()(const DesktopAudioWithout& one) const {
      return fmt::format("{}{}", kWithout, one.application);
    }
    std::string operator()(const MicrophoneAudio& /*one*/) const { return "mic"; }
    std::string operator()(const ApplicationAudio& one) const {
      return fmt::format("{}{}", kApplication, one.application);
    }
    std::string operator()(const NodeAudio& one) const { return one.name; }
    std::string operator()(const TestAudio& /*one*/) const { return "test"; }
    std::string operator()(const FileAudio& /*one*/) const { return "file"; }
  };
  return std::visit(Words{}, spec);
}

Result<std::unique_ptr<AudioSource>> open_audio_source(AudioSourceSpec spec, std::uint64_t layout,
                                                       const std::shared_ptr<FileSound>& file) {
  if (std::holds_alternative<TestAudio>(spec)) return make_test_audio(layout);
  if (std::holds_alternative<FileAudio>(spec)) {
    if (file) return file->reader();
    return fail(ErrorKind::Invalid, "take sound from 'file'", "no media file is the source");
  }
  auto made = std::make_unique<PipeWireAudio>(std::move(spec), layout);
  if (auto opened = made->open(); !opened) return std::unexpected(std::move(opened.error()));
  return made;
}

}  // namespace zc
