// All who watch a session by HLS.
#pragma once

#include "output/hls_stream.h"
#include "web/connection.h"
#include "web/feed.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc::web {

/// Takes a feed, keeps the files that players fetch of it in memory, and lets those wait who ask for what comes next
/// (draft-pantos-hls-rfc8216bis, 6.2.5). Of the server's thread.
class HlsPlayers final : public Watcher, private HlsStore {
 public:
  using Clock = std::chrono::steady_clock;

  explicit HlsPlayers(std::shared_ptr<Feed> feed);
  ~HlsPlayers() override;
  HlsPlayers(const HlsPlayers&) = delete;
  HlsPlayers& operator=(const HlsPlayers&) = delete;
  HlsPlayers(HlsPlayers&&) = delete;
  HlsPlayers& operator=(HlsPlayers&&) = delete;

  /// Any name and query. `suffix` goes behind the names that a playlist tells. Answers now or within some seconds.
  void fetch(std::string_view name, std::string_view query, std::string suffix, std::function<void(Answer)> answer);
  /// Gives up on what does not come; to be called each second.
  void tick();
  /// Nobody has asked for anything for a while.
  [[nodiscard]] bool idle() const;
  /// The session is over: players are told so, and can still fetch what there is.
  void end();
  /// There will be nothing, and why.
  void fail(std::string why);

  [[nodiscard]] Form form() const override { return Form::Packets; }
  void on_stream(const std::string& description) override;
  void on_message(const MessagePtr& message) override;

 private:
  /// What a reload of the playlist waits for.
  struct Wanted {
    std::uint64_t segment = 0;
    std::optional<std::uint64_t> part;  ///< nullopt: the whole segment
  };
  struct Request {
    std::string name;
    std::string suffix;
    std::optional<Wanted> wanted;
    std::function<void(Answer)> answer;
    Clock::time_point since;
  };
  /// nullopt: not yet.
  [[nodiscard]] std::optional<Answer> answer_to(const Request& request) const;
  [[nodiscard]] bool has(const Wanted& wanted) const;
  /// Whether it is what the playlist tells as the next part.
  [[nodiscard]] bool is_next_part(std::string_view name) const;
  void answer_waiting();
  void leave();

  [[nodiscard]] Result<void> put(const std::string& name, std::span<const std::byte> bytes) override;
  void remove(const std::string& name) noexcept override;
  [[nodiscard]] Result<void> announce(const hls::Window& window, const hls::Variant& variant) override;

  std::shared_ptr<Feed> feed_;  ///< nullptr: it has ended
  HlsStream stream_;
  std::map<std::string, std::string, std::less<>> files_;
  std::vector<Request> waiting_;
  Clock::time_point asked_last_ = Clock::now();
  bool told_ = false;   ///< there is something
  std::string failed_;  ///< why there will be nothing
};

}  // namespace zc::web
