// Encoders are chosen by proof, on the software NVIDIA driver: what it refuses, lies about and repairs.
#include "base/parked_thread.h"
#include "encode/encoder_chain.h"
#include "encode/encoder_proofs.h"
#include "encode/probe.h"
#include "gpu/cuda/context.h"
#include "softgpu/control.h"
#include "support/temporary_folder.h"

#include <dlfcn.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <stop_token>
#include <string>
#include <thread>

using namespace zc;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;

namespace {

const VideoParameters kVideo{.size = {320, 192}, .rate = {30, 1}, .threads = 1};

void set_faults(const char* faults) {
  void* library = dlopen("libcuda.so.1", RTLD_LAZY);
  REQUIRE(library != nullptr);
  const auto set = reinterpret_cast<decltype(&softgpu_set_faults)>(dlsym(library, "softgpu_set_faults"));
  REQUIRE(set != nullptr);
  REQUIRE(set(faults));
}

class Cache {
 public:
  Cache() = default;
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  ~Cache() { set_faults(""); }
  [[nodiscard]] EncoderProofs proofs(bool anew = false) const {
    return EncoderProofs(ProofCache(folder_.path() / "p"), anew);
  }

 private:
  test::TemporaryFolder folder_;
};

const EncoderRow& nvenc() { return *find_encoder_row("h264_nvenc"); }

/// Lets calls that hang go on, and waits until they have.
void end_hangs() {
  set_faults("");
  for (int tries = 0; tries < 6000 && parked_threads() > 0; ++tries) std::this_thread::sleep_for(10ms);
  REQUIRE(parked_threads() == 0);
}

/// The first encoder that opens, and why those before it did not.
struct Choice {
  std::string encoder;
  std::string refused;
};
Choice choose(const EncoderProofs& proofs, const VideoParameters& video = kVideo,
              Nanoseconds patience = kOpenPatience) {
  auto chain = EncoderChain::create({}, proofs, patience);
  REQUIRE(chain);
  const auto encoder = chain->open_first(video);
  REQUIRE(encoder);
  Choice choice{std::string((*encoder)->name()), {}};
  for (const auto& refusal : chain->refusals()) choice.refused += refusal.error.message() + "\n";
  return choice;
}

}  // namespace

TEST_CASE("an encoder that opens and then encodes nothing is not chosen") {
  const Cache cache;
  set_faults("encode=1");
  const Choice choice = choose({});
  CHECK(choice.encoder != "h264_nvenc");
  CHECK_THAT(choice.refused, ContainsSubstring("h264_nvenc"));
  set_faults("");
  CHECK(choose({}).encoder == "h264_nvenc");
}

TEST_CASE("a trial is made once, in the memory that the pictures lie in") {
  const Cache cache;
  const auto context = cuda::open_context();
  REQUIRE(context);
  VideoParameters in_cuda = kVideo;
  in_cuda.device = *context;
  set_faults("");
  for (const VideoParameters& video : {kVideo, in_cuda}) {
    const auto first = cache.proofs().check(nvenc(), {}, video);
    REQUIRE(first);
    CHECK_FALSE(first->remembered);
    const auto again = cache.proofs().check(nvenc(), {}, video);
    REQUIRE(again);
    CHECK(again->remembered);
    CHECK_FALSE(cache.proofs(true).check(nvenc(), {}, video)->remembered);
  }
  EncoderSettings wider;
  wider.chroma = Chroma::Yuv444;
  CHECK_FALSE(cache.proofs().check(nvenc(), wider, kVideo)->remembered);
  CHECK_FALSE(EncoderProofs().check(nvenc(), {}, kVideo)->remembered);
  // The device takes no buffers of ours: a trial in host memory would not have shown it.
  set_faults("register=23");
  CHECK(EncoderProofs().check(nvenc(), {}, kVideo));
  CHECK_FALSE(EncoderProofs().check(nvenc(), {}, in_cuda));
}

TEST_CASE("a remembered success that is none any more is forgotten") {
  const Cache cache;
  set_faults("");
  CHECK(choose(cache.proofs()).encoder == "h264_nvenc");
  set_faults("open=2");
  const Choice broken = choose(cache.proofs());
  CHECK(broken.encoder != "h264_nvenc");
  set_faults("");
  const auto tried = cache.proofs().check(nvenc(), {}, kVideo);
  REQUIRE(tried);
  CHECK_FALSE(tried->remembered);
}

TEST_CASE("a refusal is remembered, and --reprobe's trial replaces it") {
  const Cache cache;
  set_faults("open=2");
  CHECK(choose(cache.proofs()).encoder != "h264_nvenc");
  set_faults("");
  CHECK(choose(cache.proofs()).encoder != "h264_nvenc");
  CHECK(choose(cache.proofs(true)).encoder == "h264_nvenc");
  CHECK(choose(cache.proofs()).encoder == "h264_nvenc");
}

TEST_CASE("an encoder that fails in mid-stream is tried again at the next start") {
  const Cache cache;
  set_faults("");
  auto chain = EncoderChain::create({}, cache.proofs());
  REQUIRE(chain);
  REQUIRE(chain->open_first(kVideo));
  REQUIRE(cache.proofs().check(nvenc(), {}, kVideo)->remembered);
  REQUIRE(chain->open_next(kVideo));
  CHECK_FALSE(cache.proofs().check(nvenc(), {}, kVideo)->remembered);
}

TEST_CASE("the list of encoders says what was remembered") {
  const Cache cache;
  set_faults("");
  CHECK_FALSE(probe_encoder(nvenc(), kVideo.size, 8, Chroma::Yuv420, cache.proofs()).remembered);
  const EncoderReport known = probe_encoder(nvenc(), kVideo.size, 8, Chroma::Yuv420, cache.proofs());
  CHECK(known.usable);
  CHECK(known.remembered);
  const EncoderReport software =
      probe_encoder(*find_encoder_row("libx264"), kVideo.size, 8, Chroma::Yuv420, cache.proofs());
  CHECK(software.usable);
  CHECK_FALSE(software.remembered);
}

TEST_CASE("a driver that hangs while an encoder is tried or opened costs its patience, no more") {
  // The trial's session, the stream's session after the trial, the trial's first picture.
  const std::string fault = GENERATE("hang-open", "hang-open=2", "hang");
  const bool remembered = GENERATE(false, true);
  CAPTURE(fault, remembered);
  const Cache cache;
  set_faults("");
  if (remembered) REQUIRE(cache.proofs().check(nvenc(), {}, kVideo));
  set_faults(fault.c_str());
  // What is remembered to work is opened at once: its first session is the stream's.
  const bool opens = remembered && fault != "hang-open";
  const Choice choice = choose(cache.proofs(), kVideo, 4s);
  CHECK((choice.encoder == "h264_nvenc") == opens);
  if (!opens) CHECK_THAT(choice.refused, ContainsSubstring("its driver has not come back from a call for 4.0 s"));
  CHECK((parked_threads() > 0) == !opens);
  end_hangs();
  // Neither the hang nor its late end is remembered, nor that it worked before.
  const auto tried = cache.proofs().check(nvenc(), {}, kVideo);
  REQUIRE(tried);
  CHECK(tried->remembered == opens);
}

TEST_CASE("a trial whose end nobody waits for is not remembered") {
  const Cache cache;
  set_faults("");
  std::stop_source given_up;
  given_up.request_stop();
  REQUIRE(cache.proofs().check(nvenc(), {}, kVideo, given_up.get_token()));
  const auto again = cache.proofs().check(nvenc(), {}, kVideo);
  REQUIRE(again);
  CHECK_FALSE(again->remembered);
}

TEST_CASE("a list of encoders goes on behind a driver that hangs") {
  const Cache cache;
  set_faults("hang-open");
  const EncoderReport report = probe_encoder(nvenc(), kVideo.size, 8, Chroma::Yuv420, cache.proofs(), 3s);
  CHECK_FALSE(report.usable);
  CHECK_THAT(report.reason, ContainsSubstring("has not come back"));
  CHECK(probe_encoder(*find_encoder_row("libx264"), kVideo.size, 8, Chroma::Yuv420, cache.proofs()).usable);
  end_hangs();
}
