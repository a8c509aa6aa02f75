#include "output/watch_command.h"

#include "base/unique_fd.h"
#include "output/resolver.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <variant>

namespace zc {
namespace {

constexpr std::size_t kLongestHost = 253;  // RFC 1035

/// The address by which this machine reaches others: a UDP socket has one as soon as it is connected, and sends
/// nothing.
std::string own_address() {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in far{};
  far.sin_family = AF_INET;
  far.sin_port = htons(9);
  far.sin_addr.s_addr = htonl(0xC0000201U);  // 192.0.2.1 (RFC 5737), which nobody has
  sockaddr_in own{};
  socklen_t length = sizeof own;
  std::array<char, INET_ADDRSTRLEN> text{};
  if (fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&far), sizeof far) == 0 &&
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
      ::inet_ntop(AF_INET, &own.sin_addr, text.data(), text.size()) != nullptr) {
    return text.data();
  }
  std::array<char, kLongestHost + 1> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

std::string in_reach(Endpoint endpoint) {
  const bool everywhere = endpoint.host.empty() || endpoint.host == "0.0.0.0" || endpoint.host == "::";
  if (everywhere) endpoint.host = own_address();
  return endpoint.text();
}

/// One word of a shell's; what would disturb a terminal is replaced.
std::string shell_word(std::string_view text) {
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') {
      word += R"('\'')";
    } else {
      const auto byte = static_cast<unsigned char>(c);
      word += byte < 0x20 || byte == 0x7f ? '?' : c;
    }
  }
  return word + "'";
}

}  // namespace

std::string watch_command(const OutputSpec& spec) {
  if (const auto* tcp = std::get_if<TcpOutput>(&spec.target); tcp != nullptr && tcp->listen) {
    return "ffplay " + shell_word("tcp://" + in_reach(tcp->endpoint));
  }
  if (const auto* rtp = std::get_if<RtpOutput>(&spec.target); rtp != nullptr && !rtp->sdp.empty()) {
    return "ffplay -protocol_whitelist file,rtp,udp " + shell_word(rtp->sdp);
  }
  if (const auto* hls = std::get_if<HlsOutput>(&spec.target)) {
    return "ffplay " + shell_word(hls->path + "/" + std::string(hls::kIndexName));
  }
  const auto* srt = std::get_if<SrtOutput>(&spec.target);
  if (srt == nullptr || !srt->listener) return {};
  // As options: FFmpeg decodes no percent escapes in a URL.
  std::string command = "ffplay ";
  if (!srt->stream_id.empty()) command += "-streamid " + shell_word(srt->stream_id) + " ";
  if (!srt->passphrase.empty()) command += "-passphrase '...' ";
  return command + shell_word("srt://" + in_reach(srt->endpoint));
}

}  // namespace zc
