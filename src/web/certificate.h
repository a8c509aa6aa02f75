// The server's own certificate, for those who have none from an authority.
#pragma once

#include "base/error.h"

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace zc::web {

/// PEM: certificate and key in one file, which only its owner can read. Made on first use for these names and
/// addresses, valid for ten years; read from then on.
[[nodiscard]] Result<void> ensure_certificate(const std::filesystem::path& file, std::span<const std::string> names);

/// SHA-256 of the file's first certificate, as browsers show it: "AB:CD:...". Invalid: there is none in it.
[[nodiscard]] Result<std::string> fingerprint(const std::filesystem::path& file);

}  // namespace zc::web
