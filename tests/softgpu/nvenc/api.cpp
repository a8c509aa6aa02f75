// The two exported functions, and the table of all the others.
#include "softgpu/control.h"
#include "softgpu/nvenc/session.h"

#include <mutex>
#include <unordered_map>

namespace zc::softgpu {
namespace {

/// Live sessions by handle. Lives until the process ends: programs close encoders from their own static destructors.
struct Sessions {
  std::mutex mutex;
  std::unordered_map<void*, std::shared_ptr<Session>> live;

  static Sessions& instance() {
    static Sessions& sessions = *new Sessions;
    return sessions;
  }
  std::shared_ptr<Session> find(void* handle) {
    const std::lock_guard lock(mutex);
    const auto found = live.find(handle);
    return found == live.end() ? nullptr : found->second;
  }
};

NVENCSTATUS finish(const char* function, EncodeStatus status) {
  if (status.code != NV_ENC_SUCCESS && status.code != NV_ENC_ERR_NEED_MORE_INPUT) {
    softgpu_log("nvenc", function, status.code, status.why);
  }
  return status.code;
}

/// What gives something back, and works on a lost device too.
enum class OnLoss { Refuse, Release };

/// The C function of a member of Session.
template <auto Method, OnLoss Loss>
struct Entry;
template <class... Args, EncodeStatus (Session::*Method)(Args...), OnLoss Loss>
struct Entry<Method, Loss> {
  static NVENCSTATUS NVENCAPI call(void* handle, Args... args) {
    const std::shared_ptr<Session> session = Sessions::instance().find(handle);
    if (session == nullptr) return finish("nvEnc", {NV_ENC_ERR_INVALID_PTR, "not a live session"});
    const std::lock_guard lock(session->mutex);
    const bool lost = softgpu_device_lost();
    EncodeStatus status;
    if (!lost || Loss == OnLoss::Release) status = (session.get()->*Method)(args...);
    if (lost) status = {NV_ENC_ERR_DEVICE_NOT_EXIST, "the device is lost"};
    session->last_error = status.why;
    return finish("nvEnc", status);
  }
};

template <auto Method>
constexpr auto kEntry = &Entry<Method, OnLoss::Refuse>::call;
template <auto Method>
constexpr auto kRelease = &Entry<Method, OnLoss::Release>::call;

NVENCSTATUS NVENCAPI open_session(NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS* params, void** handle) {
  if (params->version != NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER || params->apiVersion != NVENCAPI_VERSION) {
    return finish(__func__, {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS"});
  }
  if (softgpu_device_lost()) return finish(__func__, {NV_ENC_ERR_DEVICE_NOT_EXIST, "the device is lost"});
  if (const auto code = softgpu_fault(Fault::Open); code != 0) {
    return finish(__func__, {static_cast<NVENCSTATUS>(code), "fault 'open'"});
  }
  const std::uint64_t opening = softgpu_count_opening();
  if (const auto from = softgpu_fault(Fault::HangOpen); from != 0 && opening >= from) softgpu_hang();
  if (params->deviceType != NV_ENC_DEVICE_TYPE_CUDA || !softgpu_context_alive(params->device)) {
    return finish(__func__, {NV_ENC_ERR_INVALID_ENCODERDEVICE, "not a live CUDA context"});
  }
  auto session = std::make_shared<Session>();
  *handle = session.get();
  Sessions& sessions = Sessions::instance();
  const std::lock_guard lock(sessions.mutex);
  sessions.live.emplace(session.get(), std::move(session));
  return NV_ENC_SUCCESS;
}

NVENCSTATUS NVENCAPI destroy_session(void* handle) {
  Sessions& sessions = Sessions::instance();
  std::shared_ptr<Session> session;  // dies after the lock
  {
    const std::lock_guard lock(sessions.mutex);
    auto node = sessions.live.extract(handle);
    if (node.empty()) return finish(__func__, {NV_ENC_ERR_INVALID_PTR, "not a live session"});
    session = std::move(node.mapped());
  }
  return softgpu_device_lost() ? NV_ENC_ERR_DEVICE_NOT_EXIST : NV_ENC_SUCCESS;
}

const char* NVENCAPI last_error(void* handle) {
  const std::shared_ptr<Session> session = Sessions::instance().find(handle);
  return session == nullptr ? "" : session->last_error.c_str();
}

}  // namespace
}  // namespace zc::softgpu

using namespace zc::softgpu;  // NOLINT(google-build-using-namespace): only C functions below

// The header has them where it is used without its loader only.
// NOLINTBEGIN(readability-redundant-declaration)
extern "C" {
NVENCSTATUS NVENCAPI NvEncodeAPIGetMaxSupportedVersion(std::uint32_t* version);
NVENCSTATUS NVENCAPI NvEncodeAPICreateInstance(NV_ENCODE_API_FUNCTION_LIST* list);
}
// NOLINTEND(readability-redundant-declaration)

NVENCSTATUS NVENCAPI NvEncodeAPIGetMaxSupportedVersion(std::uint32_t* version) {
  *version = (NVENCAPI_MAJOR_VERSION << 4) | NVENCAPI_MINOR_VERSION;
  return NV_ENC_SUCCESS;
}

NVENCSTATUS NVENCAPI NvEncodeAPICreateInstance(NV_ENCODE_API_FUNCTION_LIST* list) {
  if (list->version != NV_ENCODE_API_FUNCTION_LIST_VER) {
    return finish(__func__, {NV_ENC_ERR_INVALID_VERSION, "NV_ENCODE_API_FUNCTION_LIST"});
  }
  list->nvEncOpenEncodeSessionEx = open_session;
  list->nvEncDestroyEncoder = destroy_session;
  list->nvEncGetLastErrorString = last_error;
  list->nvEncGetEncodeGUIDCount = kEntry<&Session::codec_count>;
  list->nvEncGetEncodeGUIDs = kEntry<&Session::codecs>;
  list->nvEncGetInputFormatCount = kEntry<&Session::format_count>;
  list->nvEncGetInputFormats = kEntry<&Session::formats>;
  list->nvEncGetEncodeCaps = kEntry<&Session::capabilities>;
  list->nvEncGetEncodePresetCount = kEntry<&Session::preset_count>;
  list->nvEncGetEncodePresetGUIDs = kEntry<&Session::presets>;
  list->nvEncGetEncodePresetConfig = kEntry<&Session::preset>;
  list->nvEncGetEncodePresetConfigEx = kEntry<&Session::preset_tuned>;
  list->nvEncInitializeEncoder = kEntry<&Session::initialize>;
  list->nvEncReconfigureEncoder = kEntry<&Session::reconfigure>;
  list->nvEncSetIOCudaStreams = kEntry<&Session::set_streams>;
  list->nvEncGetSequenceParams = kEntry<&Session::sequence_params>;
  list->nvEncCreateInputBuffer = kEntry<&Session::create_input>;
  list->nvEncDestroyInputBuffer = kRelease<&Session::destroy_input>;
  list->nvEncLockInputBuffer = kEntry<&Session::lock_input>;
  list->nvEncUnlockInputBuffer = kRelease<&Session::unlock_input>;
  list->nvEncRegisterResource = kEntry<&Session::register_resource>;
  list->nvEncUnregisterResource = kRelease<&Session::unregister_resource>;
  list->nvEncMapInputResource = kEntry<&Session::map_resource>;
  list->nvEncUnmapInputResource = kRelease<&Session::unmap_resource>;
  list->nvEncCreateBitstreamBuffer = kEntry<&Session::create_output>;
  list->nvEncDestroyBitstreamBuffer = kRelease<&Session::destroy_output>;
  list->nvEncEncodePicture = kEntry<&Session::encode_picture>;
  list->nvEncLockBitstream = kEntry<&Session::lock_output>;
  list->nvEncUnlockBitstream = kRelease<&Session::unlock_output>;
  return NV_ENC_SUCCESS;
}
