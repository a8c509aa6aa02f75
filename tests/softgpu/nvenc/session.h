// One encode session.
#pragma once

#include "softgpu/codecs/codec.h"
#include "softgpu/nvenc/config.h"
#include "softgpu/nvenc/formats.h"

#include <ffnvcodec/nvEncodeAPI.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace zc::softgpu {

/// How a call ended; `why` for nvEncGetLastErrorString() and the log.
struct EncodeStatus {
  NVENCSTATUS code = NV_ENC_SUCCESS;
  const char* why = "";
};

/// The members of NV_ENCODE_API_FUNCTION_LIST that take a session, each called with `mutex` held. Pictures are taken in
/// by encode_picture() and read as late as NVENC may: when their output is locked. Whoever writes into an input before
/// that sees it in the picture.
class Session {
 public:
  Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  EncodeStatus codec_count(std::uint32_t* count);
  EncodeStatus codecs(GUID* guids, std::uint32_t size, std::uint32_t* count);
  EncodeStatus format_count(GUID codec, std::uint32_t* count);
  EncodeStatus formats(GUID codec, NV_ENC_BUFFER_FORMAT* formats, std::uint32_t size, std::uint32_t* count);
  EncodeStatus capabilities(GUID codec, NV_ENC_CAPS_PARAM* params, int* value);
  EncodeStatus preset_count(GUID codec, std::uint32_t* count);
  EncodeStatus presets(GUID codec, GUID* guids, std::uint32_t size, std::uint32_t* count);
  EncodeStatus preset(GUID codec, GUID preset, NV_ENC_PRESET_CONFIG* params);
  EncodeStatus preset_tuned(GUID codec, GUID preset, NV_ENC_TUNING_INFO tuning, NV_ENC_PRESET_CONFIG* params);

  EncodeStatus initialize(NV_ENC_INITIALIZE_PARAMS* params);
  EncodeStatus reconfigure(NV_ENC_RECONFIGURE_PARAMS* params);
  EncodeStatus set_streams(NV_ENC_CUSTREAM_PTR input, NV_ENC_CUSTREAM_PTR output);
  EncodeStatus sequence_params(NV_ENC_SEQUENCE_PARAM_PAYLOAD* params);

  EncodeStatus create_input(NV_ENC_CREATE_INPUT_BUFFER* params);
  EncodeStatus destroy_input(NV_ENC_INPUT_PTR handle);
  EncodeStatus lock_input(NV_ENC_LOCK_INPUT_BUFFER* params);
  EncodeStatus unlock_input(NV_ENC_INPUT_PTR handle);
  EncodeStatus register_resource(NV_ENC_REGISTER_RESOURCE* params);
  EncodeStatus unregister_resource(NV_ENC_REGISTERED_PTR handle);
  EncodeStatus map_resource(NV_ENC_MAP_INPUT_RESOURCE* params);
  EncodeStatus unmap_resource(NV_ENC_INPUT_PTR handle);
  EncodeStatus create_output(NV_ENC_CREATE_BITSTREAM_BUFFER* params);
  EncodeStatus destroy_output(NV_ENC_OUTPUT_PTR handle);

  EncodeStatus encode_picture(NV_ENC_PIC_PARAMS* params);
  EncodeStatus lock_output(NV_ENC_LOCK_BITSTREAM* params);
  EncodeStatus unlock_output(NV_ENC_OUTPUT_PTR handle);

  std::mutex mutex;
  std::string last_error;

 private:
  /// An input buffer of the session's own, or memory of the device that was registered.
  struct Input {
    const InputFormat* format = nullptr;
    unsigned width = 0;  ///< px
    unsigned height = 0;
    std::uint32_t pitch = 0;   ///< bytes
    std::uint64_t device = 0;  ///< 0: the bytes are `memory`
    std::vector<std::uint8_t> memory;
    bool mapped = false;
    bool locked = false;
    unsigned in_flight = 0;
  };
  struct Output {
    enum class State { Idle, Queued, Ready, Failed, Locked };
    State state = State::Idle;
    Encoded packet;
    std::uint64_t timestamp = 0;
    std::uint64_t duration = 0;
    std::uint32_t index = 0;
  };
  struct Job {
    Input* input;
    Output* output;
    std::uint32_t flags;
  };

  template <class T>
  using Owned = std::unordered_map<void*, std::unique_ptr<T>>;
  template <class T>
  [[nodiscard]] static T* find(const Owned<T>& owned, void* handle) {
    const auto found = owned.find(handle);
    return found == owned.end() ? nullptr : found->second.get();
  }

  [[nodiscard]] EncodeStatus needs_encoder() const;
  void run_next();
  [[nodiscard]] bool run(const Job& job);

  NV_ENC_INITIALIZE_PARAMS params_{};
  NV_ENC_CONFIG config_{};
  CodecSettings settings_;
  std::unique_ptr<SoftCodec> codec_;
  Owned<Input> inputs_;
  Owned<Output> outputs_;
  std::deque<Job> jobs_;
  Picture picture_;
  std::uint32_t submitted_ = 0;
  std::uint32_t since_anchor_ = 0;  ///< pictures queued since the last one that let outputs out
  std::uint32_t held_back_ = 0;     ///< pictures in the look-ahead
  bool force_idr_ = false;
};

}  // namespace zc::softgpu
