// Which drivers an encoder of this machine would meet.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace zc {

/// All that decides whether a backend's encoders work here and that a repair, an update or another card changes, as
/// text: the kernel's release, the device nodes with their card, kernel driver and whether this user may open them, the
/// user space libraries with size and time, and the variables that choose among them. Equal texts: an answer got under
/// one holds under the other. Loads the backend's libraries for a moment and starts none of them. Empty for "software".
/// `root` is where /dev, /sys and the rest are looked for.
[[nodiscard]] std::string driver_identity(std::string_view backend, const std::filesystem::path& root = "/");

}  // namespace zc
