#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "ipc/channel.h"
#include "ipc/message.h"
#include "session/recording.h"

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace zc {

/// Tells the daemon what a recording does. look_at() belongs to one thread; the rest may be called from any.
class Reporter final : public RecordingEvents {
 public:
  explicit Reporter(const Channel& channel) : channel_(channel) {}
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;
  ~Reporter() override = default;

  void reply(std::uint64_t id, const Result<std::string>& result);
  void state(SessionState state, const std::string& reason, bool asks_user = false);
  /// The last word.
  void end(const Error& error);
  void end(std::string_view reason);
  void end(const RecordingReport& report);

  /// Tells what has changed since the last call; every second also the figures.
  void look_at(const Recording& recording);
  /// The figures of one that is being completed, every second; another thread may do that when look_at() is over.
  void look_at_end(const Recording& recording);

  void on_asking() override;
  // The recording's threads.
  void on_source(const Error* lost) override;
  void on_route(std::string_view before, std::string_view now, std::string_view reason) override;
  void on_encoder(std::string_view before, std::string_view now) override;
  void on_layer(const std::string& name, const Error* gone) override;
  void on_output(const std::string& name, const Error& error, bool fatal) override;

 private:
  void tell(const Event& event) const;
  void tell_figures(const Recording& recording, const RecordingStatus& status);
  void tell_facts(const Recording& recording, const RecordingStatus& status);
  void tell_failovers(const Recording& recording);
  /// How long may pass without a picture; nullopt: a still screen may be silent for ever.
  [[nodiscard]] static std::optional<Nanoseconds> stall(double least_rate);
  void watch_for_stall(const RecordingStatus& status);

  const Channel& channel_;
  std::mutex mutex_;
  bool source_lost_ = false;
  std::string loss_;

  // Of the thread of look_at().
  std::optional<SessionState> told_;
  FactsEvent facts_;
  std::size_t failovers_ = 0;
  std::optional<RecordingStatus> before_;
  Nanoseconds figures_at_{};
  std::uint64_t newest_done_ = 0;
  Nanoseconds newest_at_{};
  bool stalled_ = false;
};

}  // namespace zc
