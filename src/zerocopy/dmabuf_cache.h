#pragma once

#include "base/error.h"
#include "media/dmabuf.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace zc {

/// What a driver made of dmabufs. Each is imported once and stays so as long as its Dmabuf object lives. Looked up by
/// the object, never by the number of its file descriptor, which the system gives to the next buffer. One thread.
template <class Imported>
class DmabufCache {
 public:
  /// In its place until trim() after the dmabuf's end. `import`: of a Dmabuf to a Result<Imported>; its errors.
  template <class Import>
  [[nodiscard]] Result<Imported*> find_or(const std::shared_ptr<const Dmabuf>& dmabuf, Import&& import) {
    trim();
    // What is left is alive, so its address is its identity.
    const auto known = std::ranges::find(entries_, dmabuf.get(), &Entry::identity);
    if (known != entries_.end()) return known->imported.get();
    Result<Imported> imported = std::forward<Import>(import)(*dmabuf);
    if (!imported) return std::unexpected(std::move(imported.error()));
    entries_.push_back({dmabuf, dmabuf.get(), std::make_unique<Imported>(std::move(*imported))});
    return entries_.back().imported.get();
  }
  /// Lets go of dmabufs whose object is gone. Nothing may be running on them.
  void trim() {
    std::erase_if(entries_, [](const Entry& entry) { return entry.dmabuf.expired(); });
  }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::weak_ptr<const Dmabuf> dmabuf;
    const Dmabuf* identity = nullptr;
    std::unique_ptr<Imported> imported;
  };
  std::vector<Entry> entries_;
};

}  // namespace zc
