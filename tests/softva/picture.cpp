// Contexts, and the pictures that are described to them buffer by buffer: the video processor's and the encoder's.
#include "softva/driver.h"
#include "softva/h264.h"

#include <cstring>
#include <span>

namespace zc::softva {
namespace {

VAStatus create(VADriverContextP context, VAConfigID config, int /*width*/, int /*height*/, int /*flags*/,
                VASurfaceID* /*targets*/, int /*number*/, VAContextID* id) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  const auto found = driver.configs.find(config);
  if (found == driver.configs.end()) return VA_STATUS_ERROR_INVALID_CONFIG;
  *id = driver.next_id();
  driver.contexts.emplace(
      *id, Context{.config = found->second, .target = VA_INVALID_SURFACE, .encode = {}, .pipelines = {}});
  count(&Counts::contexts, 1);
  return VA_STATUS_SUCCESS;
}

VAStatus destroy(VADriverContextP context, VAContextID id) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  if (driver.contexts.erase(id) == 0) return VA_STATUS_ERROR_INVALID_CONTEXT;
  count(&Counts::contexts, -1);
  return VA_STATUS_SUCCESS;
}

VAStatus begin(VADriverContextP context, VAContextID id, VASurfaceID target) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  Context* found = driver.context(id);
  if (found == nullptr) return VA_STATUS_ERROR_INVALID_CONTEXT;
  if (!driver.surface(target)) return VA_STATUS_ERROR_INVALID_SURFACE;
  static_cast<void>(fault_now(Fault::Lost));
  if (lost()) return VA_STATUS_ERROR_OPERATION_FAILED;
  found->target = target;
  found->pipelines.clear();
  found->encode.packed.clear();
  found->encode.picture.reset();
  found->encode.slice.reset();
  return VA_STATUS_SUCCESS;
}

template <class Parameters>
bool read(const Buffer& buffer, Parameters& into) {
  if (buffer.bytes.size() < sizeof into) return false;
  std::memcpy(&into, buffer.bytes.data(), sizeof into);
  return true;
}

bool take(Context& context, const Buffer& buffer) {
  EncodeState& encode = context.encode;
  switch (buffer.type) {
    case VAProcPipelineParameterBufferType: return read(buffer, context.pipelines.emplace_back());
    case VAEncSequenceParameterBufferType: return read(buffer, encode.sequence);
    case VAEncPictureParameterBufferType: return read(buffer, encode.picture.emplace());
    case VAEncSliceParameterBufferType: return !encode.slice && read(buffer, encode.slice.emplace());
    case VAEncPackedHeaderParameterBufferType: {
      VAEncPackedHeaderParameterBuffer header{};
      if (!read(buffer, header) || header.has_emulation_bytes == 0) return false;
      encode.packed.push_back({header.type, header.bit_length, {}});
      return true;
    }
    case VAEncPackedHeaderDataBufferType:
      if (encode.packed.empty() || buffer.bytes.size() * 8 < encode.packed.back().bits) return false;
      encode.packed.back().bytes = buffer.bytes;
      return true;
    default: return true;  // rate control and such: there is nothing to control
  }
}

VAStatus render(VADriverContextP context, VAContextID id, VABufferID* ids, int number) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  Context* found = driver.context(id);
  if (found == nullptr || found->target == VA_INVALID_SURFACE) return VA_STATUS_ERROR_INVALID_CONTEXT;
  for (const VABufferID one : std::span(ids, static_cast<std::size_t>(number))) {
    const auto buffer = driver.buffer(one);
    if (!buffer) return VA_STATUS_ERROR_INVALID_BUFFER;
    if (!take(*found, *buffer)) return VA_STATUS_ERROR_INVALID_PARAMETER;
  }
  return VA_STATUS_SUCCESS;
}

/// Regions that a pipeline points to belong to the caller, who may reuse them at once.
struct Job {
  VAProcPipelineParameterBuffer pipeline;
  std::optional<VARectangle> from;
  std::optional<VARectangle> to;
  std::shared_ptr<Surface> source;
  std::shared_ptr<Surface> target;
  VAStatus run() {
    pipeline.surface_region = from ? &*from : nullptr;
    pipeline.output_region = to ? &*to : nullptr;
    source->finish();
    return process(source->picture, target->picture, pipeline);
  }
};

VAStatus end_processing(Driver& driver, const Context& context) {
  count(&Counts::processed, 1);
  if (fault_now(Fault::Proc)) return VA_STATUS_ERROR_OPERATION_FAILED;
  const auto target = driver.surface(context.target);
  if (context.pipelines.size() != 1 || !target) return VA_STATUS_ERROR_INVALID_PARAMETER;
  Job job{context.pipelines.front(), {}, {}, driver.surface(context.pipelines.front().surface), nullptr};
  if (!job.source || job.source == target) return VA_STATUS_ERROR_INVALID_SURFACE;
  if (job.pipeline.surface_region != nullptr) job.from = *job.pipeline.surface_region;
  if (job.pipeline.output_region != nullptr) job.to = *job.pipeline.output_region;
  target->finish();
  // What it cannot do it says at once; the pixels come as late as possible.
  if (target->picture.format->planes != 2) return VA_STATUS_ERROR_UNIMPLEMENTED;
  if (fault(Fault::Sync)) target->hung = true;
  // The target owns the job: it must not own the target.
  target->pending = [job = std::move(job), weak = std::weak_ptr(target)]() mutable {
    job.target = weak.lock();
    if (job.target) static_cast<void>(job.run());
  };
  return VA_STATUS_SUCCESS;
}

VAStatus end_encoding(Driver& driver, const Context& context) {
  if (fault_now(Fault::Encode)) return VA_STATUS_ERROR_ENCODING_ERROR;
  const auto input = driver.surface(context.target);
  if (!input || !context.encode.picture) return VA_STATUS_ERROR_INVALID_PARAMETER;
  const auto coded = driver.buffer(context.encode.picture->coded_buf);
  if (!coded || coded->type != VAEncCodedBufferType) return VA_STATUS_ERROR_INVALID_BUFFER;
  // The input is read when somebody waits for it or for its stream, as late as a GPU may.
  input->readers.emplace_back(coded);
  Buffer& out = *coded;
  coded->pending = [&out, input, state = context.encode] {
    input->finish();
    const auto stream = encode_h264(input->picture, state);
    const bool fits = stream && stream->size() <= out.bytes.size();
    out.segment = {};
    if (fits) {
      std::memcpy(out.bytes.data(), stream->data(), stream->size());
      out.segment.size = static_cast<std::uint32_t>(stream->size());
    } else {
      out.segment.status = VA_CODED_BUF_STATUS_SINGLE_NALU | VA_CODED_BUF_STATUS_SLICE_OVERFLOW_MASK;
    }
    out.segment.buf = out.bytes.data();
    count(&Counts::encoded, 1);
    if (input->imported) count(&Counts::encoded_there, 1);
  };
  return VA_STATUS_SUCCESS;
}

VAStatus end(VADriverContextP context, VAContextID id) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  Context* found = driver.context(id);
  if (found == nullptr || found->target == VA_INVALID_SURFACE) return VA_STATUS_ERROR_INVALID_CONTEXT;
  if (lost()) return VA_STATUS_ERROR_OPERATION_FAILED;
  const VAStatus status =
      found->config.entrypoint == VAEntrypointVideoProc ? end_processing(driver, *found) : end_encoding(driver, *found);
  found->target = VA_INVALID_SURFACE;
  return status;
}

VAStatus filters(VADriverContextP /*context*/, VAContextID /*id*/, VAProcFilterType* /*list*/, unsigned int* number) {
  *number = 0;
  return VA_STATUS_SUCCESS;
}

VAStatus filter_caps(VADriverContextP /*context*/, VAContextID /*id*/, VAProcFilterType /*type*/, void* /*caps*/,
                     unsigned int* /*number*/) {
  return VA_STATUS_ERROR_UNSUPPORTED_FILTER;
}

VAStatus pipeline_caps(VADriverContextP /*context*/, VAContextID /*id*/, VABufferID* /*filters*/,
                       unsigned int /*number*/, VAProcPipelineCaps* caps) {
  static std::array inputs = {VAProcColorStandardBT601, VAProcColorStandardBT709, VAProcColorStandardSRGB};
  static std::array outputs = {VAProcColorStandardBT601, VAProcColorStandardBT709};
  *caps = {};
  caps->input_color_standards = inputs.data();
  caps->num_input_color_standards = static_cast<std::uint32_t>(inputs.size());
  caps->output_color_standards = outputs.data();
  caps->num_output_color_standards = static_cast<std::uint32_t>(outputs.size());
  caps->min_input_width = caps->min_input_height = caps->min_output_width = caps->min_output_height = 16;
  caps->max_input_width = caps->max_input_height = caps->max_output_width = caps->max_output_height = 8192;
  return VA_STATUS_SUCCESS;
}

}  // namespace

void fill_picture(VADriverVTable& table, VADriverVTableVPP& processing) {
  table.vaCreateContext = create;
  table.vaDestroyContext = destroy;
  table.vaBeginPicture = begin;
  table.vaRenderPicture = render;
  table.vaEndPicture = end;
  processing.vaQueryVideoProcFilters = filters;
  processing.vaQueryVideoProcFilterCaps = filter_caps;
  processing.vaQueryVideoProcPipelineCaps = pipeline_caps;
}

}  // namespace zc::softva
