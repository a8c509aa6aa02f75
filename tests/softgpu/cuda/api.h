// Every function the stand-in exports, declared with the types that FFmpeg's loader gives it: a definition that differs
// does not compile. Below those, what newer loaders and programs ask for and that header lacks.
#pragma once

#include <ffnvcodec/dynlink_cuda.h>

#include <cstddef>
#include <cstdint>

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): these declare by type, without names
extern "C" {
tcuInit cuInit;
tcuDeviceGetCount cuDeviceGetCount;
tcuDeviceGet cuDeviceGet;
tcuDeviceGetAttribute cuDeviceGetAttribute;
tcuDeviceGetName cuDeviceGetName;
tcuDeviceGetUuid cuDeviceGetUuid;
tcuDeviceGetUuid cuDeviceGetUuid_v2;
tcuDeviceComputeCapability cuDeviceComputeCapability;
CUresult cuDeviceGetPCIBusId(char* text, int size, CUdevice device);
CUresult cuDeviceTotalMem_v2(std::size_t* size_bytes, CUdevice device);
CUresult cuDriverGetVersion(int* version);
tcuGetErrorName cuGetErrorName;
tcuGetErrorString cuGetErrorString;
CUresult cuGetProcAddress(const char* symbol, void** function, int version, std::uint64_t flags);
CUresult cuGetProcAddress_v2(const char* symbol, void** function, int version, std::uint64_t flags, int* found);

tcuCtxCreate_v2 cuCtxCreate_v2;
tcuCtxSetLimit cuCtxSetLimit;
tcuCtxPushCurrent_v2 cuCtxPushCurrent_v2;
tcuCtxPopCurrent_v2 cuCtxPopCurrent_v2;
tcuCtxDestroy_v2 cuCtxDestroy_v2;
tcuCtxGetDevice cuCtxGetDevice;
CUresult cuCtxGetCurrent(CUcontext* context);
CUresult cuCtxSetCurrent(CUcontext context);
CUresult cuCtxSynchronize();
tcuDevicePrimaryCtxRetain cuDevicePrimaryCtxRetain;
tcuDevicePrimaryCtxRelease cuDevicePrimaryCtxRelease;
tcuDevicePrimaryCtxRelease cuDevicePrimaryCtxRelease_v2;
tcuDevicePrimaryCtxSetFlags cuDevicePrimaryCtxSetFlags;
tcuDevicePrimaryCtxSetFlags cuDevicePrimaryCtxSetFlags_v2;
tcuDevicePrimaryCtxGetState cuDevicePrimaryCtxGetState;
tcuDevicePrimaryCtxReset cuDevicePrimaryCtxReset;
tcuDevicePrimaryCtxReset cuDevicePrimaryCtxReset_v2;

tcuMemAlloc_v2 cuMemAlloc_v2;
tcuMemAllocPitch_v2 cuMemAllocPitch_v2;
tcuMemAllocManaged cuMemAllocManaged;
tcuMemFree_v2 cuMemFree_v2;
CUresult cuMemHostAlloc(void** host, std::size_t size_bytes, unsigned flags);
CUresult cuMemFreeHost(void* host);
CUresult cuMemGetInfo_v2(std::size_t* free_bytes, std::size_t* total_bytes);
CUresult cuMemsetD8_v2(CUdeviceptr device, unsigned char value, std::size_t size_bytes);
tcuMemsetD8Async cuMemsetD8Async;
tcuMemcpy cuMemcpy;
tcuMemcpyAsync cuMemcpyAsync;
tcuMemcpyHtoD_v2 cuMemcpyHtoD_v2;
tcuMemcpyHtoDAsync_v2 cuMemcpyHtoDAsync_v2;
tcuMemcpyDtoH_v2 cuMemcpyDtoH_v2;
tcuMemcpyDtoHAsync_v2 cuMemcpyDtoHAsync_v2;
tcuMemcpyDtoD_v2 cuMemcpyDtoD_v2;
tcuMemcpyDtoDAsync_v2 cuMemcpyDtoDAsync_v2;
tcuMemcpy2D_v2 cuMemcpy2D_v2;
tcuMemcpy2D_v2 cuMemcpy2DUnaligned_v2;
tcuMemcpy2DAsync_v2 cuMemcpy2DAsync_v2;
tcuArray3DCreate cuArray3DCreate_v2;
CUresult cuArrayCreate_v2(CUarray* array, const void* descriptor);
tcuArrayDestroy cuArrayDestroy;

tcuStreamCreate cuStreamCreate;
CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned flags, int priority);
tcuStreamQuery cuStreamQuery;
tcuStreamSynchronize cuStreamSynchronize;
tcuStreamDestroy_v2 cuStreamDestroy_v2;
tcuStreamAddCallback cuStreamAddCallback;
CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags);
tcuEventCreate cuEventCreate;
tcuEventDestroy_v2 cuEventDestroy_v2;
tcuEventSynchronize cuEventSynchronize;
tcuEventQuery cuEventQuery;
tcuEventRecord cuEventRecord;
CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end);

tcuImportExternalMemory cuImportExternalMemory;
tcuExternalMemoryGetMappedBuffer cuExternalMemoryGetMappedBuffer;
tcuDestroyExternalMemory cuDestroyExternalMemory;
tcuImportExternalSemaphore cuImportExternalSemaphore;
tcuDestroyExternalSemaphore cuDestroyExternalSemaphore;
tcuSignalExternalSemaphoresAsync cuSignalExternalSemaphoresAsync;
tcuWaitExternalSemaphoresAsync cuWaitExternalSemaphoresAsync;

tcuGLGetDevices_v2 cuGLGetDevices_v2;
tcuGraphicsGLRegisterImage cuGraphicsGLRegisterImage;
CUresult cuGraphicsGLRegisterBuffer(CUgraphicsResource* resource, GLuint buffer, unsigned flags);
tcuGraphicsUnregisterResource cuGraphicsUnregisterResource;
tcuGraphicsMapResources cuGraphicsMapResources;
tcuGraphicsUnmapResources cuGraphicsUnmapResources;
tcuGraphicsSubResourceGetMappedArray cuGraphicsSubResourceGetMappedArray;
tcuGraphicsResourceGetMappedPointer cuGraphicsResourceGetMappedPointer_v2;
CUresult cuGraphicsResourceSetMapFlags_v2(CUgraphicsResource resource, unsigned flags);
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
