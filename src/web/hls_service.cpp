#include "web/hls_service.h"

#include <algorithm>
#include <utility>

namespace zc::web {

void HlsService::fetch(std::string_view path, std::string_view query, std::string_view token,
                       std::function<void(Answer)> answer) {
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return answer({.status = 404, .body = "There is nothing of that name.\n"});
  const std::string session(path.substr(0, slash));
  auto found = past_.find(session);
  if (found == past_.end()) {
    found = players_.find(session);
    if (found == players_.end()) {
      auto feed = feed_(session);
      if (!feed) return answer({.status = 404, .body = feed.error().detail + "\n"});
      found = players_.emplace(session, std::make_unique<HlsPlayers>(*std::move(feed))).first;
    }
  }
  // Whoever comes by a cookie may write anything there.
  const bool plain =
      std::ranges::all_of(token, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '.'; });
  std::string suffix = token.empty() || !plain ? std::string() : "?token=" + std::string(token);
  found->second->fetch(path.substr(slash + 1), query, std::move(suffix), std::move(answer));
}

void HlsService::tick() {
  for (Players* all : {&players_, &past_}) {
    for (auto& [session, players] : *all) players->tick();
    std::erase_if(*all, [](const auto& one) { return one.second->idle(); });
  }
}

void HlsService::end(const std::string& session) {
  auto over = players_.extract(session);
  if (over.empty()) return;
  over.mapped()->end();
  past_.insert_or_assign(session, std::move(over.mapped()));
}

void HlsService::fail(const std::string& session, const std::string& why) {
  auto failed = players_.extract(session);
  if (!failed.empty()) failed.mapped()->fail(why);
}

}  // namespace zc::web
