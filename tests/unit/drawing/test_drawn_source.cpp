// Images, texts and clocks as sources.
#include "capture/make_source.h"
#include "capture/source_spec.h"
#include "support/temporary_folder.h"
#include "unit/drawing/png_writer.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;

namespace {

class Pictures final : public SourceListener {
 public:
  void on_frame(Frame frame) override {
    {
      const std::lock_guard lock(mutex_);
      frames_.push_back(std::move(frame));
    }
    came_.notify_all();
  }
  void on_state(SourceState, const Error*) override {}
  /// Waits for so many; the newest one's format and size.
  std::pair<PixelFormat, Size> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    REQUIRE(came_.wait_for(lock, 60s, [&] { return frames_.size() >= count; }));
    return {frames_.back().format(), frames_.back().buffer_size()};
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<Frame> frames_;
};

std::unique_ptr<Source> source_of(const std::string& text) {
  const auto spec = parse_source(text);
  REQUIRE(spec);
  auto source = make_source(*spec);
  REQUIRE(source);
  return std::move(*source);
}

std::string refusal(std::string_view text) {
  const auto spec = parse_source(text);
  return spec ? "" : spec.error().message();
}

}  // namespace

TEST_CASE("drawn sources are read and written as text") {
  for (const char* text :
       {"image:/tmp/a b,c.png", "text:Hello, world", "text:a:b,px=20,color=ff000080,font=DejaVu Sans", "clock",
        "clock:%H:%M,background=00000000"}) {
    const auto spec = parse_source(text);
    REQUIRE(spec);
    CHECK(to_string(*spec) == text);
  }
  CHECK_THAT(refusal("image:"), ContainsSubstring("names no file"));
  CHECK_THAT(refusal("text:"), ContainsSubstring("has no text"));
  CHECK_THAT(refusal("text:a,px=5"), ContainsSubstring("from 6 to 1000"));
  CHECK_THAT(refusal("text:a,color=red"), ContainsSubstring("RRGGBB or RRGGBBAA"));
  CHECK_THAT(refusal("text:a,font="), ContainsSubstring("names no font"));
}

TEST_CASE("an image gives its picture once, and again after a rest") {
  const TemporaryFolder folder;
  const std::string path = folder.file("logo.png");
  const std::string bytes = png(PngKind::Rgba, 2, 2, std::string(16, '\x7f'));
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  Pictures pictures;
  const auto source = source_of("image:" + path);
  FormatOffer offer;
  offer.formats = {{PixelFormat::RGBA, {}}};
  REQUIRE(source->start(offer, pictures));
  CHECK(pictures.wait_for(1) == std::pair(PixelFormat::RGBA, Size{2, 2}));
  CHECK(source->info().kind == "image");
  source->rest();
  REQUIRE(source->wake(offer));
  static_cast<void>(pictures.wait_for(2));
  source->stop();
  CHECK(source->stats().delivered == 2);

  const auto missing = source_of("image:" + folder.file("none.png"));
  const auto refused = missing->start(offer, pictures);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message(), ContainsSubstring("none.png"));
}

TEST_CASE("a clock gives a picture whenever what it says has changed") {
  Pictures pictures;
  const auto source = source_of("clock:%S");
  FormatOffer offer;
  offer.formats = {{PixelFormat::RGBA, {}}};
  if (const auto started = source->start(offer, pictures); !started) SKIP(started.error().message());
  static_cast<void>(pictures.wait_for(3));
  source->stop();
  CHECK(source->info().rate.value() == 1);
}

TEST_CASE("a clock that says nothing is a picture all the same") {
  Pictures pictures;
  const auto source = source_of("clock:%");  // %p is empty in many languages
  FormatOffer offer;
  offer.formats = {{PixelFormat::RGBA, {}}};
  if (const auto started = source->start(offer, pictures); !started) SKIP(started.error().message());
  CHECK_FALSE(pictures.wait_for(1).second.empty());
  source->stop();
}
