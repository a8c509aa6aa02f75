#include "gpu/gpu_address.h"

#include "base/quote.h"
#include "gpu/render_nodes.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <system_error>

namespace zc {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNodePrefix = "/dev/dri/renderD";

std::string first_word(const fs::path& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

/// `name`: "renderD128".
GpuAddress address_of(const std::string& name, const fs::path& root) {
  GpuAddress gpu{.render_node = "/dev/dri/" + name};
  struct stat node{};
  if (::stat((root / "dev/dri" / name).c_str(), &node) == 0 && S_ISCHR(node.st_mode)) {
    gpu.number = DrmNode{major(node.st_rdev), minor(node.st_rdev)};
  }
  const fs::path device = root / "sys/class/drm" / name / "device";
  gpu.vendor = first_word(device / "vendor");
  std::error_code error;
  const bool pci = fs::read_symlink(device / "subsystem", error).filename() == "pci";
  if (pci) gpu.pci = fs::canonical(device, error).filename();
  return gpu;
}

/// "this machine has A, B"
std::string choices(const fs::path& root) {
  std::string names;
  for (const GpuAddress& gpu : machine_gpus(root)) names += (names.empty() ? "" : ", ") + gpu.text();
  return "this machine has " + (names.empty() ? "no render node" : names);
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// "0000:01:00.0" of "01:00.0"; nullopt: it is no PCI address.
std::optional<std::string> pci_address(std::string_view text) {
  constexpr std::string_view kForm = "0000:00:00.0";
  std::string address = text.size() == kForm.size() - 5 ? "0000:" : "";
  for (const char c : text) address += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto fits = [](char c, char form) {
    return form == '0' ? std::isxdigit(static_cast<unsigned char>(c)) != 0 : c == form;
  };
  if (address.size() != kForm.size() || !std::ranges::equal(address, kForm, fits)) return std::nullopt;
  return address;
}

}  // namespace

std::string GpuAddress::text() const {
  if (render_node.empty()) return pci;
  return pci.empty() ? render_node : fmt::format("{} ({})", render_node, pci);
}

std::vector<GpuAddress> machine_gpus(const fs::path& root) {
  std::vector<GpuAddress> gpus;
  for (const std::string& node : render_nodes(root / "dev/dri")) {
    gpus.push_back(address_of(fs::path(node).filename(), root));
  }
  return gpus;
}

Result<std::string> parse_gpu(std::string_view option, std::string_view text, const fs::path& root) {
  if (text == "auto") return std::string();
  if (text.starts_with(kNodePrefix) && all_digits(text.substr(kNodePrefix.size()))) return std::string(text);
  if (auto address = pci_address(text)) return *std::move(address);
  return fail(ErrorKind::Invalid, std::string(option),
              fmt::format("{} is not 'auto', a render node such as /dev/dri/renderD128 or a PCI address such as "
                          "01:00.0; {}",
                          in_quotes(text), choices(root)));
}

Result<GpuAddress> find_gpu(std::string_view name, const fs::path& root) {
  for (GpuAddress& gpu : machine_gpus(root)) {
    if (gpu.render_node == name || gpu.pci == name) return std::move(gpu);
  }
  // NVIDIA's driver does without a render node.
  const fs::path device = root / "sys/bus/pci/devices" / name;
  if (!name.starts_with('/') && first_word(device / "class").starts_with("0x03")) {
    return GpuAddress{.pci = std::string(name), .vendor = first_word(device / "vendor")};
  }
  return fail(ErrorKind::Invalid, "gpu", fmt::format("there is no {}; {}", name, choices(root)));
}

std::optional<GpuAddress> gpu_of_device(dev_t device, const fs::path& root) {
  const DrmNode number{major(device), minor(device)};
  const fs::path nodes = root / "sys/dev/char" / fmt::format("{}:{}", number.major, number.minor) / "device/drm";
  std::error_code error;
  for (GpuAddress& gpu : machine_gpus(root)) {
    if (gpu.number == number || fs::exists(nodes / fs::path(gpu.render_node).filename(), error)) return std::move(gpu);
  }
  return std::nullopt;
}

}  // namespace zc
