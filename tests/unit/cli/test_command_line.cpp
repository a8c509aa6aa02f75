#include "cli/command_line.h"
#include "cli/exit_codes.h"
#include "cli/help.h"
#include "settings/record_arguments.h"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <sstream>

using namespace zc;

namespace {

Result<Invocation> parse(const std::vector<const char*>& words) { return parse_command_line(words); }

RecordOptions record(std::vector<const char*> words) {
  words.insert(words.begin(), {"record", "--source", "test"});
  auto result = parse(words);
  INFO((result ? std::string() : result.error().message()));
  REQUIRE(result.has_value());
  return std::get<RecordOptions>(*result);
}

std::string error_of(const std::vector<const char*>& words) {
  const auto result = parse(words);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().kind == ErrorKind::Invalid);
  const std::string message = result.error().message();
  CHECK(message.find('\n') == std::string::npos);
  return message;
}

}  // namespace

TEST_CASE("record's defaults") {
  const RecordOptions options = record({"out.mkv"});
  CHECK_FALSE(options.live);
  REQUIRE(options.outputs.size() == 1);
  CHECK(options.outputs.front().name() == "out.mkv");
  CHECK(options.outputs.front().container == Container::Mkv);
  CHECK_FALSE(std::get<FileOutput>(options.outputs.front().target).overwrite);
  CHECK(options.source == SourceSpec(TestSpec{}));
  CHECK(options.cursor == CursorMode::Embedded);
  CHECK(options.restore);
  CHECK(options.restore_slot == "default");
  CHECK_FALSE(options.encoder.codec.has_value());
  CHECK(options.encoder.preset == Preset::Balanced);
  CHECK(options.encoder.colour == kBt709Limited);
  CHECK_FALSE(options.constant_rate.has_value());
  CHECK(options.min_rate == Rational{1, 1});
  CHECK_FALSE(options.duration.has_value());
  CHECK_FALSE(options.json);
  CHECK_FALSE(options.quiet);
}

TEST_CASE("every option of record lands in its place") {
  using namespace std::chrono_literals;
  const RecordOptions options = record({"--cursor",
                                        "metadata",
                                        "--restore-slot",
                                        "left",
                                        "--size",
                                        "1280x720",
                                        "--crop=640x480+2+4",
                                        "--region=-5,7 640x480",
                                        "--fps",
                                        "30000/1001",
                                        "--seconds",
                                        "2.5",
                                        "--colour",
                                        "bt2020",
                                        "--range",
                                        "full",
                                        "--codec",
                                        "hevc",
                                        "--encoder",
                                        "libx265",
                                        "--preset=quality",
                                        "--crf",
                                        "20",
                                        "--gop",
                                        "0.5",
                                        "--bit-depth",
                                        "10",
                                        "--chroma",
                                        "444",
                                        "--encoder-option",
                                        "tune=grain",
                                        "--encoder-option",
                                        "x265-params=a=1:b=2",
                                        "--container",
                                        "mp4",
                                        "--tee",
                                        "udp://127.0.0.1:5000",
                                        "--tee",
                                        "b.mkv",
                                        "--overwrite",
                                        "--json",
                                        "--quiet",
                                        "out.bin"});
  REQUIRE(options.outputs.size() == 3);
  CHECK(options.outputs[0].name() == "out.bin");
  CHECK(options.outputs[0].container == Container::Mp4);
  CHECK(std::get<FileOutput>(options.outputs[0].target).overwrite);
  CHECK(options.outputs[1].name() == "udp://127.0.0.1:5000");
  CHECK(options.outputs[2].name() == "b.mkv");
  CHECK(options.outputs[2].container == Container::Mkv);
  CHECK(std::get<FileOutput>(options.outputs[2].target).overwrite);
  CHECK(options.cursor == CursorMode::Metadata);
  CHECK(options.restore_slot == "left");
  CHECK(options.size == Size{1280, 720});
  CHECK(options.crop == Rect{2, 4, 640, 480});
  CHECK(options.region == Rect{-5, 7, 640, 480});
  CHECK(options.constant_rate == Rational{30000, 1001});
  CHECK(options.duration == Nanoseconds(2500ms));
  CHECK(options.encoder.colour == ColourDescription{ColourMatrix::BT2020, ColourRange::Full, ColourPrimaries::BT2020,
                                                    TransferFunction::BT2020_10});
  CHECK(options.encoder.codec == Codec::HEVC);
  CHECK(options.encoder.encoder == "libx265");
  CHECK(options.encoder.preset == Preset::Quality);
  CHECK(options.encoder.crf == 20U);
  CHECK(options.encoder.gop_seconds == 0.5);
  CHECK(options.encoder.bit_depth == 10);
  CHECK(options.encoder.chroma == Chroma::Yuv444);
  CHECK(options.encoder.options ==
        std::vector<std::pair<std::string, std::string>>{{"tune", "grain"}, {"x265-params", "a=1:b=2"}});
  CHECK(options.json);
  CHECK(options.quiet);
  CHECK_FALSE(record({"--no-restore", "out.mkv"}).restore);
  CHECK(record({"--bitrate", "6M", "--min-fps", "0", "out.mkv"}).encoder.bit_rate == 6'000'000);
  CHECK(record({"--min-fps", "0", "out.mkv"}).min_rate.zero());
  CHECK(record({"--resize", "follow", "out.mkv"}).follow_size);
  CHECK_FALSE(record({"--resize", "keep", "out.mkv"}).follow_size);
  CHECK(record({"--resize", "follow", "--container", "ts", "-"}).follow_size);
  CHECK(record({"--max-fps", "30", "out.mkv"}).max_rate == Rational{30, 1});
}

TEST_CASE("which encoder is tried first, and how many pictures wait for it") {
  const RecordOptions usual = record({"out.mkv"});
  CHECK(usual.encoder.order.empty());
  CHECK_FALSE(usual.ring_frames);
  CHECK_FALSE(usual.ring_policy);
  const RecordOptions options =
      record({"--encoder-order", "software,h264_vaapi", "--ring-frames=32", "--ring", "drop-oldest", "out.mkv"});
  CHECK(options.encoder.order == std::vector<std::string>{"software", "h264_vaapi"});
  CHECK(options.ring_frames == 32U);
  CHECK(options.ring_policy == RingPolicy::DropOldest);
  const RecordingOptions job = recording_options(options, {});
  CHECK(job.encoder.order == options.encoder.order);
  CHECK(job.ring_frames == 32U);
  CHECK(job.ring_policy == RingPolicy::DropOldest);
  CHECK(record({"--ring", "block", "out.mkv"}).ring_policy == RingPolicy::Block);

  CHECK(error_of({"record", "--ring-frames", "0", "a.mkv"}) == "--ring-frames: '0' is not a whole number from 1 to 32");
  CHECK(error_of({"record", "--ring-frames", "33", "a.mkv"}) ==
        "--ring-frames: '33' is not a whole number from 1 to 32");
  CHECK(error_of({"record", "--ring", "newest", "a.mkv"}) == "--ring: 'newest' is not one of block, drop-oldest");
  CHECK(error_of({"record", "--overwrite=yes", "a.mkv"}) == "--overwrite: it takes no value");
  CHECK(error_of({"record", "--source", "test", "--encoder-order", "nvec", "a.mkv"})
            .starts_with("encoder order: 'nvec' is not one of nvenc, vaapi, qsv, vulkan, software, h264_nvenc"));
  CHECK(error_of({"record", "--source", "test", "--encoder-order", "nvenc,nvenc", "a.mkv"}) ==
        "encoder order: 'nvenc' stands in it twice");
}

TEST_CASE("which GPU works") {
  CHECK(record({"out.mkv"}).gpu.empty());
  CHECK(record({"--gpu", "auto", "out.mkv"}).gpu.empty());
  CHECK(record({"--gpu=/dev/dri/renderD129", "out.mkv"}).gpu == "/dev/dri/renderD129");
  CHECK(recording_options(record({"--gpu=01:00.0", "out.mkv"}), {}).gpu == "0000:01:00.0");
  CHECK(
      error_of({"record", "--gpu", "nvidia", "a.mkv"})
          .starts_with("--gpu: 'nvidia' is not 'auto', a render node such as /dev/dri/renderD128 or a PCI address such "
                       "as 01:00.0; this machine has "));
}

TEST_CASE("short names, and the other spelling") {
  const RecordOptions options =
      record({"-f", "30", "--color", "bt601", "-q", "-o", "out.mkv", "--encoder-option", "tune=grain"});
  CHECK(options.constant_rate == Rational{30, 1});
  CHECK(options.encoder.colour.matrix == ColourMatrix::BT601);
  CHECK(options.quiet);
  CHECK(options.outputs.front().name() == "out.mkv");
  const auto source = parse({"record", "-s", "test:640x480@30", "out.mkv"});
  REQUIRE(source);
  CHECK(std::get<TestSpec>(std::get<RecordOptions>(*source).source).size == Size{640, 480});
}

TEST_CASE("a session's commands, with the group's word and as they were") {
  for (const std::vector<const char*>& words :
       {std::vector{"session", "save-replay", "games", "best.mkv"}, std::vector{"replay", "save", "games", "best.mkv"},
        std::vector{"save-replay", "games", "best.mkv"}}) {
    const auto save = parse(words);
    REQUIRE(save);
    CHECK(std::get<ActionOptions>(*save).action == SessionAction::SaveReplay);
    CHECK(std::get<ActionOptions>(*save).name == "games");
  }
  for (const char* group : {"session", ""}) {
    std::vector words{"session", "start", "-s", "test", "-f", "30", "-o", "/a.mkv"};
    if (*group == '\0') words.erase(words.begin());
    const auto start = parse(words);
    REQUIRE(start);
    const auto& settings = std::get<StartOptions>(*start).settings;
    REQUIRE(settings.size() == 3);
    CHECK(std::ranges::find(settings, "source", &Setting::name)->value == SettingValue(std::string("test")));
    CHECK(std::ranges::find(settings, "fps", &Setting::name)->value == SettingValue(std::string("30")));
    CHECK(std::ranges::find(settings, "sinks", &Setting::name)->value ==
          SettingValue(std::vector<std::string>{"/a.mkv"}));
  }
  CHECK(std::get<StatusOptions>(*parse({"session", "status", "meeting"})).name == "meeting");
  // A session may have a command's name.
  CHECK(std::get<ActionOptions>(*parse({"session", "stop", "start"})).name == "start");
}

TEST_CASE("range and colour combine in any order") {
  const RecordOptions options = record({"--range", "full", "--colour", "bt601", "out.mkv"});
  CHECK(options.encoder.colour.range == ColourRange::Full);
  CHECK(options.encoder.colour.matrix == ColourMatrix::BT601);
}

TEST_CASE("stream has live defaults") {
  const auto result = parse({"stream", "--source", "test", "srt://127.0.0.1:9000"});
  REQUIRE(result.has_value());
  const auto& options = std::get<RecordOptions>(*result);
  CHECK(options.live);
  CHECK(options.encoder.preset == Preset::LowLatency);
  REQUIRE(options.outputs.size() == 1);
  CHECK(options.outputs.front().name() == "srt://127.0.0.1:9000");
  CHECK(options.outputs.front().container == Container::Ts);
}

TEST_CASE("platforms by name, with the key from a file") {
  struct Row {
    const char* word;
    const char* name;
  };
  for (const Row& row :
       {Row{"twitch", "rtmps://ingest.global-contribute.live-video.net:443/app"},
        Row{"youtube", "rtmps://a.rtmps.youtube.com:443/live2"},
        Row{"owncast:live.example", "rtmp://live.example/live"}, Row{"rtmp://h:1935/show", "rtmp://h:1935/show"}}) {
    CAPTURE(row.word);
    const auto result = parse({"stream", "--source", "test", "--key-file", "my key&more", row.word});
    REQUIRE(result.has_value());
    const auto& options = std::get<RecordOptions>(*result);
    REQUIRE(options.outputs.size() == 1);
    CHECK(options.outputs.front().name() == row.name);
    CHECK(std::get<RtmpOutput>(options.outputs.front().target).key.file == "my key&more");
    // What every platform takes.
    CHECK(options.encoder.codec == Codec::H264);
    CHECK(options.audio.encoder.codec == AudioCodec::Aac);
  }
  // A file beside it is what it was, and a codec that was asked for stays.
  CHECK(record({"--tee", "rtmp://h/live?key=k", "a.mkv"}).encoder.codec == Codec::H264);
  CHECK(record({"--tee", "rtp://h:5004", "a.mkv"}).encoder.codec == Codec::H264);
  CHECK(record({"--tee", "rtp://h:5004", "--audio", "test", "a.mkv"}).audio.encoder.codec == AudioCodec::Opus);
  CHECK(record({"--tee", "rtmp://h/live?key=k", "--encoder", "libx264", "a.mkv"}).encoder.codec == std::nullopt);
  CHECK(record({"twitch.mkv"}).outputs.front().name() == "twitch.mkv");
  CHECK(error_of({"stream", "--source", "test", "--key-file", "k", "owncast:"}) ==
        "output rtmp:///live: the host is missing; only a listener may leave it out");
}

TEST_CASE("sources, encoders and completion") {
  CHECK(std::get<SourcesOptions>(*parse({"sources", "--json"})).json);
  CHECK_FALSE(std::get<SourcesOptions>(*parse({"sources"})).json);
  const auto encoders =
      std::get<EncodersOptions>(*parse({"encoders", "--size", "640x480", "--bit-depth", "10", "--chroma", "444"}));
  CHECK(encoders.size == Size{640, 480});
  CHECK(encoders.bit_depth == 10);
  CHECK(encoders.chroma == Chroma::Yuv444);
  CHECK(std::get<CompletionOptions>(*parse({"completion", "fish"})).shell == Shell::Fish);
}

TEST_CASE("words that look like something else") {
  CHECK(std::holds_alternative<StdoutOutput>(record({"-"}).outputs.front().target));
  CHECK(record({"--", "--odd.mkv"}).outputs.front().name() == "--odd.mkv");
  CHECK(record({"--container", "mkv", "sources"}).outputs.front().name() == "sources");
  CHECK(record({"--encoder-option", "[a,b]=c", "out.mkv"}).encoder.options.front().first == "[a,b]");
}

TEST_CASE("what 'remux' is asked") {
  const auto result = parse({"remux", "--overwrite", "killed.mp4", "100%.MKV"});
  REQUIRE(result);
  const auto& options = std::get<RemuxOptions>(*result);
  CHECK(options.input == "killed.mp4");
  CHECK(options.output.path == "100%.MKV");  // a name, and no pattern
  CHECK(options.output.overwrite);
  CHECK(options.container == Container::Mkv);
}

TEST_CASE("what 'snapshot' is asked") {
  const auto of = [](const std::vector<const char*>& words, const ConfigReader& config = nullptr) {
    const auto result = parse_command_line(words, config);
    REQUIRE(result);
    return std::get<SnapshotOptions>(*result);
  };
  const SnapshotOptions plain = of({"snapshot", "a %F.PNG"});
  CHECK(plain.output.path == "a %F.PNG");
  CHECK_FALSE(plain.output.overwrite);
  CHECK(plain.session.empty());
  CHECK_FALSE(plain.source);
  CHECK(plain.record.source == *parse_source("portal"));
  CHECK(of({"snapshot", "-"}).output.path.empty());
  CHECK(of({"snapshot", "--session", "meeting", "--overwrite", "a.png"}).session == "meeting");
  const SnapshotOptions window =
      of({"snapshot", "-s", "portal:window", "--cursor", "hidden", "--restore-slot", "second", "a.png"});
  CHECK(window.source);
  CHECK(window.record.source == *parse_source("portal:window"));
  CHECK(window.record.cursor == CursorMode::Hidden);
  CHECK(window.record.restore_slot == "second");
  // The user's own defaults of 'record' are none of which session it is.
  const auto config = [] { return parse_config("[record]\nsource = \"portal:monitor\"\ncodec = \"hevc\"\n", "c"); };
  const SnapshotOptions own = of({"snapshot", "a.png"}, config);
  CHECK(own.record.source == *parse_source("portal:monitor"));
  CHECK_FALSE(own.source);

  CHECK(error_of({"snapshot", "a.jpg"}) == "write 'a.jpg': a picture is a PNG file: its name ends in .png");
  CHECK(error_of({"snapshot", "--session", "a", "--source", "test", "a.png"}) ==
        "--session and --source: only one of them can be given: a session has its source");
  CHECK(error_of({"snapshot", "--source", "screen", "a.png"}).find("'screen' is not a source") != std::string::npos);
}

TEST_CASE("wrong words get one clear line") {
  struct Row {
    std::vector<const char*> words;
    std::string_view expected;
  };
  const Row rows[] = {
      {{},
       "no command: it is one of record, stream, camera, view, snapshot, sources, encoders, zerocopy-probe, verify, "
       "remux, "
       "daemon, "
       "session, layer, reload, config, completion; see 'zerocast --help'"},
      {{"session"},
       "session: no command: it is one of start, list, status, stop, pause, resume, keyframe, bitrate, framerate, "
       "add-sink, remove-sink, save-replay, audio; see 'zerocast session --help'"},
      {{"session", "strat"}, "command line: unknown command 'strat'; did you mean 'start'?"},
      {{"session", "frobnicate"}, "command line: unknown command 'frobnicate'; see 'zerocast session --help'"},
      {{"session", "--json", "list"},
       "command line: '--json' stands before 'session list'; options come after the command"},
      {{"session", "stop"}, "session stop: NAME is missing; see 'zerocast session stop --help'"},
      {{"session", "stop", "--jsn", "a"}, "session stop: unknown option '--jsn'; did you mean '--json'?"},
      {{"stop", "a", "b"}, "session stop: unexpected argument 'b'; see 'zerocast session stop --help'"},
      {{"recrod", "a.mkv"}, "command line: unknown command 'recrod'; did you mean 'record'?"},
      {{"frobnicate"}, "command line: unknown command 'frobnicate'; see 'zerocast --help'"},
      {{"--verson"}, "command line: unknown option '--verson'; did you mean '--version'?"},
      {{"--json", "record", "a.mkv"}, "command line: '--json' stands before 'record'; options come after the command"},
      {{"verify"}, "verify: FILE is missing; see 'zerocast verify --help'"},
      {{"remux", "a.mkv"}, "remux: OUT is missing; see 'zerocast remux --help'"},
      {{"remux", "a.mkv", "-"}, "OUT: '-' is no file's name that ends in .mkv, .mp4 or .ts"},
      {{"remux", "a.mkv", "b.avi"}, "OUT: 'b.avi' is no file's name that ends in .mkv, .mp4 or .ts"},
      {{"stream", "--json"}, "stream: URL is missing; see 'zerocast stream --help'"},
      {{"record", "a.mkv", "b.mkv"}, "record: unexpected argument 'b.mkv'; see 'zerocast record --help'"},
      {{"record", "--fsp", "30", "a.mkv"}, "record: unknown option '--fsp'; did you mean '--fps'?"},
      {{"record", "--frobnicate=3", "a.mkv"}, "record: unknown option '--frobnicate'; see 'zerocast record --help'"},
      {{"record", "-x", "a.mkv"}, "record: unknown option '-x'; see 'zerocast record --help'"},
      {{"record", "a.mkv", "--crf"}, "--crf: it needs a value"},
      {{"record", "a.mkv", "-f"}, "--fps: it needs a value"},
      {{"record", "--crf", "-5", "--json=no", "a.mkv"}, "--json: it takes no value"},
      {{"record", "-f", "60", "--fps", "30", "a.mkv"}, "--fps: it is given more than once"},
      {{"record", "-o", "a.mkv", "b.mkv"}, "FILE and --output: only one of them can be given: both name the file"},
      {{"record", "--crf=", "a.mkv"}, "--crf: it needs a value"},
      {{"record", "--json=no", "a.mkv"}, "--json: it takes no value"},
      {{"record", "--crf", "-5", "a.mkv"}, "--crf: '-5' is not a whole number from 0 to 63"},
      {{"record", "--seconds", "-1", "a.mkv"},
       "--seconds: '-1' is not a number of seconds, more than 0 and at most 2678400"},
      {{"record", "--codec", "vp9", "a.mkv"}, "--codec: 'vp9' is not one of auto, h264, hevc, av1"},
      {{"record", "--bit-depth", "12", "a.mkv"}, "--bit-depth: '12' is not one of 8, 10"},
      {{"record", "--container", "avi", "a.mkv"}, "--container: 'avi' is not one of mkv, mp4, ts"},
      {{"record", "--crf", "20", "--bitrate", "6M", "a.mkv"},
       "--crf and --bitrate: only one of them can be given: both set the rate control"},
      {{"record", "--fps", "60", "--min-fps", "1", "a.mkv"},
       "--fps and --min-fps: only one of them can be given: a constant rate repeats pictures already"},
      {{"record", "--size", "640x480", "--resize", "follow", "a.mkv"},
       "--size and --resize: only one of them can be given: a size that was asked for stays"},
      {{"record", "--resize", "follow", "-"},
       "--resize: Matroska on stdout has one size; 'follow' needs a file, or --container ts"},
      {{"record", "--fps", "60", "--max-fps", "30", "a.mkv"},
       "--fps and --max-fps: only one of them can be given: no more than a constant rate is asked for"},
      {{"record", "--no-restore", "--restore-slot", "a", "a.mkv"},
       "--no-restore and --restore-slot: only one of them can be given: one turns off what the other names"},
      {{"record", "--fps", "60", "--fps", "30", "a.mkv"}, "--fps: it is given more than once"},
      {{"record", "--source", "test", "-s", "portal", "a.mkv"},

       "--source: it is given more than once; several monitors or windows are 'portal:multiple', or a --region; others "
       "lie above it by --layer"},
      {{"record", "--source", "test", "udp://127.0.0.1:5000"},
       "FILE: 'udp://127.0.0.1:5000' is a URL; use 'zerocast stream', or --tee for a further output"},
      {{"stream", "--source", "test", "a.ts"},
       "URL: 'a.ts' is no URL (srt://, rtmps://, ...) and no platform; 'zerocast record' writes files"},
      {{"stream", "--source", "test", "twitch"}, "'twitch': it needs the stream's key: --key-file FILE"},
      {{"stream", "--source", "test", "--key-file", "k", "srt://h:1"},
       "--key-file: only a platform or an rtmp:// URL has a stream key"},
      {{"stream", "--source", "test", "rtmp://h/live"},
       "output rtmp://h/live: the stream's key is missing: key-file=PATH, key-env=NAME or key=TEXT"},
      {{"record", "--source", "test", "--json", "-"}, "--json: stdout already carries the video"},
      {{"record", "--source", "test", "--tee", "-", "-"}, "--tee: only one output can be stdout"},
      {{"record", "--source", "test", ""},
       "output: is empty; valid: udp://HOST:PORT, tcp://HOST:PORT, srt://HOST:PORT, rtmp://HOST/APP, "
       "rtmps://HOST/APP, rtp://HOST:PORT, rtsp://HOST/PATH, hls:///FOLDER, unix:///PATH, camera:NAME, a file path or "
       "-"},
      {{"completion"}, "completion: SHELL is missing; see 'zerocast completion --help'"},
      {{"completion", "tcsh"}, "SHELL: 'tcsh' is not one of bash, zsh, fish"},
      {{"encoders", "--size", "1x1"}, "--size: 1x1 is outside 16x16 to 16384x16384"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.expected);
    CHECK(error_of(row.words) == row.expected);
  }
}

TEST_CASE("a codec that does not fit the container is refused on the command line") {
  const auto result = parse({"stream", "--source", "test", "--codec", "av1", "udp://127.0.0.1:5000"});
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().message() == "put av1 into MPEG-TS: ts takes h264, hevc; av1 fits into mkv, mp4");
  CHECK(exit_code(result.error(), Stage::Arguments) == ExitCode::Usage);
  const auto tracks =
      parse({"stream", "--source", "test", "--audio", "test", "--audio", "mic,track=2", "rtmp://h/live?key=k"});
  REQUIRE_FALSE(tracks.has_value());
  CHECK(tracks.error().message() == "put 2 tracks of sound into FLV: it takes 1; sources of one track are mixed");
}

TEST_CASE("no message repeats a passphrase") {
  for (const auto& words :
       {std::vector<const char*>{"record", "--source", "test", "srt://h:1?passphrase=correct-horse"},
        std::vector<const char*>{"stream", "--source", "test", "srt://h?passphrase=correct-horse"},
        std::vector<const char*>{"stream", "--source", "test", "--tee", "-", "--json",
                                 "srt://h:1?passphrase=correct-horse"}}) {
    CHECK(error_of(words).find("correct-horse") == std::string::npos);
  }
}

TEST_CASE("an encoder that does not exist or fit is refused on the command line") {
  CHECK(error_of({"record", "--source", "test", "--encoder", "libx266", "a.mkv"}).find("libx264, libx265") !=
        std::string::npos);
  CHECK(error_of({"record", "--source", "test", "--encoder", "libx264", "--codec", "av1", "a.mkv"}) ==
        "libx264: it encodes h264, not av1");
  CHECK(error_of({"record", "--source", "test", "--codec", "h264", "--crf", "60", "a.mkv"}) ==
        "crf of libx264: 60 is not in 0 to 51");
  CHECK_FALSE(parse({"record", "--source", "test", "--encoder", "libsvtav1", "a.ts"}).has_value());
  CHECK(error_of({"record", "--source", "test", "--gop", "0.05", "a.mkv"}) ==
        "gop: 0.05 is not in 0.1 to 600 seconds, nor infinite");
}

TEST_CASE("what no encoder can do is known before anything starts") {
  CHECK(check_encoder(record({"a.mkv"})).has_value());
  CHECK(check_encoder(record({"--codec", "hevc", "--bit-depth", "10", "--chroma", "444", "a.mkv"})).has_value());
  const auto refused = check_encoder(record({"--codec", "av1", "--chroma", "444", "a.mkv"}));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::Unsupported);
  CHECK(exit_code(refused.error(), Stage::Encoder) == ExitCode::NoEncoder);
}

TEST_CASE("a wrong source is refused on the command line") {
  CHECK(error_of({"record", "--source", "banana", "a.mkv"}).find("banana") != std::string::npos);
}

TEST_CASE("hostile words never get through as anything but an error") {
  const std::string longest(100'000, 'a');
  const std::string dashes = "--" + longest;
  CHECK_FALSE(parse({longest.c_str()}).has_value());
  CHECK_FALSE(parse({"record", dashes.c_str(), "a.mkv"}).has_value());
  CHECK_FALSE(parse({"record", "--size", longest.c_str(), "a.mkv"}).has_value());
  CHECK_FALSE(parse({"", ""}).has_value());
  CHECK_FALSE(parse({"--", "stream"}).has_value());
  CHECK(error_of({"record", "\x1b[2J\n", "b"}).find('\x1b') == std::string::npos);
}

TEST_CASE("help and version come before complaints") {
  CHECK(std::get<ShowText>(*parse({"--version"})).text == "zerocast " + std::string(program_version()) + "\n");
  CHECK(std::get<ShowText>(*parse({"--help"})).text == program_help());
  CHECK(std::get<ShowText>(*parse({"-h"})).text == program_help());
  for (const CommandInfo& command : command_infos()) {
    CAPTURE(command.name);
    const std::string group(command.group());
    const std::string word(command.word());
    for (const char* help : {"--help", "-h"}) {
      std::vector<const char*> words{word.c_str(), help};
      if (!group.empty()) words.insert(words.begin(), group.c_str());
      CHECK(std::get<ShowText>(*parse(words)).text == command_help(command));
    }
  }
  CHECK(std::get<ShowText>(*parse({"session", "--help"})).text == group_help("session"));
  CHECK(std::holds_alternative<ShowText>(*parse({"record", "--help", "--nonsense"})));
}

TEST_CASE("help fits a terminal and names every option") {
  const auto fits = [](const std::string& text) {
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
      CAPTURE(line);
      CHECK(line.size() <= 80);
      CHECK_FALSE(line.ends_with(' '));
    }
  };
  fits(program_help());
  fits(group_help("session"));
  for (const CommandInfo& command : command_infos()) {
    const std::string help = command_help(command);
    fits(help);
    for (const Argument& argument : command.arguments) {
      CAPTURE(argument.name);
      CHECK(help.find(argument.name) != std::string::npos);
      CHECK(argument.help.ends_with('.'));
    }
  }
}

TEST_CASE("every default and choice that help promises is accepted") {
  for (const CommandInfo& command : command_infos()) {
    std::vector<std::string> positionals;
    for (const Argument& argument : command.arguments) {
      if (!argument.positional()) continue;
      positionals.emplace_back(!argument.choices.empty() ? argument.choices.front() : "file.mkv");
      if (command.name == "stream") positionals.back() = "udp://127.0.0.1:5000";
      if (command.name == "snapshot") positionals.back() = "file.png";
    }
    for (const Argument& argument : command.arguments) {
      if (argument.positional() || argument.name == "--source") continue;
      std::vector<std::string_view> values(argument.choices.begin(), argument.choices.end());
      if (!argument.fallback.empty()) values.push_back(argument.fallback);
      for (const std::string_view value : values) {
        std::vector<std::string> words{std::string(command.word())};
        if (!command.group().empty()) words.insert(words.begin(), std::string(command.group()));
        // Only a file's pictures can come without being waited for.
        const std::string source = argument.name == "--pace" && value == "none" ? "file:clip.mp4" : "test";
        if (command.name == "record" || command.name == "stream") words.insert(words.end(), {"--source", source});
        words.insert(words.end(), {std::string(argument.name), std::string(value)});
        if (argument.name == "--rate-control" && value != "quality") words.insert(words.end(), {"--bitrate", "2M"});
        words.insert(words.end(), positionals.begin(), positionals.end());
        std::vector<const char*> arguments;
        arguments.reserve(words.size());
        for (const std::string& word : words) arguments.push_back(word.c_str());
        const auto result = parse_command_line(arguments);
        CAPTURE(command.name, argument.name, value, result ? std::string() : result.error().message());
        CHECK(result.has_value());
      }
    }
  }
}
