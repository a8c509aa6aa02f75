#include "capture/portal_source.h"

#include "base/log.h"
#include "capture/end_once.h"
#include "capture/joined_source.h"
#include "capture/region.h"

#include <fmt/format.h>

#include <mutex>
#include <utility>
#include <vector>

namespace zc {
namespace {

spdlog::logger& log() { return logger("capture"); }

std::unexpected<Error> nowhere() {
  return fail(ErrorKind::Invalid, "--region",
              "the desktop does not say where on it this is; choose a monitor, or take a part by --crop");
}

class PortalSource final : public Source {
 public:
  explicit PortalSource(PortalSourceOptions options)
      : options_(std::move(options)),
        key_{fmt::format("{}{}", to_string(options_.type), options_.multiple ? "+multiple" : ""), options_.slot} {}
  ~PortalSource() override { close(); }
  PortalSource(const PortalSource&) = delete;
  PortalSource& operator=(const PortalSource&) = delete;

  Result<void> start(const FormatOffer& offer, SourceListener& listener) override {
    if (session_) return fail(ErrorKind::Invalid, "start the portal source", "it runs already");
    const auto remembered = recall();
    const PortalWish wish{.type = options_.type,
                          .multiple = options_.multiple,
                          .cursor = options_.cursor,
                          .persist = options_.persist,
                          .restore_token = remembered ? remembered->token : std::string(),
                          .answer_within = options_.answer_within};
    auto session = PortalSession::open(wish, options_.stop);
    if (!session) return std::unexpected(session.error());
    PortalGrant& grant = (*session)->grant();
    std::vector<StreamIdentity> identities;
    identities.reserve(grant.streams.size());
    for (const GrantedStream& one : grant.streams) identities.push_back(one.identity);
    report(grant, remembered, identities);
    keep(grant, std::move(identities));
    std::optional<PlacedRegion> region;
    auto stream = make_stream(grant, region);
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
    if (options_.multiple) info.description = "what is chosen through the desktop portal";
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

  /// What was granted, as one source. `region`: what is left of --region for it to be cropped to.
  [[nodiscard]] Result<std::unique_ptr<Source>> make_stream(PortalGrant& grant, std::optional<PlacedRegion>& region) {
    std::vector<JoinedPart> parts;
    std::vector<StreamIdentity> shown;
    std::string places;
    for (GrantedStream& one : grant.streams) {
      const std::optional<Rect> place = place_of(one.identity, grant.asked_types);
      if (options_.region && place && intersect(*options_.region, *place).empty()) {
        places += fmt::format("{}{}", places.empty() ? "" : " and ", region_text(*place));
      }
      if (options_.region && (!place || intersect(*options_.region, *place).empty())) continue;
      PipeWireTarget target{.remote = std::move(one.remote), .node = PipeWireTarget::NodeId{one.node}};
      if (one.serial) target.node = PipeWireTarget::ObjectSerial{*one.serial};
      std::string name = describe(one.identity, grant.asked_types);
      auto stream =
          options_.make_stream(std::move(target), "portal", name + " through the desktop portal", options_.stop);
      if (!stream) return stream;
      parts.push_back({.source = std::move(*stream), .place = place, .name = std::move(name)});
      shown.push_back(one.identity);
    }
    if (parts.empty()) {
      if (places.empty()) return nowhere();
      return fail(ErrorKind::Invalid, "--region",
                  fmt::format("{} is not on the monitor{} chosen, which {} at {}", region_text(*options_.region),
                              grant.streams.size() > 1 ? "s that were" : " that was",
                              grant.streams.size() > 1 ? "are" : "is", places));
    }
    if (parts.size() == 1) {
      if (options_.region) region = PlacedRegion{*options_.region, *parts.front().place};
      return std::move(parts.front().source);
    }
    return make_joined_source(std::move(parts),
                              {.kind = "portal",
                               .description = describe(shown, grant.asked_types) + " through the desktop portal",
                               .region = options_.region});
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

  static void report(const PortalGrant& grant, const std::optional<RestoreToken>& remembered,
                     const std::vector<StreamIdentity>& identities) {
    const std::string what = describe(identities, grant.asked_types);
    if (!grant.asked_to_restore || !remembered) {
      log().info("the desktop granted {}", what);
      return;
    }
    const std::string before = describe(remembered->streams, grant.asked_types);
    switch (judge_restored(remembered->streams, identities, grant.asked_types)) {
      case RestoreVerdict::Same: log().info("restored {}", what); break;
      case RestoreVerdict::Resized: log().info("restored {}; last time it was {}", what, before); break;
      case RestoreVerdict::Other: log().warn("asked the desktop to restore {}, but {} came", before, what); break;
      case RestoreVerdict::Unknown:
        log().info("the desktop granted {}; whether it is the one of last time it does not say", what);
        break;
    }
  }

  void keep(const PortalGrant& grant, std::vector<StreamIdentity> identities) {
    if (grant.restore_token.empty()) {
      // A token is good for one use; the portal gave no new one, so there is nothing to restore next time.
      if (!grant.asked_to_restore) return;
      in_memory_.reset();
      if (!uses_file()) return;
      if (auto removed = options_.tokens->remove(key_); !removed) log().warn("{}", removed.error().message());
      return;
    }
    in_memory_ = RestoreToken{grant.restore_token, std::move(identities)};
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
