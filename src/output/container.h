#pragma once

#include "base/error.h"
#include "media/audio_codec.h"
#include "media/codec.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace zc {

/// Flv is RTMP's, and Hls MP4 in pieces: no file is made of them. The last three are none at all: packets of RTP, which
/// RTSP carries, too; packets as they are, to a program on this machine (packet_wire.h); and pictures that nobody has
/// encoded.
enum class Container : std::uint8_t { Mkv, Mp4, Ts, Flv, Hls, Rtp, Packets, Pictures };

/// One row per container.
struct ContainerInfo {
  Container container;
  std::string_view name;          ///< the word of --container and the file extension: "mkv"
  std::string_view title;         ///< for messages: "Matroska"
  const char* muxer;              ///< libavformat's name; nullptr: there is none
  std::span<const Codec> codecs;  ///< what our muxer settings can carry in it
  std::span<const AudioCodec> audio;
  /// The stream may go on with other parameter sets than it began with when keyframes bring them: another encoder takes
  /// over. MP4's sample entries 'avc1', 'hvc1' and 'av01' hold the only ones: a file rolls over to a new one.
  bool takes_new_headers;
  /// The stream may go on in another size of picture when keyframes say which. The others state one in their head, and
  /// a file rolls over to a new one.
  bool takes_new_size;
  std::size_t takes_tracks = SIZE_MAX;  ///< of sound, at most
};

struct StreamParameters;

/// Those of files.
[[nodiscard]] std::span<const ContainerInfo> containers();
[[nodiscard]] const ContainerInfo& info(Container container);
/// Case-insensitive; "mkv", "mp4", "ts".
[[nodiscard]] std::optional<Container> container_from_name(std::string_view name);
/// "mkv, mp4, ts": for messages.
[[nodiscard]] std::string container_names();

/// Whether the container can hold the codec, by our table and by the linked libavformat. Unsupported names the codecs
/// that fit the container and the containers that fit the codec.
[[nodiscard]] Result<void> check_codec(Container container, Codec codec);
[[nodiscard]] Result<void> check_codec(Container container, AudioCodec codec);
/// Unsupported: so many tracks of sound do not fit into it.
[[nodiscard]] Result<void> check_tracks(Container container, std::size_t tracks);
/// Whether what is `now` may become `next` within one file or connection.
[[nodiscard]] bool can_go_on(Container container, const StreamParameters& now, const StreamParameters& next);

}  // namespace zc
