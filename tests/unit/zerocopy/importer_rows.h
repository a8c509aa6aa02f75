// The importers that the contract suite runs over.
#pragma once

#include "media/frame.h"
#include "media/surface.h"
#include "unit/zerocopy/support.h"
#include "zerocopy/importer.h"

#include <concepts>
#include <cstddef>
#include <memory>
#include <string_view>

namespace zc::test {

/// What the suite asks of an importer. A new one is a struct like those below, one more name in ZC_IMPORTER_ROWS and
/// its functions in a source file. Each function skips the test where the machine has not what it takes.
template <class Row>
concept ImporterRow = requires(std::size_t limit, const RgbPicture& picture) {
  /// What route() says while nothing has failed.
  { Row::kRoute } -> std::convertible_to<std::string_view>;
  /// Of its surfaces.
  { Row::kMemory } -> std::convertible_to<MemoryKind>;
  /// Its drivers are hooked, see driver_calls.h.
  { Row::kDriver } -> std::convertible_to<bool>;
  /// At most `limit` surfaces at a time; not configured yet.
  { Row::make(limit) } -> std::same_as<std::unique_ptr<Importer>>;
  /// The picture in memory that goes the importer's own way.
  { Row::frame(picture) } -> std::same_as<Frame>;
};

struct CpuRow {
  static constexpr std::string_view kRoute = "cpu";
  static constexpr MemoryKind kMemory = MemoryKind::Host;
  static constexpr bool kDriver = false;
  [[nodiscard]] static std::unique_ptr<Importer> make(std::size_t limit);
  [[nodiscard]] static Frame frame(const RgbPicture& picture);
};

/// Surfaces in host memory, made by Vulkan.
struct VulkanRow {
  static constexpr std::string_view kRoute = "vulkan";
  static constexpr MemoryKind kMemory = MemoryKind::Host;
  static constexpr bool kDriver = true;
  [[nodiscard]] static std::unique_ptr<Importer> make(std::size_t limit);
  [[nodiscard]] static Frame frame(const RgbPicture& picture);
};

/// The same, made by OpenGL ES.
struct EglRow {
  static constexpr std::string_view kRoute = "egl";
  static constexpr MemoryKind kMemory = MemoryKind::Host;
  static constexpr bool kDriver = true;
  [[nodiscard]] static std::unique_ptr<Importer> make(std::size_t limit);
  [[nodiscard]] static Frame frame(const RgbPicture& picture);
};

/// Surfaces in CUDA memory, made by Vulkan.
struct CudaByVulkanRow {
  static constexpr std::string_view kRoute = "vulkan+cuda";
  static constexpr MemoryKind kMemory = MemoryKind::Cuda;
  static constexpr bool kDriver = true;
  [[nodiscard]] static std::unique_ptr<Importer> make(std::size_t limit);
  [[nodiscard]] static Frame frame(const RgbPicture& picture);
};

/// The same, made by OpenGL ES.
struct CudaByEglRow {
  static constexpr std::string_view kRoute = "egl+cuda";
  static constexpr MemoryKind kMemory = MemoryKind::Cuda;
  static constexpr bool kDriver = true;
  [[nodiscard]] static std::unique_ptr<Importer> make(std::size_t limit);
  [[nodiscard]] static Frame frame(const RgbPicture& picture);
};

/// Surfaces in VA-API memory: in a binary of its own, which has a render node.
struct VaapiRow {
  static constexpr std::string_view kRoute = "vulkan+vaapi";
  static constexpr MemoryKind kMemory = MemoryKind::Vaapi;
  static constexpr bool kDriver = true;
  [[nodiscard]] static std::unique_ptr<Importer> make(std::size_t limit);
  [[nodiscard]] static Frame frame(const RgbPicture& picture);
};

/// Surfaces of FFmpeg's Vulkan images: in a binary of its own, whose only devices are FFmpeg's.
struct VulkanVideoRow {
  static constexpr std::string_view kRoute = "vulkan+vulkan-video";
  static constexpr MemoryKind kMemory = MemoryKind::Vulkan;
  static constexpr bool kDriver = true;
  [[nodiscard]] static std::unique_ptr<Importer> make(std::size_t limit);
  [[nodiscard]] static Frame frame(const RgbPicture& picture);
};

/// The rows share their devices; the calling thread lets go of what is bound to it. An importer of the program has
/// devices of its own, which end with it.
void leave_thread();

// A list for TEMPLATE_TEST_CASE, which names each case after its row.
#ifndef ZC_IMPORTER_ROWS
#define ZC_IMPORTER_ROWS CpuRow, VulkanRow, EglRow, CudaByVulkanRow, CudaByEglRow
#endif

}  // namespace zc::test
