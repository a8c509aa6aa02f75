#include "support/producer_sync.h"

#include "support/fake_timeline.h"
#include "support/producer_drm.h"
#include "support/producer_spa.h"

#include <cstdio>
#include <utility>

namespace zc::test {
namespace {

class FakeSide final : public ProducerTimeline {
 public:
  explicit FakeSide(std::shared_ptr<FakeTimeline> timeline) : timeline_(std::move(timeline)) {}
  int fd() const override { return timeline_->fd(); }
  void signal(std::uint64_t point) override { timeline_->signal(point); }
  std::uint64_t reached() const override { return timeline_->reached(); }
  std::optional<std::uint64_t> signals() const override { return timeline_->signals(); }

 private:
  std::shared_ptr<FakeTimeline> timeline_;
};

class TimelineSync final : public BufferSync {
 public:
  TimelineSync(std::unique_ptr<ProducerTimeline> acquire, std::unique_ptr<ProducerTimeline> release, bool flagged)
      : acquire_(std::move(acquire)), release_(std::move(release)), flagged_(flagged) {}

  bool begin(spa_buffer& buffer) override {
    auto* sync =
        static_cast<SyncTimelineMeta*>(spa_buffer_find_meta_data(&buffer, kMetaSyncTimeline, sizeof(SyncTimelineMeta)));
    if (sync == nullptr) return false;
    // A buffer that PipeWire passed over comes back as it went: nobody has promised to signal.
    const bool promised = point_ != 0 && (sync->flags & kUnscheduledRelease) == 0;
    if (promised) ++signals_;
    const bool kept =
        release_->signals().value_or(signals_) == signals_ && (!promised || release_->reached() == point_);
    ++point_;
    *sync = {flagged_ ? kUnscheduledRelease : 0, 0, point_, point_};
    return kept;
  }
  void done() override { acquire_->signal(point_); }
  bool released() const override { return release_->reached() >= point_; }

 private:
  std::unique_ptr<ProducerTimeline> acquire_, release_;
  const bool flagged_;
  std::uint64_t point_ = 0;    ///< of both, for the buffer's latest picture
  std::uint64_t signals_ = 0;  ///< of release_ that there must have been
};

class FenceSync final : public BufferSync {
 public:
  explicit FenceSync(DrmBuffer& memory) : memory_(memory) {}
  bool begin(spa_buffer&) override {
    if (const auto attached = memory_.attach_fence(); !attached) {
      std::fprintf(stderr, "zerocast-test-producer: %s\n", attached.error().message().c_str());
    }
    return true;
  }
  void done() override { memory_.signal_fence(); }
  bool released() const override { return true; }

 private:
  DrmBuffer& memory_;
};

std::unique_ptr<ProducerTimeline> make_timeline(DrmNode* node) {
  if (node == nullptr) return make_fake_timeline();
  auto made = node->make_timeline();
  if (made) return std::move(*made);
  std::fprintf(stderr, "zerocast-test-producer: %s\n", made.error().message().c_str());
  return nullptr;
}

}  // namespace

std::unique_ptr<ProducerTimeline> make_fake_timeline() {
  auto timeline = FakeTimeline::create();
  return timeline ? std::make_unique<FakeSide>(std::move(timeline)) : nullptr;
}

std::unique_ptr<BufferSync> make_timeline_sync(DrmNode* node, std::uint32_t blocks, bool flagged, spa_buffer& buffer) {
  auto acquire = make_timeline(node);
  auto release = make_timeline(node);
  if (!acquire || !release) return nullptr;
  for (std::uint32_t i = 0; i < 2; ++i) {
    spa_data& data = buffer.datas[blocks + i];
    data.type = kDataSyncObj;
    data.flags = SPA_DATA_FLAG_READWRITE;
    data.fd = (i == 0 ? acquire : release)->fd();
    data.mapoffset = 0;
    data.maxsize = 0;
    data.data = nullptr;
  }
  return std::make_unique<TimelineSync>(std::move(acquire), std::move(release), flagged);
}

std::unique_ptr<BufferSync> make_fence_sync(DrmBuffer& memory) { return std::make_unique<FenceSync>(memory); }

}  // namespace zc::test
