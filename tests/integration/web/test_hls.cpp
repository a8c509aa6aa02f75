// HLS as the page's server hands it out: what players read, and who waits for what.
#include "integration/web/web_rig.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

std::string status_of(const std::string& answer) { return answer.substr(0, answer.find("\r\n")); }
std::string body_of(const std::string& answer) {
  const std::size_t head = answer.find("\r\n\r\n");
  return head == std::string::npos ? std::string() : answer.substr(head + 4);
}

/// What stands behind `tag` in a playlist.
std::vector<std::string> all_of(const std::string& playlist, std::string_view tag) {
  std::vector<std::string> found;
  std::istringstream in(playlist);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(tag)) found.push_back(line.substr(tag.size()));
  }
  return found;
}

std::string uri_in(const std::string& attributes) {
  const std::size_t begin = attributes.find("URI=\"") + 5;
  return attributes.substr(begin, attributes.find('"', begin) - begin);
}

class Player {
 public:
  Player(WebRig& rig, const std::string& session)
      : rig_(&rig), folder_("/hls/" + session + "/"), token_(rig.token({"--read-only"})) {}
  [[nodiscard]] std::string get(const std::string& name) const {
    return rig_->get(folder_ + name + (name.find('?') == std::string::npos ? "?" : "&") + "token=" + token_);
  }
  [[nodiscard]] std::string playlist(const std::string& query = "") const {
    const std::string answer = get("media.m3u8" + query);
    INFO(answer);
    REQUIRE(status_of(answer) == "HTTP/1.1 200 OK");
    return body_of(answer);
  }
  /// With the token that stands in the playlist.
  [[nodiscard]] std::string fetch(const std::string& uri) const { return rig_->get(folder_ + uri); }
  [[nodiscard]] std::string url() const {
    return fmt::format("http://{}{}index.m3u8?token={}", rig_->address(), folder_, token_);
  }
  [[nodiscard]] const std::string& token() const { return token_; }

 private:
  WebRig* rig_;
  std::string folder_;
  std::string token_;
};

/// Numbers of the part that comes next: "seg-12.3.m4s".
std::pair<unsigned, unsigned> next_part(const std::string& playlist) {
  const auto hints = all_of(playlist, "#EXT-X-PRELOAD-HINT:");
  REQUIRE(hints.size() == 1);
  unsigned segment = 0;
  unsigned part = 0;
  REQUIRE(std::sscanf(uri_in(hints[0]).c_str(), "seg-%u.%u.m4s", &segment, &part) == 2);
  return {segment, part};
}

}  // namespace

TEST_CASE("ffmpeg reads a session by HLS, pictures in order and sound, while a recording goes on") {
  WebRig rig;
  const std::string session =
      rig.daemon().start("beside.mkv", {{"audio", std::vector<std::string>{"test"}, {}}, {"live", true, {}}});
  const Player player(rig, session);
  const std::string out = rig.daemon().path("read.mkv");
  const std::string command =
      fmt::format("ffmpeg -v error -y -i '{}' -map 0:v:0 -map 0:a:0 -c copy -t 6 {} </dev/null 2>{}", player.url(), out,
                  rig.daemon().path("read.log"));
  const int ended = std::system(command.c_str());
  INFO(std::string(std::istreambuf_iterator<char>(std::ifstream(rig.daemon().path("read.log")).rdbuf()), {}));
  REQUIRE(ended == 0);
  const FrameReport seen = check_file(out);
  CHECK(seen.frames >= 90);
  const std::string sound = fmt::format(
      "test $(ffprobe -v error -select_streams a -count_packets -show_entries stream=nb_read_packets -of csv=p=0 {}) "
      "-gt 200",
      out);
  CHECK(std::system(sound.c_str()) == 0);
  const auto status = rig.daemon().client().session(session);
  REQUIRE(status);
  CHECK(status->sinks.size() == 2);
  // Nobody asks any more: the session need not send.
  rig.daemon().wait_for(session, [](const SessionView& view) { return view.sinks.size() == 1; });
  const auto report = rig.daemon().client().stop(session);
  REQUIRE(report);
  const auto dropped = nlohmann::json::parse(*report).at("dropped").get<std::uint64_t>();
  CHECK(check_file(rig.daemon().path("beside.mkv")).missing <= dropped);
  CHECK(seen.missing <= dropped);
}

TEST_CASE("a reload and the next part wait until there is something, and what is told can be had") {
  WebRig rig;
  const std::string session = rig.daemon().start("one.mkv", {{"live", true, {}}});
  const Player player(rig, session);
  const std::string index = body_of(player.get("index.m3u8"));
  INFO(index);
  CHECK(index.contains("CODECS=\"avc1."));
  CHECK(index.contains("media.m3u8?token=" + player.token()));
  std::string playlist = player.playlist();
  CHECK(playlist.contains("CAN-BLOCK-RELOAD=YES"));
  for (int round = 0; round < 25; ++round) {
    const auto [segment, part] = next_part(playlist);
    playlist = player.playlist(fmt::format("?_HLS_msn={}&_HLS_part={}", segment, part));
    INFO(playlist);
    const auto [next_segment, next] = next_part(playlist);
    CHECK((next_segment > segment || next > part));
  }
  // Whole segments can be waited for, too.
  const auto [segment, part] = next_part(playlist);
  playlist = player.playlist(fmt::format("?_HLS_msn={}", segment));
  CHECK(playlist.contains(fmt::format("\nseg-{}.m4s?token=", segment)));
  // The next part is handed out as soon as it is there.
  const auto hints = all_of(playlist, "#EXT-X-PRELOAD-HINT:");
  REQUIRE(hints.size() == 1);
  const std::string waited = player.fetch(uri_in(hints[0]));
  CHECK(status_of(waited) == "HTTP/1.1 200 OK");
  CHECK(waited.contains("Content-Type: video/mp4"));
  CHECK(body_of(waited).substr(4, 4) == "moof");
  for (const std::string& attributes : all_of(playlist, "#EXT-X-PART:")) {
    CHECK(status_of(player.fetch(uri_in(attributes))) == "HTTP/1.1 200 OK");
  }
  for (const std::string& attributes : all_of(playlist, "#EXT-X-MAP:")) {
    CHECK(body_of(player.fetch(uri_in(attributes))).substr(4, 4) == "ftyp");
  }
}

TEST_CASE("who asks for nonsense, or has no token, gets an answer and nothing else") {
  WebRig rig;
  const std::string session = rig.daemon().start("one.mkv", {{"live", true, {}}});
  const Player player(rig, session);
  const auto [segment, part] = next_part(player.playlist());
  CHECK(status_of(rig.get("/hls/" + session + "/index.m3u8")) == "HTTP/1.1 401 Unauthorized");
  CHECK(status_of(rig.get("/hls/" + session + "/seg-0.m4s")) == "HTTP/1.1 401 Unauthorized");
  for (const std::string& query :
       {std::string("?_HLS_msn=x"), std::string("?_HLS_msn=-1"), std::string("?_HLS_part=0"),
        std::string("?_HLS_msn=99999999999999999999"), fmt::format("?_HLS_msn={}", segment + 50)}) {
    CAPTURE(query);
    CHECK(status_of(player.get("media.m3u8" + query)) == "HTTP/1.1 400 Bad Request");
  }
  for (const char* name : {"", "../index.html", "..%2f..%2fetc/passwd", "seg-999999.m4s", "init-0.mp4", "one.mkv"}) {
    CAPTURE(name);
    CHECK(status_of(player.get(name)) == "HTTP/1.1 404 Not Found");
  }
  CHECK(status_of(rig.get("/hls/nobody/index.m3u8?token=" + player.token())) == "HTTP/1.1 404 Not Found");
  CHECK(status_of(rig.get("/hls/../x/index.m3u8?token=" + player.token())) == "HTTP/1.1 404 Not Found");
  // Those who ask and go away before there is an answer.
  for (int i = 0; i < 50; ++i) {
    const UniqueFd socket = connect_to(rig.port());
    REQUIRE(socket);
    send_text(socket, fmt::format("GET /hls/{}/media.m3u8?token={}&_HLS_msn={} HTTP/1.1\r\nHost: {}\r\n\r\n", session,
                                  player.token(), segment + 1, rig.address()));
  }
  CHECK(player.playlist(fmt::format("?_HLS_msn={}", segment)).contains("#EXTINF"));
}

TEST_CASE("a running session gets a folder as one more sink, beside its file, and loses it again") {
  WebRig rig;
  const std::string session = rig.daemon().start("one.mkv", {{"live", true, {}}});
  const std::string folder = rig.daemon().path("www");
  const auto added = rig.daemon().client().call(session, "AddSink", "hls://" + folder + "?segment=1");
  INFO(rig.daemon().log());
  REQUIRE(added);
  REQUIRE(eventually([&] { return std::filesystem::exists(folder + "/seg-2.m4s"); }));
  // The same session by the server, from the same packets.
  CHECK(Player(rig, session).playlist().contains("#EXTINF"));
  REQUIRE(rig.daemon().client().call(session, "RemoveSink", "hls://" + folder));
  std::ifstream file(folder + "/media.m3u8");
  const std::string playlist{std::istreambuf_iterator<char>(file), {}};
  CHECK(playlist.ends_with("#EXT-X-ENDLIST\n"));
  CHECK(rig.daemon().client().session(session)->state == "recording");
  const auto refused = rig.daemon().client().call(session, "AddSink", "hls:///proc/nothing/here");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message().contains("/proc/nothing/here"));
}

TEST_CASE("a screen that stands still has parts as short as any, and its playlist ends with it") {
  WebRig rig;
  const std::string session =
      rig.daemon().start("still.mkv", {{"live", true, {}}, {"source", std::string("test:320x180@1"), {}}});
  const Player player(rig, session);
  // The segment of now may have begun before the session knew.
  const unsigned next = next_part(player.playlist()).first + 1;
  const std::string playlist = player.playlist(fmt::format("?_HLS_msn={}", next));
  INFO(playlist);
  const std::string name = fmt::format("seg-{}.", next);
  std::size_t of_it = 0;
  for (const std::string& part : all_of(playlist, "#EXT-X-PART:")) of_it += part.contains(name) ? 1U : 0U;
  CHECK(of_it >= 5);
  REQUIRE(rig.daemon().client().stop(session));
  CHECK(eventually([&] {
    const std::string answer = player.get("media.m3u8");
    return body_of(answer).ends_with("#EXT-X-ENDLIST\n");
  }));
}
