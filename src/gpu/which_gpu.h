// Which of a machine's GPUs is to do the work.
#pragma once

#include "base/error.h"
#include "gpu/gpu_address.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace zc {

/// Why a GPU is the one.
enum class GpuReason : std::uint8_t {
  First,       ///< the first that works, in the order of the drivers
  Only,        ///< there is no other one
  Compositor,  ///< the desktop is composed there
  Chosen,      ///< by the user, who wants no other one
};
/// "first", "only", "compositor", "chosen"
[[nodiscard]] std::string_view to_string(GpuReason reason);

struct GpuChoice {
  std::optional<GpuAddress> gpu = std::nullopt;  ///< tried first; unset: whichever works
  GpuReason reason = GpuReason::First;
  /// The compositor draws there: a buffer of its own layout (DRM_FORMAT_MOD_INVALID) is the same to both.
  bool composes = false;
  /// No other GPU is used.
  [[nodiscard]] bool binding() const { return reason == GpuReason::Chosen; }
};

/// `named`: what the user wants; `machine`: machine_gpus(); `compositor`: where the desktop is composed, as far as that
/// is known.
[[nodiscard]] GpuChoice which_gpu(std::optional<GpuAddress> named, std::span<const GpuAddress> machine,
                                  std::optional<GpuAddress> compositor);

/// which_gpu() of this machine. `named`: as the user names it, or empty; `compositor` is asked where there are several.
/// Errors as find_gpu().
[[nodiscard]] Result<GpuChoice> choose_gpu(const std::string& named,
                                           const std::function<std::optional<GpuAddress>()>& compositor);

}  // namespace zc
