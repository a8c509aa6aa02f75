#include "probe/system_facts.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>

namespace zc::probe {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// The last part of a symbolic link's target; "" where there is none.
std::string link_name(const fs::path& link) {
  std::error_code error;
  const fs::path target = fs::read_symlink(link, error);
  return error ? std::string() : target.filename().string();
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> paths;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    paths.push_back(it->path());
  }
  std::ranges::sort(paths);
  return paths;
}

/// Which part of a path's last name is its class: "renderD", "card"; the rest must be a number.
bool numbered(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() == prefix.size()) return false;
  return std::ranges::all_of(name.substr(prefix.size()), [](char c) { return c >= '0' && c <= '9'; });
}

/// getpwuid_r() and getgrgid_r() of a container can fail; then the number itself is the name.
template <class Record, class Id>
std::string name_of(Id id, int (*look_up)(Id, Record*, char*, std::size_t, Record**), char* Record::* name) {
  std::array<char, 4096> buffer{};
  Record record{};
  Record* found = nullptr;
  if (look_up(id, &record, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return fmt::format("{}", id);
  return found->*name;
}
std::string user_name(uid_t id) { return name_of<passwd>(id, &::getpwuid_r, &passwd::pw_name); }
std::string group_name(gid_t id) { return name_of<group>(id, &::getgrgid_r, &group::gr_name); }

std::vector<std::string> own_groups() {
  const int count = ::getgroups(0, nullptr);
  std::vector<gid_t> ids(count > 0 ? static_cast<std::size_t>(count) : 0);
  if (count > 0) ids.resize(static_cast<std::size_t>(std::max(::getgroups(count, ids.data()), 0)));
  const gid_t primary = ::getegid();
  if (std::ranges::find(ids, primary) == ids.end()) ids.insert(ids.begin(), primary);
  std::vector<std::string> names;
  names.reserve(ids.size());
  for (const gid_t id : ids) names.push_back(group_name(id));
  return names;
}

bool graphics_node(std::string_view name) {
  return numbered(name, "nvidia") || name == "nvidiactl" || name == "nvidia-uvm" || name == "nvidia-modeset" ||
         name == "udmabuf" || name == "kfd";
}

std::optional<NodeFacts> node_facts(const fs::path& path, const fs::path& root) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || S_ISDIR(info.st_mode)) return std::nullopt;
  return NodeFacts{.path = "/" / path.lexically_relative(root),
                   .usable = ::access(path.c_str(), R_OK | W_OK) == 0,
                   .owner = user_name(info.st_uid),
                   .group = group_name(info.st_gid),
                   .mode = fmt::format("{:04o}", info.st_mode & 07777U)};
}

}  // namespace

std::string node_number(std::int64_t major, std::int64_t minor) { return fmt::format("{}:{}", major, minor); }

std::vector<DrmFacts> drm_devices(const fs::path& root) {
  // A device has one folder per node; "device" leads from each to the same place.
  std::map<std::string, DrmFacts> by_device;
  for (const fs::path& entry : entries(root / "sys/class/drm")) {
    const std::string name = entry.filename();
    const bool render = numbered(name, "renderD");
    if (!render && !numbered(name, "card")) continue;
    std::error_code error;
    const fs::path device = fs::canonical(entry / "device", error);
    const std::string key = error ? name : device.string();
    DrmFacts& facts = by_device[key];
    const std::string driver = link_name(entry / "device/driver");
    if (!driver.empty()) facts.driver = driver;
    if (link_name(entry / "device/subsystem") == "pci") facts.pci = device.filename();
    if (render) {
      facts.render_node = "/dev/dri/" + name;
      facts.render_number = first_line(entry / "dev");
    } else {
      facts.primary_node = "/dev/dri/" + name;
    }
  }
  std::vector<DrmFacts> devices;
  devices.reserve(by_device.size());
  for (auto& [key, facts] : by_device) devices.push_back(std::move(facts));
  std::ranges::sort(devices, {}, &DrmFacts::render_node);
  return devices;
}

PermissionFacts permissions(const fs::path& root) {
  PermissionFacts facts;
  facts.user = user_name(::geteuid());
  facts.groups = own_groups();
  std::vector<fs::path> paths;
  for (const fs::path& path : entries(root / "dev/dri")) paths.push_back(path);
  for (const fs::path& path : entries(root / "dev")) {
    if (graphics_node(path.filename().string())) paths.push_back(path);
  }
  for (const fs::path& path : entries(root / "dev/dma_heap")) paths.push_back(path);
  for (const fs::path& path : paths) {
    if (auto node = node_facts(path, root)) facts.nodes.push_back(std::move(*node));
  }
  facts.nvidia_drm_modeset = first_line(root / "sys/module/nvidia_drm/parameters/modeset");
  return facts;
}

}  // namespace zc::probe
