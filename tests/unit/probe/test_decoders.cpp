// Decoders tried by decoding.
#include "encode/decoder_probe.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <string>

using namespace zc;

TEST_CASE("the software decoders give back what was encoded") {
  const Codec codec = GENERATE(Codec::H264, Codec::HEVC, Codec::AV1);
  const DecoderReport report = probe_decoder(DecoderBackend::Software, codec);
  CAPTURE(to_string(codec), report.reason);
  CHECK(report.works);
  CHECK(report.pictures == 5);
  CHECK(report.samples == 5 * 320 * 192 * 3 / 2);
  CHECK(report.different == 0);
  CHECK_FALSE(report.decoder.empty());
}

TEST_CASE("a decoder of hardware works or says why") {
  const DecoderBackend backend = GENERATE(DecoderBackend::Nvdec, DecoderBackend::Vaapi, DecoderBackend::Vulkan);
  const DecoderReport report = probe_decoder(backend, Codec::H264);
  CAPTURE(to_string(backend), report.reason);
  CHECK(report.works == report.reason.empty());
  if (report.works) CHECK(report.different == 0);
}
