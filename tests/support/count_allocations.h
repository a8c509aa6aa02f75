// Replaces operator new to count: included by the one source file of a program.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace zc::test {
// operator new has no other place to count.
inline thread_local bool counting = false;        // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
inline std::atomic<bool> counting_all = false;    // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
inline std::atomic<std::size_t> allocations = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

inline void* counted(std::size_t bytes) {
  if (counting || counting_all.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(bytes)) return memory;  // NOLINT(cppcoreguidelines-no-malloc)
  throw std::bad_alloc();
}
}  // namespace zc::test

// Inlined, GCC 12 takes what they do for a mistake of their caller (-Wmismatched-new-delete).
[[gnu::noinline]] void* operator new(std::size_t bytes) { return zc::test::counted(bytes); }
[[gnu::noinline]] void* operator new[](std::size_t bytes) { return zc::test::counted(bytes); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }                           // NOLINT
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }                         // NOLINT
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*bytes*/) noexcept { std::free(memory); }    // NOLINT
[[gnu::noinline]] void operator delete[](void* memory, std::size_t /*bytes*/) noexcept { std::free(memory); }  // NOLINT
