#pragma once

#include "base/error.h"
#include "base/histogram.h"
#include "media/packet.h"
#include "output/output_spec.h"
#include "output/replay_buffer.h"
#include "output/sink_runner.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace zc {

struct OutputReport {
  std::string name;
  bool camera = false;  ///< its packets are pictures
  std::uint64_t bytes = 0;
  std::uint64_t packets = 0;
  std::uint64_t dropped = 0;
  std::vector<std::string>
      further_files;  ///< that follow the first, each begun where an encoder or the size was another
  std::optional<Error> error;
};

struct OutputStatus {
  std::uint32_t id = 0;  ///< from 1 on, in the order in which they came
  std::string name;
  SinkStats stats;
  std::optional<Error> error;
  std::string watch;  ///< as watch_command()
};

/// What outputs need of their recording; calls come from outputs' threads.
struct OutputGroupEvents {
  std::function<void()> keyframe_wanted;
  std::function<void()> picture_wanted;  ///< somebody reads a camera who has no picture yet
  /// An output's first error, or that its peer is looked for again (not fatal).
  std::function<void(const std::string& name, const Error& error, bool fatal)> failed;
  /// None is left; why the last one failed.
  std::function<void(const Error& error)> all_failed;
};

/// Where a recording's packets go: files and peers, which may come and go as it runs, and a replay in memory; and its
/// pictures, where cameras are among the outputs. Any thread may call any of it; push() of each track is one thread's,
/// and show() likewise.
class OutputGroup final : private SinkEvents {
 public:
  OutputGroup(std::optional<Nanoseconds> replay, OutputGroupEvents events);
  OutputGroup(const OutputGroup&) = delete;
  OutputGroup& operator=(const OutputGroup&) = delete;
  ~OutputGroup() override;

  /// Takes a path or port, before the stream is known. Errors as make_sink_runner().
  [[nodiscard]] Result<void> claim(const OutputSpec& spec);
  /// The stream is known: claimed outputs open. Once `coded`; before that, perhaps, for cameras alone, which need no
  /// encoder. Unsupported: a container cannot hold the codec.
  [[nodiscard]] Result<void> start(const StreamParameters& stream, bool coded = true);
  /// May wait for a file; never for a peer.
  void push(const Packet& packet);
  /// A picture for cameras; returns at once. `captured`: when its producer made it.
  void show(const Surface& picture, Nanoseconds captured) const;
  /// Somebody reads a camera now.
  [[nodiscard]] bool watched() const;
  /// There is something that an encoder is needed for.
  [[nodiscard]] bool takes_packets() const;

  /// Another output; before start() as claim(), then from the next keyframe on. Invalid: there is one of that name.
  [[nodiscard]] Result<void> add(const OutputSpec& spec);
  /// Completes and removes an output, within three seconds: it ends before the next keyframe, which is asked for, so
  /// that no picture within it is missing. NotFound: there is none of that name, naming those there are. Busy: another
  /// call removes it. Any other error is one of completing it, and it is gone all the same; what failed before was
  /// told.
  [[nodiscard]] Result<void> remove(const std::string& name);
  /// Unsupported: there is no replay.
  [[nodiscard]] Result<void> set_replay_length(Nanoseconds length) const;
  /// Errors as ReplayBuffer::save(); Unsupported: there is no replay.
  [[nodiscard]] Result<std::string> save_replay(const OutputSpec& spec) const;

  /// The end has come: no reader of a pipe holds it up any more. Any thread.
  void hurry() const;
  /// Completes every output, all at the same time: peers within two seconds, files and pipes as long as they go on
  /// writing. push() is over.
  void close();

  /// Every output goes on with other parameter sets, in the same file.
  [[nodiscard]] bool takes_new_headers() const;
  [[nodiscard]] std::vector<OutputStatus> status() const;
  /// Those that were removed too; after close().
  [[nodiscard]] std::vector<OutputReport> reports() const;
  [[nodiscard]] Nanoseconds replay_held() const;
  /// Of the live outputs that can tell.
  [[nodiscard]] std::vector<SinkCongestion> congestion() const;
  /// The shortest that one of them asks for between two pictures; nullopt: none does.
  [[nodiscard]] std::optional<Nanoseconds> longest_gap() const;
  /// Muxing and writing a packet, of all outputs.
  [[nodiscard]] const DurationHistogram& write_times() const { return write_times_; }

 private:
  struct Output {
    std::uint32_t id = 0;
    std::unique_ptr<SinkRunner> runner;
    Container container{};
    bool started = false;
    bool from_keyframe = false;  ///< push(): nothing before one; of the pushing thread once it is visible
    std::optional<Error> error;
    std::string watch;             ///< as watch_command()
    bool leaving = false;          ///< ends before the next keyframe
    bool left = false;             ///< has done so
    std::int64_t left_at = 0;      ///< pts of that keyframe
    std::uint32_t sound_left = 0;  ///< a bit for each track whose sound has come so far
  };
  using OutputPtr = std::shared_ptr<Output>;
  using Outputs = std::vector<OutputPtr>;

  // Outputs' threads.
  void on_error(const std::string& name, const Error& error, bool fatal) override;
  void on_keyframe_wanted(const std::string& name) override;
  void on_picture_wanted(const std::string& name) override;

  [[nodiscard]] std::shared_ptr<const Outputs> outputs() const;
  /// For outputs that begin with a picture which comes later than its sound.
  void keep_sound(const Packet& packet);
  /// Whether the packet is this output's.
  [[nodiscard]] bool admit(Output& output, const Packet& packet);
  [[nodiscard]] Result<OutputPtr> make(const OutputSpec& spec);
  /// Waits until the output has got its last packet. Whether its failure was told before. Under the lock.
  [[nodiscard]] bool wait_until_left(std::unique_lock<std::mutex>& lock, const Output& output);
  /// Under the lock.
  void insert(OutputPtr output);
  /// None of those there are works, and there is no replay. Under the lock.
  [[nodiscard]] bool all_failed() const;
  void finish(Output& output, std::chrono::milliseconds limit);
  [[nodiscard]] OutputReport report(const Output& output) const;

  const OutputGroupEvents events_;
  DurationHistogram write_times_;  // outputs write into it
  std::unique_ptr<ReplayBuffer> replay_;
  std::mutex push_mutex_;            ///< pictures and sound come from threads of their own
  std::deque<Packet> recent_sound_;  ///< an output whose first picture is still in the encoder has it, too; of push()
  mutable std::mutex mutex_;
  std::shared_ptr<const Outputs> outputs_;  ///< replaced as a whole
  std::optional<StreamParameters> stream_;  ///< as the newest packet has it
  bool coded_ = false;                      ///< it has a codec
  std::vector<OutputReport> removed_;
  std::uint32_t last_id_ = 0;
  std::condition_variable left_;
  bool closed_ = false;
};

}  // namespace zc
