#include "session/offer_keeper.h"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <optional>
#include <vector>

using namespace zc;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kTiled = 0x0300'0000'0000'0001;

/// An importer whose offer shrinks as the test tells it to.
class ShrinkingImporter final : public Importer {
 public:
  [[nodiscard]] std::string_view route() const override { return "test"; }
  [[nodiscard]] FormatOffer offer() const override {
    FormatOffer offer;
    if (!modifiers.empty() || shared_memory) offer.formats.push_back({PixelFormat::BGRx, modifiers});
    offer.shared_memory = shared_memory;
    return offer;
  }
  [[nodiscard]] std::uint64_t offer_version() const override { return version; }
  [[nodiscard]] Result<void> configure(const SurfaceFormat&) override { return {}; }
  [[nodiscard]] Result<Surface> import(Frame) override { return fail(ErrorKind::Unsupported, "import", "test"); }

  std::vector<std::uint64_t> modifiers{kTiled, kModifierLinear};
  bool shared_memory = true;
  std::uint64_t version = 3;
};

struct Rig {
  ShrinkingImporter importer;
  std::vector<FormatOffer> asked;
  bool deaf = false;
  OfferKeeper keeper{importer, [this](const FormatOffer& offer) -> Result<void> {
                       asked.push_back(offer);
                       if (deaf) return fail(ErrorKind::Lost, "renegotiate", "deaf");
                       return {};
                     }};

  void shrink(std::vector<std::uint64_t> modifiers) {
    importer.modifiers = std::move(modifiers);
    ++importer.version;
  }
  /// One import; `error` as the importer's.
  Result<void> import(Nanoseconds now, std::optional<ErrorKind> error = std::nullopt) {
    const Error e{error.value_or(ErrorKind::Internal), ErrorDomain::None, 0, "import", "test"};
    return keeper.after_import(error ? &e : nullptr, now);
  }
  [[nodiscard]] std::vector<std::uint64_t> last() const { return asked.back().formats.front().modifiers; }
};

}  // namespace

TEST_CASE("as long as nothing is refused the source is left alone") {
  Rig rig;
  for (int i = 0; i < 100; ++i) {
    REQUIRE(rig.import(i * 16ms));
    for (const ErrorKind kind : {ErrorKind::Busy, ErrorKind::Invalid, ErrorKind::Timeout, ErrorKind::Internal}) {
      REQUIRE(rig.import(i * 16ms, kind));
    }
  }
  CHECK(rig.asked.empty());
}

TEST_CASE("a smaller offer is asked for at once, whether the picture got through or not") {
  Rig rig;
  rig.shrink({kModifierLinear});
  REQUIRE(rig.import(1s, ErrorKind::Unsupported));
  REQUIRE(rig.asked.size() == 1);
  CHECK(rig.last() == std::vector{kModifierLinear});
  rig.shrink({});
  REQUIRE(rig.import(1s + 16ms));
  REQUIRE(rig.asked.size() == 2);
  CHECK(rig.last().empty());
  CHECK(rig.asked.back().shared_memory);
}

TEST_CASE(
    "pictures under way do not make it ask again; ones that go on do, at last without dmabufs, ever more rarely") {
  Rig rig;
  rig.deaf = true;
  rig.shrink({kModifierLinear});
  std::vector<Nanoseconds> times;
  for (Nanoseconds now{}; now < 200s; now += 16ms) {
    const std::size_t before = rig.asked.size();
    REQUIRE(rig.import(now, ErrorKind::Unsupported));
    if (rig.asked.size() != before) times.push_back(now);
  }
  REQUIRE(times.size() >= 6);
  CHECK(rig.asked[0].formats.front().modifiers == std::vector{kModifierLinear});
  for (std::size_t i = 1; i < rig.asked.size(); ++i) CHECK(rig.asked[i].formats.front().modifiers.empty());
  for (std::size_t i = 1; i < times.size(); ++i) {
    const Nanoseconds gap = times[i] - times[i - 1];
    CHECK(gap >= std::min(OfferKeeper::kLongestPatience, OfferKeeper::kFirstPatience * (1U << (i - 1))));
    CHECK(gap <= OfferKeeper::kLongestPatience + 16ms);
  }
  SECTION("a picture that is taken ends it") {
    REQUIRE(rig.import(201s));
    const std::size_t before = rig.asked.size();
    REQUIRE(rig.import(300s, ErrorKind::Unsupported));
    REQUIRE(rig.asked.size() == before + 1);
    CHECK(rig.last() == std::vector{kModifierLinear});
  }
}

TEST_CASE("with nothing left to ask for it is over") {
  Rig rig;
  rig.importer.shared_memory = false;
  rig.shrink({kModifierLinear});
  REQUIRE(rig.import(1s, ErrorKind::Unsupported));
  // Without shared memory there is no offer without dmabufs.
  REQUIRE(rig.import(5s, ErrorKind::Unsupported));
  CHECK(rig.last() == std::vector{kModifierLinear});
  rig.shrink({});
  const auto over = rig.import(6s, ErrorKind::Unsupported);
  REQUIRE_FALSE(over);
  CHECK(over.error().kind == ErrorKind::Lost);
  CHECK(rig.asked.size() == 2);
}

TEST_CASE("a source that cannot be asked is not") {
  ShrinkingImporter importer;
  OfferKeeper keeper(importer, {});
  ++importer.version;
  const Error error{ErrorKind::Unsupported, ErrorDomain::None, 0, "import", "test"};
  CHECK(keeper.after_import(&error, 1s));
}
