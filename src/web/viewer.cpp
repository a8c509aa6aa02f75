#include "web/viewer.h"

#include "base/clock.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace zc::web {
namespace {

using nlohmann::json;

/// A picture that has waited so long for its viewer's socket is of no use any more.
constexpr std::chrono::milliseconds kPatience{400};
constexpr std::size_t kMostBytes = std::size_t{16} << 20U;
constexpr std::size_t kMostTexts = 64;

json parse(std::string_view text) { return json::parse(text, nullptr, false); }

std::string text_of(const json& message, const char* name) {
  const auto found = message.find(name);
  return found != message.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string dump(const json& message) { return message.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace

void Viewer::open(std::function<void()> wake, std::function<void()> hang_up, std::function<Congestion()> congestion) {
  wake_ = std::move(wake);
  connection_ = std::move(congestion);
  hang_up_ = std::move(hang_up);
  host_.add(*this);
}

void Viewer::close() {
  if (!wake_) return;
  unwatch();
  host_.remove(*this);
  wake_ = nullptr;
  hang_up_ = nullptr;
  connection_ = nullptr;
}

Congestion Viewer::congestion() const {
  Congestion state = connection_ ? connection_() : Congestion{};
  state.peer = number_;
  state.unsent += packet_bytes_;
  state.late += counters_.skipped + skipped_now_;
  if (!packets_.empty()) state.waiting = std::max(state.waiting, Nanoseconds(Clock::now() - packets_.front().since));
  return state;
}

void Viewer::dismiss() {
  if (hang_up_) hang_up_();
}

void Viewer::wake() {
  if (wake_) wake_();
}

std::optional<Viewer::Outgoing> Viewer::next() {
  if (!texts_.empty()) {
    Outgoing text = std::move(texts_.front());
    texts_.pop_front();
    return text;
  }
  if (packets_.empty()) return std::nullopt;
  MessagePtr message = std::move(packets_.front().message);
  packets_.pop_front();
  packet_bytes_ -= message->bytes.size();
  ++counters_.messages;
  return message;
}

void Viewer::say(std::string text) {
  if (!wake_) return;
  if (texts_.size() >= kMostTexts) {
    return dismiss();  // it reads nothing at all
  }
  texts_.push_back(std::move(text));
  wake();
}

void Viewer::on_stream(const std::string& description) {
  packets_.clear();
  packet_bytes_ = 0;
  wait_for_keyframe_ = true;
  say(description);
}

void Viewer::on_message(const MessagePtr& message) {
  const auto now = Clock::now();
  const bool slow = !packets_.empty() && (now - packets_.front().since > kPatience || packet_bytes_ > kMostBytes);
  if (slow) skip_to_keyframe();
  const bool picture = message->track == 0 && message->kind != MessageKind::Header;
  if (picture && wait_for_keyframe_) {
    if (!message->keyframe) {
      if (skipped_now_ > 0) ++skipped_now_;
      return;
    }
    wait_for_keyframe_ = false;
    if (skipped_now_ > 0) {
      counters_.skipped += skipped_now_;
      say(dump({{"event", "skipped"}, {"pictures", std::exchange(skipped_now_, 0)}}));
    }
  }
  packets_.push_back({message, now});
  packet_bytes_ += message->bytes.size();
  wake();
}

void Viewer::skip_to_keyframe() {
  for (const Waiting& one : packets_) skipped_now_ += one.message->track == 0 ? 1U : 0U;
  packets_.clear();
  packet_bytes_ = 0;
  wait_for_keyframe_ = true;
  if (feed_) feed_->request_keyframe();
}

void Viewer::end(const std::string& reason) {
  if (!feed_) return;
  const std::string session = feed_->session();
  unwatch();
  say(dump({{"event", "ended"}, {"session", session}, {"reason", reason}}));
}

void Viewer::unwatch() {
  packets_.clear();
  packet_bytes_ = 0;
  delay_ms_ = 0;
  if (const auto feed = std::exchange(feed_, nullptr)) feed->leave(*this);
}

void Viewer::watch(const std::string& session, Form form) {
  unwatch();
  form_ = form;
  wait_for_keyframe_ = true;
  skipped_now_ = 0;
  feed_ = host_.feed(session, *this);
  if (feed_) feed_->join(*this);
}

void Viewer::receive(std::string_view text) {
  const json message = parse(text);
  const std::string wanted = message.is_object() ? text_of(message, "do") : std::string();
  if (wanted == "ping") {
    const auto at = message.find("at");
    say(dump({{"event", "pong"},
              {"at", at != message.end() && at->is_number() ? *at : json(0)},
              {"now", monotonic_now().count() / 1000}}));
  } else if (wanted == "watch") {
    watch(text_of(message, "session"), text_of(message, "as") == "fragments" ? Form::Fragments : Form::Packets);
  } else if (wanted == "unwatch") {
    unwatch();
  } else if (wanted == "keyframe") {
    packets_.clear();
    packet_bytes_ = 0;
    wait_for_keyframe_ = true;
    if (feed_) feed_->request_keyframe();
  } else if (wanted == "report") {
    const auto delay = message.find("delay_ms");
    delay_ms_ = delay != message.end() && delay->is_number() ? delay->get<double>() : 0;
  } else {
    host_.order(shared_from_this(), std::string(text));
  }
}

}  // namespace zc::web
