#include "integration/capture/rig.h"

using namespace zc;
using namespace zc::test;

namespace {

/// Buffers that lie about their memory: all refused and counted, none read, the stream goes on.
void expect_refusal(ProducerOptions options) {
  const auto producer = produce(std::move(options));
  RecordingListener listener;
  const auto src = source(target(*producer));
  REQUIRE(src->start(offer_all(), listener));
  REQUIRE(listener.wait([&] { return src->stats().corrupt >= 10; }));
  CHECK(src->stats().delivered == 0);
  CHECK_FALSE(listener.error());
  CHECK(producer->sent() >= 10);  // every refused buffer went back to it
}

}  // namespace

TEST_CASE("lying buffers are refused") {
  const auto daemon = pipewire();
  ProducerOptions options;
  SECTION("fds that are truncated after they were mapped") { options.short_buffers = true; }
  SECTION("chunks shorter than the picture") { options.short_chunks = true; }
  SECTION("each plane's chunk shorter than the plane") {
    options.formats = {PixelFormat::NV12};
    options.separate_blocks = true;
    options.short_chunks = true;
  }
  expect_refusal(std::move(options));
}
