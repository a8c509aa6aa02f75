// A GPU as the kernel names it, by which every driver's API can be asked for the same one.
#pragma once

#include "base/error.h"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// A device node's number.
struct DrmNode {
  std::int64_t major = 0, minor = 0;
  bool operator==(const DrmNode&) const = default;
};

struct GpuAddress {
  std::string render_node = {};                  ///< "/dev/dri/renderD128"; empty: it has none
  std::optional<DrmNode> number = std::nullopt;  ///< of that node
  std::string pci = {};                          ///< "0000:01:00.0"; empty: it is not on that bus
  std::string vendor = {};                       ///< PCI's number of it, "0x10de"; empty: unknown
  bool operator==(const GpuAddress&) const = default;
  /// "/dev/dri/renderD128 (0000:01:00.0)"
  [[nodiscard]] std::string text() const;
};
inline constexpr std::string_view kNvidia = "0x10de";
inline constexpr std::string_view kIntel = "0x8086";

/// Every GPU with a render node, in the kernel's order. `root` stands before /dev and /sys.
[[nodiscard]] std::vector<GpuAddress> machine_gpus(const std::filesystem::path& root = "/");

/// The words for a GPU: "auto" becomes "", "/dev/dri/renderD129" stays, "01:00.0" becomes "0000:01:00.0". Whether it
/// exists is not asked. Invalid: something else, naming the GPUs that there are.
[[nodiscard]] Result<std::string> parse_gpu(std::string_view option, std::string_view text,
                                            const std::filesystem::path& root = "/");
/// The GPU with a name of parse_gpu(). Invalid: this machine has none such; names those there are.
[[nodiscard]] Result<GpuAddress> find_gpu(std::string_view name, const std::filesystem::path& root = "/");
/// The GPU that a device number belongs to, be it that of its render node or of its primary one (/dev/dri/card0).
[[nodiscard]] std::optional<GpuAddress> gpu_of_device(dev_t device, const std::filesystem::path& root = "/");

}  // namespace zc
