#include "session/pipeline_factory.h"

#include "base/log.h"
#include "capture/compositor_device.h"
#include "encode/encoder_table.h"
#include "gpu/gpu_address.h"
#include "media/transfer.h"
#include "session/canvas.h"
#include "session/encode_ring.h"
#include "session/picture_worker.h"
#include "session/transfer_check.h"
#include "zerocopy/importer_chain.h"
#include "zerocopy/producer_wait.h"
#include "zerocopy/tone_map.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

namespace zc {
namespace {

constexpr std::size_t kLiveRing = 4;
constexpr std::size_t kRecordingRing = 10;
/// Rate control's hint when the source names no rate, and the most it is believed.
constexpr Rational kDefaultRate{60, 1};
constexpr double kMaxNominalRate = 240.0;
constexpr Nanoseconds kCompositorPatience = std::chrono::milliseconds(500);
constexpr Nanoseconds kProducerPatience = std::chrono::milliseconds(500);
constexpr Nanoseconds kCompilePatience = std::chrono::seconds(120);
constexpr Nanoseconds kCompileLook = std::chrono::milliseconds(10);
constexpr std::uint32_t kResized = 32;  // px less than the source's size, for a picture that has to be scaled

}  // namespace

PipelineFactory::PipelineFactory(const RecordingOptions& options, FormatTable& formats)
    : options_(options), formats_(formats), encoders_(options.encoder, options.patience.open) {}

std::optional<GpuAddress> PipelineFactory::compositor_gpu() const {
  // A camera's pictures come from nobody's GPU, and what is behind a PipeWire node is not known.
  const bool desktop = std::holds_alternative<PortalSpec>(options_.source) ||
                       std::holds_alternative<WaylandSpec>(options_.source) ||
                       std::holds_alternative<CastSpec>(options_.source);
  if (!desktop) return std::nullopt;
  const auto device = compositor_device(kCompositorPatience);
  if (device) return gpu_of_device(*device);
  logger("session").debug("the compositor's GPU is not known: {}", device.error().message());
  return std::nullopt;
}

Result<void> PipelineFactory::open_importer() {
  auto choice = choose_gpu(options_.gpu, [this] { return compositor_gpu(); });
  if (!choice) return std::unexpected(std::move(choice.error()));
  gpu_ = std::move(*choice);
  if (gpu_.gpu) logger("session").debug("GPU: {} ({})", gpu_.gpu->text(), to_string(gpu_.reason));
  // The route into the memory that the wanted encoder takes pictures from comes first.
  const EncoderRow* wanted = options_.encoder.encoder ? find_encoder_row(*options_.encoder.encoder) : nullptr;
  auto importer =
      zc::open_importer(options_.toggles, formats_, wanted ? wanted->device_memory : MemoryKind::Host, gpu_);
  if (!importer) return std::unexpected(std::move(importer.error()));
  importer_ = std::move(*importer);
  return {};
}

Rational PipelineFactory::nominal_rate(const SourceInfo& source) const {
  if (options_.constant_rate) return *options_.constant_rate;
  if (source.rate.zero() || source.rate.value() > kMaxNominalRate) return kDefaultRate;
  return source.rate;
}

Result<void> PipelineFactory::check_crop(Frame& first) const {
  const Size shown = first.visible_size();
  const Rect own = first.crop;
  const bool inside = PictureWorker::apply_crop(first, options_.crop);
  first.crop = own;
  if (inside) return {};
  const Rect& crop = *options_.crop;
  return fail(ErrorKind::Invalid, "crop",
              fmt::format("{}x{}+{}+{} lies outside of the source's {}x{}", crop.width, crop.height, crop.x, crop.y,
                          shown.width, shown.height));
}

Result<void> PipelineFactory::check_colour(const Frame& first) const {
  const ColourDescription& coded = options_.encoder.colour;
  if (auto fits = check_transfer(first.colour.transfer, coded.transfer); !fits) return fits;
  if (first.has_image() && info(first.format()).yuv && is_hdr(first.colour.transfer) && !is_hdr(coded.transfer)) {
    return fail(ErrorKind::Invalid, "colour",
                "the source's pictures are HDR video, which is not mapped to SDR; valid are --colour bt2100-pq or "
                "bt2100-hlg, as it is coded, with --bit-depth 10");
  }
  if (tone_map(first.colour, coded) != ToneMap::None) {
    logger("session").info("the source's pictures are HDR; they are recorded as an SDR screen shows them");
  }
  return {};
}

template <class Look>
void PipelineFactory::cropped(Frame& frame, const Look& look) const {
  const Rect crop = frame.crop;
  static_cast<void>(PictureWorker::apply_crop(frame, options_.crop));
  look();
  frame.crop = crop;  // whoever encodes it crops it himself
}

VideoParameters PipelineFactory::video_parameters(const Frame& first, const SourceInfo& source) const {
  VideoParameters video;
  video.rate = nominal_rate(source);
  video.constant_rate = options_.constant_rate.has_value();
  video.size = coded_size(options_.size.value_or(first.visible_size()));
  const auto takes_new_headers = [](const OutputSpec& spec) {
    return !spec.camera() && info(spec.container).takes_new_headers;
  };
  const bool any = options_.outputs_change || options_.replay;  // outputs of any kind may come
  video.in_band_headers = any || std::ranges::any_of(options_.outputs, takes_new_headers);
  video.device = importer_->device_for(first);
  video.gpu = gpu_;
  return video;
}

Result<std::unique_ptr<Encoder>> PipelineFactory::open_encoder(Frame& first, const SourceInfo& source) {
  VideoParameters video;
  cropped(first, [&] { video = video_parameters(first, source); });
  auto encoder = encoders_.open(video);
  if (!encoder) return encoder;
  if (auto set = importer_->configure((*encoder)->input()); !set) return std::unexpected(std::move(set.error()));
  // Later it would hold up the stream, for nothing.
  if (!std::exchange(rehearsed_, true)) rehearse(first);
  return encoder;
}

Result<StreamParameters> PipelineFactory::prepare_pictures(Frame& first, const SourceInfo& source) {
  StreamParameters pictures;
  cropped(first, [&] { pictures.size = coded_size(options_.size.value_or(first.visible_size())); });
  pictures.nominal_rate = nominal_rate(source);
  pictures.variable_rate = !options_.constant_rate;
  pictures.colour = options_.encoder.colour;
  const bool rgb = pictures.colour.matrix == ColourMatrix::Rgb;
  const SurfaceFormat format{rgb ? PixelFormat::I444 : PixelFormat::NV12, pictures.size, pictures.colour,
                             MemoryKind::Host};
  if (auto set = importer_->configure(format); !set) return std::unexpected(std::move(set.error()));
  if (!std::exchange(rehearsed_, true)) rehearse(first);
  return pictures;
}

void PipelineFactory::rehearse(Frame& first) {
  if (!wait_for_producer(first, kProducerPatience)) return;
  Rect crop;
  cropped(first, [&] { crop = first.crop; });
  [[maybe_unused]] const auto plain = make_once(first, crop);
  // As after a change of the source's size: scaled.
  if (crop.empty()) crop = {0, 0, first.buffer_size().width, first.buffer_size().height};
  if (crop.width <= kResized || crop.height <= kResized) return;
  crop.width -= kResized;
  crop.height -= kResized;
  [[maybe_unused]] const auto scaled = make_once(first, crop);
}

Result<Surface> PipelineFactory::make_still(Frame& first) {
  SurfaceFormat still{PixelFormat::I444, {}, kRgbFull, MemoryKind::Host};
  if (!check_transfer(first.colour.transfer, still.colour.transfer)) {
    still.format = PixelFormat::I410;
    still.colour.primaries = first.colour.primaries;
    still.colour.transfer = first.colour.transfer;
  }
  Rect crop;
  cropped(first, [&] {
    crop = first.crop;
    still.size = coded_size(first.visible_size());
  });
  if (auto set = importer_->configure(still); !set) return std::unexpected(std::move(set.error()));
  if (auto ready = wait_for_producer(first, kProducerPatience); !ready)
    return std::unexpected(std::move(ready.error()));
  return make_once(first, crop);
}

Result<Surface> PipelineFactory::make_once(const Frame& first, const Rect& crop) {
  const Nanoseconds until = monotonic_now() + kCompilePatience;
  while (true) {
    Frame twin;
    twin.image = first.image;
    twin.transform = first.transform;
    twin.colour = first.colour;
    twin.crop = crop;
    twin.cursor = first.cursor;
    // What fails here fails for the picture itself, too, and is told then; but for a GPU that is still at work.
    auto made = importer_->import(std::move(twin));
    if (made || made.error().kind != ErrorKind::Busy || monotonic_now() > until) return made;
    std::this_thread::sleep_for(kCompileLook);
  }
}

std::size_t PipelineFactory::ring_frames(const Encoder& encoder) const {
  const std::size_t wanted = options_.ring_frames.value_or(options_.live ? kLiveRing : kRecordingRing);
  const auto cameras = static_cast<std::size_t>(std::ranges::count_if(options_.outputs, &OutputSpec::camera));
  const std::size_t most =
      most_ring_frames(importer_->surface_limit(), encoder.most_held(), cameras + (options_.outputs_change ? 1 : 0));
  if (wanted > most) {
    logger("session").warn("the ring holds {} surfaces instead of {}: {} there are, and {} may hold {} of them", most,
                           wanted, importer_->surface_limit(), encoder.name(), encoder.most_held());
  }
  return std::min(wanted, most);
}

}  // namespace zc
