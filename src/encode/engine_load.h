// How busy the GPU's encoding engines are.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace zc {

/// What one client of a GPU has used of its video engines, as the kernel tells it in /proc/PID/fdinfo.
struct EngineTimes {
  std::string client;  ///< the card and the kernel's number for the client: several descriptors may be one
  Nanoseconds busy{};  ///< all of its engines that encode
};

/// The client and its encoding engines in the text of one fdinfo file (kernel documentation, gpu/drm-usage-stats):
/// i915 calls its own "video", amdgpu "enc". nullopt: not a DRM client, or one without such engines.
[[nodiscard]] std::optional<EngineTimes> parse_fdinfo(std::string_view text);

/// The load of the encoding engines, for a reader that asks now and then. What nobody tells is absent, never invented.
/// One thread at a time.
class EngineLoad {
 public:
  enum class Driver : std::uint8_t { Asked, Unasked };
  /// NVML is left alone when `driver` says so.
  explicit EngineLoad(Driver driver = Driver::Asked);
  ~EngineLoad();
  EngineLoad(const EngineLoad&) = delete;
  EngineLoad& operator=(const EngineLoad&) = delete;

  /// 0..1. NVIDIA: NVML's figure for the first device, all programs'. Elsewhere: this process's own share since the
  /// last call, from `fdinfo`; the first call then has nothing to compare with.
  [[nodiscard]] std::optional<double> sample(Nanoseconds now,
                                             const std::filesystem::path& fdinfo = "/proc/self/fdinfo");

 private:
  class Nvml;
  [[nodiscard]] std::optional<double> from_fdinfo(Nanoseconds now, const std::filesystem::path& fdinfo);

  std::unique_ptr<Nvml> nvml_;
  std::map<std::string, Nanoseconds> last_;  ///< by client
  std::optional<Nanoseconds> last_at_;
};

}  // namespace zc
