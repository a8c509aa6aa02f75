// Small files of the user's own that outlive the program: tokens, caches.
#pragma once

#include "base/error.h"
#include "base/unique_fd.h"

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace zc {

/// The folder that the XDG base directory specification's `variable` names ("XDG_CACHE_HOME"), or `below_home`
/// (".cache") in the user's home. NotFound: neither that variable nor HOME holds an absolute path.
[[nodiscard]] Result<std::filesystem::path> xdg_folder(const char* variable, std::string_view below_home);

/// Makes the folder and those above it that are missing, with mode 0700.
[[nodiscard]] Result<void> make_private_folders(const std::filesystem::path& folder);

/// At most `max_bytes` of a file, from its beginning; empty when there is none. Never waits for the writer of a FIFO.
[[nodiscard]] Result<std::string> read_small_file(const std::filesystem::path& file, std::size_t max_bytes);

/// Waits two seconds at most for the lock beside `file` ("FILE.lock", which stays) that serialises read-modify-write.
/// It ends with the descriptor. Busy: somebody keeps it.
[[nodiscard]] Result<UniqueFd> lock_private_file(const std::filesystem::path& file);

/// Puts `text` in the file's place in one step, durable, with mode 0600: a reader sees the old content or the new. Only
/// under lock_private_file().
[[nodiscard]] Result<void> replace_private_file(const std::filesystem::path& file, std::string_view text);

}  // namespace zc
