// What zerocast-gpu-check's checks share.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "zerocopy/vulkan/conversion_pass.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <nlohmann/json.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace zc::gpu_check {

using Json = nlohmann::ordered_json;

inline constexpr Nanoseconds kFrameTimeout = std::chrono::seconds(20);

/// How a check went.
struct Outcome {
  enum class Verdict : std::uint8_t { Passed, Failed, Skipped } verdict = Verdict::Passed;
  std::string reason;  ///< why it failed or was skipped
  Json figures = Json::object();
};
[[nodiscard]] Outcome failed(std::string reason);
[[nodiscard]] Outcome skipped(std::string reason);
/// Unsupported: the machine lacks what the check is about. Anything else is a failure.
[[nodiscard]] Outcome outcome_of(const Error& error);

/// What a check works on.
struct Setup {
  bool software = false;  ///< a software renderer counts as a GPU
  std::shared_ptr<VulkanDevice> device;
};

struct CheckRow {
  std::string_view name;
  std::string_view what;
  Outcome (*run)(const Setup& setup);
};
/// Each file of checks brings some.
[[nodiscard]] std::span<const CheckRow> vulkan_checks();
[[nodiscard]] std::span<const CheckRow> layer_checks();
[[nodiscard]] std::span<const CheckRow> sharing_checks();
[[nodiscard]] std::span<const CheckRow> pool_checks();
[[nodiscard]] std::span<const CheckRow> coding_checks();

/// The same program in another process: exports memory over `socket`; what the foreign-memory check needs. Returns the
/// exit code.
[[nodiscard]] int export_memory(int socket, bool software);

// ---- pictures

/// Noise in 32-bit pixels, tightly packed; the same for the same seed.
[[nodiscard]] std::vector<std::byte> noise(Size size, unsigned seed);
/// What the CPU route makes of them, laid out as `layout`.
[[nodiscard]] Result<std::vector<std::byte>> converted(std::span<const std::byte> pixels, PixelFormat source,
                                                       const SurfaceLayout& layout);
/// Samples of two surfaces that differ; padding does not count. 8 bits count bytes, 10 bits words.
[[nodiscard]] std::size_t different(const std::byte* a, const std::byte* b, const SurfaceLayout& layout);

/// Vulkan memory and the pass on it.
class Bench {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Bench>> create(const std::shared_ptr<VulkanDevice>& device);
  [[nodiscard]] ConversionPass& pass() { return *pass_; }
  /// Device memory, exportable, that holds `bytes`.
  [[nodiscard]] Result<VulkanBuffer> upload(std::span<const std::byte> bytes);
  [[nodiscard]] Result<VulkanImage> upload_image(std::span<const std::byte> pixels, PixelFormat format, Size size);
  [[nodiscard]] Result<std::vector<std::byte>> download(const VulkanBuffer& buffer, std::size_t bytes);

 private:
  Bench(std::shared_ptr<VulkanDevice> device, std::unique_ptr<ConversionPass> pass)
      : device_(std::move(device)), pass_(std::move(pass)) {}
  [[nodiscard]] Result<VulkanBuffer> staged(std::span<const std::byte> bytes);

  std::shared_ptr<VulkanDevice> device_;
  std::unique_ptr<ConversionPass> pass_;
};

/// Converts `source` into exportable memory and counts wrong samples against the CPU's conversion of `pixels`.
[[nodiscard]] Result<std::size_t> wrong_samples(Bench& bench, const ConversionPass::Source& source,
                                                std::span<const std::byte> pixels, PixelFormat format,
                                                const SurfaceLayout& layout, const VulkanBuffer& target);

/// Descriptors this process has open.
[[nodiscard]] std::size_t open_fds();

}  // namespace zc::gpu_check
