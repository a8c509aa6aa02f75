#include "encode/levels.h"

#include <algorithm>
#include <array>
#include <span>

namespace zc {
namespace {

struct Row {
  int level;
  LevelLimits limits;
};

constexpr std::uint64_t kMacroblock = 256;

/// Table A-1's MaxFS, MaxMBPS and MaxDpbMbs.
constexpr Row h264(int level, std::uint64_t picture, std::uint64_t rate, std::uint64_t buffer) {
  return {level, {picture * kMacroblock, rate * kMacroblock, buffer * kMacroblock}};
}
constexpr std::array kH264{h264(9, 99, 1485, 396),
                           h264(10, 99, 1485, 396),
                           h264(11, 396, 3000, 900),
                           h264(12, 396, 6000, 2376),
                           h264(13, 396, 11'880, 2376),
                           h264(20, 396, 11'880, 2376),
                           h264(21, 792, 19'800, 4752),
                           h264(22, 1620, 20'250, 8100),
                           h264(30, 1620, 40'500, 8100),
                           h264(31, 3600, 108'000, 18'000),
                           h264(32, 5120, 216'000, 20'480),
                           h264(40, 8192, 245'760, 32'768),
                           h264(41, 8192, 245'760, 32'768),
                           h264(42, 8704, 522'240, 34'816),
                           h264(50, 22'080, 589'824, 110'400),
                           h264(51, 36'864, 983'040, 184'320),
                           h264(52, 36'864, 2'073'600, 184'320),
                           h264(60, 139'264, 4'177'920, 696'320),
                           h264(61, 139'264, 8'355'840, 696'320),
                           h264(62, 139'264, 16'711'680, 696'320)};

constexpr std::array kHevc{Row{30, {36'864, 552'960, 0}},
                           Row{60, {122'880, 3'686'400, 0}},
                           Row{63, {245'760, 7'372'800, 0}},
                           Row{90, {552'960, 16'588'800, 0}},
                           Row{93, {983'040, 33'177'600, 0}},
                           Row{120, {2'228'224, 66'846'720, 0}},
                           Row{123, {2'228'224, 133'693'440, 0}},
                           Row{150, {8'912'896, 267'386'880, 0}},
                           Row{153, {8'912'896, 534'773'760, 0}},
                           Row{156, {8'912'896, 1'069'547'520, 0}},
                           Row{180, {35'651'584, 1'069'547'520, 0}},
                           Row{183, {35'651'584, 2'139'095'040, 0}},
                           Row{186, {35'651'584, 4'278'190'080, 0}}};

/// MaxPicSize and MaxDecodeRate.
constexpr std::array kAv1{Row{0, {147'456, 5'529'600, 0}},         Row{1, {278'784, 10'454'400, 0}},
                          Row{4, {665'856, 24'969'600, 0}},        Row{5, {1'065'024, 39'938'400, 0}},
                          Row{8, {2'359'296, 77'856'768, 0}},      Row{9, {2'359'296, 155'713'536, 0}},
                          Row{12, {8'912'896, 273'715'200, 0}},    Row{13, {8'912'896, 547'430'400, 0}},
                          Row{14, {8'912'896, 1'094'860'800, 0}},  Row{15, {8'912'896, 1'176'502'272, 0}},
                          Row{16, {35'651'584, 1'176'502'272, 0}}, Row{17, {35'651'584, 2'189'721'600, 0}},
                          Row{18, {35'651'584, 4'379'443'200, 0}}, Row{19, {35'651'584, 4'706'009'088, 0}}};

std::span<const Row> rows(Codec codec) {
  switch (codec) {
    case Codec::H264: return kH264;
    case Codec::HEVC: return kHevc;
    case Codec::AV1: return kAv1;
  }
  return {};
}

}  // namespace

std::optional<LevelLimits> level_limits(Codec codec, int level) {
  const auto all = rows(codec);
  const auto found = std::ranges::find(all, level, &Row::level);
  return found == all.end() ? std::nullopt : std::optional(found->limits);
}

std::uint64_t luma_samples(Codec codec, Size size) {
  if (codec != Codec::H264) return std::uint64_t{size.width} * size.height;
  return std::uint64_t{(size.width + 15) / 16} * ((size.height + 15) / 16) * kMacroblock;
}

}  // namespace zc
