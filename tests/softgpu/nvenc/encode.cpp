// A session's pictures: queued by encode_picture(), read and encoded when their output is locked.
#include "softgpu/control.h"
#include "softgpu/nvenc/session.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace zc::softgpu {

EncodeStatus Session::encode_picture(NV_ENC_PIC_PARAMS* params) {
  if (params->version != NV_ENC_PIC_PARAMS_VER) return {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_PIC_PARAMS"};
  if (const EncodeStatus status = needs_encoder(); status.code != NV_ENC_SUCCESS) return status;
  if (!softgpu_context_current()) return {NV_ENC_ERR_INVALID_CALL, "no CUDA context is current on this thread"};
  if ((params->encodePicFlags & NV_ENC_PIC_FLAG_EOS) != 0) {  // comes again and again while an encoder drains
    since_anchor_ = 0;
    held_back_ = 0;
    return {};
  }
  Input* input = find(inputs_, params->inputBuffer);
  Output* output = find(outputs_, params->outputBitstream);
  if (input == nullptr) return {NV_ENC_ERR_INVALID_PARAM, "not an input of this session"};
  if (!input->mapped) return {NV_ENC_ERR_RESOURCE_NOT_MAPPED, "the input is not mapped"};
  if (input->locked) return {NV_ENC_ERR_INVALID_PARAM, "the input is locked"};
  if (input->width < settings_.width || input->height < settings_.height) {
    return {NV_ENC_ERR_INVALID_PARAM, "the input is smaller than the picture"};
  }
  if (params->bufferFmt != input->format->format) return {NV_ENC_ERR_INVALID_PARAM, "bufferFmt"};
  if (output == nullptr || output->state != Output::State::Idle) {
    return {NV_ENC_ERR_INVALID_PARAM, "the output is not free"};
  }
  if (params->pictureStruct != NV_ENC_PIC_STRUCT_FRAME) return {NV_ENC_ERR_UNSUPPORTED_PARAM, "only whole frames"};

  ++submitted_;
  softgpu_count_frame();
  if (softgpu_device_lost()) return {NV_ENC_ERR_DEVICE_NOT_EXIST, "the device is lost"};
  if (submitted_ == softgpu_fault(Fault::Hang)) softgpu_hang();
  if (submitted_ == softgpu_fault(Fault::Encode)) return {NV_ENC_ERR_GENERIC, "fault 'encode'"};
  ++input->in_flight;
  output->state = Output::State::Queued;
  output->timestamp = params->inputTimeStamp;
  output->duration = params->inputDuration;
  output->index = submitted_ - 1;
  jobs_.push_back({input, output, params->encodePicFlags});

  const auto stall = softgpu_fault(Fault::Stall);
  if (stall != 0 && submitted_ >= stall) return {NV_ENC_ERR_NEED_MORE_INPUT, ""};
  const std::uint32_t lookahead = config_.rcParams.enableLookahead != 0 ? config_.rcParams.lookaheadDepth : 0;
  if (++held_back_ <= lookahead) return {NV_ENC_ERR_NEED_MORE_INPUT, ""};
  // Every frameIntervalP-th picture is an anchor; those between wait for it, as B-frames would.
  const auto interval = static_cast<std::uint32_t>(std::max(1, config_.frameIntervalP));
  if (submitted_ > 1 && ++since_anchor_ < interval) return {NV_ENC_ERR_NEED_MORE_INPUT, ""};
  since_anchor_ = 0;
  return {};
}

void Session::run_next() {
  const Job job = jobs_.front();
  jobs_.pop_front();
  job.output->state = run(job) ? Output::State::Ready : Output::State::Failed;
  --job.input->in_flight;
}

bool Session::run(const Job& job) {
  const Input& input = *job.input;
  if (const auto slow_ms = softgpu_fault(Fault::SlowMs); slow_ms != 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(slow_ms));
  }
  const std::uint8_t* data =
      input.device == 0 ? input.memory.data()
                        : softgpu_host_address(input.device, input.format->picture_bytes(input.pitch, input.height));
  if (data == nullptr) return false;  // freed while it was registered
  picture_.depth = settings_.depth;
  if (!read_input(*input.format, {data, input.width, input.height, input.pitch}, picture_)) return false;

  const bool idr = std::exchange(force_idr_, false) || (job.flags & NV_ENC_PIC_FLAG_FORCEIDR) != 0;
  const bool intra = (job.flags & NV_ENC_PIC_FLAG_FORCEINTRA) != 0;
  Encoded& packet = job.output->packet;
  if (!codec_->encode(picture_, idr ? Force::Idr : intra ? Force::Intra : Force::None, packet)) return false;
  if ((job.flags & NV_ENC_PIC_FLAG_OUTPUT_SPSPPS) != 0 && !settings_.repeat_headers) {
    const auto headers = codec_->headers();
    packet.bytes.insert(packet.bytes.begin(), headers.begin(), headers.end());
  }
  return !packet.bytes.empty();
}

EncodeStatus Session::lock_output(NV_ENC_LOCK_BITSTREAM* params) {
  if (params->version != NV_ENC_LOCK_BITSTREAM_VER) return {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_LOCK_BITSTREAM"};
  Output* output = find(outputs_, params->outputBitstream);
  if (output == nullptr) return {NV_ENC_ERR_INVALID_PARAM, "not an output of this session"};
  while (output->state == Output::State::Queued && !jobs_.empty()) run_next();
  if (output->state == Output::State::Failed) {
    output->state = Output::State::Idle;
    return {NV_ENC_ERR_GENERIC, "the input cannot be read, or the software encoder failed"};
  }
  if (output->state != Output::State::Ready) return {NV_ENC_ERR_INVALID_PARAM, "nothing was encoded into this output"};
  output->state = Output::State::Locked;

  Encoded& packet = output->packet;
  params->bitstreamBufferPtr = packet.bytes.data();
  params->bitstreamSizeInBytes = static_cast<std::uint32_t>(packet.bytes.size());
  params->outputTimeStamp = output->timestamp;
  params->outputDuration = output->duration;
  params->pictureType = packet.kind == PictureKind::Idr     ? NV_ENC_PIC_TYPE_IDR
                        : packet.kind == PictureKind::Intra ? NV_ENC_PIC_TYPE_I
                                                            : NV_ENC_PIC_TYPE_P;
  params->pictureStruct = NV_ENC_PIC_STRUCT_FRAME;
  params->frameAvgQP = packet.qp;
  params->frameIdx = output->index;
  params->numSlices = 1;
  params->hwEncodeStatus = 2;  // completed
  if (params->sliceOffsets != nullptr) params->sliceOffsets[0] = 0;
  return {};
}

EncodeStatus Session::unlock_output(NV_ENC_OUTPUT_PTR handle) {
  Output* output = find(outputs_, handle);
  if (output == nullptr || output->state != Output::State::Locked) return {NV_ENC_ERR_INVALID_PARAM, "not locked"};
  output->state = Output::State::Idle;
  return {};
}

}  // namespace zc::softgpu
