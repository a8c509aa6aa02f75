#include "capture/audio_test_source.h"

#include "media/test_sound.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

namespace zc {
namespace {

constexpr std::size_t kBlock = kAudioRate / 100;
constexpr Nanoseconds kBlockTime = std::chrono::milliseconds(10);
constexpr Nanoseconds kMostBehind = std::chrono::seconds(2);

class TestAudioSource final : public AudioSource {
 public:
  explicit TestAudioSource(std::uint64_t layout)
      : samples_(kBlock * AudioFormat{.layout = layout}.channels()), next_(monotonic_now()) {}

  void read(AudioReader& reader) override {
    const Nanoseconds now = monotonic_now();
    if (!std::exchange(begun_, true)) reader.on_stream(1);
    while (now - next_ > kMostBehind) {
      next_ += kBlockTime;
      ++lost_;
    }
    const std::size_t channels = samples_.size() / kBlock;
    for (; next_ + kBlockTime <= now; next_ += kBlockTime) {
      for (std::size_t i = 0; i < kBlock; ++i) {
        const float sample = test_sound(next_ + kBlockTime * static_cast<std::int64_t>(i) / kBlock);
        std::fill_n(samples_.begin() + static_cast<std::ptrdiff_t>(i * channels), channels, sample);
      }
      reader.on_block(1, {.time = next_, .samples = samples_});
    }
  }
  [[nodiscard]] std::uint64_t lost() const override { return lost_; }

 private:
  std::vector<float> samples_;
  Nanoseconds next_;
  bool begun_ = false;
  std::uint64_t lost_ = 0;
};

}  // namespace

std::unique_ptr<AudioSource> make_test_audio(std::uint64_t layout) { return std::make_unique<TestAudioSource>(layout); }

}  // namespace zc
