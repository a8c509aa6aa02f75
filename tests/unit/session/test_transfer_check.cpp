#include "session/transfer_check.h"

#include <catch2/catch_test_macros.hpp>

#include <array>

using namespace zc;

TEST_CASE("a transfer function that the source has not is refused where nothing makes it true") {
  using enum TransferFunction;
  constexpr std::array kSdr{Unknown, BT709, SRGB, BT2020_10};
  for (const TransferFunction source : kSdr) {
    for (const TransferFunction coded : kSdr) CHECK(check_transfer(source, coded));
    for (const TransferFunction coded : {PQ, HLG}) {
      const auto refused = check_transfer(source, coded);
      REQUIRE_FALSE(refused);
      CHECK(refused.error().kind == ErrorKind::Invalid);
      CHECK(check_transfer(coded, coded));
      CHECK(check_transfer(coded, source).has_value() == (coded == PQ));
    }
  }
  CHECK(
      check_transfer(SRGB, PQ).error().message() ==
      "colour: the source's pictures are SDR (transfer function srgb) and cannot be recorded as pq; valid are --colour "
      "bt709, bt601, bt2020 and --transfer bt709, srgb, bt2020-10");
  CHECK(check_transfer(HLG, BT709).error().message() ==
        "colour: the source's pictures are HDR (hlg) and can be recorded with --colour bt2100-hlg --bit-depth 10 only");
  CHECK(check_transfer(HLG, PQ).error().message().find("--colour bt2100-hlg --bit-depth 10") != std::string::npos);
}
