// zerocast-framecheck FILE: decodes a recording and counts what is in it.
#include "tools/frame_report.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

extern "C" {
#include <libavutil/log.h>
}

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

namespace zc::test {
namespace {

nlohmann::json to_json(const FrameReport& r) {
  nlohmann::json json{
      {"container", r.media.container},
      {"codec", r.media.codec},
      {"profile", r.media.profile},
      {"level", r.media.level},
      {"width", r.media.size.width},
      {"height", r.media.size.height},
      {"bit_depth", r.bit_depth},
      {"frames", r.frames},
      {"keyframes", r.keyframes},
      {"decode_errors", r.decode_errors},
      {"marked_frames", r.marked},
      {"illegible", r.illegible},
      {"distinct_frames", r.distinct},
      {"duplicates", r.duplicates},
      {"repeats", r.repeats},
      {"out_of_order", r.out_of_order},
      {"missing", r.missing},
      {"pts_not_rising", r.pts_not_rising},
      {"first_pts", r.first_seconds},
      {"last_pts", r.last_seconds},
      {"max_gap", r.max_gap_seconds},
      {"max_keyframe_gap", r.max_keyframe_gap_seconds},
      {"fps", r.fps},
      {"colour",
       {{"matrix", name(r.colour.matrix)},
        {"range", name(r.colour.range)},
        {"primaries", name(r.colour.primaries)},
        {"transfer", name(r.colour.transfer)}}},
  };
  if (r.first_mark) json["first_mark"] = *r.first_mark;
  if (r.last_mark) json["last_mark"] = *r.last_mark;
  return json;
}

void print(const FrameReport& r) {
  fmt::print("picture    {} {}x{} {} bit in {}\n", r.media.codec, r.media.size.width, r.media.size.height, r.bit_depth,
             r.media.container);
  fmt::print("colour     matrix {}, range {}, primaries {}, transfer {}\n", name(r.colour.matrix), name(r.colour.range),
             name(r.colour.primaries), name(r.colour.transfer));
  fmt::print("frames     {} ({} keyframes), {} decode errors\n", r.frames, r.keyframes, r.decode_errors);
  fmt::print("times      {:.3f} s to {:.3f} s, {:.2f} fps, longest gap {:.1f} ms, {} not rising\n", r.first_seconds,
             r.last_seconds, r.fps, r.max_gap_seconds * 1000, r.pts_not_rising);
  fmt::print("marks      {} legible, {} distinct, {} duplicates, {} out of order, {} missing\n", r.marked, r.distinct,
             r.duplicates, r.out_of_order, r.missing);
}

int run(int argc, char** argv) {
  CLI::App app{"Decodes a recording and counts its pictures and the marks in them"};
  std::string url;
  std::string painted_text;
  bool json = false;
  app.add_option("FILE", url, "File or URL")->required();
  app.add_flag("--json", json, "One JSON object");
  app.add_option("--painted", painted_text, "WxH of the picture when the mark was painted (default: as coded)");
  CLI11_PARSE(app, argc, argv);
  Size painted;
  if (!painted_text.empty()) {
    char rest = 0;
    if (std::sscanf(painted_text.c_str(), "%ux%u%c", &painted.width, &painted.height, &rest) != 2 || painted.empty()) {
      fmt::print(stderr, "zerocast-framecheck: --painted: '{}' is not WxH\n", painted_text);
      return 2;
    }
  }
  av_log_set_level(AV_LOG_ERROR);
  auto decoder = Decoder::open(url);
  auto report = decoder ? check_frames(std::move(*decoder), painted) : std::unexpected(std::move(decoder.error()));
  if (!report) {
    fmt::print(stderr, "zerocast-framecheck: {}\n", report.error().message());
    return 1;
  }
  if (json) {
    fmt::print("{}\n", to_json(*report).dump());
  } else {
    print(*report);
  }
  return 0;
}

}  // namespace
}  // namespace zc::test

int main(int argc, char** argv) {
  try {
    return zc::test::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "zerocast-framecheck: %s\n", error.what());
    return 1;
  }
}
