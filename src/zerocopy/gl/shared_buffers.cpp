#include "zerocopy/gl/shared_buffers.h"

#include <algorithm>

namespace zc {
namespace {

constexpr const char* kWhat = "import a surface's memory into OpenGL ES";

}  // namespace

Result<GLuint> SharedBuffers::find_or_import(const VulkanBuffer& buffer) {
  const auto known = std::ranges::find(entries_, buffer.id(), &Entry::id);
  if (known != entries_.end()) return known->buffer.get();
  auto entry = import(buffer);
  if (!entry) return std::unexpected(std::move(entry.error()));
  entries_.push_back(std::move(*entry));
  return entries_.back().buffer.get();
}

void SharedBuffers::retain(std::span<const std::uint64_t> ids) {
  std::erase_if(entries_, [ids](const Entry& entry) { return std::ranges::find(ids, entry.id) == ids.end(); });
}

Result<SharedBuffers::Entry> SharedBuffers::import(const VulkanBuffer& buffer) const {
  if (const std::string missing = device_->gpu().missing_for(GlUse::SharedMemory); !missing.empty()) {
    return fail(ErrorKind::Unsupported, kWhat, "the driver has no " + missing);
  }
  const GlFunctions& gl = device_->gl();
  auto fd = buffer.export_fd();
  if (!fd) return std::unexpected(std::move(fd.error()));
  Entry entry{buffer.id(), GlObject::memory_object(device_), GlObject::buffer(device_)};
  const GLint dedicated = GL_TRUE;
  gl.MemoryObjectParameterivEXT(entry.memory.get(), GL_DEDICATED_MEMORY_OBJECT_EXT, &dedicated);
  if (auto fine = check_gl(gl, kWhat); !fine) return std::unexpected(std::move(fine.error()));
  gl.ImportMemoryFdEXT(entry.memory.get(), buffer.allocation_bytes(), GL_HANDLE_TYPE_OPAQUE_FD_EXT, fd->get());
  if (auto fine = check_gl(gl, kWhat); !fine) return std::unexpected(std::move(fine.error()));
  // "Ownership is transferred upon success": GL_EXT_memory_object_fd.
  static_cast<void>(fd->release());
  gl.BindBuffer(GL_SHADER_STORAGE_BUFFER, entry.buffer.get());
  gl.BufferStorageMemEXT(GL_SHADER_STORAGE_BUFFER, static_cast<GLsizeiptr>(buffer.bytes()), entry.memory.get(), 0);
  gl.BindBuffer(GL_SHADER_STORAGE_BUFFER, 0);
  if (auto fine = check_gl(gl, kWhat); !fine) return std::unexpected(std::move(fine.error()));
  device_->counters().memories.fetch_add(1, std::memory_order_relaxed);
  return entry;
}

}  // namespace zc
