// /sys and /dev of machines that are made of files.
#include "probe/modifier_names.h"
#include "probe/system_facts.h"
#include "support/temporary_folder.h"

#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

using namespace zc::probe;
namespace fs = std::filesystem;

namespace {

class Tree {
 public:
  [[nodiscard]] const fs::path& root() const { return folder_.path(); }

  void file(const char* path, const char* content) const { folder_.write(path, content); }
  /// A node of /sys/class/drm that belongs to a PCI device.
  void drm(const std::string& node, const std::string& pci, const char* driver, const char* number) const {
    const fs::path device = root() / "sys/devices/pci0000:00" / pci;
    const fs::path entry = device / "drm" / node;
    fs::create_directories(entry);
    fs::create_directories(root() / "sys/class/drm");
    fs::create_directory_symlink(entry, root() / "sys/class/drm" / node);
    fs::create_directory_symlink(device, entry / "device");
    std::ofstream(entry / "dev") << number << "\n";
    const auto link = [&](const char* name, const std::string& target) {
      fs::create_directories(root() / target);
      if (!fs::exists(device / name)) fs::create_directory_symlink(root() / target, device / name);
    };
    link("driver", std::string("sys/bus/pci/drivers/") + driver);
    link("subsystem", "sys/bus/pci");
  }

 private:
  zc::test::TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("the nodes of a graphics device are one device") {
  const Tree tree;
  tree.drm("card0", "0000:00:02.0", "i915", "226:0");
  tree.drm("renderD128", "0000:00:02.0", "i915", "226:128");
  tree.drm("card1", "0000:01:00.0", "nvidia", "226:1");
  tree.drm("renderD129", "0000:01:00.0", "nvidia", "226:129");
  tree.drm("card0-HDMI-A-1", "0000:00:02.0", "i915", "");
  const auto devices = drm_devices(tree.root());
  REQUIRE(devices.size() == 2);
  CHECK(devices[0].driver == "i915");
  CHECK(devices[0].pci == "0000:00:02.0");
  CHECK(devices[0].render_node == "/dev/dri/renderD128");
  CHECK(devices[0].primary_node == "/dev/dri/card0");
  CHECK(devices[0].render_number == "226:128");
  CHECK(devices[1].driver == "nvidia");
  CHECK(devices[1].render_node == "/dev/dri/renderD129");
}

TEST_CASE("a machine without graphics") {
  const Tree tree;
  CHECK(drm_devices(tree.root()).empty());
  const PermissionFacts facts = permissions(tree.root());
  CHECK(facts.nodes.empty());
  CHECK_FALSE(facts.user.empty());
  CHECK_FALSE(facts.groups.empty());
  CHECK(facts.nvidia_drm_modeset.empty());
}

TEST_CASE("device nodes with their owners and rights") {
  const Tree tree;
  tree.file("dev/dri/renderD128", "");
  tree.file("dev/dri/by-path/pci-0000:00:02.0-render", "");
  tree.file("dev/nvidia0", "");
  tree.file("dev/nvidiactl", "");
  tree.file("dev/nvram", "");
  tree.file("dev/nvidia-caps/nvidia-cap1", "");
  tree.file("dev/udmabuf", "");
  tree.file("dev/dma_heap/system", "");
  tree.file("sys/module/nvidia_drm/parameters/modeset", "N\n");
  ::chmod((tree.root() / "dev/nvidia0").c_str(), 0);
  const PermissionFacts facts = permissions(tree.root());
  std::vector<std::string> paths;
  for (const NodeFacts& node : facts.nodes) paths.push_back(node.path);
  CHECK(paths == std::vector<std::string>{"/dev/dri/renderD128", "/dev/nvidia0", "/dev/nvidiactl", "/dev/udmabuf",
                                          "/dev/dma_heap/system"});
  const auto closed = std::ranges::find(facts.nodes, "/dev/nvidia0", &NodeFacts::path);
  CHECK(closed->mode == "0000");
  CHECK(closed->usable == (::geteuid() == 0));
  CHECK(facts.nodes.front().usable);
  CHECK(facts.nodes.front().owner == facts.user);
  CHECK(facts.nvidia_drm_modeset == "N");
}

TEST_CASE("modifiers have names") {
  CHECK(modifier_name(0) == "LINEAR");
  const ModifierFacts intel = modifier_facts(0x0100'0000'0000'0001);
  CHECK(intel.modifier == "0x0100000000000001");
  CHECK(intel.name.find("X_TILED") != std::string::npos);
  CHECK(modifier_name(0x0300'0000'0060'6010).find("NVIDIA") == 0);
  CHECK(modifier_name(0x7f00'0000'0000'0001).empty());
}
