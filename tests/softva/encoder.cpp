// Contexts, the buffers that describe a picture to them, and those that coded pictures come out in.
#include "softva/driver.h"

#include <cstring>
#include <span>

namespace zc::softva {
namespace {

VAStatus create(VADriverContextP context, VAConfigID config, int /*width*/, int /*height*/, int /*flags*/,
                VASurfaceID* /*targets*/, int /*number*/, VAContextID* id) {
  const Locked driver(context);
  if (Driver::find(driver->configs, config) == nullptr) return VA_STATUS_ERROR_INVALID_CONFIG;
  *id = driver->add(driver->contexts, &Counts::contexts, Context{});
  return VA_STATUS_SUCCESS;
}

VAStatus destroy(VADriverContextP context, VAContextID id) {
  const Locked driver(context);
  return Driver::remove(driver->contexts, &Counts::contexts, id) ? VA_STATUS_SUCCESS : VA_STATUS_ERROR_INVALID_CONTEXT;
}

VAStatus create_buffer(VADriverContextP context, VAContextID /*owner*/, VABufferType type, unsigned int size,
                       unsigned int elements, void* data, VABufferID* id) {
  auto buffer = std::make_shared<Buffer>();
  buffer->type = type;
  buffer->bytes.resize(std::size_t{size} * elements);
  if (data != nullptr) std::memcpy(buffer->bytes.data(), data, buffer->bytes.size());
  const Locked driver(context);
  *id = driver->add(driver->buffers, &Counts::buffers, std::move(buffer));
  return VA_STATUS_SUCCESS;
}

VAStatus destroy_buffer(VADriverContextP context, VABufferID id) {
  const Locked driver(context);
  return Driver::remove(driver->buffers, &Counts::buffers, id) ? VA_STATUS_SUCCESS : VA_STATUS_ERROR_INVALID_BUFFER;
}

VAStatus map(VADriverContextP context, VABufferID id, void** data) {
  const Locked driver(context);
  const auto* buffer = Driver::find(driver->buffers, id);
  if (buffer == nullptr) return VA_STATUS_ERROR_INVALID_BUFFER;
  (*buffer)->finish();
  *data = (*buffer)->type == VAEncCodedBufferType ? static_cast<void*>(&(*buffer)->segment) : (*buffer)->bytes.data();
  return VA_STATUS_SUCCESS;
}

VAStatus unmap(VADriverContextP /*context*/, VABufferID /*id*/) { return VA_STATUS_SUCCESS; }

VAStatus sync(VADriverContextP context, VABufferID id, std::uint64_t /*timeout_ns*/) {
  void* unused = nullptr;
  return map(context, id, &unused);
}

VAStatus begin(VADriverContextP context, VAContextID id, VASurfaceID target) {
  const Locked driver(context);
  Context* found = Driver::find(driver->contexts, id);
  if (found == nullptr) return VA_STATUS_ERROR_INVALID_CONTEXT;
  if (Driver::find(driver->surfaces, target) == nullptr) return VA_STATUS_ERROR_INVALID_SURFACE;
  static_cast<void>(fault_now(Fault::Lost));
  if (lost()) return VA_STATUS_ERROR_OPERATION_FAILED;
  found->target = target;
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

bool take(EncodeState& encode, const Buffer& buffer) {
  switch (buffer.type) {
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
  const Locked driver(context);
  Context* found = Driver::find(driver->contexts, id);
  if (found == nullptr || found->target == VA_INVALID_SURFACE) return VA_STATUS_ERROR_INVALID_CONTEXT;
  for (const VABufferID one : std::span(ids, static_cast<std::size_t>(number))) {
    const auto* buffer = Driver::find(driver->buffers, one);
    if (buffer == nullptr) return VA_STATUS_ERROR_INVALID_BUFFER;
    if (!take(found->encode, **buffer)) return VA_STATUS_ERROR_INVALID_PARAMETER;
  }
  return VA_STATUS_SUCCESS;
}

VAStatus end(VADriverContextP context, VAContextID id) {
  const Locked driver(context);
  Context* found = Driver::find(driver->contexts, id);
  if (found == nullptr || found->target == VA_INVALID_SURFACE) return VA_STATUS_ERROR_INVALID_CONTEXT;
  if (lost()) return VA_STATUS_ERROR_OPERATION_FAILED;
  if (fault_now(Fault::Encode)) return VA_STATUS_ERROR_ENCODING_ERROR;
  const auto* input = Driver::find(driver->surfaces, std::exchange(found->target, VA_INVALID_SURFACE));
  if (input == nullptr || !found->encode.picture) return VA_STATUS_ERROR_INVALID_PARAMETER;
  const auto* coded = Driver::find(driver->buffers, found->encode.picture->coded_buf);
  if (coded == nullptr || (*coded)->type != VAEncCodedBufferType) return VA_STATUS_ERROR_INVALID_BUFFER;
  // The input is read when somebody waits for it or for its stream, as late as a GPU may.
  (*input)->readers.emplace_back(*coded);
  (*coded)->pending = [out = coded->get(), from = *input, state = found->encode] {
    const auto stream = encode_h264(from->picture, state);
    out->segment = {};
    if (stream && stream->size() <= out->bytes.size()) {
      std::memcpy(out->bytes.data(), stream->data(), stream->size());
      out->segment.size = static_cast<std::uint32_t>(stream->size());
    } else {
      out->segment.status = VA_CODED_BUF_STATUS_SLICE_OVERFLOW_MASK;
    }
    out->segment.buf = out->bytes.data();
    count(&Counts::encoded, 1);
  };
  return VA_STATUS_SUCCESS;
}

}  // namespace

void fill_encoder(VADriverVTable& table) {
  table.vaCreateContext = create;
  table.vaDestroyContext = destroy;
  table.vaCreateBuffer = create_buffer;
  table.vaDestroyBuffer = destroy_buffer;
  table.vaMapBuffer = map;
  table.vaUnmapBuffer = unmap;
  table.vaSyncBuffer = sync;
  table.vaBeginPicture = begin;
  table.vaRenderPicture = render;
  table.vaEndPicture = end;
}

}  // namespace zc::softva
