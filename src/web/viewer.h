// One who watches: what waits for its socket, and what it asks.
#pragma once

#include "output/congestion.h"
#include "web/access.h"
#include "web/feed.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace zc::web {

class Viewer;

/// What viewers want of the server.
class ViewerHost {
 public:
  virtual ~ViewerHost() = default;
  ViewerHost() = default;
  ViewerHost(const ViewerHost&) = delete;
  ViewerHost& operator=(const ViewerHost&) = delete;
  ViewerHost(ViewerHost&&) = delete;
  ViewerHost& operator=(ViewerHost&&) = delete;

  virtual void add(Viewer& viewer) = 0;
  virtual void remove(Viewer& viewer) = 0;
  /// A feed that the session sends to, from now on; nullptr: the viewer was told why not.
  [[nodiscard]] virtual std::shared_ptr<Feed> feed(const std::string& session, Viewer& viewer) = 0;
  /// An order of one who controls; answered by the viewer's say().
  virtual void order(const std::shared_ptr<Viewer>& viewer, const std::string& text) = 0;
};

/// Of the server's thread. A connection owns it, asks it for what is next and hands it what came.
class Viewer final : public Watcher, public std::enable_shared_from_this<Viewer> {
 public:
  using Clock = std::chrono::steady_clock;
  struct Counters {
    std::uint64_t messages = 0;  ///< handed to the socket
    std::uint64_t skipped = 0;   ///< pictures left out
  };
  /// Text, or a packet.
  using Outgoing = std::variant<std::string, MessagePtr>;

  /// `number`: no other one of the host's has it.
  Viewer(ViewerHost& host, Grant grant, std::uint64_t number) : host_(host), grant_(grant), number_(number) {}

  /// `wake` is called when there is something to send and nothing was; `hang_up` ends the connection; `congestion`
  /// says what the connection itself knows.
  void open(std::function<void()> wake, std::function<void()> hang_up, std::function<Congestion()> congestion);
  void close();

  /// What its socket takes next; nullopt: nothing.
  [[nodiscard]] std::optional<Outgoing> next();
  /// Any bytes.
  void receive(std::string_view text);
  void say(std::string text);

  [[nodiscard]] Role role() const { return grant_.role; }
  [[nodiscard]] std::chrono::sys_seconds until() const { return grant_.until; }
  /// Ends the connection.
  void dismiss();
  [[nodiscard]] const Counters& counters() const { return counters_; }
  /// How it keeps up.
  [[nodiscard]] Congestion congestion() const;
  /// From the compositor's stamp to its canvas, as it has told last; 0: it has not.
  [[nodiscard]] double delay_ms() const { return delay_ms_; }
  [[nodiscard]] const std::shared_ptr<Feed>& watched() const { return feed_; }
  /// Its session has come to its end.
  void end(const std::string& reason);

  [[nodiscard]] Form form() const override { return form_; }
  void on_stream(const std::string& description) override;
  void on_message(const MessagePtr& message) override;

 private:
  struct Waiting {
    MessagePtr message;
    Clock::time_point since;
  };
  void watch(const std::string& session, Form form);
  void unwatch();
  void skip_to_keyframe();
  void wake();

  ViewerHost& host_;
  const Grant grant_;
  const std::uint64_t number_;
  std::function<void()> wake_;
  std::function<void()> hang_up_;
  std::function<Congestion()> connection_;
  std::deque<std::string> texts_;
  std::deque<Waiting> packets_;
  std::size_t packet_bytes_ = 0;
  std::shared_ptr<Feed> feed_;
  Form form_ = Form::Packets;
  bool wait_for_keyframe_ = false;
  std::uint64_t skipped_now_ = 0;  ///< not told yet
  double delay_ms_ = 0;
  Counters counters_;
};

}  // namespace zc::web
