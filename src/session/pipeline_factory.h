#pragma once

#include "base/error.h"
#include "capture/source.h"
#include "encode/encoder.h"
#include "encode/settings.h"
#include "gpu/which_gpu.h"
#include "media/format_table.h"
#include "media/frame.h"
#include "session/encoder_choice.h"
#include "session/recording.h"
#include "session/transfer_check.h"
#include "zerocopy/importer.h"

#include <cstddef>
#include <memory>

namespace zc {

/// What a recording makes its pictures with: the importer, and the encoder that suits both the pictures and the
/// outputs. One thread at a time: whoever starts the recording, then its worker; encoders() says what it allows
/// besides.
class PipelineFactory {
 public:
  /// Both outlive it; importers say in `formats` what they read.
  PipelineFactory(const RecordingOptions& options, FormatTable& formats);

  /// Errors as open_importer() of importer_chain.h; Invalid: the GPU that the user wants is not there.
  [[nodiscard]] Result<void> open_importer();
  /// On the thread that has used it, which an OpenGL context is bound to.
  void close_importer() { importer_.reset(); }
  [[nodiscard]] Importer& importer() { return *importer_; }

  /// Invalid: nothing of the part to be shown is in such a picture.
  [[nodiscard]] Result<void> check_crop(Frame& first) const;
  /// Invalid: the wanted colour is not such a picture's (check_transfer()).
  [[nodiscard]] Result<void> check_colour(const Frame& first) const;
  /// The encoder for pictures like `first`, or for the stream that there is already; the importer makes them for it
  /// from here on. Errors as EncoderChoice::open() and Importer::configure().
  [[nodiscard]] Result<std::unique_ptr<Encoder>> open_encoder(Frame& first, const SourceInfo& source);
  /// No encoder: pictures like `first` are made for cameras alone, in host memory. What they are. Errors as
  /// Importer::configure().
  [[nodiscard]] Result<StreamParameters> prepare_pictures(Frame& first, const SourceInfo& source);
  /// Such a picture for itself, before the first open_encoder(): every sample of it, as RGB in host memory; HDR as an
  /// SDR screen shows it (PQ), or with 10 bits as it is (HLG). Errors as Importer's; Timeout: its producer does not
  /// finish it.
  [[nodiscard]] Result<Surface> make_still(Frame& first);
  /// How many surfaces may wait for this encoder: as many as were asked for, or as the importer can spare.
  [[nodiscard]] std::size_t ring_frames(const Encoder& encoder) const;
  /// Pictures/s to expect: the constant rate, the source's where that is believable, or a usual one.
  [[nodiscard]] Rational nominal_rate(const SourceInfo& source) const;

  [[nodiscard]] EncoderChoice& encoders() { return encoders_; }
  [[nodiscard]] const EncoderChoice& encoders() const { return encoders_; }

 private:
  /// Looks at the frame as it will be shown.
  template <class Look>
  void cropped(Frame& frame, const Look& look) const;
  /// Makes a picture like that, and one like it of another size, and throws them away: drivers compile for each kind,
  /// on a cold cache for seconds, which is to be over before the recording's time begins.
  void rehearse(Frame& first);
  Result<Surface> make_once(const Frame& first, const Rect& crop);
  [[nodiscard]] VideoParameters video_parameters(const Frame& first, const SourceInfo& source) const;

  [[nodiscard]] std::optional<GpuAddress> compositor_gpu() const;

  const RecordingOptions& options_;
  FormatTable& formats_;
  GpuChoice gpu_;
  std::unique_ptr<Importer> importer_;
  EncoderChoice encoders_;
  bool rehearsed_ = false;
};

}  // namespace zc
