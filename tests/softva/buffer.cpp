// Buffers: parameters on their way in, coded pictures on their way out, images' memory.
#include "softva/driver.h"

#include <cstring>

namespace zc::softva {
namespace {

VAStatus create(VADriverContextP context, VAContextID /*owner*/, VABufferType type, unsigned int size,
                unsigned int elements, void* data, VABufferID* id) {
  std::vector<std::uint8_t> bytes(std::size_t{size} * elements);
  if (data != nullptr) std::memcpy(bytes.data(), data, bytes.size());
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  *id = make_buffer(driver, type, std::move(bytes), elements);
  return VA_STATUS_SUCCESS;
}

VAStatus set_elements(VADriverContextP context, VABufferID id, unsigned int elements) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  const auto buffer = driver.buffer(id);
  if (!buffer) return VA_STATUS_ERROR_INVALID_BUFFER;
  buffer->elements = elements;
  return VA_STATUS_SUCCESS;
}

VAStatus map(VADriverContextP context, VABufferID id, void** data) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  const auto buffer = driver.buffer(id);
  if (!buffer) return VA_STATUS_ERROR_INVALID_BUFFER;
  if (buffer->type == VAEncCodedBufferType) {
    buffer->finish();
    *data = &buffer->segment;
  } else {
    *data = buffer->elsewhere ? buffer->elsewhere->data() + buffer->offset : buffer->bytes.data();
  }
  return VA_STATUS_SUCCESS;
}

VAStatus unmap(VADriverContextP context, VABufferID id) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  return driver.buffer(id) ? VA_STATUS_SUCCESS : VA_STATUS_ERROR_INVALID_BUFFER;
}

VAStatus destroy(VADriverContextP context, VABufferID id) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  if (driver.buffers.erase(id) == 0) return VA_STATUS_ERROR_INVALID_BUFFER;
  count(&Counts::buffers, -1);
  return VA_STATUS_SUCCESS;
}

VAStatus sync(VADriverContextP context, VABufferID id, std::uint64_t /*timeout_ns*/) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  const auto buffer = driver.buffer(id);
  if (!buffer) return VA_STATUS_ERROR_INVALID_BUFFER;
  buffer->finish();
  return VA_STATUS_SUCCESS;
}

}  // namespace

VABufferID make_buffer(Driver& driver, VABufferType type, std::vector<std::uint8_t> bytes, unsigned elements) {
  auto buffer = std::make_shared<Buffer>();
  buffer->type = type;
  buffer->elements = elements;
  buffer->bytes = std::move(bytes);
  const VABufferID id = driver.next_id();
  driver.buffers.emplace(id, std::move(buffer));
  count(&Counts::buffers, 1);
  return id;
}

void fill_buffer(VADriverVTable& table) {
  table.vaCreateBuffer = create;
  table.vaBufferSetNumElements = set_elements;
  table.vaMapBuffer = map;
  table.vaUnmapBuffer = unmap;
  table.vaDestroyBuffer = destroy;
  table.vaSyncBuffer = sync;
}

}  // namespace zc::softva
