#include "integration/producers/verdict.h"

#include "integration/producers/colours.h"
#include "support/picture_format.h"
#include "tools/decode.h"

#include <fmt/format.h>
#include <spa/param/format.h>
#include <spa/param/video/color.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <ranges>
#include <regex>
#include <vector>

namespace zc::test {
namespace {

using std::chrono::nanoseconds;

/// A stamp this far from its picture's arrival is of no use to anybody: it is not looked at.
constexpr nanoseconds kWildLag = std::chrono::seconds(1);
/// Milliseconds; a picture of these sizes takes ten on a machine that has nothing else to do.
constexpr double kEncodedLate = 250;
/// A screen that stands still is repeated once a second.
constexpr nanoseconds kStill = std::chrono::milliseconds(900);
/// Pictures under way when the buffers of the old size go; no count goes across that.
constexpr std::uint64_t kLostWithBuffers = 4;
/// Codes of 8 bits, on average: coding alone costs about two.
constexpr double kColourTolerance = 6;

/// A picture of the file.
struct Picture {
  double seconds = 0;
  std::optional<TestMark> mark;
  std::optional<double> colours;
  bool resized = false;  ///< painted in the later size
};

/// What the log says that was negotiated: "640x360 BGRx, dmabuf modifier 0x0".
struct Agreement {
  PixelFormat format = PixelFormat::Unknown;
  bool dmabuf = false;
};
std::optional<Agreement> agreement(const std::string& log) {
  static const std::regex line(R"((\d+)x(\d+) ([A-Za-z0-9_]+)(, dmabuf modifier 0x[0-9a-f]+)?\n)");
  for (std::sregex_iterator at(log.begin(), log.end(), line), end; at != end; ++at) {
    if (const auto format = pixel_format_from_name((*at)[3].str())) return Agreement{*format, (*at)[4].matched};
  }
  return std::nullopt;
}

/// What the producer says that the values of this format mean.
ColourDescription stated_colour(const ProducerFixture& fixture, PixelFormat format) {
  ColourDescription colour;
  for (const EnumFormat& offered : fixture.options.enum_formats) {
    if (std::ranges::find(offered.formats, picture_format(format).spa) == offered.formats.end()) continue;
    for (const EnumFormat::Property& p : offered.properties) {
      const std::uint32_t value = p.values.preferred;
      if (p.key == SPA_FORMAT_VIDEO_colorMatrix && value == SPA_VIDEO_COLOR_MATRIX_BT601) {
        colour.matrix = ColourMatrix::BT601;
      } else if (p.key == SPA_FORMAT_VIDEO_colorMatrix && value == SPA_VIDEO_COLOR_MATRIX_BT709) {
        colour.matrix = ColourMatrix::BT709;
      } else if (p.key == SPA_FORMAT_VIDEO_colorRange) {
        colour.range = value == SPA_VIDEO_COLOR_RANGE_0_255 ? ColourRange::Full : ColourRange::Limited;
      }
    }
    break;
  }
  return colour;
}

Result<std::vector<Picture>> pictures(const Recorded& recorded, PixelFormat painted, const ColourDescription& source,
                                      std::uint64_t& errors) {
  auto decoder = Decoder::open(recorded.file);
  if (!decoder) return std::unexpected(decoder.error());
  std::vector<Picture> all;
  while (true) {
    auto next = decoder->next();
    if (!next) return std::unexpected(next.error());
    if (!*next) break;
    const DecodedFrame& frame = **next;
    Picture picture{static_cast<double>(frame.pts) / static_cast<double>(kPacketClock), frame.mark(frame.size), {}};
    if (picture.mark) {
      picture.colours = colour_difference(painted, source, picture.mark->frame, frame);
    } else if (recorded.resized) {
      picture.mark = frame.mark(*recorded.resized);
      picture.resized = picture.mark.has_value();
    }
    all.push_back(picture);
  }
  errors = decoder->decode_errors();
  return all;
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

/// The last line that says why, or the last one at all.
std::string last_words(const std::string& log) {
  std::string words;
  for (const auto part : std::views::split(log, '\n')) {
    const std::string line(part.begin(), part.end());
    if (!line.empty() && !line.starts_with('{') && line.find("[info]") == std::string::npos) words = line;
  }
  return words.substr(0, 200);
}

nlohmann::json report(const std::string& log) {
  const auto at = log.rfind("\n{");
  return at == std::string::npos ? nlohmann::json() : nlohmann::json::parse(log.substr(at + 1), nullptr, false);
}

/// Differences in milliseconds between the file's intervals and the producer's, and what was repeated and left out. A
/// picture that is stamped as the one before (KWin: two between two presentations) has no time of its own.
struct Course {
  std::vector<double> errors_ms;
  std::uint64_t distinct = 0, repeated = 0, missing = 0;
  bool backwards = false;
};
/// `lags` as they were played, picture by picture; `allowed`: so many repeats of each picture are right.
Course course(const std::vector<Picture>& all, const std::vector<nanoseconds>& lags, std::uint64_t allowed) {
  const auto wild = [&](const Picture& picture) {
    return !lags.empty() && lags[picture.mark->frame % lags.size()] > kWildLag;
  };
  Course c;
  const Picture* last = nullptr;   // the first one of its number
  const Picture* timed = nullptr;  // the last that has a time of its own
  std::uint64_t repeats = 0;       // of that
  for (const Picture& now : all) {
    if (last != nullptr && now.mark->frame == last->mark->frame) {
      ++repeats;
      continue;
    }
    ++c.distinct;
    if (last != nullptr) {
      const nanoseconds apart = now.mark->time - last->mark->time;
      if (now.mark->frame < last->mark->frame) c.backwards = true;
      if (now.mark->frame > last->mark->frame) c.missing += now.mark->frame - last->mark->frame - 1;
      // Where the next picture was left out it is late, and a repeat in its place is no fault of its own.
      const bool follows = now.mark->frame == last->mark->frame + 1;
      // What woke the screen up may be stamped before that (KWin): then the file knows better how long it stood still.
      const bool still =
          apart >= kStill || now.seconds - last->seconds >= std::chrono::duration<double>(kStill).count();
      if (follows && !still) c.repeated += repeats - std::min(repeats, allowed);
      const double wanted = std::chrono::duration<double>(apart).count();
      if (wanted > 0 && !wild(now) && !wild(*timed))
        c.errors_ms.push_back(std::abs(now.seconds - timed->seconds - wanted) * 1000);
    }
    if (last == nullptr || now.mark->time > last->mark->time) timed = &now;
    last = &now;
    repeats = 0;
  }
  return c;
}

class Judge {
 public:
  Judge(const ProducerFixture& fixture, const Recorded& recorded, bool in_time)
      : fixture_(fixture), recorded_(recorded), in_time_(in_time) {}

  Verdict look() {
    if (recorded_.exit_code != 0) return refused();
    const auto agreed = agreement(recorded_.log);
    if (!agreed) return wrong("no format is told");
    std::uint64_t errors = 0;
    const auto all = pictures(recorded_, agreed->format, stated_colour(fixture_, agreed->format), errors);
    if (!all) return wrong("the file cannot be read: " + all.error().message());
    return look_at(*all, *agreed, errors);
  }

 private:
  Verdict wrong(std::string reason) {
    verdict_.kind = Verdict::Kind::Wrong;
    verdict_.reason = std::move(reason);
    return verdict_;
  }
  Verdict refused() {
    verdict_.kind = Verdict::Kind::Refused;
    verdict_.reason = recorded_.exit_code < 0 ? "it did not end" : fmt::format("exit code {}: ", recorded_.exit_code);
    verdict_.reason += last_words(recorded_.log);
    return verdict_;
  }

  Verdict look_at(const std::vector<Picture>& all, const Agreement& agreed, std::uint64_t errors) {
    const auto unmarked = std::ranges::count_if(all, [](const Picture& p) { return !p.mark; });
    if (all.empty()) return wrong("no picture");
    if (unmarked > 0) return wrong(fmt::format("{} of {} pictures are not whole", unmarked, all.size()));
    if (errors > 0) return wrong(fmt::format("{} pictures cannot be decoded", errors));
    const Course c = course(all, fixture_.options.rhythm.lags, recorded_.pointer ? 1 : 0);
    // A producer without stamps is as exact as the arrival of its pictures.
    const bool stamped = fixture_.options.pts == PtsMode::Good;
    const double error_ms = percentile(c.errors_ms, stamped ? 0.99 : 0.5);
    const nlohmann::json told = report(recorded_.log);
    const std::uint64_t dropped = told.is_object() ? told.value("dropped", std::uint64_t{0}) : 0;
    // Pictures of a screen that stands still are repeated, and real ones late, where an encoder stands still itself.
    const bool encoded_in_time = told.is_object() && told.value("/encoding_ms/p95"_json_pointer, 0.0) < kEncodedLate;
    in_time_ = in_time_ && encoded_in_time;
    verdict_.note = fmt::format("{} {}, {} pictures, {} repeated, {} missing, {} dropped, intervals off by {:.1f} ms",
                                name(agreed.format), agreed.dmabuf ? "dmabuf" : "memory", c.distinct, c.repeated,
                                c.missing, dropped, error_ms);
    if (c.backwards) return wrong("pictures are out of order");
    if (recorded_.resized && std::ranges::none_of(all, &Picture::resized)) return wrong("no picture of the new size");
    // What a busy machine drops is told.
    if (c.distinct + (in_time_ ? 0 : dropped) < 5) return wrong(fmt::format("{} pictures only", c.distinct));
    if (recorded_.dmabuf && !agreed.dmabuf) return wrong("its dmabufs are not taken, pictures come by shared memory");
    if (in_time_ && c.repeated > 0) return wrong(fmt::format("{} repeats between pictures that came", c.repeated));
    if (in_time_ && error_ms >= (stamped ? 1.0 : 5.0)) {
      return wrong(fmt::format("times are off by {:.1f} ms from one picture to the next", error_ms));
    }
    const std::uint64_t untold = recorded_.resized ? kLostWithBuffers : 0;
    if (fixture_.options.counts && c.missing > dropped + untold) {
      return wrong(fmt::format("{} pictures are missing and {} are told", c.missing, dropped));
    }
    double colours = 0;
    for (const Picture& p : all) colours = std::max(colours, p.colours.value_or(0));
    if (colours > kColourTolerance) return wrong(fmt::format("colours are off by {:.0f} codes", colours));
    return verdict_;
  }

  const ProducerFixture& fixture_;
  const Recorded& recorded_;
  bool in_time_;
  Verdict verdict_;
};

}  // namespace

std::string_view to_string(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::Right: return "right";
    case Verdict::Kind::Wrong: return "wrong";
    case Verdict::Kind::Refused: break;
  }
  return "refused";
}

Verdict judge(const ProducerFixture& fixture, const Recorded& recorded, bool in_time) {
  return Judge(fixture, recorded, in_time).look();
}

}  // namespace zc::test
