#include "capture/portal_source.h"

#include "base/log.h"
#include "capture/end_once.h"
#include "capture/region.h"

#include <fmt/format.h>

#include <mutex>
#include <utility>

namespace zc {
namespace {

spdlog::logger& log() { return logger("capture"); }

/// Where the region lies in the stream. Invalid: not in it, or nobody says where that is.
Result<PlacedRegion> place_region(const Rect& region, const StreamIdentity& identity) {
  if (!identity.position || !identity.size) {
    return fail(ErrorKind::Invalid, "--region",
                "the desktop does not say where on it this is; choose a monitor, or take a part by --crop");
  }
  const Rect place{identity.position->x, identity.position->y, identity.size->width, identity.size->height};
  if (!intersect(region, place).empty()) return PlacedRegion{region, place};
  return fail(
      ErrorKind::Invalid, "--region",
      fmt::format("{} is not on the monitor that was chosen, which is at {}", region_text(region), region_text(place)));
}

class PortalSource final : public Source {
 public:
  explicit PortalSource(PortalSourceOptions options)
      : options_(std::move(options)), key_{std::string(to_string(options_.type)), options_.slot} {}
  ~PortalSource() override { close(); }
  PortalSource(const PortalSource&) = delete;
  PortalSource& operator=(const PortalSource&) = delete;

  Result<void> start(const FormatOffer& offer, SourceListener& listener) override {
    if (session_) return fail(ErrorKind::Invalid, "start the portal source", "it runs already");
    const auto remembered = recall();
    const PortalWish wish{.type = options_.type,
                          .cursor = options_.cursor,
                          .persist = options_.persist,
                          .restore_token = remembered ? remembered->token : std::string(),
                          .answer_within = options_.answer_within};
    auto session = PortalSession::open(wish, options_.stop);
    if (!session) return std::unexpected(session.error());
    PortalGrant& grant = (*session)->grant();
    const std::string what = describe(grant.identity, grant.asked_types);
    report(grant, remembered, what);
    keep(grant);
    std::optional<PlacedRegion> region;
    if (options_.region) {
      auto placed = place_region(*options_.region, grant.identity);
      if (!placed) return std::unexpected(std::move(placed.error()));
      region = *placed;
    }

    PipeWireTarget target{.remote = std::move(grant.remote), .node = PipeWireTarget::NodeId{grant.node}};
    if (grant.serial) target.node = PipeWireTarget::ObjectSerial{*grant.serial};
    auto stream =
        options_.make_stream(std::move(target), "portal", what + " through the desktop portal", options_.stop);
    if (!stream) return std::unexpected(stream.error());
    {
      const std::lock_guard lock(mutex_);
      stream_ = std::move(*stream);
    }
    relay_ = std::make_unique<EndOnce>(listener, region);
    if (auto started = stream_->start(offer, *relay_); !started) {
      stream_->stop();
      return started;
    }
    session_ = std::move(*session);
    session_->watch([relay = relay_.get()](const Error& error) { relay->on_state(SourceState::Ended, &error); });
    return {};
  }

  Result<void> renegotiate(const FormatOffer& offer) override {
    if (!session_) return fail(ErrorKind::Invalid, "renegotiate with the portal source", "it does not run");
    return stream_->renegotiate(offer);
  }

  void rest() override {
    if (session_) stream_->rest();
  }

  Result<void> wake(const FormatOffer& offer) override {
    if (!session_) return fail(ErrorKind::Invalid, "wake the portal source", "it does not run");
    return stream_->wake(offer);
  }

  void stop() override { close(); }

  SourceInfo info() const override {
    const std::lock_guard lock(mutex_);
    if (stream_) return stream_->info();
    SourceInfo info;
    info.kind = "portal";
    info.description = options_.type == PortalType::Any
                           ? "a screen through the desktop portal"
                           : fmt::format("a {} through the desktop portal", to_string(options_.type));
    return info;
  }

  SourceStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stream_ ? stream_->stats() : SourceStats{};
  }

 private:
  /// The stream object stays: its counters are for the closing report.
  void close() {
    if (!session_) return;
    stream_->stop();   // first: the desktop shall not see a consumer hang on a stream that it takes down
    session_.reset();  // joins the watching thread
    relay_.reset();
  }

  [[nodiscard]] bool uses_file() const { return options_.persist == Persist::UntilRevoked && options_.tokens; }

  [[nodiscard]] std::optional<RestoreToken> recall() const {
    if (options_.persist == Persist::Never) return std::nullopt;
    if (!uses_file()) return in_memory_;
    auto found = options_.tokens->find(key_);
    if (!found) {
      log().warn("the desktop will ask again: {}", found.error().message());
      return in_memory_;
    }
    return *found ? *found : in_memory_;
  }

  static void report(const PortalGrant& grant, const std::optional<RestoreToken>& remembered, const std::string& what) {
    if (!grant.asked_to_restore || !remembered) {
      log().info("the desktop granted {}", what);
      return;
    }
    const std::string before = describe(remembered->identity, grant.asked_types);
    switch (judge_restored(remembered->identity, grant.identity, grant.asked_types)) {
      case RestoreVerdict::Same: log().info("restored {}", what); break;
      case RestoreVerdict::Resized: log().info("restored {}; last time it was {}", what, before); break;
      case RestoreVerdict::Other: log().warn("asked the desktop to restore {}, but {} came", before, what); break;
      case RestoreVerdict::Unknown:
        log().info("the desktop granted {}; whether it is the one of last time it does not say", what);
        break;
    }
  }

  void keep(const PortalGrant& grant) {
    if (grant.restore_token.empty()) {
      // A token is good for one use; the portal gave no new one, so there is nothing to restore next time.
      if (!grant.asked_to_restore) return;
      in_memory_.reset();
      if (!uses_file()) return;
      if (auto removed = options_.tokens->remove(key_); !removed) log().warn("{}", removed.error().message());
      return;
    }
    in_memory_ = RestoreToken{grant.restore_token, grant.identity};
    if (!uses_file()) return;
    if (auto stored = options_.tokens->store(key_, *in_memory_); !stored) {
      log().warn("the desktop will ask again next time: {}", stored.error().message());
    }
  }

  const PortalSourceOptions options_;
  const RestoreKey key_;
  std::optional<RestoreToken> in_memory_;

  mutable std::mutex mutex_;        ///< the pointer stream_, which info() and stats() read from any thread
  std::unique_ptr<Source> stream_;  ///< changed by start() only
  std::unique_ptr<EndOnce> relay_;  ///< outlives the session's thread and the stream's delivery
  std::unique_ptr<PortalSession> session_;
};

}  // namespace

std::unique_ptr<Source> make_portal_source(PortalSourceOptions options) {
  return std::make_unique<PortalSource>(std::move(options));
}

}  // namespace zc
