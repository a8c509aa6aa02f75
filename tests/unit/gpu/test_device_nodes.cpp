#include "gpu/device_nodes.h"

#include "support/temporary_folder.h"

#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <string>

using namespace zc;

TEST_CASE("a GPU is thought to be there by its device node alone") {
  const test::TemporaryFolder folder;
  const std::filesystem::path& dev = folder.path();
  const auto touch = [&](const char* name) { folder.write(name, "x"); };
  CHECK_FALSE(has_gpu_node(dev / "missing"));
  CHECK_FALSE(has_gpu_node(dev));
  touch("nvidiactl");
  touch("nvidia-uvm");
  touch("dri/card0");
  CHECK_FALSE(has_gpu_node(dev));
  touch("dri/renderD128");
  CHECK(has_gpu_node(dev));
  std::filesystem::remove_all(dev / "dri");
  CHECK_FALSE(has_gpu_node(dev));
  touch("nvidia3");
  CHECK(has_gpu_node(dev));
  std::filesystem::remove_all(dev);
}
