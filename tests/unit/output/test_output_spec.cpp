#include "output/output_spec.h"

#include "media/packet.h"
#include "output/watch_command.h"
#include "support/temporary_folder.h"

#include <fmt/format.h>
#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

using namespace zc;

namespace {

OutputSpec parsed(std::string_view text, const std::optional<std::string>& container = {}) {
  auto spec = parse_output(text, container, false);
  INFO(text);
  REQUIRE(spec);
  return *spec;
}

std::string refused(std::string_view text, const std::optional<std::string>& container = {}) {
  const auto spec = parse_output(text, container, false);
  INFO(text);
  REQUIRE_FALSE(spec);
  CHECK(spec.error().kind == ErrorKind::Invalid);
  const std::string message = spec.error().message();
  CHECK(message.find('\n') == std::string::npos);
  return message;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a camera has a name, or is a device") {
  const OutputSpec named = parsed("camera:zerocast");
  CHECK(named.camera());
  CHECK(named.live());
  CHECK(named.container == Container::Pictures);
  CHECK(named.name() == "camera:zerocast");
  CHECK(std::get<CameraOutput>(named.target).name == "zerocast");
  CHECK(std::get<CameraOutput>(named.target).device.empty());
  CHECK(parsed("camera:Folien, Saal \u00e4").name() == "camera:Folien, Saal \u00e4");
  const OutputSpec device = parsed("camera:/dev/video9");
  CHECK(std::get<CameraOutput>(device.target).device == "/dev/video9");
  CHECK(std::get<CameraOutput>(device.target).name.empty());
  CHECK(device.name() == "camera:/dev/video9");
  for (const char* text : {"camera:", "camera: a", "camera:a ", "camera:a/b", "camera:a?b", "camera:a\nb"}) {
    CHECK(has(refused(text), "expected camera:NAME"));
  }
  CHECK(has(refused("camera:" + std::string(65, 'a')), "1 to 64 bytes"));
  for (const char* text : {"camera:/", "camera:/dev/video", "camera:/dev/videoX", "camera:/dev/video-1",
                           "camera:/dev/../etc/passwd", "camera:/dev/video70000"}) {
    CHECK(has(refused(text), "/dev/videoN"));
  }
  CHECK(has(refused("camera:a", "mkv"), "no container"));
  CHECK_FALSE(parsed("a.mkv").camera());
  CHECK(parsed("./camera:a.mkv").container == Container::Mkv);
  for (const Codec codec : {Codec::H264, Codec::HEVC, Codec::AV1}) CHECK(check_codec(Container::Pictures, codec));
  CHECK(check_camera_colour(kBt709Limited));
  ColourDescription hdr = kBt709Limited;
  hdr.transfer = TransferFunction::HLG;
  CHECK_FALSE(check_camera_colour(hdr));
}

TEST_CASE("a path names its container") {
  CHECK(parsed("a.mkv").container == Container::Mkv);
  CHECK(parsed("/x.y/a.MP4").container == Container::Mp4);
  CHECK(parsed("a.b.ts").container == Container::Ts);
  CHECK(parsed("a", "mp4").container == Container::Mp4);
  CHECK(parsed("a.mkv", "TS").container == Container::Ts);
  CHECK(parsed("/dev/null", "mkv").name() == "/dev/null");
  const auto overwrite = parse_output("a.mkv", std::nullopt, true);
  REQUIRE(overwrite);
  CHECK(std::get<FileOutput>(overwrite->target).overwrite);
  CHECK_FALSE(overwrite->live());
  for (const char* text : {"a", "a.avi", ".mkv", "dir.mkv/a", "a.", "a.mkv "}) {
    const std::string message = refused(text);
    CHECK(has(message, ".mkv, .mp4 or .ts"));
    CHECK(has(message, "--container mkv|mp4|ts"));
  }
  CHECK(has(refused("a.mkv", "avi"), "'avi' is not one of mkv, mp4, ts"));
  CHECK(has(refused(""), "a file path or -"));
  CHECK(has(refused(std::string_view("a\0.mkv", 6)), "NUL"));
}

TEST_CASE("a folder for HLS") {
  const OutputSpec spec = parsed("hls:///srv/www/live/");
  CHECK(spec.container == Container::Hls);
  CHECK(spec.live());
  CHECK(spec.name() == "hls:///srv/www/live");
  CHECK(watch_command(spec) == "ffplay '/srv/www/live/index.m3u8'");
  const auto timing = std::get<HlsOutput>(parsed("hls:///a%3Fb?segment=4&part=500&window=10").target);
  CHECK(timing.path == "/a?b");
  CHECK(timing.timing.segment == std::chrono::seconds(4));
  CHECK(timing.timing.part == std::chrono::milliseconds(500));
  CHECK(timing.timing.window == 10);
  CHECK(std::get<HlsOutput>(parsed("hls:///a?part=0").target).timing.part.count() == 0);
  for (const char* relative : {"hls://live", "hls://", "hls://host:80/live", "hls:///a%2"}) {
    CHECK(has(refused(relative), "hls:///FOLDER"));
  }
  for (const char* segment : {"0", "11", "", "2s", "-1"}) {
    CHECK(has(refused(fmt::format("hls:///a?segment={}", segment)), "segment must be 1 to 10 seconds"));
  }
  for (const char* part : {"99", "1001", "", "0.2"}) {
    CHECK(has(refused(fmt::format("hls:///a?part={}", part)), "part must be 100 to 1000 milliseconds, or 0"));
  }
  for (const char* window : {"2", "1001", ""}) {
    CHECK(has(refused(fmt::format("hls:///a?window={}", window)), "window must be 3 to 1000 segments"));
  }
  CHECK(has(refused("hls:///a?latency=3"), "valid: segment, part, window"));
  CHECK(has(refused("hls:///a", "mp4"), "leave --container out"));
  CHECK(check_codec(Container::Hls, Codec::AV1));
  CHECK(check_codec(Container::Hls, AudioCodec::Opus));
  CHECK_FALSE(check_codec(Container::Hls, AudioCodec::Pcm));
  // Another header and size go on behind a discontinuity.
  CHECK(info(Container::Hls).takes_new_headers);
  CHECK(info(Container::Hls).takes_new_size);
}

TEST_CASE("stdout is written -") {
  CHECK(parsed("-").container == Container::Mkv);
  CHECK(parsed("-", "ts").container == Container::Ts);
  CHECK(parsed("-").name() == "stdout");
  CHECK_FALSE(parsed("-").live());
}

TEST_CASE("network outputs") {
  const OutputSpec udp = parsed("udp://239.0.0.1:5000");
  CHECK(udp.container == Container::Ts);
  CHECK(udp.live());
  CHECK(std::get<UdpOutput>(udp.target).peer.host == "239.0.0.1");
  CHECK(udp.name() == "udp://239.0.0.1:5000");
  CHECK(parsed("udp://[::1]:65535/").name() == "udp://[::1]:65535");
  CHECK(parsed("udp://host.example:1", "ts").container == Container::Ts);
  const auto group = std::get<UdpOutput>(parsed("udp://239.0.0.1:5000?ttl=8&interface=eth0").target);
  CHECK(group.ttl == 8);
  CHECK(group.interface == "eth0");
  CHECK_FALSE(std::get<TcpOutput>(parsed("tcp://h:1").target).listen);
  CHECK_FALSE(std::get<TcpOutput>(parsed("tcp://h:1?listen=0").target).listen);
  CHECK(std::get<TcpOutput>(parsed("tcp://:9000?listen=1").target).listen);
  CHECK(std::get<TcpOutput>(parsed("tcp://:9000?listen=1").target).endpoint.port == 9000);

  const SrtOutput srt =
      std::get<SrtOutput>(parsed("srt://h:7000?mode=listener&passphrase=eleven%26char&latency=250").target);
  CHECK(srt.listener);
  CHECK(srt.passphrase.value.reveal() == "eleven&char");
  CHECK(srt.latency == std::chrono::milliseconds(250));
}

TEST_CASE("network outputs that cannot be") {
  CHECK(has(refused("gopher://h/app"), "udp://HOST:PORT, tcp://HOST:PORT, srt://HOST:PORT, rtmp://HOST/APP"));
  CHECK(has(refused("UDP://h:1"), "unknown scheme"));
  CHECK(has(refused("whip://h/app"), "rtp:// to Janus"));
  CHECK(has(refused("udp://h"), "port is missing"));
  for (const char* port : {"0", "65536", "-1", "1x", "", " 1", "+1"}) {
    CHECK(has(refused(fmt::format("udp://h:{}", port)), "port must be 1 to 65535"));
  }
  CHECK(has(refused("udp://:5000"), "host is missing"));
  CHECK(has(refused("tcp://:5000"), "host is missing"));
  CHECK(has(refused("tcp://:5000?listen=0"), "host is missing"));
  CHECK(has(refused("srt://:5000?mode=caller"), "host is missing"));
  CHECK(has(refused("udp://::1:5000"), "port must be"));
  CHECK(has(refused("udp://[::1]"), "[ADDRESS]:PORT"));
  CHECK(has(refused("udp://[]:1"), "[ADDRESS]:PORT"));
  CHECK(has(refused("udp://a b:1"), "not a name or an address"));
  CHECK(has(refused("udp://h:1?hops=3"), "valid: ttl, interface"));
  for (const char* ttl : {"0", "256", "", "-1", "1x"})
    CHECK(has(refused(fmt::format("udp://h:1?ttl={}", ttl)), "1 to 255"));
  CHECK(has(refused("udp://h:1?interface=much-too-long-a-name"), "network interface"));
  CHECK(has(refused("tcp://h:1?listen=2"), "listen must be 0 or 1"));
  CHECK(has(refused("tcp://h:1?listen"), "needs a value"));
  CHECK(has(refused("tcp://h:1?Listen=1"), "unknown option 'Listen'; valid: listen"));
  CHECK(has(refused("tcp://h:1?listen=1&listen=1"), "given twice"));
  CHECK(has(refused("srt://h:1?mode=rendezvous"), "caller or listener"));
  CHECK(has(refused("srt://h:1?x=1"),
            "valid: mode, max-viewers, latency, streamid, pbkeylen, passphrase, passphrase-file, passphrase-env"));
  for (const char* latency : {"", "-1", "60001", "1s", "99999999999999999999"}) {
    CHECK(has(refused(fmt::format("srt://h:1?latency={}", latency)), "0 to 60000 milliseconds"));
  }
  CHECK(has(refused("tcp://h:1", "mkv"), "MPEG-TS"));
}

TEST_CASE("how many viewers an SRT listener serves") {
  const auto srt = [](std::string_view url) { return std::get<SrtOutput>(parsed(url).target); };
  CHECK_FALSE(srt("srt://:9000?mode=listener").max_viewers);
  CHECK(srt("srt://:9000?mode=listener&max-viewers=1").max_viewers == 1);
  CHECK(srt("srt://:9000?max-viewers=64&mode=listener").max_viewers == 64);
  for (const char* wrong : {"0", "65", "-1", "", "many", "3x"}) {
    CAPTURE(wrong);
    CHECK(refused(fmt::format("srt://:9000?mode=listener&max-viewers={}", wrong)) ==
          "output srt://:9000: max-viewers must be 1 to 64");
  }
  CHECK(has(refused("srt://h:9000?max-viewers=3"), "max-viewers goes with mode=listener"));
}

TEST_CASE("what a viewer of a listener types") {
  const auto watch = [](std::string_view url) { return watch_command(parsed(url)); };
  CHECK(watch("srt://192.0.2.7:9000?mode=listener") == "ffplay 'srt://192.0.2.7:9000'");
  CHECK(watch("srt://[2001:db8::7]:9000?mode=listener&latency=500") == "ffplay 'srt://[2001:db8::7]:9000'");
  CHECK(watch("tcp://studio.example:9000?listen=1") == "ffplay 'tcp://studio.example:9000'");
  CHECK(watch("srt://h:1?mode=listener&streamid=it's%20%23!::r%3Dlive%0A&passphrase=correct-horse") ==
        R"(ffplay -streamid 'it'\''s #!::r=live?' -passphrase '...' 'srt://h:1')");
  for (const char* elsewhere : {"passphrase-file=/nowhere/secret", "passphrase-env=ZEROCAST_TEST_NOTHING"}) {
    CHECK(watch(fmt::format("srt://h:1?mode=listener&{}", elsewhere)) == "ffplay -passphrase '...' 'srt://h:1'");
  }
  // An address of this machine, or its name.
  for (const char* everywhere :
       {"srt://:9000?mode=listener", "srt://0.0.0.0:9000?mode=listener", "srt://[::]:9000?mode=listener"}) {
    const std::string command = watch(everywhere);
    CAPTURE(everywhere, command);
    CHECK(command.starts_with("ffplay 'srt://"));
    CHECK(command.ends_with(":9000'"));
    for (const char* none : {"//:9000", "0.0.0.0", "[::]"}) CHECK_FALSE(has(command, none));
  }
  for (const char* none : {"show.mkv", "-", "udp://h:1", "tcp://h:1", "srt://h:1"}) CHECK(watch(none).empty());
}

TEST_CASE("a passphrase comes from a file or the environment, too") {
  const auto srt = [](std::string_view query) {
    return std::get<SrtOutput>(parsed(fmt::format("srt://h:1?{}", query)).target);
  };
  const auto from = srt("streamid=read:live/cam%201&pbkeylen=32&passphrase=eleven-char");
  CHECK(from.stream_id == "read:live/cam 1");
  CHECK(from.key_bytes == 32);
  CHECK(read_passphrase(from)->reveal() == "eleven-char");
  CHECK(read_passphrase(srt("mode=caller"))->empty());
  CHECK(has(refused("srt://h:1?pbkeylen=17"), "16, 24 or 32"));
  CHECK(has(refused("srt://h:1?streamid="), "1 to 512"));
  CHECK(has(refused("srt://h:1?passphrase=eleven-char&passphrase-env=X"), "only one of"));

  ::setenv("ZEROCAST_TEST_PASSPHRASE", "from-the-environment", 1);
  CHECK(read_passphrase(srt("passphrase-env=ZEROCAST_TEST_PASSPHRASE"))->reveal() == "from-the-environment");
  ::setenv("ZEROCAST_TEST_PASSPHRASE", "hush", 1);
  for (const char* query : {"passphrase-env=ZEROCAST_TEST_PASSPHRASE", "passphrase-env=ZEROCAST_TEST_NOTHING",
                            "passphrase-file=/nowhere/secret", "passphrase-file=/dev/null", "passphrase-file=/dev/zero",
                            "passphrase-file=/"}) {
    CAPTURE(query);
    const auto read = read_passphrase(srt(query));
    REQUIRE_FALSE(read);
    CHECK(read.error().kind == ErrorKind::Invalid);
    CHECK_FALSE(has(read.error().message(), "hush"));
  }
  const test::TemporaryFolder folder;
  const std::string path = folder.file("secret");
  std::ofstream(path) << "from-a-file\r\nand more\n";
  CHECK(read_passphrase(srt("passphrase-file=" + path))->reveal() == "from-a-file");
  for (const std::size_t length : {79U, 80U, 5000U}) {
    std::ofstream(path) << std::string(length, 'p');
    CHECK(read_passphrase(srt("passphrase-file=" + path)).has_value() == (length == 79));
  }
}

TEST_CASE("a passphrase has 10 to 79 bytes and is never shown") {
  const auto with = [](const std::string& passphrase) { return "srt://h:1?passphrase=" + passphrase; };
  CHECK(std::get<SrtOutput>(parsed(with(std::string(10, 'p'))).target).passphrase.value.reveal().size() == 10);
  CHECK(std::get<SrtOutput>(parsed(with(std::string(79, 'p'))).target).passphrase.value.reveal().size() == 79);
  CHECK(has(refused(with(std::string(9, 'p'))), "10 to 79 bytes"));
  CHECK(has(refused(with(std::string(80, 'p'))), "10 to 79 bytes"));
  CHECK(has(refused(with("")), "10 to 79 bytes"));
  CHECK_FALSE(has(parsed(with("hush-hush-hush")).name(), "hush"));
  // Every way to get it wrong that still holds the secret.
  for (const char* text :
       {"srt://h:1?passphrase=hush-hush&mode=x", "srt://h:1?passphrase=hush-hush-hush&hush-more",
        "srt://h?passphrase=hush", "srt://user:hush@h:1", "srt://h:1?mode=hush-hush", "srt://h:1?passphrase=hush%zz",
        "srt://:1?passphrase=hush-hush-1", "srt://h:hush", "tcp://h:1?passphrase=hush",
        "srt://h:1?passphrase=hush-hush-1&passphrase=hush", "srt://h:1?hush-hush", "rtmp://h:1?passphrase=hush",
        "rtmp://h/live/hush", "rtmps://h/live?key=hush%20hush", "rtmp://user:hush@h/live?key=k",
        "rtmp://h:hush/live?key=k", "rtmp://h/live?key=hush&hush",
        "rtmp://h/live?key=hush&key-env=HUSH_HUSH&key=hush"}) {
    CHECK_FALSE(has(refused(text), "hush"));
  }
}

TEST_CASE("RTMP has a server, an app and a key") {
  const auto rtmp = [](std::string_view url) { return std::get<RtmpOutput>(parsed(url).target); };
  const RtmpOutput plain = rtmp("rtmp://studio.example/live?key=cam%26one");
  CHECK(plain.endpoint.text() == "studio.example:1935");
  CHECK_FALSE(plain.tls);
  CHECK(plain.app == "live");
  CHECK(read_key(plain)->reveal() == "cam&one");
  const RtmpOutput secure = rtmp("rtmps://[2001:db8::7]/live2/?key-env=ZEROCAST_TEST_KEY");
  CHECK(secure.endpoint.text() == "[2001:db8::7]:443");
  CHECK(secure.tls);
  CHECK(secure.app == "live2");
  CHECK(rtmp("rtmps://h:8443/a?key=k").endpoint.port == 8443);
  CHECK(rtmp("rtmp://[::1]:1936/a?key=k").endpoint.port == 1936);
  // As it was typed, so that the daemon knows it again, and without the key.
  CHECK(parsed("rtmp://h/live?key=hush").name() == "rtmp://h/live");
  CHECK(parsed("rtmp://h:1935/live/?key=hush").name() == "rtmp://h:1935/live/");
  CHECK(parsed("rtmp://h/live?key=k").container == Container::Flv);
  CHECK(parsed("rtmp://h/live?key=k").live());

  CHECK(has(refused("rtmp://h/live"), "the stream's key is missing: key-file=PATH, key-env=NAME or key=TEXT"));
  CHECK(has(refused("rtmp://h/live/cam1?key=k"), "does not go into the path"));
  for (const char* no_app : {"rtmp://h?key=k", "rtmp://h/?key=k", "rtmp://h/a%20b?key=k", "rtmp://h/a b?key=k"}) {
    CHECK(has(refused(no_app), "expected rtmp://HOST[:PORT]/APP: APP must be"));
  }
  CHECK(has(refused("rtmp:///live?key=k"), "the host is missing"));
  CHECK(has(refused("rtmp://h:0/live?key=k"), "port must be 1 to 65535"));
  CHECK(has(refused("rtmp://h/live?key="), "key must have 1 to 512 bytes"));
  CHECK(has(refused("rtmp://h/live?key=" + std::string(513, 'k')), "key must have 1 to 512 bytes"));
  CHECK(has(refused("rtmp://h/live?key=two%20words"), "key must have no spaces"));
  CHECK(has(refused("rtmp://h/live?key=k&key-file=/k"), "only one of key, key-file and key-env"));
  CHECK(has(refused("rtmp://h/live?stream=k"), "valid: key, key-file, key-env"));
  CHECK(has(refused("rtmp://h/live?key=k", "ts"), "RTMP carries FLV"));

  const test::TemporaryFolder folder;
  std::ofstream(folder.file("key")) << "live_1_abc?bandwidthtest=true\n";
  CHECK(read_key(rtmp("rtmp://h/live?key-file=" + folder.file("key")))->reveal() == "live_1_abc?bandwidthtest=true");
  CHECK_FALSE(read_key(rtmp("rtmp://h/live?key-file=/nowhere/key")));
  CHECK_FALSE(read_key(rtmp("rtmp://h/live?key-env=ZEROCAST_TEST_NO_KEY")));
}

TEST_CASE("FLV has one track of AAC, and goes on with no other stream") {
  CHECK(check_codec(Container::Flv, Codec::H264));
  CHECK(check_codec(Container::Flv, AudioCodec::Aac));
  CHECK(check_codec(Container::Flv, AudioCodec::Opus).error().message() ==
        "put opus into FLV: flv takes aac; opus fits into mkv, mp4, ts");
  CHECK(check_tracks(Container::Flv, 1));
  CHECK(check_tracks(Container::Flv, 2).error().message() ==
        "put 2 tracks of sound into FLV: it takes 1; sources of one track are mixed");
  CHECK(check_tracks(Container::Mkv, 16));
  StreamParameters now;
  StreamParameters other;
  other.extradata = {std::byte{1}};
  CHECK(can_go_on(Container::Flv, now, now));
  CHECK_FALSE(can_go_on(Container::Flv, now, other));
  CHECK_FALSE(can_go_on(Container::Mp4, now, other));
  CHECK(can_go_on(Container::Mkv, now, other));
  other = now;
  other.size = {8, 8};
  CHECK_FALSE(can_go_on(Container::Flv, now, other));
  CHECK_FALSE(can_go_on(Container::Mkv, now, other));
  CHECK(can_go_on(Container::Ts, now, other));
}

TEST_CASE("codecs and containers that do not fit say what does") {
  for (const ContainerInfo& row : containers()) {
    CHECK(check_codec(row.container, Codec::H264));
    CHECK(check_codec(row.container, Codec::HEVC));
  }
  CHECK(check_codec(Container::Mkv, Codec::AV1));
  CHECK(check_codec(Container::Mp4, Codec::AV1));
  const auto refusal = check_codec(Container::Ts, Codec::AV1);
  REQUIRE_FALSE(refusal);
  CHECK(refusal.error().kind == ErrorKind::Unsupported);
  CHECK(refusal.error().message() == "put av1 into MPEG-TS: ts takes h264, hevc; av1 fits into mkv, mp4");
}

TEST_CASE("RTP has ports for pictures and for sound, RTSP a path") {
  const auto rtp = [](std::string_view url) { return std::get<RtpOutput>(parsed(url).target); };
  const RtpOutput plain = rtp("rtp://relay.example:5004");
  CHECK(plain.pictures.peer.text() == "relay.example:5004");
  CHECK_FALSE(plain.audio_port);
  CHECK(plain.payload == 96);
  CHECK(plain.audio_payload == 97);
  const RtpOutput all =
      rtp("rtp://[ff02::1]:5004/?audio-port=6000&payload=100&audio-payload=111&sdp=/run/live.sdp&ttl=2&interface=eth0");
  CHECK(all.audio_port == 6000);
  CHECK(all.payload == 100);
  CHECK(all.audio_payload == 111);
  CHECK(all.sdp == "/run/live.sdp");
  CHECK(all.pictures.ttl == 2);
  CHECK(all.pictures.interface == "eth0");
  CHECK(parsed("rtp://h:5004").container == Container::Rtp);
  CHECK(parsed("rtp://h:5004").live());
  CHECK(parsed("rtp://h:5004?ttl=3").name() == "rtp://h:5004");
  CHECK(has(refused("rtp://h"), "port is missing"));
  CHECK(has(refused("rtp://h:65535"), "two ports each"));
  CHECK(has(refused("rtp://h:65533"), "two ports each"));
  CHECK(has(refused("rtp://h:5004?audio-port=5005"), "two ports each"));
  CHECK(has(refused("rtp://h:5004?audio-port=65535"), "audio-port must be 1 to 65534"));
  CHECK(has(refused("rtp://h:5004?payload=95"), "96 to 127"));
  CHECK(has(refused("rtp://h:5004?payload=97"), "must differ"));
  CHECK(has(refused("rtp://h:5004?sdp="), "sdp must be a path"));
  CHECK(has(refused("rtp://h:5004?mode=caller"), "valid: audio-port, payload, audio-payload, sdp, ttl, interface"));
  CHECK(has(refused("rtp://h:5004", "ts"), "RTP has no container"));

  const auto rtsp = std::get<RtspOutput>(parsed("rtsp://h/live/cam1").target);
  CHECK(rtsp.endpoint.text() == "h:554");
  CHECK(rtsp.url == "rtsp://h/live/cam1");
  CHECK(parsed("rtsp://h:8554/cam").name() == "rtsp://h:8554/cam");
  CHECK(has(refused("rtsp://h"), "PATH must be letters"));
  CHECK(has(refused("rtsp://user:hush@h/cam"), "expected rtsp://HOST[:PORT]/PATH"));
  CHECK(has(refused("rtsp://h/cam?transport=udp"), "it has no options"));
  CHECK(watch_command(parsed("rtp://h:5004?sdp=/run/live.sdp")) ==
        "ffplay -protocol_whitelist file,rtp,udp '/run/live.sdp'");
  CHECK(watch_command(parsed("rtp://h:5004")).empty());

  CHECK(info(Container::Rtp).takes_new_headers);  // so keyframes bring them
  CHECK(check_codec(Container::Rtp, Codec::H264));
  CHECK(check_codec(Container::Rtp, Codec::HEVC));
  CHECK(check_codec(Container::Rtp, AudioCodec::Opus));
  CHECK_FALSE(check_codec(Container::Rtp, AudioCodec::Flac));
  CHECK_FALSE(check_tracks(Container::Rtp, 2));
}

namespace {

/// Whatever comes in: no crash, and what comes out keeps its promises.
void check_any_input(const std::string& text) {
  for (const auto& container : {std::optional<std::string>{}, std::optional<std::string>{"mkv"}}) {
    const auto spec = parse_output(text, container, false);
    if (!spec) {
      if (spec.error().kind != ErrorKind::Invalid || spec.error().message().empty() ||
          spec.error().message().find('\n') != std::string::npos) {
        FAIL("a bad error for '" << text << "'");
      }
      continue;
    }
    if (spec->name().empty()) FAIL("no name for '" << text << "'");
    const auto* rtmp = std::get_if<RtmpOutput>(&spec->target);
    if (spec->live() && spec->container == Container::Mkv) {
      FAIL("a file's container: '" << text << "'");
    }
    if (rtmp != nullptr && (rtmp->key.empty() || rtmp->app.empty() || rtmp->endpoint.port == 0)) FAIL(text);
    if (const auto* srt = std::get_if<SrtOutput>(&spec->target); srt != nullptr && !srt->passphrase.value.empty()) {
      const std::size_t length = srt->passphrase.value.reveal().size();
      if (length < 10 || length > 79) FAIL("a passphrase of " << length << " bytes");
    }
  }
}

}  // namespace

TEST_CASE("the parser survives its corpus and what grows from it") {
  std::vector<std::string> seeds;
  for (const auto& entry : std::filesystem::directory_iterator(CORPUS)) {
    std::ifstream file(entry.path(), std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  REQUIRE(seeds.size() >= 8);
  std::minstd_rand random(20);  // NOLINT(*-msc51-cpp): the same inputs every time
  std::string pieces = "://?&=%[]:.-@/mkvtspassphraselatencylisten0123456789\n \xff";
  pieces += '\0';
  for (const std::string& seed : seeds) {
    check_any_input(seed);
    for (int round = 0; round < 3000; ++round) {
      std::string text = seed;
      for (unsigned edits = 1 + random() % 4; edits > 0; --edits) {
        const std::size_t at = text.empty() ? 0 : random() % text.size();
        const char piece = pieces[random() % pieces.size()];
        switch (random() % 4) {
          case 0: text.insert(at, 1, piece); break;
          case 1: text.erase(at, 1 + random() % 5); break;
          case 2: text = text.substr(0, at) + seeds[random() % seeds.size()].substr(0, random() % 40); break;
          default:
            if (!text.empty()) text[at] = piece;
            break;
        }
      }
      check_any_input(text);
    }
  }
  SUCCEED();
}
