// Names of GPUs, what the kernel says about them, and which one is taken.
#include "gpu/gpu_address.h"
#include "gpu/which_gpu.h"
#include "support/temporary_folder.h"

#include <sys/sysmacros.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <string>

using namespace zc;
using Catch::Matchers::ContainsSubstring;

namespace {

/// A machine with Intel's GPU, NVIDIA's, one that is on no PCI bus, and one without a render node.
class Machine {
 public:
  Machine() {
    add("0000:00:02.0", "0x8086", 128, 1);
    add("0000:01:00.0", "0x10de", 129, 0);
    folder_.write("dev/dri/renderD130", "");
    folder_.write("sys/devices/soc/gpu/vendor", "");
    folder_.write("sys/bus/pci/devices/0000:81:00.0/class", "0x030200\n");
    folder_.write("sys/bus/pci/devices/0000:81:00.0/vendor", "0x10de\n");
    folder_.write("sys/bus/pci/devices/0000:05:00.0/class", "0x020000\n");
  }
  [[nodiscard]] const std::filesystem::path& root() const { return folder_.path(); }

 private:
  void add(const std::string& pci, const std::string& vendor, int render, int card) const {
    namespace fs = std::filesystem;
    const fs::path device = root() / "sys/devices" / pci;
    const std::string node = "renderD" + std::to_string(render);
    folder_.write("dev/dri/" + node, "");
    folder_.write("sys/devices/" + pci + "/vendor", vendor + "\n");
    fs::create_directories(root() / "sys/bus/pci");
    fs::create_directory_symlink(root() / "sys/bus/pci", device / "subsystem");
    for (const auto& [name, minor] : {std::pair(node, render), std::pair("card" + std::to_string(card), card)}) {
      const fs::path own = device / "drm" / name;
      fs::create_directories(own);
      fs::create_directory_symlink(device, own / "device");
      fs::create_directories(root() / "sys/class/drm");
      fs::create_directory_symlink(own, root() / "sys/class/drm" / name);
      fs::create_directories(root() / "sys/dev/char");
      fs::create_directory_symlink(own, root() / "sys/dev/char" / ("226:" + std::to_string(minor)));
    }
  }
  test::TemporaryFolder folder_;
};

const GpuAddress kFirst{.render_node = "/dev/dri/renderD128", .pci = "0000:00:02.0"};
const GpuAddress kSecond{.render_node = "/dev/dri/renderD129", .pci = "0000:01:00.0"};

}  // namespace

TEST_CASE("the machine's GPUs") {
  const Machine machine;
  const auto gpus = machine_gpus(machine.root());
  REQUIRE(gpus.size() == 3);
  CHECK(gpus[0].text() == "/dev/dri/renderD128 (0000:00:02.0)");
  CHECK(gpus[0].vendor == kIntel);
  CHECK(gpus[1].pci == "0000:01:00.0");
  CHECK(gpus[1].vendor == kNvidia);
  CHECK(gpus[2].text() == "/dev/dri/renderD130");
  CHECK(machine_gpus(machine.root() / "nowhere").empty());
}

TEST_CASE("words for a GPU") {
  const Machine machine;
  const auto parsed = [&](std::string_view text) { return parse_gpu("--gpu", text, machine.root()); };
  CHECK(parsed("auto") == "");
  CHECK(parsed("/dev/dri/renderD129") == "/dev/dri/renderD129");
  CHECK(parsed("0000:01:00.0") == "0000:01:00.0");
  CHECK(parsed("01:00.0") == "0000:01:00.0");
  CHECK(parsed("C1:0A.1") == "0000:c1:0a.1");
  for (const char* wrong : {"", "0", "nvidia", "/dev/dri/card0", "/dev/dri/renderD", "/dev/dri/renderD1x", "01:00",
                            "01:00.0.0", "0g:00.0", "0000.01.00.0", "01:00.0 "}) {
    CAPTURE(wrong);
    const auto refused = parsed(wrong);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::Invalid);
  }
  CHECK(parsed("card0").error().message() ==
        "--gpu: 'card0' is not 'auto', a render node such as /dev/dri/renderD128 or a PCI address such as 01:00.0; "
        "this machine has /dev/dri/renderD128 (0000:00:02.0), /dev/dri/renderD129 (0000:01:00.0), "
        "/dev/dri/renderD130");
  CHECK_THAT(parse_gpu("--gpu", "x", machine.root() / "nowhere").error().message(),
             ContainsSubstring("this machine has no render node"));
}

TEST_CASE("a GPU is found by its name") {
  const Machine machine;
  const auto found = [&](std::string_view name) { return find_gpu(name, machine.root()); };
  CHECK(found("/dev/dri/renderD129")->pci == "0000:01:00.0");
  CHECK(found("0000:01:00.0")->render_node == "/dev/dri/renderD129");
  CHECK(found("0000:81:00.0")->text() == "0000:81:00.0");
  CHECK(found("0000:81:00.0")->vendor == kNvidia);
  for (const char* missing : {"/dev/dri/renderD140", "0000:02:00.0", "0000:05:00.0"}) {
    CAPTURE(missing);
    const auto refused = found(missing);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::Invalid);
    CHECK_THAT(refused.error().message(),
               ContainsSubstring(missing) && ContainsSubstring("this machine has /dev/dri/renderD128 (0000:00:02.0)"));
  }
}

TEST_CASE("a device number leads to its GPU, whichever of its nodes it is") {
  const Machine machine;
  const auto of = [&](unsigned minor) { return gpu_of_device(makedev(226, minor), machine.root()); };
  CHECK(of(128)->render_node == "/dev/dri/renderD128");
  CHECK(of(129)->render_node == "/dev/dri/renderD129");
  CHECK(of(0)->render_node == "/dev/dri/renderD129");
  CHECK(of(1)->render_node == "/dev/dri/renderD128");
  CHECK_FALSE(of(2));
  CHECK_FALSE(gpu_of_device(makedev(195, 0), machine.root()));
}

TEST_CASE("which GPU is taken, and why") {
  const std::vector both{kFirst, kSecond};
  const std::vector one{kFirst};

  const GpuChoice unknown = which_gpu({}, both, {});
  CHECK_FALSE(unknown.gpu);
  CHECK(unknown.reason == GpuReason::First);
  CHECK_FALSE(unknown.composes);

  const GpuChoice composed = which_gpu({}, both, kSecond);
  CHECK(composed.gpu == kSecond);
  CHECK(composed.reason == GpuReason::Compositor);
  CHECK(composed.composes);
  CHECK_FALSE(composed.binding());

  const GpuChoice chosen = which_gpu(kFirst, both, kSecond);
  CHECK(chosen.gpu == kFirst);
  CHECK(chosen.reason == GpuReason::Chosen);
  CHECK(chosen.binding());
  CHECK_FALSE(chosen.composes);
  CHECK(which_gpu(kSecond, both, kSecond).composes);
  CHECK_FALSE(which_gpu(kSecond, both, {}).composes);

  for (const std::vector<GpuAddress>& few : {one, std::vector<GpuAddress>{}}) {
    const GpuChoice only = which_gpu({}, few, {});
    CHECK_FALSE(only.gpu);
    CHECK(only.reason == GpuReason::Only);
    CHECK(only.composes);
  }
  CHECK(which_gpu(kFirst, one, {}).composes);
  CHECK_FALSE(which_gpu(GpuAddress{.pci = "0000:81:00.0"}, one, {}).composes);
  CHECK_FALSE(which_gpu(GpuAddress{.pci = "0000:81:00.0"}, {}, {}).composes);
}
