#include "capture/camera_source.h"

#include "base/log.h"
#include "capture/camera_mode.h"
#include "capture/coded_stream.h"
#include "capture/node_list.h"
#include "capture/picture_copies.h"
#include "capture/pipewire_source.h"
#include "capture/portal_camera.h"
#include "decode/decoder_choice.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace zc {
namespace {

/// Modes of a camera that are tried one after the other when it refuses what it has offered.
constexpr std::size_t kMostTries = 4;

/// A Flatpak sandbox, in which the portal is the way to cameras.
bool sandboxed() { return ::access("/.flatpak-info", F_OK) == 0; }

/// PipeWire's plugins state colours from 1.6 on only. What V4L2 has for a camera that says nothing: sRGB, coded by
/// BT.601 with the limited range (V4L2_MAP_YCBCR_ENC_DEFAULT, V4L2_MAP_QUANTIZATION_DEFAULT).
void state_colour(Frame& frame) {
  if (!frame.has_image() || !info(frame.format()).yuv) return;
  if (frame.colour.matrix == ColourMatrix::Unknown) frame.colour.matrix = ColourMatrix::BT601;
  if (frame.colour.range == ColourRange::Unknown) frame.colour.range = ColourRange::Limited;
}

SourceStats sum(SourceStats a, const SourceStats& b) {
  a.skipped += b.skipped;
  a.corrupt += b.corrupt;
  return a;
}

class CameraSource final : public Source, private SourceListener {
 public:
  CameraSource(CameraSpec spec, std::stop_token stop) : spec_(std::move(spec)), stop_(std::move(stop)) {}
  ~CameraSource() override { end(); }
  CameraSource(const CameraSource&) = delete;
  CameraSource& operator=(const CameraSource&) = delete;

  Result<void> start(const FormatOffer& offer, SourceListener& listener) override;
  Result<void> renegotiate(const FormatOffer& offer) override;
  void rest() override {
    if (camera_) camera_->rest();
    end_decoding();
  }
  Result<void> wake(const FormatOffer& offer) override;
  void stop() override { end(); }

  SourceInfo info() const override;
  SourceStats stats() const override;

 private:
  // The camera's thread.
  void on_frame(Frame frame) override;
  void on_state(SourceState state, const Error* error) override { listener_->on_state(state, error); }
  // The decoder's.
  void on_decoded(Frame frame);

  [[nodiscard]] Result<std::vector<VideoNode>> list();
  [[nodiscard]] Result<std::vector<VideoNode>> list_by_portal();
  [[nodiscard]] Result<void> begin(const FormatOffer& offer);
  void choose_decoder(const FormatOffer& offer);
  void end_decoding();
  void end();

  const CameraSpec spec_;
  const std::stop_token stop_;
  SourceListener* listener_ = nullptr;
  std::unique_ptr<PortalCamera> portal_;  ///< null: PipeWire is spoken with directly
  VideoNode node_;
  std::shared_ptr<Source> camera_;  ///< set before pictures come; with mutex_ held, for info() and stats()
  mutable std::mutex mutex_;
  DecoderChoice decoders_;                ///< with mutex_ held, as the next two
  std::unique_ptr<CodedStream> decoded_;  ///< null: no coded picture has come
  std::optional<PixelFormat> decoded_format_;
  SourceStats before_;  ///< of decoders that are gone
  PictureCopies copies_;
  std::atomic<std::uint64_t> too_many_read_ = 0;  ///< pictures that found no room
};

Result<std::vector<VideoNode>> CameraSource::list_by_portal() {
  if (!portal_) {
    auto portal = PortalCamera::open(stop_);
    if (!portal) return std::unexpected(std::move(portal.error()));
    portal_ = std::move(*portal);
  }
  auto remote = portal_->remote(stop_);
  if (!remote) return std::unexpected(std::move(remote.error()));
  return list_video_nodes(std::move(*remote));
}

Result<std::vector<VideoNode>> CameraSource::list() {
  if (spec_.portal || sandboxed()) return list_by_portal();
  auto nodes = list_video_nodes();
  if (nodes || (nodes.error().kind != ErrorKind::NotFound && nodes.error().kind != ErrorKind::Denied)) return nodes;
  auto permitted = list_by_portal();
  // Without a portal, too, PipeWire is what is missing.
  if (!permitted && permitted.error().kind == ErrorKind::NotFound) return nodes;
  return permitted;
}

Result<void> CameraSource::start(const FormatOffer& offer, SourceListener& listener) {
  if (camera_) return fail(ErrorKind::Invalid, "capture a camera", "it is running already");
  const auto nodes = list();
  if (!nodes) return std::unexpected(nodes.error());
  auto node = pick_camera(*nodes, spec_);
  if (!node) return std::unexpected(std::move(node.error()));
  node_ = std::move(*node);
  listener_ = &listener;
  auto begun = begin(offer);
  if (!begun) end();
  return begun;
}

Result<void> CameraSource::begin(const FormatOffer& offer) {
  const auto offers = camera_offers(node_, spec_, offer);
  if (!offers) return std::unexpected(offers.error());
  choose_decoder(offer);
  Result<void> started;
  for (std::size_t i = 0; i < std::min(offers->size(), kMostTries); ++i) {
    PipeWireTarget target;
    if (portal_) {
      auto remote = portal_->remote(stop_);
      if (!remote) return std::unexpected(std::move(remote.error()));
      target.remote = std::move(*remote);
    }
    if (node_.serial != 0) {
      target.node = PipeWireTarget::ObjectSerial{node_.serial};
    } else {
      target.node = PipeWireTarget::NodeId{node_.id};
    }
    auto camera = make_pipewire_source(
        std::move(target), "camera", fmt::format("camera {}{}", node_.description, portal_ ? " (portal)" : ""), stop_);
    if (!camera) return std::unexpected(std::move(camera.error()));
    {
      const std::lock_guard lock(mutex_);
      camera_ = std::move(*camera);
    }
    started = camera_->start(offers->at(i), *this);
    if (started || started.error().kind != ErrorKind::Unsupported) return started;
    logger("capture").debug("{}; the next best is tried", started.error().message());
    camera_->stop();
  }
  return started;
}

void CameraSource::choose_decoder(const FormatOffer& offer) {
  const std::lock_guard lock(mutex_);
  decoders_ = decoders_for(offer);
}

Result<void> CameraSource::renegotiate(const FormatOffer& offer) {
  if (!camera_) return fail(ErrorKind::Invalid, "capture a camera", "it is not running");
  const auto offers = camera_offers(node_, spec_, offer);
  if (!offers) return std::unexpected(offers.error());
  choose_decoder(offer);
  return camera_->renegotiate(offers->front());
}

Result<void> CameraSource::wake(const FormatOffer& offer) {
  if (!camera_) return fail(ErrorKind::Invalid, "capture a camera", "it is not running");
  const auto offers = camera_offers(node_, spec_, offer);
  if (!offers) return std::unexpected(offers.error());
  choose_decoder(offer);
  return camera_->wake(offers->front());
}

void CameraSource::on_frame(Frame frame) {
  const auto* coded = std::get_if<CodedImage>(&frame.image);
  if (coded == nullptr) {
    state_colour(frame);
    if (!copies_.take_over(frame)) {
      too_many_read_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    return listener_->on_frame(std::move(frame));
  }
  const std::lock_guard lock(mutex_);
  if (!decoded_) {
    decoded_ = std::make_unique<CodedStream>(coded->format, decoders_,
                                             [this](Frame picture) { on_decoded(std::move(picture)); });
  }
  decoded_->push(frame);
}

void CameraSource::on_decoded(Frame frame) {
  {
    const std::lock_guard lock(mutex_);
    decoded_format_ = frame.format();
  }
  listener_->on_frame(std::move(frame));
}

void CameraSource::end_decoding() {
  std::unique_ptr<CodedStream> ended;  // its thread takes the lock
  {
    const std::lock_guard lock(mutex_);
    ended = std::move(decoded_);
    if (ended) before_ = sum(before_, ended->stats());
  }
}

void CameraSource::end() {
  if (camera_) camera_->stop();
  end_decoding();
  {
    const std::lock_guard lock(mutex_);
    camera_.reset();
  }
  portal_.reset();
  listener_ = nullptr;
}

SourceInfo CameraSource::info() const {
  const std::lock_guard lock(mutex_);
  SourceInfo info = camera_ ? camera_->info() : SourceInfo{};
  if (!decoded_) return info;
  info.description += fmt::format(", {}", name(decoded_->format()));
  if (decoded_format_) info.format = *decoded_format_;
  return info;
}

SourceStats CameraSource::stats() const {
  const std::lock_guard lock(mutex_);
  SourceStats stats = camera_ ? camera_->stats() : SourceStats{};
  stats = sum(stats, before_);
  stats.skipped += too_many_read_.load(std::memory_order_relaxed);
  return decoded_ ? sum(stats, decoded_->stats()) : stats;
}

}  // namespace

std::unique_ptr<Source> make_camera_source(CameraSpec spec, std::stop_token stop) {
  return std::make_unique<CameraSource>(std::move(spec), std::move(stop));
}

}  // namespace zc
