// An SRT listener that serves several viewers: libsrt itself, since libavformat's listener takes one caller and closes
// its port. docs/decisions/0048-viewers-who-come-by-themselves.md says why it is looked up at run time.
#include "output/peer_stream.h"
#include "output/resolver.h"
#include "output/srt_library.h"

#include <fmt/format.h>
#include <srt/access_control.h>
#include <srt/srt.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {
namespace {

/// How often a listener without viewers looks for one, and one that hangs up for what they have acknowledged.
constexpr std::chrono::milliseconds kLookOut{50};

/// Which sockets there is news of; those that are closed leave it by themselves. accept() alone would not do: without a
/// caller libsrt takes it for an error and writes that to its log.
class Epoll {
 public:
  explicit Epoll(const SrtStarted& srt) : srt_(srt), id_(srt->epoll_create()) {}
  Epoll(const Epoll&) = delete;
  Epoll& operator=(const Epoll&) = delete;
  Epoll(Epoll&&) = delete;
  Epoll& operator=(Epoll&&) = delete;
  ~Epoll() { srt_->epoll_release(id_); }
  [[nodiscard]] bool add(const SrtSocket& socket) const {
    const int events = static_cast<int>(SRT_EPOLL_IN) | static_cast<int>(SRT_EPOLL_ERR);
    return srt_->epoll_add_usock(id_, socket.get(), &events) != SRT_ERROR;
  }
  [[nodiscard]] bool has_news() const {
    SRT_EPOLL_EVENT event{};
    return srt_->epoll_uwait(id_, &event, 1, 0) > 0;
  }

 private:
  const SrtStarted& srt_;
  int id_;
};

class SrtListener final : public PeerStream {
 public:
  SrtListener(const LibSrt& srt, const SrtOutput& output, const Interrupt& interrupt)
      : output_(output), name_("srt://" + output.endpoint.text()), interrupt_(&interrupt), srt_(srt) {}

  /// Binds the port; anew when the passphrase has become another one.
  Result<void> listen() {
    auto passphrase = read_passphrase(output_);
    if (!passphrase) return std::unexpected(std::move(passphrase.error()));
    if (listener_ && passphrase->reveal() == passphrase_.reveal()) return {};
    passphrase_ = *std::move(passphrase);
    listener_ = {};
    if (!output_.endpoint.host.empty()) return listen_on(output_.endpoint);
    // One socket for both families, or IPv4 where the machine has no IPv6.
    auto both = listen_on({.host = "::", .port = output_.endpoint.port});
    return both ? both : listen_on({.host = "0.0.0.0", .port = output_.endpoint.port});
  }

  Result<void> connect() override {
    if (auto listening = listen(); !listening) return listening;
    while (true) {
      if (auto taken = take_callers(); !taken) return taken;
      if (!viewers_.empty()) return {};
      if (interrupt_->sleep(kLookOut)) return fail(ErrorKind::Cancelled, "listen on " + name_, "stopped");
    }
  }

  Result<void> admit(bool keyframe) override {
    if (auto taken = take_callers(); !taken) return taken;
    drop_if([this](const Viewer& viewer) { return srt_->getsockstate(viewer.socket.get()) != SRTS_CONNECTED; });
    for (Viewer& viewer : viewers_) {
      if (viewer.watching) continue;
      viewer.watching = keyframe;
      if (!keyframe && !std::exchange(viewer.has_asked, true)) keyframe_wish_ = true;
    }
    note_congestion();
    return check_viewers();
  }

  Result<void> write(std::span<const std::byte> bytes) override {
    for (Viewer& viewer : viewers_) {
      if (viewer.watching) viewer.link.add(bytes.size());
    }
    drop_if([&](const Viewer& viewer) { return viewer.watching && !send(viewer, bytes); });
    return check_viewers();
  }

  void disconnect() noexcept override {
    const auto patience = std::chrono::steady_clock::now() + kWriteTimeout;
    while (std::ranges::any_of(viewers_, [this](const Viewer& viewer) { return is_behind(viewer); })) {
      if (interrupt_->sleep(kLookOut) || std::chrono::steady_clock::now() > patience) break;
    }
    if (!viewers_.empty()) static_cast<void>(interrupt_->sleep(srt_tail(output_)));
    viewers_.clear();
    viewer_count_ = 0;
    note_congestion();
  }

  bool take_keyframe_wish() override { return std::exchange(keyframe_wish_, false); }
  [[nodiscard]] std::optional<std::size_t> viewers() const override { return viewer_count_; }
  [[nodiscard]] std::optional<std::vector<Congestion>> congestion() const override {
    const std::lock_guard lock(mutex_);
    return congestion_;
  }
  [[nodiscard]] std::size_t message_bytes() const override { return kTsMessageBytes; }

 private:
  struct Viewer {
    SrtSocket socket;
    SrtLink link;
    bool watching = false;   ///< gets what is written; else waits for a keyframe
    bool has_asked = false;  ///< for that keyframe
  };

  [[nodiscard]] std::size_t max_viewers() const { return output_.max_viewers.value_or(kDefaultMaxViewers); }

  Result<void> listen_on(const Endpoint& endpoint) {
    const std::string operation = "listen on " + name_;
    const auto addresses = resolver_.resolve(endpoint, *interrupt_, kConnectTimeout);
    if (!addresses) return std::unexpected(addresses.error());
    Result<void> result = fail(ErrorKind::NotFound, operation, "the host has no address");
    for (const SocketAddress& address : *addresses) {
      SrtSocket socket(srt_, srt_->create_socket());
      const bool listening = socket && set_srt_options(srt_, socket.get(), output_, passphrase_, address.family()) &&
                             srt_->listen_callback(socket.get(), &SrtListener::on_caller, this) != SRT_ERROR &&
                             srt_->bind(socket.get(), address.get(), static_cast<int>(address.length)) != SRT_ERROR &&
                             srt_->listen(socket.get(), static_cast<int>(max_viewers())) != SRT_ERROR &&
                             calls_.add(socket);
      if (listening) {
        listener_ = std::move(socket);
        return {};
      }
      result = failed(operation);
    }
    return result;
  }

  /// On a thread of libsrt's, before a caller's passphrase is looked at. Less than 0: it is refused.
  static int on_caller(void* self, SRTSOCKET caller, int /*version*/, const sockaddr* /*from*/,
                       const char* stream_id) noexcept {
    const auto& listener = *static_cast<const SrtListener*>(self);
    const std::string& wanted = listener.output_.stream_id;
    int reason = 0;
    if (!wanted.empty() && wanted != (stream_id == nullptr ? "" : stream_id)) reason = SRT_REJX_NOTFOUND;
    if (listener.viewer_count_ >= listener.max_viewers()) reason = SRT_REJX_OVERLOAD;
    if (reason == 0) return 0;
    listener.srt_->setrejectreason(caller, reason);
    return -1;
  }

  Result<void> take_callers() {
    while (calls_.has_news()) {
      SrtSocket socket(srt_, srt_->accept(listener_.get(), nullptr, nullptr));
      if (!socket && srt_->getlasterror(nullptr) == SRT_EASYNCRCV) break;
      if (!socket) {
        auto broken = failed("listen on " + name_);
        listener_ = {};
        return broken;
      }
      // Several may have called at the same moment.
      if (viewers_.size() < max_viewers()) {
        viewers_.push_back({.socket = std::move(socket), .link = SrtLink(++calls_so_far_)});
      }
    }
    viewer_count_ = viewers_.size();
    return {};
  }

  void note_congestion() {
    std::vector<Congestion> all;
    for (Viewer& viewer : viewers_) {
      if (!viewer.watching) continue;
      viewer.link.look(srt_, viewer.socket.get());
      all.push_back(viewer.link.now());
    }
    const std::lock_guard lock(mutex_);
    congestion_ = std::move(all);
  }

  /// False: the viewer is gone, or has to go. libsrt rids its buffer of what is too late; who fills it all the same
  /// takes nothing, or skips nothing, and libsrt itself does not always go on after that.
  [[nodiscard]] bool send(const Viewer& viewer, std::span<const std::byte> bytes) const {
    const auto* data = reinterpret_cast<const char*>(bytes.data());
    return srt_->sendmsg2(viewer.socket.get(), data, static_cast<int>(bytes.size()), nullptr) != SRT_ERROR;
  }

  /// It has not acknowledged yet all that it was sent.
  [[nodiscard]] bool is_behind(const Viewer& viewer) const {
    std::size_t packets = 0;
    std::size_t bytes = 0;
    return srt_->getsndbuffer(viewer.socket.get(), &packets, &bytes) != SRT_ERROR && packets > 0;
  }

  template <class Condition>
  void drop_if(Condition condition) {
    if (std::erase_if(viewers_, condition) > 0) viewer_count_ = viewers_.size();
  }

  [[nodiscard]] Result<void> check_viewers() const {
    if (!viewers_.empty()) return {};
    return fail(ErrorKind::Lost, "write to " + name_, "nobody is left");
  }

  [[nodiscard]] std::unexpected<Error> failed(std::string operation) const {
    return srt_failure(srt_, std::move(operation));
  }

  SrtOutput output_;
  std::string name_;
  const Interrupt* interrupt_;
  Resolver resolver_;
  Secret passphrase_;
  std::atomic<std::size_t> viewer_count_ = 0;
  bool keyframe_wish_ = false;
  std::uint64_t calls_so_far_ = 0;  ///< that were taken
  mutable std::mutex mutex_;
  std::vector<Congestion> congestion_;  ///< with mutex_ held; of viewers_
  SrtStarted srt_;                      // its sockets end before it
  Epoll calls_{srt_};
  std::vector<Viewer> viewers_;
  SrtSocket listener_;  // first of all to end: it calls back
};

}  // namespace

Result<std::unique_ptr<PeerStream>> make_srt_listener(const SrtOutput& output, const Interrupt& interrupt) {
  const auto srt = load_libsrt();
  if (!srt) {
    return fail(ErrorKind::Unsupported, "listen on srt://" + output.endpoint.text(),
                "the libsrt of this libavformat is out of reach; mode=caller, udp:// and tcp:// work");
  }
  auto stream = std::make_unique<SrtListener>(*srt, output, interrupt);
  if (auto listening = stream->listen(); !listening) return std::unexpected(listening.error());
  return stream;
}

}  // namespace zc
