// What the user names as an output, parsed and checked without touching the disk or the network.
#pragma once

#include "base/error.h"
#include "output/container.h"

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

struct Endpoint {
  std::string host;  ///< name or numeric address, IPv6 without brackets; empty: every local address (listeners only)
  std::uint16_t port = 0;
  /// "host:port", "[::1]:port".
  [[nodiscard]] std::string text() const;
};

struct FileOutput {
  std::string path;
  bool overwrite = false;
};
struct StdoutOutput {};
struct UdpOutput {
  Endpoint peer;
};
struct TcpOutput {
  Endpoint endpoint;
  bool listen = false;  ///< wait for the peer to connect instead of calling it
};
struct SrtOutput {
  Endpoint endpoint;
  bool listener = false;
  Secret passphrase;                                 ///< 10 to 79 bytes, or empty: not encrypted
  std::optional<std::chrono::milliseconds> latency;  ///< nullopt: libsrt's own 120 ms
};

struct OutputSpec {
  Container container = Container::Mkv;
  std::variant<FileOutput, StdoutOutput, UdpOutput, TcpOutput, SrtOutput> target;

  /// For messages: the path, "stdout", or scheme://host:port. Never holds a passphrase.
  [[nodiscard]] std::string name() const;
  /// True for network peers: a full queue drops to the next keyframe, a lost peer is called again.
  [[nodiscard]] bool live() const;
};

/// Parses the FILE or URL of the command line:
///   PATH.mkv|.mp4|.ts, or any path with `container`     a file, FIFO or device
///   -                                                   stdout, Matroska unless `container` says otherwise
///   udp://HOST:PORT
///   tcp://HOST:PORT[?listen=1]                          listen=1: HOST may be empty
///   srt://HOST:PORT[?mode=caller|listener&passphrase=10..79 bytes&latency=MILLISECONDS]
/// The network ones carry MPEG-TS. Option values are percent-decoded. Invalid: one line that names the valid choices
/// and never repeats an option's secret value.
[[nodiscard]] Result<OutputSpec> parse_output(std::string_view text, const std::optional<std::string>& container,
                                              bool overwrite);

}  // namespace zc
