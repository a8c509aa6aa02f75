#pragma once

#include "base/clock.h"

#include <cstdint>
#include <string_view>

namespace zc {

/// Names the calling thread (at most 15 characters; threads it starts inherit the name).
void name_this_thread(const char* name) noexcept;

/// CPU time the process has used, user and system, all threads, also ended ones.
[[nodiscard]] Nanoseconds process_cpu_time() noexcept;

/// CPU time of the live threads that carry this name, read from /proc/self/task; zero when /proc is not there.
/// Libraries' worker threads inherit the name of the thread that made them, so "zc-encode" covers an encoder's pool.
[[nodiscard]] Nanoseconds thread_cpu_time(std::string_view name);

/// Entries of a folder, such as /proc/self/fd (the one that reads it included); 0 when it is not there.
[[nodiscard]] std::uint64_t entries_of(const char* folder);

/// Resident memory in KiB; 0 when /proc is not there.
[[nodiscard]] std::uint64_t resident_kib();

}  // namespace zc
