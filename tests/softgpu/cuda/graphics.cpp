// OpenGL textures as CUDA arrays, and its buffers as memory: each mapping reads them back.
#include "softgpu/cuda/api.h"
#include "softgpu/cuda/driver.h"
#include "softgpu/cuda/gl_objects.h"

#include <GLES3/gl31.h>

#include <span>

using namespace zc::softgpu;  // NOLINT(google-build-using-namespace): this file only defines C functions

namespace {

constexpr unsigned kReadOnly = 1;  // CU_GRAPHICS_REGISTER_FLAGS_READ_ONLY

Status map_buffer(Driver& driver, CUgraphicsResource_st& resource) {
  if (const Status status = read_buffer(resource.name, &resource.bytes); status.code != kSuccess) return status;
  resource.address = reinterpret_cast<std::uintptr_t>(resource.bytes.data()) | Driver::kDeviceBit;
  driver.allocations.emplace(resource.address, Allocation{.host = resource.bytes.data(),
                                                          .size_bytes = resource.bytes.size(),
                                                          .storage = {},
                                                          .context = context_stack().back()});
  return {};
}

void unmap_buffer(Driver& driver, CUgraphicsResource_st& resource) {
  driver.allocations.erase(resource.address);
  resource.address = 0;
}

/// Runs `body(resource) -> Status` for each; the first failure ends it.
template <class Body>
CUresult for_each(const char* function, Needs needs, unsigned count, CUgraphicsResource* resources, Body body) {
  return call(function, needs, [&](Driver& driver) -> Status {
    for (CUgraphicsResource resource : std::span(resources, count)) {
      if (!driver.graphics_resources.has(resource)) return {kInvalidHandle, "not a registered resource"};
      if (const Status status = body(*resource); status.code != kSuccess) return status;
    }
    return {};
  });
}

}  // namespace

CUresult cuGraphicsGLRegisterImage(CUgraphicsResource* resource, GLuint texture, GLenum target, unsigned /*flags*/) {
  return call(__func__, Needs::Context, [&](Driver& driver) -> Status {
    if (!gl_context_current()) return {kInvalidGraphicsContext, "no OpenGL context is current on this thread"};
    if (target != GL_TEXTURE_2D) return {kInvalidValue, "only GL_TEXTURE_2D"};
    CUgraphicsResource_st made{.name = texture};
    if (const Status status = read_texture(texture, made.array); status.code != kSuccess) return status;
    *resource = driver.graphics_resources.create(std::move(made));
    return {};
  });
}

CUresult cuGraphicsGLRegisterBuffer(CUgraphicsResource* resource, GLuint buffer, unsigned flags) {
  return call(__func__, Needs::Context, [&](Driver& driver) -> Status {
    if (!gl_context_current()) return {kInvalidGraphicsContext, "no OpenGL context is current on this thread"};
    if (flags != kReadOnly) return {kNotSupported, "buffers are only read here: CU_GRAPHICS_REGISTER_FLAGS_READ_ONLY"};
    if (const Status status = read_buffer(buffer, nullptr); status.code != kSuccess) return status;
    *resource = driver.graphics_resources.create({.name = buffer, .is_buffer = true});
    return {};
  });
}

CUresult cuGraphicsResourceSetMapFlags_v2(CUgraphicsResource resource, unsigned /*flags*/) {
  return for_each(__func__, Needs::Context, 1, &resource, [](CUgraphicsResource_st&) { return Status{}; });
}

CUresult cuGraphicsMapResources(unsigned count, CUgraphicsResource* resources, CUstream /*stream*/) {
  return for_each(__func__, Needs::Context, count, resources, [](CUgraphicsResource_st& resource) -> Status {
    if (resource.mapped) return {kAlreadyMapped, "mapped twice"};
    if (!gl_context_current()) return {kInvalidGraphicsContext, "no OpenGL context is current on this thread"};
    const Status status =
        resource.is_buffer ? map_buffer(Driver::instance(), resource) : read_texture(resource.name, resource.array);
    if (status.code != kSuccess) return status;
    resource.mapped = true;
    return {};
  });
}

CUresult cuGraphicsSubResourceGetMappedArray(CUarray* array, CUgraphicsResource resource, unsigned index,
                                             unsigned level) {
  return for_each(__func__, Needs::Context, 1, &resource, [&](CUgraphicsResource_st& found) -> Status {
    if (!found.mapped) return {kNotMapped, "not mapped"};
    if (found.is_buffer) return {kNotMappedAsArray, "a buffer"};
    if (index != 0 || level != 0) return {kInvalidValue, "a 2D texture has index 0, and level 0 is what is read"};
    *array = &found.array;
    return {};
  });
}

CUresult cuGraphicsResourceGetMappedPointer_v2(CUdeviceptr* device, std::size_t* size_bytes,
                                               CUgraphicsResource resource) {
  return for_each(__func__, Needs::Context, 1, &resource, [&](CUgraphicsResource_st& found) -> Status {
    if (!found.mapped) return {kNotMapped, "not mapped"};
    if (!found.is_buffer) return {kNotMappedAsPointer, "a texture"};
    *device = found.address;
    *size_bytes = found.bytes.size();
    return {};
  });
}

CUresult cuGraphicsUnmapResources(unsigned count, CUgraphicsResource* resources, CUstream /*stream*/) {
  return for_each(__func__, Needs::Release, count, resources, [](CUgraphicsResource_st& resource) -> Status {
    if (!resource.mapped) return {kNotMapped, "not mapped"};
    if (resource.is_buffer) unmap_buffer(Driver::instance(), resource);
    resource.mapped = false;
    return {};
  });
}

CUresult cuGraphicsUnregisterResource(CUgraphicsResource resource) {
  return call(__func__, Needs::Release, [&](Driver& driver) -> Status {
    if (driver.graphics_resources.has(resource) && resource->is_buffer && resource->mapped) {
      unmap_buffer(driver, *resource);
    }
    return driver.graphics_resources.destroy(resource) ? Status{} : Status{kInvalidHandle, "not registered"};
  });
}
