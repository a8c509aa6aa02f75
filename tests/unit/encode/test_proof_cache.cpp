// What is remembered of encoders: a file that survives anything that is found in it.
#include "encode/driver_identity.h"
#include "encode/encoder_chain.h"
#include "encode/encoder_order.h"
#include "encode/encoder_proofs.h"
#include "encode/proof_cache.h"
#include "support/temporary_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

using namespace zc;
using Catch::Matchers::ContainsSubstring;
using zc::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

const Proof kWorks{true, ""};
const Proof kRefused{false, "no capable device"};

std::string boot() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  return {std::istreambuf_iterator<char>(in), {}};
}
/// A refusal as it would have been written then.
std::string refusal(const std::string& key, std::time_t at, std::string boot_id) {
  if (!boot_id.empty() && boot_id.back() == '\n') boot_id.replace(boot_id.size() - 1, 1, "\\n");
  return R"({"key":")" + key + R"(","works":false,"remark":"gone","at":)" + std::to_string(at) + R"(,"boot":")" +
         boot_id + "\"}\n";
}

}  // namespace

TEST_CASE("proofs are found again, the newest of a key counts, and nobody else may read them") {
  const TemporaryFolder folder;
  const ProofCache cache(folder.path() / "new" / "encoders");
  CHECK_FALSE(cache.find("a"));
  REQUIRE(cache.store("a", kRefused));
  REQUIRE(cache.store("b", {true, "not checked: \"x\"\nand more"}));
  CHECK(cache.find("a") == kRefused);
  CHECK(cache.find("b") == Proof{true, "not checked: \"x\"\nand more"});
  REQUIRE(cache.store("a", kWorks));
  CHECK(ProofCache(cache.file()).find("a") == kWorks);
  REQUIRE(cache.forget("a"));
  REQUIRE(cache.forget("a"));
  CHECK_FALSE(cache.find("a"));
  CHECK(cache.find("b"));
  struct stat info{};
  REQUIRE(::stat(cache.file().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  REQUIRE(::stat(cache.file().parent_path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
}

TEST_CASE("a refusal holds for some minutes of the same start of the machine, a success for good") {
  const TemporaryFolder folder;
  const ProofCache cache(folder.path() / "encoders");
  const std::time_t now = std::time(nullptr);
  folder.write("encoders", refusal("fresh", now - 5, boot()) + refusal("old", now - 3600, boot()) +
                               refusal("from the future", now + 3600, boot()) +
                               refusal("other start", now - 5, "else") +
                               R"({"key":"works","works":true,"remark":"","at":1,"boot":"else"})" + "\n");
  CHECK(cache.find("fresh") == Proof{false, "gone"});
  CHECK_FALSE(cache.find("old"));
  CHECK_FALSE(cache.find("from the future"));
  CHECK_FALSE(cache.find("other start"));
  CHECK(cache.find("works") == kWorks);
}

TEST_CASE("what is no proof in the file is passed over and goes with the next one") {
  const TemporaryFolder folder;
  const ProofCache cache(folder.path() / "encoders");
  REQUIRE(cache.store("good", kWorks));
  const std::string good = folder.read("encoders");
  for (const std::string& foreign : std::vector<std::string>{
           "", "\n\n\n", "{", "[]\n", "null\n", "{\"key\":\"good\"}\n", "{\"key\":1,\"works\":true}\n",
           "{\"key\":\"good\",\"works\":\"yes\",\"remark\":\"\",\"at\":1,\"boot\":\"\"}\n",
           "{\"key\":\"good\",\"works\":false,\"remark\":\"\",\"at\":1e300,\"boot\":\"\"}\n",
           "\x7f"
           "ELF\x01\x02\n",
           std::string(100, '\0') + "\n", std::string(3000, '[') + "\n", "\xff\xfe\xfd\n"}) {
    CAPTURE(foreign);
    folder.write("encoders", foreign + "\n" + good + foreign);
    CHECK(cache.find("good") == kWorks);
    REQUIRE(cache.store("other", kRefused));
    CHECK(folder.read("encoders").find("other") != std::string::npos);
    CHECK(cache.find("good") == kWorks);
    if (foreign.size() > 3) CHECK(folder.read("encoders").find(foreign) == std::string::npos);
  }
  folder.write("encoders", good.substr(0, good.size() / 2));  // the disk was full
  CHECK_FALSE(cache.find("good"));
  REQUIRE(cache.store("good", kWorks));
  CHECK(cache.find("good"));
}

TEST_CASE("random bytes, also in the middle of a proof, are no error") {
  const TemporaryFolder folder;
  const ProofCache cache(folder.path() / "encoders");
  std::mt19937 random(20);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same run every time
  for (int round = 0; round < 200; ++round) {
    REQUIRE(cache.store("key", kWorks));
    std::string bytes = folder.read("encoders");
    if (round % 2 == 0) {
      bytes.assign(random() % 4000, ' ');
      for (char& byte : bytes) byte = static_cast<char>(random());
    } else {
      for (int hits = 0; hits < 4; ++hits) bytes.at(random() % bytes.size()) = static_cast<char>(random());
    }
    folder.write("encoders", bytes);
    const auto found = cache.find("key");
    if (round % 2 == 0) CHECK_FALSE(found);
    REQUIRE(cache.store("key", kRefused));
    CHECK(cache.find("key") == kRefused);
  }
}

TEST_CASE("a file that cannot be one, or not be written, is no proof and no obstacle") {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "encoders");
  const ProofCache cache(folder.path() / "encoders");
  CHECK_FALSE(cache.find("a"));
  CHECK_FALSE(cache.store("a", kWorks));
  REQUIRE(::mkfifo((folder.path() / "fifo").c_str(), 0600) == 0);
  CHECK_FALSE(ProofCache(folder.path() / "fifo").find("a"));
}

TEST_CASE("the oldest proofs go when there are many") {
  const TemporaryFolder folder;
  const ProofCache cache(folder.path() / "encoders");
  for (std::size_t n = 0; n < ProofCache::kMostEntries + 3; ++n) REQUIRE(cache.store(std::to_string(n), kWorks));
  CHECK_FALSE(cache.find("2"));
  CHECK(cache.find("3"));
  CHECK(cache.find(std::to_string(ProofCache::kMostEntries + 2)));
}

TEST_CASE("a machine's drivers have another identity after each change that matters") {
  const TemporaryFolder root;
  CHECK(driver_identity("software", root.path()).empty());
  CHECK(driver_identity("no such backend", root.path()).empty());
  std::vector<std::string> seen;
  const auto differs = [&](std::string_view backend) {
    std::string identity = driver_identity(backend, root.path());
    CHECK_FALSE(identity.empty());
    CHECK(identity == driver_identity(backend, root.path()));
    const bool fresh = std::ranges::find(seen, identity) == seen.end();
    seen.push_back(std::move(identity));
    return fresh;
  };
  CHECK(differs("vaapi"));
  root.write("dev/dri/renderD128", "");
  CHECK(differs("vaapi"));
  root.write("sys/class/drm/renderD128/device/vendor", "0x8086\n");
  CHECK(differs("vaapi"));
  fs::create_directory_symlink("../drivers/xe", root.path() / "sys/class/drm/renderD128/device/driver");
  CHECK(differs("vaapi"));
  root.write("dev/dri/renderD129", "");
  CHECK(differs("vaapi"));
  CHECK(differs("vulkan"));
  root.write("usr/share/vulkan/icd.d/new.json", "{}");
  CHECK(differs("vulkan"));
  CHECK(differs("nvenc"));
  root.write("sys/module/nvidia/version", "535.104.05\n");
  CHECK(differs("nvenc"));
  root.write("sys/module/nvidia/version", "550.54.14\n");
  CHECK(differs("nvenc"));
  root.write("dev/nvidia0", "");
  CHECK(differs("nvenc"));
  root.write("dev/nvidia-uvm", "");
  CHECK(differs("nvenc"));
}

TEST_CASE("a proof's key tells apart all that its answer depends on") {
  const EncoderRow& row = *find_encoder_row("hevc_vaapi");
  EncoderSettings settings;
  VideoParameters video{.size = {1280, 720}, .rate = {60, 1}};
  std::vector<std::string> keys{EncoderProofs::key(row, settings, video)};
  CHECK(EncoderProofs::key(row, settings, video) == keys.front());
  const auto another = [&] { keys.push_back(EncoderProofs::key(row, settings, video)); };
  video.size = {1920, 1080};
  another();
  settings.bit_depth = 10;
  another();
  settings.bit_rate = 4'000'000;
  another();
  settings.options = {{"low_power", "1"}};
  another();
  settings.colour.range = ColourRange::Full;
  another();
  keys.push_back(EncoderProofs::key(*find_encoder_row("av1_vaapi"), settings, video));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) CHECK(keys[i] != keys[j]);
  }
}

TEST_CASE("an order of encoders: what it names comes first, what it does not know is refused") {
  const auto order_of = [](std::vector<std::string> order) {
    EncoderSettings settings;
    settings.codec = Codec::HEVC;
    settings.order = std::move(order);
    const auto chain = EncoderChain::create(settings);
    REQUIRE(chain);
    std::vector<std::string_view> names;
    for (const EncoderRow* row : chain->candidates()) names.push_back(row->name);
    return names;
  };
  using Names = std::vector<std::string_view>;
  CHECK(order_of({}) == Names{"hevc_nvenc", "hevc_vaapi", "hevc_qsv", "hevc_vulkan", "libx265"});
  CHECK(order_of({"qsv", "vaapi"}) == Names{"hevc_qsv", "hevc_vaapi", "hevc_nvenc", "hevc_vulkan", "libx265"});
  CHECK(order_of({"software"}) == Names{"libx265", "hevc_nvenc", "hevc_vaapi", "hevc_qsv", "hevc_vulkan"});
  CHECK(order_of({"hevc_vulkan", "libx265", "nvenc"}) ==
        Names{"hevc_vulkan", "libx265", "hevc_nvenc", "hevc_vaapi", "hevc_qsv"});
  CHECK(order_of({"h264_qsv"}) == order_of({}));  // of another codec
  EncoderSettings wrong;
  for (const std::vector<std::string>& order :
       {std::vector<std::string>{"nvidia"}, {"nvenc", ""}, {"vaapi", "nvenc", "vaapi"}}) {
    wrong.order = order;
    const auto refused = EncoderChain::create(wrong);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::Invalid);
  }
  wrong.order = {"nvidia"};
  CHECK_THAT(EncoderChain::create(wrong).error().message(),
             ContainsSubstring("'nvidia' is not one of nvenc, vaapi, qsv, vulkan, software, h264_nvenc"));
}
