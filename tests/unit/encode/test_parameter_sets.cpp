#include "encode/parameter_sets.h"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <initializer_list>
#include <vector>

using namespace zc;

namespace {

std::vector<std::byte> bytes(std::initializer_list<unsigned> values) {
  std::vector<std::byte> result;
  for (const unsigned value : values) result.push_back(static_cast<std::byte>(value));
  return result;
}

}  // namespace

TEST_CASE("H.264: profile and level of the sequence parameter set behind other units") {
  const auto extradata = bytes({0, 0, 0, 1, 0x09, 0x10, 0, 0, 0, 1, 0x67, 100, 0, 41, 0xac, 0, 0, 1, 0x68, 0xee});
  CHECK(read_profile_level(Codec::H264, extradata) == ProfileLevel{100, 41});
}

TEST_CASE("HEVC: emulation prevention bytes inside the constraint flags are skipped") {
  // VPS, then an SPS: profile 1, compatibility 60 00 00 00, constraints 90 00 00 00 00 00, level 123.
  const auto extradata = bytes({0,    0, 0, 1, 0x40, 0x01, 0x0c, 0, 0, 0, 1, 0x42, 0x01, 0x01, 0x01,
                                0x60, 0, 0, 3, 0,    0x90, 0,    0, 3, 0, 0, 3,    0,    123,  0xa0});
  CHECK(read_profile_level(Codec::HEVC, extradata) == ProfileLevel{1, 123});
}

TEST_CASE("AV1: profile and first level of the sequence header") {
  // profile 0, no still picture, no timing info, no display delay, one operating point with idc 0, level index 9.
  // 000 0 0 0 0 0 | 0000 0000 | 0000 0000 | 0100 1...: 3+1+1+1+1+5+12 bits, then 5 of the level.
  const auto extradata = bytes({0x0a, 0x05, 0x00, 0x00, 0x00, 0x48, 0x00});
  CHECK(read_profile_level(Codec::AV1, extradata) == ProfileLevel{0, 9});
  // The same behind an extension byte and a size of two bytes.
  const auto extended = bytes({0x0e, 0x00, 0x85, 0x00, 0x20, 0x00, 0x00, 0x48, 0x00});
  CHECK(read_profile_level(Codec::AV1, extended) == ProfileLevel{1, 9});
}

TEST_CASE("cut or foreign headers give nothing") {
  const auto h264 = bytes({0, 0, 0, 1, 0x67, 100, 0, 41});
  for (std::size_t length = 0; length < h264.size(); ++length) {
    CHECK_FALSE(read_profile_level(Codec::H264, std::span(h264).first(length)));
  }
  const auto av1 = bytes({0x0a, 0x05, 0x00, 0x00, 0x00, 0x48});
  for (std::size_t length = 0; length < av1.size(); ++length) {
    CHECK_FALSE(read_profile_level(Codec::AV1, std::span(av1).first(length)));
  }
  CHECK_FALSE(read_profile_level(Codec::HEVC, h264));
  CHECK_FALSE(read_profile_level(Codec::AV1, h264));
  // A size that never ends.
  CHECK_FALSE(read_profile_level(Codec::AV1, bytes({0x0a, 0xff, 0xff, 0xff})));
}
