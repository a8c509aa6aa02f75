// What the user names as an output, parsed and checked without touching the disk or the network.
#pragma once

#include "base/error.h"
#include "media/colour.h"
#include "output/container.h"
#include "output/hls_playlist.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace zc {

/// A passphrase: no formatter and no stream operator takes it, so it cannot slip into a log line.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  [[nodiscard]] bool empty() const noexcept { return text_.empty(); }
  [[nodiscard]] const std::string& reveal() const noexcept { return text_; }

 private:
  std::string text_;
};

/// Where a secret is: in at most one of them.
struct SecretPlace {
  Secret value;
  std::string file;  ///< its first line
  std::string env;   ///< name of a variable of the environment
  [[nodiscard]] bool empty() const { return value.empty() && file.empty() && env.empty(); }
};

struct Endpoint {
  std::string host;  ///< name or numeric address, IPv6 without brackets; empty: every local address (listeners only)
  std::uint16_t port = 0;
  /// "host:port", "[::1]:port".
  [[nodiscard]] std::string text() const;
};

/// When a file is ended and the next one begun, at a keyframe; 0: never.
struct SplitLimit {
  std::chrono::milliseconds time{};
  std::uint64_t bytes = 0;
};

struct FileOutput {
  std::string path;  ///< or a pattern, before it is named (expand_file_name()); empty: default_file()
  bool overwrite = false;
  SplitLimit split = {};
};
struct StdoutOutput {};
struct UdpOutput {
  Endpoint peer;
  std::optional<std::uint8_t> ttl;  ///< routers on the way, at most; nullopt: the system's (64, and 1 for a group)
  std::string interface;            ///< network interface that groups are sent by; empty: the system chooses
};
struct TcpOutput {
  Endpoint endpoint;
  bool listen = false;  ///< wait for the peer to connect instead of calling it
};
inline constexpr unsigned kDefaultMaxViewers = 8;
inline constexpr unsigned kMostViewers = 64;
struct SrtOutput {
  Endpoint endpoint;
  bool listener = false;
  std::optional<unsigned> max_viewers;  ///< callers that a listener serves at a time; nullopt: kDefaultMaxViewers
  SecretPlace passphrase;               ///< 10 to 79 bytes; nowhere: not encrypted
  unsigned key_bytes = 0;               ///< 16, 24 or 32; 0: libsrt's own 16
  std::string stream_id;  ///< up to 512 bytes; which stream it is to a peer that serves several; of a listener:
                          ///< callers that ask for another one are refused
  std::optional<std::chrono::milliseconds> latency;  ///< nullopt: libsrt's own 120 ms
};
/// Datagrams of RTP (RFC 3550), pictures and sound each to a port of their own, with RTCP one above it.
struct RtpOutput {
  UdpOutput pictures;
  std::optional<std::uint16_t> audio_port;  ///< nullopt: two above that of the pictures
  std::uint8_t payload = 96;                ///< number of the pictures' packets, which the receiver is told
  std::uint8_t audio_payload = 97;
  std::string sdp;  ///< file for what a receiver has to be told; empty: none
};
/// A server that RTP is published to by RTSP, in its one connection.
struct RtspOutput {
  Endpoint endpoint;
  std::string url;  ///< as it was typed
};
/// A platform or relay that streams are published to.
struct RtmpOutput {
  Endpoint endpoint;
  bool tls = false;
  std::string app;  ///< "live2": what platforms call it in their servers' URLs
  std::string url;  ///< as it was typed, without options
  SecretPlace key;  ///< 1 to 512 visible bytes
  /// The kernel keeps no more than a few hundred kilobytes that the server has not taken, so that what does not go
  /// through is soon seen; else as many as it likes, which suits a fast and distant server better.
  bool short_buffer = false;
};
/// A folder of files that a web server hands out.
struct HlsOutput {
  std::string path;
  hls::Timing timing = {};
};
/// A program on this machine that takes packets as they are.
struct UnixOutput {
  std::string path;  ///< of its socket
};

/// A virtual camera, which other programs read: pictures as they are made for the encoder, without sound.
struct CameraOutput {
  std::string name;    ///< as PipeWire tells it to programs
  std::string device;  ///< or a v4l2loopback device: "/dev/video9"
};

struct OutputSpec {
  Container container = Container::Mkv;
  std::variant<FileOutput, StdoutOutput, UdpOutput, TcpOutput, SrtOutput, RtmpOutput, RtpOutput, RtspOutput, HlsOutput,
               UnixOutput, CameraOutput>
      target;

  /// For messages: the path, "stdout", "camera:NAME" or scheme://host:port. Never holds a passphrase.
  [[nodiscard]] std::string name() const;
  /// True for network peers, for HLS, whose players are such, and for cameras: a full queue drops to the next keyframe,
  /// a lost peer is called again.
  [[nodiscard]] bool live() const;
  /// It takes pictures, not packets: no encoder is needed for it.
  [[nodiscard]] bool camera() const { return std::holds_alternative<CameraOutput>(target); }
};

/// Unsupported: a camera has no way to say that its pictures are HDR.
[[nodiscard]] Result<void> check_camera_colour(const ColourDescription& colour);

/// The passphrase, wherever it is. Invalid: it is not there, or of a wrong length.
[[nodiscard]] Result<Secret> read_passphrase(const SrtOutput& output);
/// Likewise the key of a stream.
[[nodiscard]] Result<Secret> read_key(const RtmpOutput& output);

/// Parses the FILE or URL of the command line:
///   PATH.mkv|.mp4|.ts, or any path with `container`     a file, FIFO or device
///   -                                                   stdout, Matroska unless `container` says otherwise
///   udp://HOST:PORT[?ttl=1..255&interface=NAME]
///   tcp://HOST:PORT[?listen=1]                          listen=1: HOST may be empty
///   srt://HOST:PORT[?mode=caller|listener&max-viewers=1..64&latency=MILLISECONDS&streamid=TEXT&pbkeylen=16|24|32&SECRET]
///     SECRET: passphrase=10..79 bytes, passphrase-file=PATH or passphrase-env=NAME, read when the output is opened
///   rtmp://HOST[:1935]/APP?KEY, rtmps://HOST[:443]/APP?KEY
///     KEY: key=TEXT, key-file=PATH or key-env=NAME, likewise
///   hls:///PATH[?segment=1..10&part=100..1000|0&window=3..1000]   a folder; part in milliseconds
///   unix:///PATH                                        packets as they are (packet_wire.h)
///   rtp://HOST:PORT[?audio-port=PORT&payload=96..127&audio-payload=96..127&sdp=PATH&ttl=1..255&interface=NAME]
///   rtsp://HOST[:554]/PATH
///   camera:NAME                                         a virtual camera of PipeWire's
///   camera:/dev/videoN                                  a loaded v4l2loopback device
/// The network ones carry MPEG-TS, RTMP's FLV, HLS MP4, and unix, rtp and rtsp packets without a container. Option
/// values are percent-decoded. Invalid: one line that names the valid choices and never repeats an option's secret
/// value.
[[nodiscard]] Result<OutputSpec> parse_output(std::string_view text, const std::optional<std::string>& container,
                                              bool overwrite);

}  // namespace zc
