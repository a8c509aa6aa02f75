#include "output/file_sink.h"
#include "output/hls_sink.h"
#include "output/network_sink.h"
#include "output/packet_sink.h"
#include "output/pipewire/camera_sink.h"
#include "output/rtp_sink.h"
#include "output/sink_runner.h"
#include "output/v4l2_sink.h"

namespace zc {
namespace {

/// A file may lag behind by what a spinning disk stalls; a peer that is this far behind is better served by a fresh
/// keyframe. At 60 fps: 17 s and 4 s; with sound, about half.
constexpr QueueLimits kFileLimits{.packets = 1024, .bytes = std::size_t{64} << 20U};
constexpr QueueLimits kLiveLimits{.packets = 256, .bytes = std::size_t{16} << 20U};

/// A camera has no queue, and its other side is on this machine: it is soon looked for again.
constexpr QueueLimits kNoQueue{.packets = 1, .bytes = 1};
constexpr std::chrono::milliseconds kLongestCameraBackoff{1000};

}  // namespace

Result<std::unique_ptr<Sink>> make_sink(const OutputSpec& spec) {
  if (const auto* camera = std::get_if<CameraOutput>(&spec.target)) {
    if (camera->device.empty()) return CameraSink::create(*camera);
    return V4l2Sink::create(*camera);
  }
  if (const auto* local = std::get_if<UnixOutput>(&spec.target)) return PacketSink::create(*local);
  if (const auto* folder = std::get_if<HlsOutput>(&spec.target)) return HlsSink::create(*folder);
  if (spec.container == Container::Rtp) return RtpSink::create(spec);
  if (spec.live()) return NetworkSink::create(spec);
  return FileSink::create(spec);
}

Result<std::unique_ptr<SinkRunner>> make_sink_runner(const OutputSpec& spec, SinkEvents& events,
                                                     DurationHistogram* write_times) {
  auto sink = make_sink(spec);
  if (!sink) return std::unexpected(sink.error());
  SinkRunnerOptions options;
  options.write_times = write_times;
  if (spec.camera()) {
    options.limits = kNoQueue;
    options.reconnect = true;
    options.longest_backoff = kLongestCameraBackoff;
  } else if (spec.live()) {
    options.policy = QueuePolicy::DropToKeyframe;
    options.limits = kLiveLimits;
    options.reconnect = !std::holds_alternative<HlsOutput>(spec.target);  // a disk is no peer that comes back
  } else {
    options.policy = QueuePolicy::Block;
    options.limits = kFileLimits;
  }
  return std::make_unique<SinkRunner>(std::move(*sink), options, events);
}

}  // namespace zc
