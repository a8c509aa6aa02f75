// One session's packets, from its process to all who watch it.
#pragma once

#include "base/error.h"
#include "media/packet.h"
#include "output/fragmenter.h"
#include "web/message.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace zc::web {

enum class Form : std::uint8_t {
  Packets,    ///< as the encoder made them
  Fragments,  ///< of MP4
};

/// Who takes a feed. Calls come on the server's thread and must not block.
class Watcher {
 public:
  virtual ~Watcher() = default;
  Watcher() = default;
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  Watcher(Watcher&&) = delete;
  Watcher& operator=(Watcher&&) = delete;

  [[nodiscard]] virtual Form form() const = 0;
  /// What comes from here on; `description` is the JSON of docs/viewing.md.
  virtual void on_stream(const std::string& description) = 0;
  virtual void on_message(const MessagePtr& message) = 0;
};

/// Listens for the session's process, keeps what came since the newest keyframe and hands everything on. Of the
/// server's thread.
class Feed : public std::enable_shared_from_this<Feed> {
 public:
  /// Binds `socket_path`, which belongs to the user alone. It is gone with the feed.
  [[nodiscard]] static Result<std::shared_ptr<Feed>> create(boost::asio::io_context& io, std::string session,
                                                            std::string socket_path);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;
  Feed(Feed&&) = delete;
  Feed& operator=(Feed&&) = delete;

  /// Ends what it waits for; before the last reference goes.
  void close();

  [[nodiscard]] const std::string& session() const { return session_; }
  /// What the session takes as a sink.
  [[nodiscard]] std::string sink() const { return "unix://" + path_; }
  [[nodiscard]] bool empty() const { return watchers_.empty(); }

  /// It gets the stream from the newest keyframe on, or from one that is asked for.
  void join(Watcher& watcher);
  void leave(Watcher& watcher);
  /// How its watchers keep up, for a session whose bit rate follows them.
  void tell(std::span<const Congestion> watchers);
  /// How far apart pictures may be for one of its watchers; 0: as they come. To be said again with each on_stream().
  void limit_gap(std::chrono::milliseconds gap);
  /// What comes from the session now; nullptr: nothing yet.
  [[nodiscard]] const StreamParameters* stream() const { return stream_ ? &*stream_ : nullptr; }
  /// At most two a second get through.
  void request_keyframe();

 private:
  using Socket = boost::asio::local::stream_protocol::socket;
  using Acceptor = boost::asio::local::stream_protocol::acceptor;

  Feed(boost::asio::io_context& io, std::string session, std::string socket_path);
  void accept();
  void read_prefix();
  void read_body(WirePrefix prefix);
  void take_stream(std::span<const std::byte> body);
  void take_packet(std::span<const std::byte> body);
  void keep(const MessagePtr& message);
  void give_start(Watcher& watcher);
  [[nodiscard]] MessagePtr fragment(const Message& message);
  [[nodiscard]] bool wants_fragments() const;
  void lose();
  /// What does not fit into the socket at once is left out.
  void send_back(std::span<const std::byte> bytes);

  std::string session_;
  std::string path_;
  Acceptor acceptor_;
  Socket socket_;
  boost::asio::steady_timer keyframe_timer_;
  std::array<std::byte, kWirePrefixBytes> prefix_{};
  std::vector<std::byte> body_;
  std::optional<StreamParameters> stream_;
  std::optional<Fragmenter> fragmenter_;
  std::string description_;
  std::vector<MessagePtr> group_;  ///< since the newest keyframe; empty: too long ago
  std::size_t group_bytes_ = 0;
  std::optional<std::int64_t> sound_offset_ns_;  ///< captured less pts, of the newest picture
  std::set<Watcher*> watchers_;
  bool keyframe_pending_ = false;
  bool closed_ = false;
};

}  // namespace zc::web
