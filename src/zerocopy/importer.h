// From a captured frame to a surface an encoder takes, behind one interface.
#pragma once

#include "base/error.h"
#include "media/format_offer.h"
#include "media/frame.h"
#include "media/layer.h"
#include "media/picture_device.h"
#include "media/surface.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {

/// Turns frames into surfaces. One worker thread owns an importer and makes every call, its end included; what comes
/// before the first configure() may be another's. Surfaces may outlive it.
class Importer {
 public:
  virtual ~Importer() = default;
  Importer() = default;
  Importer(const Importer&) = delete;
  Importer& operator=(const Importer&) = delete;
  Importer(Importer&&) = delete;
  Importer& operator=(Importer&&) = delete;

  /// The route's name for logs, metrics and D-Bus: "cpu".
  [[nodiscard]] virtual std::string_view route() const = 0;
  /// Why a way of making pictures was given up, or refused one, since the last call: the newest reason, as the log has
  /// it; empty: there was none. For whoever sees route() change.
  [[nodiscard]] virtual std::string take_failure() { return std::exchange(failure_, {}); }
  /// The most surfaces that can be held at a time, the encoder's included.
  [[nodiscard]] virtual std::size_t surface_limit() const { return 32; }
  /// The frames this importer can really read now.
  [[nodiscard]] virtual FormatOffer offer() const = 0;
  /// The device in whose memory such frames can come out, so that an encoder is opened for surfaces there; null: host
  /// memory only.
  [[nodiscard]] virtual std::shared_ptr<const PictureDevice> device_for(const Frame& /*frame*/) const {
    return nullptr;
  }
  /// Sets what import() produces from now on; surfaces made before stay valid.
  [[nodiscard]] virtual Result<void> configure(const SurfaceFormat& target) = 0;
  /// What lies above the picture from the next import() on, lowest first and beneath the cursor; empty: nothing. Same
  /// rules as import() for its producers: each picture must be finished. Stays so through configure(), though the
  /// places are those of the surface. One whose picture cannot be read is left out, which is told once.
  virtual void set_layers(std::vector<Layer> layers) = 0;
  /// The producer must have finished the frame: see producer_wait.h.
  /// Crops, turns, scales (letterboxed when the aspect ratio differs), converts and draws the cursor, in as few passes
  /// as the route can. The frame's buffer has gone back to its producer when this returns, unless the surface needs it.
  /// A frame without a picture redraws the last one with its layers and cursor. Busy: no free surface (the encoder
  /// holds all).
  [[nodiscard]] virtual Result<Surface> import(Frame frame) = 0;

 protected:
  void set_failure(const Error& error) { failure_ = error.message(); }

 private:
  std::string failure_;
};

}  // namespace zc
