// Streams and events. Everything has happened by the time a call returns, so there is nothing to wait for.
#include "softgpu/cuda/api.h"
#include "softgpu/cuda/driver.h"

using namespace zc::softgpu;  // NOLINT(google-build-using-namespace): this file only defines C functions

namespace {

CUresult with_stream(const char* function, CUstream stream) {
  return call(function, Needs::Context, [&](Driver& driver) -> Status {
    return driver.stream_alive(stream) ? Status{} : Status{kInvalidHandle, "not a live stream"};
  });
}

CUresult with_event(const char* function, CUevent event) {
  return call(function, Needs::Context, [&](Driver& driver) -> Status {
    return driver.events.has(event) ? Status{} : Status{kInvalidHandle, "not a live event"};
  });
}

}  // namespace

CUresult cuStreamCreate(CUstream* stream, unsigned flags) {
  return call(__func__, Needs::Context, [&](Driver& driver) -> Status {
    *stream = driver.streams.create({flags});
    return {};
  });
}

CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned flags, int /*priority*/) {
  return cuStreamCreate(stream, flags);
}

CUresult cuStreamDestroy_v2(CUstream stream) {
  return call(__func__, Needs::Release, [&](Driver& driver) -> Status {
    return driver.streams.destroy(stream) ? Status{} : Status{kInvalidHandle, "not a live stream"};
  });
}

CUresult cuStreamQuery(CUstream stream) { return with_stream(__func__, stream); }

CUresult cuStreamSynchronize(CUstream stream) { return with_stream(__func__, stream); }

CUresult cuStreamAddCallback(CUstream stream, CUstreamCallback* callback, void* user_data, unsigned /*flags*/) {
  const CUresult result = with_stream(__func__, stream);
  if (result == CUDA_SUCCESS) callback(stream, CUDA_SUCCESS, user_data);
  return result;
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned /*flags*/) {
  const CUresult result = with_stream(__func__, stream);
  return result == CUDA_SUCCESS ? with_event(__func__, event) : result;
}

CUresult cuEventCreate(CUevent* event, unsigned flags) {
  return call(__func__, Needs::Context, [&](Driver& driver) -> Status {
    *event = driver.events.create({flags});
    return {};
  });
}

CUresult cuEventDestroy_v2(CUevent event) {
  return call(__func__, Needs::Release, [&](Driver& driver) -> Status {
    return driver.events.destroy(event) ? Status{} : Status{kInvalidHandle, "not a live event"};
  });
}

CUresult cuEventSynchronize(CUevent event) { return with_event(__func__, event); }

CUresult cuEventQuery(CUevent event) { return with_event(__func__, event); }

CUresult cuEventRecord(CUevent event, CUstream stream) {
  const CUresult result = with_stream(__func__, stream);
  return result == CUDA_SUCCESS ? with_event(__func__, event) : result;
}

CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  *milliseconds = 0;
  const CUresult result = with_event(__func__, start);
  return result == CUDA_SUCCESS ? with_event(__func__, end) : result;
}
