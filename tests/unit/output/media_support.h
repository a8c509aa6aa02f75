// Real packets to feed to sinks, and a real reader for what comes out.
#pragma once

#include "base/error.h"
#include "media/packet.h"
#include "support/temporary_folder.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace zc::test {

struct TestStream {
  StreamParameters parameters;
  std::vector<Packet> packets;
};

struct StreamOptions {
  Codec codec = Codec::H264;
  unsigned frames = 300;
  Size size{160, 90};
  unsigned gop = 60;
  bool b_frames = false;
  /// Presentation time of frame n in kPacketClock ticks; the default is 60 fps.
  std::function<std::int64_t(unsigned)> pts = [](unsigned n) { return std::int64_t{n} * 1500; };
  unsigned noise = 8;  ///< amplitude, 0..255: how many bytes a frame takes
};

/// Encodes a moving, noisy pattern with libx264, libx265 or libsvtav1 (global headers, as zerocast_encode does).
TestStream make_stream(const StreamOptions& options = {});

struct ReadPacket {
  std::int64_t pts;  ///< kPacketClock
  std::int64_t dts;
  bool keyframe;
  std::size_t bytes;
  std::size_t hash;  ///< of its bytes
};

struct ReadMedia {
  std::string error;  ///< why it could not be opened; empty if it could
  std::string format;
  int codec_id = 0;
  Size size;
  bool has_extradata = false;
  int matrix = 0, primaries = 0, transfer = 0, range = 0;
  double frame_rate = 0;
  double duration = 0;  ///< seconds, by the container's header; 0 if it does not say
  std::vector<ReadPacket> packets;
  std::vector<std::int64_t> frame_pts;  ///< decoded pictures without a decode error, kPacketClock
  unsigned decode_errors = 0;
};

struct ReadOptions {
  std::vector<std::pair<std::string, std::string>> options;  ///< of the protocol or demuxer
  std::string format;                                        ///< force a demuxer
  std::size_t max_packets = SIZE_MAX;
  std::atomic<bool>* stop = nullptr;      ///< ends every wait
  std::atomic<unsigned>* read = nullptr;  ///< counts packets while reading
};

/// Demuxes and decodes the pictures of a file or URL to its end.
ReadMedia read_media(const std::string& url, const ReadOptions& options = {});

/// The types of a file's outermost boxes, and "?" behind what is none: "ftyp mdat moov".
std::string top_level_boxes(const std::string& path);

/// Where a file's index lets one jump to, kPacketClock.
std::vector<std::int64_t> seek_points(const std::string& path);

}  // namespace zc::test
