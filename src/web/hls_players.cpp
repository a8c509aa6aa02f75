#include "web/hls_players.h"

#include "base/log.h"

#include <algorithm>
#include <charconv>
#include <ranges>
#include <utility>

namespace zc::web {
namespace {

/// Fewer segments than in a folder: they are memory, and who serves them has no cache that is behind.
constexpr hls::Timing kTiming{.window = 4};
/// 6.2.5.2: three target durations.
constexpr std::chrono::seconds kPatience = 3 * hls::target_duration(kTiming);
constexpr std::chrono::seconds kIdle{15};
constexpr std::string_view kPlaylist = "application/vnd.apple.mpegurl";
constexpr std::string_view kMedia = "video/mp4";

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// The value of `name` in "a=1&b=2"; nullopt: it is not there.
std::optional<std::string_view> value_of(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), one.size() + 1));
    if (one.starts_with(name) && one.substr(name.size()).starts_with('=')) return one.substr(name.size() + 1);
  }
  return std::nullopt;
}

Answer refuse(unsigned status, std::string why) { return {.status = status, .body = std::move(why) + "\n"}; }

}  // namespace

HlsPlayers::HlsPlayers(std::shared_ptr<Feed> feed) : feed_(std::move(feed)), stream_(kTiming, *this) {
  feed_->join(*this);
}

HlsPlayers::~HlsPlayers() {
  leave();
  for (const Request& request : waiting_) request.answer(refuse(503, "The server ends."));
}

void HlsPlayers::leave() {
  if (!feed_) return;
  feed_->limit_gap({});
  feed_->leave(*this);
  feed_.reset();
}

void HlsPlayers::on_stream(const std::string& /*description*/) {
  feed_->limit_gap(std::chrono::floor<std::chrono::milliseconds>(hls::longest_gap(kTiming).value_or(Nanoseconds{})));
  if (!failed_.empty()) return;
  if (const auto begun = stream_.begin(*feed_->stream()); !begun) fail(begun.error().message());
}

void HlsPlayers::on_message(const MessagePtr& message) {
  if (!feed_ || !failed_.empty()) return;
  if (const auto pushed = stream_.push(wire_packet(*message)); !pushed) return fail(pushed.error().message());
  if (stream_.take_keyframe_wish()) feed_->request_keyframe();
}

Result<void> HlsPlayers::put(const std::string& name, std::span<const std::byte> bytes) {
  files_[name].assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return {};
}

void HlsPlayers::remove(const std::string& name) noexcept { files_.erase(name); }

Result<void> HlsPlayers::announce(const hls::Window& /*window*/, const hls::Variant& /*variant*/) {
  told_ = true;
  answer_waiting();
  return {};
}

void HlsPlayers::fetch(std::string_view name, std::string_view query, std::string suffix,
                       std::function<void(Answer)> answer) {
  asked_last_ = Clock::now();
  Request request{.name = std::string(name),
                  .suffix = std::move(suffix),
                  .wanted = {},
                  .answer = std::move(answer),
                  .since = asked_last_};
  const auto segment = value_of(query, "_HLS_msn");
  const auto part = value_of(query, "_HLS_part");
  if (name == hls::kMediaName && (segment || part)) {
    const auto wanted = number(segment.value_or(""));
    const auto wanted_part = number(part.value_or("0"));
    if (!wanted || !wanted_part) return request.answer(refuse(400, "_HLS_msn and _HLS_part are numbers."));
    request.wanted = Wanted{.segment = *wanted, .part = part ? wanted_part : std::nullopt};
    const auto& segments = stream_.window().segments;
    constexpr std::uint64_t kMostAhead = 2;
    if (!segments.empty() && *wanted > segments.back().number + kMostAhead) {
      return request.answer(refuse(400, "That segment is too far ahead."));
    }
  }
  if (auto now = answer_to(request)) return request.answer(*std::move(now));
  waiting_.push_back(std::move(request));
}

bool HlsPlayers::has(const Wanted& wanted) const {
  const hls::Window& window = stream_.window();
  if (window.ended) return true;
  // Of a segment that has just begun there is nothing to tell.
  const auto told = window.segments | std::views::reverse;
  const auto newest =
      std::ranges::find_if(told, [](const hls::Segment& one) { return one.whole || !one.parts.empty(); });
  if (newest == told.end() || newest->number < wanted.segment) return false;
  if (newest->number > wanted.segment) return true;
  // A part that a whole segment does not have is the next one's first.
  return wanted.part ? *wanted.part < newest->parts.size() : newest->whole;
}

bool HlsPlayers::is_next_part(std::string_view name) const {
  const auto& segments = stream_.window().segments;
  if (segments.empty() || stream_.window().ended) return false;
  const hls::Segment& newest = segments.back();
  return name ==
         (newest.whole ? hls::part_name(newest.number + 1, 0) : hls::part_name(newest.number, newest.parts.size()));
}

std::optional<Answer> HlsPlayers::answer_to(const Request& request) const {
  if (!failed_.empty()) return refuse(404, failed_);
  const hls::Form form{.waits = true, .suffix = request.suffix};
  if (request.name == hls::kIndexName) {
    if (!told_) return feed_ ? std::nullopt : std::optional(refuse(404, "There is no such session."));
    return Answer{.type = std::string(kPlaylist), .body = hls::multivariant_playlist(stream_.variant(), form)};
  }
  if (request.name == hls::kMediaName) {
    if (!told_) return feed_ ? std::nullopt : std::optional(refuse(404, "There is no such session."));
    if (request.wanted && !has(*request.wanted)) return std::nullopt;
    return Answer{.type = std::string(kPlaylist), .body = hls::media_playlist(stream_.window(), form)};
  }
  if (const auto file = files_.find(request.name); file != files_.end()) {
    return Answer{.type = std::string(kMedia), .body = file->second};
  }
  if (is_next_part(request.name)) return std::nullopt;
  return refuse(404, "There is nothing of that name.");
}

void HlsPlayers::answer_waiting() {
  std::vector<Request> all = std::exchange(waiting_, {});
  for (Request& request : all) {
    if (auto now = answer_to(request)) {
      request.answer(*std::move(now));
    } else {
      waiting_.push_back(std::move(request));
    }
  }
}

void HlsPlayers::tick() {
  if (!failed_.empty()) leave();
  const auto now = Clock::now();
  std::vector<Request> all = std::exchange(waiting_, {});
  for (Request& request : all) {
    if (now - request.since < kPatience) {
      waiting_.push_back(std::move(request));
    } else {
      request.answer(refuse(503, "Nothing has come."));
    }
  }
}

bool HlsPlayers::idle() const { return waiting_.empty() && Clock::now() - asked_last_ > kIdle; }

void HlsPlayers::end() {
  leave();
  if (const auto ended = stream_.end(); !ended) logger("web").warn("HLS: {}", ended.error().message());
  answer_waiting();
}

void HlsPlayers::fail(std::string why) {
  failed_ = std::move(why);  // the feed may be at work: it is left later
  answer_waiting();
}

}  // namespace zc::web
