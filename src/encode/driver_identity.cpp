#include "encode/driver_identity.h"

#include "base/private_file.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <span>
#include <system_error>
#include <vector>

namespace zc {
namespace {

namespace fs = std::filesystem;
using Words = std::span<const char* const>;

constexpr std::array kNvidiaLibraries{"libcuda.so.1", "libnvidia-encode.so.1"};
constexpr std::array kNvidiaFiles{"sys/module/nvidia/version"};
constexpr std::array kNvidiaFolders{"proc/driver/nvidia/gpus"};
constexpr std::array kNvidiaVariables{"CUDA_VISIBLE_DEVICES"};
constexpr std::array kVaLibraries{"libva.so.2", "libva-drm.so.2"};
constexpr std::array kVaVariables{"LIBVA_DRIVER_NAME", "LIBVA_DRIVERS_PATH"};
constexpr std::array kQsvLibraries{"libva.so.2", "libvpl.so.2", "libmfx.so.1", "libmfx-gen.so.1.2", "libmfxhw64.so.1"};
constexpr std::array kVulkanLibraries{"libvulkan.so.1"};
constexpr std::array kVulkanFolders{"etc/vulkan/icd.d", "usr/share/vulkan/icd.d"};
constexpr std::array kVulkanVariables{"VK_ICD_FILENAMES", "VK_DRIVER_FILES"};

/// Drivers are found beside a loader library: in this folder relative to it, with names that hold this.
struct Plugins {
  const char* folder;
  std::string_view part;
};

struct BackendRow {
  std::string_view name;
  std::string_view nodes;  ///< device nodes below /dev: how their paths begin
  Words libraries;
  Words files{};    ///< whose content counts
  Words folders{};  ///< whose entries count
  Words variables{};
  Plugins plugins{};  ///< beside the first library
};
constexpr std::array kBackends{
    BackendRow{"nvenc", "nvidia", kNvidiaLibraries, kNvidiaFiles, kNvidiaFolders, kNvidiaVariables},
    BackendRow{.name = "vaapi",
               .nodes = "dri/renderD",
               .libraries = kVaLibraries,
               .variables = kVaVariables,
               .plugins = {"dri", "_drv_video.so"}},
    BackendRow{.name = "qsv",
               .nodes = "dri/renderD",
               .libraries = kQsvLibraries,
               .variables = kVaVariables,
               .plugins = {"dri", "_drv_video.so"}},
    BackendRow{.name = "vulkan",
               .nodes = "dri/renderD",
               .libraries = kVulkanLibraries,
               .folders = kVulkanFolders,
               .variables = kVulkanVariables,
               .plugins = {".", "libvulkan_"}},
};
constexpr std::size_t kMaxFileBytes = 256;

/// Name, size and time of last change; "NAME -" where there is none.
std::string file_identity(const fs::path& file) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) return fmt::format("{} -", file.native());
  return fmt::format("{} {} {}.{:09}", file.native(), info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    found.push_back(at->path());
  }
  std::ranges::sort(found);
  return found;
}

/// The file that the dynamic loader takes for this name; empty when it finds none.
fs::path library_file(const char* name) {
  const std::unique_ptr<void, int (*)(void*)> library(
      ::dlopen(name, RTLD_LAZY | RTLD_LOCAL), [](void* handle) { return handle == nullptr ? 0 : ::dlclose(handle); });
  link_map* map = nullptr;
  if (!library || ::dlinfo(library.get(), RTLD_DI_LINKMAP, static_cast<void*>(&map)) != 0 || map == nullptr) return {};
  std::error_code error;
  const fs::path real = fs::canonical(map->l_name, error);
  return error ? fs::path(map->l_name) : real;
}

/// The card and the kernel driver behind a node, and whether this user may use it.
std::string node_identity(const fs::path& node, const fs::path& root) {
  const fs::path device = root / "sys/class/drm" / node.filename() / "device";
  std::string text =
      fmt::format("node {} {}", node.filename().native(), ::access(node.c_str(), R_OK | W_OK) == 0 ? "open" : "closed");
  for (const char* name : {"vendor", "device"}) {
    auto content = read_small_file(device / name, kMaxFileBytes);
    text += ' ' + (content ? std::move(*content) : std::string());
    if (text.back() == '\n') text.pop_back();
  }
  std::error_code error;
  const fs::path driver = fs::read_symlink(device / "driver", error);
  return text + ' ' + driver.filename().native();
}

void add_plugins(std::string& text, const fs::path& library, const Plugins& plugins) {
  if (library.empty() || plugins.folder == nullptr) return;
  for (const fs::path& file : entries(library.parent_path() / plugins.folder)) {
    if (file.filename().native().find(plugins.part) != std::string::npos) text += file_identity(file) + '\n';
  }
}

}  // namespace

std::string driver_identity(std::string_view backend, const fs::path& root) {
  const auto* const row = std::ranges::find(kBackends, backend, &BackendRow::name);
  if (row == kBackends.end()) return {};
  std::string text;
  if (utsname kernel{}; ::uname(&kernel) == 0) text += fmt::format("kernel {}\n", kernel.release);
  const fs::path prefix = root / "dev" / row->nodes;
  for (const fs::path& node : entries(prefix.parent_path())) {
    if (node.native().starts_with(prefix.native())) text += node_identity(node, root) + '\n';
  }
  for (const char* file : row->files) {
    const auto content = read_small_file(root / file, kMaxFileBytes);
    text += fmt::format("{} {}\n", file, content ? *content : "");
  }
  for (const char* folder : row->folders) {
    for (const fs::path& file : entries(root / folder)) text += file_identity(file) + '\n';
  }
  for (const char* name : row->variables) {
    if (const char* value = std::getenv(name)) text += fmt::format("{}={}\n", name, value);
  }
  fs::path first;
  for (const char* name : row->libraries) {
    const fs::path file = library_file(name);
    text += file.empty() ? fmt::format("{} -\n", name) : file_identity(file) + '\n';
    if (first.empty()) first = file;
  }
  add_plugins(text, first, row->plugins);
  return text;
}

}  // namespace zc
