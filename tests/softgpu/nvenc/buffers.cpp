// A session's inputs and outputs.
#include "softgpu/control.h"
#include "softgpu/nvenc/session.h"

namespace zc::softgpu {
namespace {

constexpr std::uint32_t kPitchAlignment = 512;
/// What nobody has written must not look like black.
constexpr std::uint8_t kFresh = 0xCD;

constexpr EncodeStatus kBadFormat{NV_ENC_ERR_UNSUPPORTED_PARAM, "input format"};
constexpr EncodeStatus kNotAnInput{NV_ENC_ERR_INVALID_PARAM, "not an input buffer of this session"};

}  // namespace

EncodeStatus Session::create_input(NV_ENC_CREATE_INPUT_BUFFER* params) {
  if (params->version != NV_ENC_CREATE_INPUT_BUFFER_VER) {
    return {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_CREATE_INPUT_BUFFER"};
  }
  if (const EncodeStatus status = needs_encoder(); status.code != NV_ENC_SUCCESS) return status;
  const InputFormat* format = find_input_format(params->bufferFmt);
  if (format == nullptr) return kBadFormat;
  auto input = std::make_unique<Input>();
  input->format = format;
  input->width = params->width;
  input->height = params->height;
  input->pitch = (params->width * format->pixel_bytes + kPitchAlignment - 1) / kPitchAlignment * kPitchAlignment;
  input->memory.assign(format->picture_bytes(input->pitch, input->height), kFresh);
  input->mapped = true;
  params->inputBuffer = input.get();
  inputs_.emplace(input.get(), std::move(input));
  return {};
}

EncodeStatus Session::destroy_input(NV_ENC_INPUT_PTR handle) {
  const Input* input = find(inputs_, handle);
  if (input == nullptr || input->device != 0) return kNotAnInput;
  if (input->in_flight > 0) std::erase_if(jobs_, [&](const Job& job) { return job.input == input; });
  inputs_.erase(handle);
  return {};
}

EncodeStatus Session::lock_input(NV_ENC_LOCK_INPUT_BUFFER* params) {
  if (params->version != NV_ENC_LOCK_INPUT_BUFFER_VER) return {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_LOCK_INPUT_BUFFER"};
  Input* input = find(inputs_, params->inputBuffer);
  if (input == nullptr || input->device != 0) return kNotAnInput;
  if (input->in_flight > 0) return {NV_ENC_ERR_LOCK_BUSY, "its picture has not been encoded yet"};
  input->locked = true;
  params->bufferDataPtr = input->memory.data();
  params->pitch = input->pitch;
  return {};
}

EncodeStatus Session::unlock_input(NV_ENC_INPUT_PTR handle) {
  Input* input = find(inputs_, handle);
  if (input == nullptr || !input->locked) return {NV_ENC_ERR_INVALID_PARAM, "not locked"};
  input->locked = false;
  return {};
}

EncodeStatus Session::register_resource(NV_ENC_REGISTER_RESOURCE* params) {
  if (params->version != NV_ENC_REGISTER_RESOURCE_VER) return {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_REGISTER_RESOURCE"};
  if (const auto code = softgpu_fault(Fault::Register); code != 0) {
    return {static_cast<NVENCSTATUS>(code), "fault 'register'"};
  }
  if (params->resourceType != NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR) {
    return {NV_ENC_ERR_UNSUPPORTED_PARAM, "only CUDADEVICEPTR"};
  }
  const auto imported = softgpu_fault(Fault::RegisterImported);
  if (imported != 0 && softgpu_imported(reinterpret_cast<std::uintptr_t>(params->resourceToRegister))) {
    return {static_cast<NVENCSTATUS>(imported), "fault 'register-imported'"};
  }
  const InputFormat* format = find_input_format(params->bufferFormat);
  if (format == nullptr) return kBadFormat;
  if (params->pitch % 4 != 0 || params->pitch < params->width * format->pixel_bytes) {
    return {NV_ENC_ERR_INVALID_PARAM, "pitch"};
  }
  const auto device = reinterpret_cast<std::uintptr_t>(params->resourceToRegister);
  if (softgpu_host_address(device, format->picture_bytes(params->pitch, params->height)) == nullptr) {
    return {NV_ENC_ERR_RESOURCE_REGISTER_FAILED, "a picture of this pitch and height is not inside of an allocation"};
  }
  auto input = std::make_unique<Input>();
  input->format = format;
  input->width = params->width;
  input->height = params->height;
  input->pitch = params->pitch;
  input->device = device;
  params->registeredResource = input.get();
  softgpu_count_registration();
  inputs_.emplace(input.get(), std::move(input));
  return {};
}

EncodeStatus Session::unregister_resource(NV_ENC_REGISTERED_PTR handle) {
  const Input* input = find(inputs_, handle);
  if (input == nullptr || input->device == 0) return {NV_ENC_ERR_RESOURCE_NOT_REGISTERED, "unknown resource"};
  if (input->mapped) return {NV_ENC_ERR_INVALID_CALL, "still mapped"};
  inputs_.erase(handle);
  return {};
}

EncodeStatus Session::map_resource(NV_ENC_MAP_INPUT_RESOURCE* params) {
  if (params->version != NV_ENC_MAP_INPUT_RESOURCE_VER) {
    return {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_MAP_INPUT_RESOURCE"};
  }
  Input* input = find(inputs_, params->registeredResource);
  if (input == nullptr || input->device == 0) return {NV_ENC_ERR_RESOURCE_NOT_REGISTERED, "unknown resource"};
  if (input->mapped) return {NV_ENC_ERR_MAP_FAILED, "mapped already"};
  input->mapped = true;
  params->mappedResource = input;
  params->mappedBufferFmt = input->format->format;
  return {};
}

EncodeStatus Session::unmap_resource(NV_ENC_INPUT_PTR handle) {
  Input* input = find(inputs_, handle);
  if (input == nullptr || input->device == 0 || !input->mapped) return {NV_ENC_ERR_RESOURCE_NOT_MAPPED, "not mapped"};
  // Closing an encoder that failed leaves pictures behind that nobody will fetch.
  std::erase_if(jobs_, [&](const Job& job) { return job.input == input; });
  input->in_flight = 0;
  input->mapped = false;
  return {};
}

EncodeStatus Session::create_output(NV_ENC_CREATE_BITSTREAM_BUFFER* params) {
  if (params->version != NV_ENC_CREATE_BITSTREAM_BUFFER_VER) {
    return {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_CREATE_BITSTREAM_BUFFER"};
  }
  if (const EncodeStatus status = needs_encoder(); status.code != NV_ENC_SUCCESS) return status;
  auto output = std::make_unique<Output>();
  params->bitstreamBuffer = output.get();
  outputs_.emplace(output.get(), std::move(output));
  return {};
}

EncodeStatus Session::destroy_output(NV_ENC_OUTPUT_PTR handle) {
  std::erase_if(jobs_, [&](const Job& job) { return job.output == handle; });
  if (outputs_.erase(handle) == 0) return {NV_ENC_ERR_INVALID_PARAM, "not an output buffer of this session"};
  return {};
}

}  // namespace zc::softgpu
