#include "zerocopy/vaapi/processor.h"

#include "zerocopy/vaapi/va_formats.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace zc {
namespace {

constexpr const char* kOpen = "open VA-API's video processor";
constexpr std::uint32_t kBlack = 0xff000000;
/// Between two looks at a surface, where the driver has no wait with an end.
constexpr std::chrono::microseconds kPoll{200};

VARectangle rectangle(const Rect& rect) {
  return {.x = static_cast<std::int16_t>(rect.x),
          .y = static_cast<std::int16_t>(rect.y),
          .width = static_cast<std::uint16_t>(rect.width),
          .height = static_cast<std::uint16_t>(rect.height)};
}

VAProcColorStandardType standard(ColourMatrix matrix) {
  switch (matrix) {
    case ColourMatrix::BT601: return VAProcColorStandardBT601;
    case ColourMatrix::BT2020: return VAProcColorStandardBT2020;
    case ColourMatrix::BT709:
    case ColourMatrix::Rgb:  // not in a Y'CbCr surface
    case ColourMatrix::Unknown: break;
  }
  return VAProcColorStandardBT709;
}

/// The numbers of ITU-T H.273, for drivers that take these.
VAProcColorProperties properties(const ColourDescription& colour) {
  VAProcColorProperties out{};
  out.chroma_sample_location = VA_CHROMA_SITING_VERTICAL_CENTER | VA_CHROMA_SITING_HORIZONTAL_LEFT;
  out.color_range = colour.range == ColourRange::Full ? VA_SOURCE_RANGE_FULL : VA_SOURCE_RANGE_REDUCED;
  const bool bt601 = colour.matrix == ColourMatrix::BT601;
  out.colour_primaries = bt601 ? 6 : 1;
  out.transfer_characteristics = bt601 ? 6 : 1;
  out.matrix_coefficients = bt601 ? 6 : 1;
  return out;
}

bool has(std::span<const VAProcColorStandardType> list, VAProcColorStandardType wanted) {
  return std::ranges::find(list, wanted) != list.end();
}

}  // namespace

Result<std::unique_ptr<VaProcessor>> VaProcessor::create(std::shared_ptr<const vaapi::Device> device, Size size) {
  std::unique_ptr<VaProcessor> made(new VaProcessor(std::move(device)));
  if (auto opened = made->open(size); !opened) return std::unexpected(std::move(opened.error()));
  return made;
}

Result<void> VaProcessor::open(Size size) {
  const vaapi::Functions& fn = device_->fn();
  if (!device_->has(VAProfileNone, VAEntrypointVideoProc)) {
    return fail(ErrorKind::Unsupported, kOpen, device_->vendor() + " has none");
  }
  if (auto ok = device_->check(
          fn.create_config(device_->display(), VAProfileNone, VAEntrypointVideoProc, nullptr, 0, &config_), kOpen);
      !ok) {
    return ok;
  }
  if (auto ok = device_->check(fn.create_context(device_->display(), config_, static_cast<int>(size.width),
                                                 static_cast<int>(size.height), VA_PROGRESSIVE, nullptr, 0, &context_),
                               kOpen);
      !ok) {
    return ok;
  }
  read_surface_attributes();
  return read_colour_standards();
}

VaProcessor::~VaProcessor() {
  const vaapi::Functions& fn = device_->fn();
  if (context_ != VA_INVALID_ID) fn.destroy_context(device_->display(), context_);
  if (config_ != VA_INVALID_ID) fn.destroy_config(device_->display(), config_);
}

void VaProcessor::read_surface_attributes() {
  unsigned count = 0;
  const auto query = device_->fn().surface_attributes;
  if (query(device_->display(), config_, nullptr, &count) != VA_STATUS_SUCCESS) return;
  std::vector<VASurfaceAttrib> all(count);
  if (count == 0 || query(device_->display(), config_, all.data(), &count) != VA_STATUS_SUCCESS) return;
  all.resize(std::min<std::size_t>(all.size(), count));
  for (const VASurfaceAttrib& attribute : all) {
    const auto value = static_cast<std::uint32_t>(attribute.value.value.i);
    if (attribute.type == VASurfaceAttribPixelFormat) fourccs_.push_back(value);
    if (attribute.type == VASurfaceAttribMemoryType) memory_types_ = value;
  }
}

Result<void> VaProcessor::read_colour_standards() {
  // The driver points to lists of its own, valid as long as the context.
  VAProcPipelineCaps caps{};
  if (auto ok = device_->check(device_->fn().pipeline_caps(device_->display(), context_, nullptr, 0, &caps), kOpen);
      !ok) {
    return ok;
  }
  if (caps.input_color_standards != nullptr) {
    inputs_.assign(caps.input_color_standards, caps.input_color_standards + caps.num_input_color_standards);
  }
  if (caps.output_color_standards != nullptr) {
    outputs_.assign(caps.output_color_standards, caps.output_color_standards + caps.num_output_color_standards);
  }
  return {};
}

bool VaProcessor::knows(PixelFormat format) const {
  const VaFormat* row = va_format(format);
  return row != nullptr && (fourccs_.empty() || std::ranges::find(fourccs_, row->fourcc) != fourccs_.end());
}

VAProcColorStandardType VaProcessor::output_standard(const ColourDescription& colour) const {
  const VAProcColorStandardType wanted = standard(colour.matrix);
  // What a driver does not list it may still do: the pictures are checked, see VaTrial.
  return !has(outputs_, wanted) && has(outputs_, VAProcColorStandardExplicit) ? VAProcColorStandardExplicit : wanted;
}

Result<void> VaProcessor::start(const Job& job) {
  const VARectangle from = rectangle(job.from);
  const VARectangle to = rectangle(job.to);
  VAProcPipelineParameterBuffer pipeline{};
  pipeline.surface = job.source;
  pipeline.surface_region = &from;
  pipeline.output_region = &to;
  pipeline.output_background_color = kBlack;
  pipeline.filter_flags = VA_FRAME_PICTURE | VA_FILTER_SCALING_DEFAULT;
  if (job.rgb) {
    pipeline.surface_color_standard =
        has(inputs_, VAProcColorStandardSRGB) ? VAProcColorStandardSRGB : VAProcColorStandardNone;
    pipeline.input_color_properties.color_range = VA_SOURCE_RANGE_FULL;
  } else {
    pipeline.surface_color_standard = standard(job.source_colour.matrix);
    pipeline.input_color_properties = properties(job.source_colour);
  }
  pipeline.output_color_standard = output_standard(job.colour);
  pipeline.output_color_properties = properties(job.colour);

  constexpr const char* kOperation = "convert a picture with VA-API";
  const vaapi::Functions& fn = device_->fn();
  VABufferID parameters = VA_INVALID_ID;
  if (auto ok = device_->check(fn.create_buffer(device_->display(), context_, VAProcPipelineParameterBufferType,
                                                sizeof pipeline, 1, &pipeline, &parameters),
                               kOperation);
      !ok) {
    return ok;
  }
  Result<void> done = device_->check(fn.begin_picture(device_->display(), context_, job.target), kOperation);
  if (done) {
    done = device_->check(fn.render_picture(device_->display(), context_, &parameters, 1), kOperation);
    // A picture that was begun is ended in any case.
    auto ended = device_->check(fn.end_picture(device_->display(), context_), kOperation);
    if (done) done = std::move(ended);
  }
  fn.destroy_buffer(device_->display(), parameters);
  return done;
}

Result<void> VaProcessor::wait(VASurfaceID surface, Nanoseconds patience) const {
  constexpr const char* kOperation = "wait for VA-API's picture";
  const vaapi::Functions& fn = device_->fn();
  if (fn.sync_surface2 != nullptr) {
    const VAStatus status = fn.sync_surface2(device_->display(), surface, static_cast<std::uint64_t>(patience.count()));
    if (status != VA_STATUS_ERROR_UNIMPLEMENTED) return device_->check(status, kOperation);
  }
  const Nanoseconds deadline = monotonic_now() + patience;
  while (true) {
    VASurfaceStatus status = VASurfaceRendering;
    if (auto ok = device_->check(fn.surface_status(device_->display(), surface, &status), kOperation); !ok) return ok;
    if (status != VASurfaceRendering) return {};
    if (monotonic_now() >= deadline) return fail(ErrorKind::Timeout, kOperation, "the GPU does not finish it");
    std::this_thread::sleep_for(kPoll);
  }
}

Result<void> VaProcessor::run(const Job& job, Nanoseconds patience) {
  if (auto started = start(job); !started) return started;
  return wait(job.target, patience);
}

}  // namespace zc
