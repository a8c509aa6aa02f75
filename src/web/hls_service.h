// What players of HLS ask the server for: docs/viewing.md.
#pragma once

#include "web/hls_players.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace zc::web {

/// Of the server's thread. A session is asked for its packets when the first player comes, and not any more when none
/// has come for a while.
class HlsService {
 public:
  /// `feed`: what a session sends to from now on. NotFound, Invalid: there is no such session.
  explicit HlsService(std::function<Result<std::shared_ptr<Feed>>(const std::string& session)> feed)
      : feed_(std::move(feed)) {}

  /// `path`: "SESSION/FILE", any text. `token`: what the player showed in its query, which it has to show again.
  void fetch(std::string_view path, std::string_view query, std::string_view token, std::function<void(Answer)> answer);
  /// To be called each second.
  void tick();
  /// Somebody watches a session that goes on.
  [[nodiscard]] bool busy() const { return !players_.empty(); }
  [[nodiscard]] bool watches(const std::string& session) const { return players_.contains(session); }
  /// The session is over.
  void end(const std::string& session);
  void fail(const std::string& session, const std::string& why);
  /// There is one of that name again.
  void renew(const std::string& session) { past_.erase(session); }

 private:
  using Players = std::map<std::string, std::unique_ptr<HlsPlayers>, std::less<>>;  ///< by session

  std::function<Result<std::shared_ptr<Feed>>(const std::string&)> feed_;
  Players players_;
  Players past_;  ///< of sessions that are over
};

}  // namespace zc::web
