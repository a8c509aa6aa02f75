// Encoders are chosen by proof, on the software NVIDIA driver: what it refuses, lies about and repairs.
#include "base/parked_thread.h"
#include "encode/encoder_chain.h"
#include "encode/probe.h"
#include "gpu/cuda/context.h"
#include "softgpu/control.h"

#include <dlfcn.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
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

/// Whatever a test did to the driver is over with it.
struct Faults {
  explicit Faults(const char* faults = "") { set_faults(faults); }
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;
  ~Faults() { set_faults(""); }
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
Choice choose(Nanoseconds patience = kOpenPatience) {
  auto chain = EncoderChain::create({}, patience);
  REQUIRE(chain);
  const auto encoder = chain->open_first(kVideo);
  REQUIRE(encoder);
  Choice choice{std::string((*encoder)->name()), {}};
  for (const auto& refusal : chain->refusals()) choice.refused += refusal.error.message() + "\n";
  return choice;
}

}  // namespace

TEST_CASE("an encoder that opens and then encodes nothing is not chosen, and is when it is repaired") {
  const Faults faults("encode=1");
  const Choice choice = choose();
  CHECK(choice.encoder != "h264_nvenc");
  CHECK_THAT(choice.refused, ContainsSubstring("h264_nvenc"));
  set_faults("open=2");
  CHECK(choose().encoder != "h264_nvenc");
  set_faults("");
  CHECK(choose().encoder == "h264_nvenc");
}

TEST_CASE("whether hardware that is passed over is here at all") {
  const Faults faults;
  EncoderSettings deep;
  deep.bit_depth = 10;  // NVENC's H.264 has eight
  auto chain = EncoderChain::create(deep);
  REQUIRE(chain);
  const auto encoder = chain->open_first(kVideo);
  REQUIRE(encoder);
  CHECK_FALSE((*encoder)->hardware());
  for (const EncoderChain::Refusal& refusal : chain->refusals()) {
    CAPTURE(refusal.encoder);
    CHECK(refusal.hardware_here == (refusal.encoder == "h264_nvenc"));
  }
  REQUIRE(chain->refusals().size() > 1);
}

TEST_CASE("a trial is made in the memory that the pictures lie in") {
  const Faults faults;
  const auto context = cuda::open_context();
  REQUIRE(context);
  VideoParameters in_cuda = kVideo;
  in_cuda.device = *context;
  for (const VideoParameters& video : {kVideo, in_cuda}) CHECK(prove_encoder(nvenc(), {}, video));
  // The device takes no buffers of ours: a trial in host memory would not have shown it.
  set_faults("register=23");
  CHECK(prove_encoder(nvenc(), {}, kVideo));
  CHECK_FALSE(prove_encoder(nvenc(), {}, in_cuda));
}

TEST_CASE("a driver that hangs while an encoder is tried or opened costs its patience, no more") {
  // The trial's session, the stream's session after the trial, the trial's first picture.
  const std::string fault = GENERATE("hang-open", "hang-open=2", "hang");
  CAPTURE(fault);
  const Faults faults(fault.c_str());
  const Choice choice = choose(4s);
  CHECK(choice.encoder != "h264_nvenc");
  CHECK_THAT(choice.refused, ContainsSubstring("its driver has not come back from a call for 4.0 s"));
  CHECK(parked_threads() > 0);
  end_hangs();
  CHECK(choose().encoder == "h264_nvenc");
}

TEST_CASE("a list of encoders goes on behind a driver that hangs") {
  const Faults faults("hang-open");
  const EncoderReport report = probe_encoder(nvenc(), kVideo.size, 8, Chroma::Yuv420, 3s);
  CHECK_FALSE(report.usable);
  CHECK_THAT(report.reason, ContainsSubstring("has not come back"));
  CHECK(probe_encoder(*find_encoder_row("libx264"), kVideo.size, 8, Chroma::Yuv420).usable);
  end_hangs();
}
