#include "cli/verify_report.h"

#include "media/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

namespace zc {
namespace {

using Json = nlohmann::ordered_json;
using verify::Fault;
using verify::OrderReport;
using verify::VerifyReport;

double seconds(std::int64_t ticks) { return static_cast<double>(ticks) / static_cast<double>(kPacketClock); }
double milliseconds(Nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }
double rounded(double value, double digits = 1000) { return std::round(value * digits) / digits; }

std::string container_title(const std::string& name) {
  if (name.starts_with("matroska")) return "Matroska";
  if (name.starts_with("mov")) return "MP4";
  return name == "mpegts" ? "MPEG-TS" : name;
}

/// "4.1", "2.0" or "-": each codec counts its levels in another way.
std::string level_text(Codec codec, int level) {
  if (level <= 0) return "-";
  switch (codec) {
    case Codec::H264: return fmt::format("{:.1f}", level / 10.0);
    case Codec::HEVC: return fmt::format("{:.1f}", level / 30.0);
    case Codec::AV1: return fmt::format("{}.{}", 2 + level / 4, level % 4);
  }
  return "-";
}

std::string line(std::string_view what, const std::string& text) { return fmt::format("{:<10} {}\n", what, text); }

std::string hdr_text(const HdrMetadata& hdr) {
  std::string text;
  if (hdr.mastering) {
    const MasteringDisplay& m = *hdr.mastering;
    const auto point = [](Chromaticity c) { return fmt::format("{:.4g},{:.4g}", c.x / 5e4, c.y / 5e4); };
    text += line("mastering",
                 fmt::format("red {}, green {}, blue {}, white {}, {:g} to {:g} cd/m2", point(m.red), point(m.green),
                             point(m.blue), point(m.white), m.min_luminance / 1e4, m.max_luminance / 1e4));
  }
  if (hdr.light) {
    text +=
        line("light", fmt::format("MaxCLL {}, MaxFALL {} cd/m2", hdr.light->max_content, hdr.light->max_frame_average));
  }
  return text;
}

std::string frames_text(const VerifyReport& report) {
  const OrderReport& order = report.order;
  std::string text = line("frames", fmt::format("{} ({} keyframes), {} decode errors", order.pictures, report.keyframes,
                                                report.decode_errors));
  text += line("times", fmt::format("{:.3f} s, {:.2f} fps{}, longest gap {:.0f} ms, {} not rising",
                                    seconds(order.last_pts - order.first_pts), order.rate(),
                                    order.constant_interval ? " constant" : "", seconds(order.longest_gap) * 1000,
                                    order.times_not_rising));
  if (order.first_number) {
    text += line("numbers", fmt::format("{} to {}: {} missing, {} repeated, {} out of order, {} illegible",
                                        *order.first_number, *order.last_number, order.dropped.value_or(0),
                                        order.duplicates, order.out_of_order, order.illegible));
    if (order.largest_time_error) {
      text += line("", fmt::format("times stray up to {:.1f} ms from when the pictures were painted",
                                   seconds(*order.largest_time_error) * 1000));
    }
  } else {
    const std::string missing =
        order.dropped ? fmt::format("{} missing", *order.dropped) : "missing ones cannot be told at a variable rate";
    text += line("contents", fmt::format("no numbers in the pictures; {} repeated, {}", order.duplicates, missing));
  }
  return text;
}

std::string quality_text(const VerifyReport& report) {
  if (!report.quality) return {};
  const verify::QualityReport& q = *report.quality;
  if (q.exact == q.pictures) return line("quality", fmt::format("all {} pictures exactly the source's", q.pictures));
  const bool rgb = report.pixel_format.starts_with("gbr");
  constexpr std::array<std::string_view, 3> kYuv{"Y", "U", "V"};
  constexpr std::array<std::string_view, 3> kRgb{"G", "B", "R"};
  std::string psnr;
  for (std::size_t i = 0; i < q.psnr.size(); ++i) {
    const verify::Spread& spread = q.psnr.at(i);
    const std::string figure =
        spread.max == 0 ? "exact" : fmt::format("{:.1f} (lowest {:.1f})", spread.mean, spread.min);
    psnr += fmt::format("{}{} {}", psnr.empty() ? "" : ", ", rgb ? kRgb.at(i) : kYuv.at(i), figure);
  }
  return line("quality", fmt::format("PSNR {} dB; SSIM {:.4f} (lowest {:.4f}); {} of {} exact", psnr, q.ssim.mean,
                                     q.ssim.min, q.exact, q.pictures));
}

std::string sound_text(const VerifyReport& report) {
  std::string text;
  for (const verify::SoundReport& sound : report.sound) {
    text += line("sound", fmt::format("{} {} Hz, {} channels{}{}: {:.3f} s, {} gaps, peak {:.1f} dB", sound.codec,
                                      sound.rate, sound.channels, sound.title.empty() ? "" : ", ", sound.title,
                                      sound.seconds, sound.gaps, 20 * std::log10(std::max(sound.peak, 1e-6))));
    if (!sound.sync) continue;
    text +=
        line("", fmt::format("{} beeps, {} missing, {} clicks; {:+.2f} ms beside the pictures (median), p99 {:.2f} ms, "
                             "{:+.3f} ms a minute",
                             sound.beeps, sound.missing_beeps, sound.clicks, sound.sync->p50_ms, sound.sync->p99_ms,
                             sound.sync->slope_ms_per_min));
  }
  return text;
}

Json sound_json(const verify::SoundReport& sound) {
  Json json{{"codec", sound.codec},
            {"title", sound.title},
            {"rate", sound.rate},
            {"channels", sound.channels},
            {"first_s", rounded(sound.first_seconds, 1e5)},
            {"seconds", rounded(sound.seconds, 1e5)},
            {"packets", sound.packets},
            {"decode_errors", sound.decode_errors},
            {"gaps", sound.gaps},
            {"longest_gap_ms", rounded(sound.longest_gap_ms)},
            {"peak_db", rounded(20 * std::log10(std::max(sound.peak, 1e-6)))},
            {"beeps", sound.beeps},
            {"missing_beeps", sound.missing_beeps},
            {"clicks", sound.clicks},
            {"sync", nullptr}};
  if (sound.sync) {
    json["sync"] = {{"p50_ms", rounded(sound.sync->p50_ms)},
                    {"p99_ms", rounded(sound.sync->p99_ms)},
                    {"slope_ms_per_min", rounded(sound.sync->slope_ms_per_min, 1e5)}};
  }
  return json;
}

Json fault_json(const std::vector<Fault>& faults) {
  Json list = Json::array();
  for (const Fault& fault : faults) {
    list.push_back({{"kind", to_string(fault.kind)}, {"count", fault.count}, {"text", fault.text}});
  }
  return list;
}

Json hdr_json(const HdrMetadata& hdr) {
  Json json = {{"mastering", nullptr}, {"light", nullptr}};
  if (hdr.mastering) {
    const MasteringDisplay& m = *hdr.mastering;
    const auto point = [](Chromaticity c) { return Json{rounded(c.x / 5e4, 1e5), rounded(c.y / 5e4, 1e5)}; };
    json["mastering"] = {{"red", point(m.red)},
                         {"green", point(m.green)},
                         {"blue", point(m.blue)},
                         {"white", point(m.white)},
                         {"max_luminance", m.max_luminance / 1e4},
                         {"min_luminance", m.min_luminance / 1e4}};
  }
  if (hdr.light) json["light"] = {{"max_cll", hdr.light->max_content}, {"max_fall", hdr.light->max_frame_average}};
  return json;
}

Json spread_json(const verify::Spread& spread) {
  return {{"min", rounded(spread.min, 1e4)}, {"mean", rounded(spread.mean, 1e4)}, {"max", rounded(spread.max, 1e4)}};
}

Json quality_json(const verify::QualityReport& q) {
  Json psnr = Json::array();
  for (const verify::Spread& spread : q.psnr) psnr.push_back(spread.max == 0 ? Json() : spread_json(spread));
  return {{"pictures", q.pictures},
          {"exact", q.exact},
          {"below", q.below},
          {"psnr", std::move(psnr)},
          {"ssim", spread_json(q.ssim)}};
}

/// What the header says of pictures that are shown in another order than they come in.
std::string order_text(const VerifyReport& report) {
  if (!report.reordering) return "";
  if (!report.reordering->pictures) return ", order not told";
  if (*report.reordering->pictures == 0) return ", in order";
  return fmt::format(", up to {} reordered", *report.reordering->pictures);
}

/// The value, or null.
template <class T>
Json maybe(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

}  // namespace

std::string verify_text(const VerifyReport& report) {
  std::string text;
  const std::string how = report.profile.empty() ? "" : fmt::format(" {}", report.profile);
  if (report.order.pictures > 0) {
    text += line("stream", fmt::format("{}{} level {}, {}x{} {}{}, in {}", to_string(report.codec), how,
                                       level_text(report.codec, report.level), report.size.width, report.size.height,
                                       report.pixel_format, order_text(report), container_title(report.container)));
    for (const Size size : report.sizes) text += line("", fmt::format("also {}x{}", size.width, size.height));
    text += line("colour",
                 fmt::format("matrix {}, range {}, primaries {}, transfer {}{}", name(report.colour.matrix),
                             name(report.colour.range), name(report.colour.primaries), name(report.colour.transfer),
                             report.colour_changes ? "; it changes on the way" : ""));
    text += hdr_text(report.hdr);
    text += line("decoder", fmt::format("{} ({})", report.decoder, to_string(report.backend)));
    text += frames_text(report);
    text += quality_text(report);
  }
  if (report.latency) {
    text += line("latency", fmt::format("painted to decoded: p50 {:.1f} ms, p95 {:.1f} ms, longest {:.1f} ms",
                                        milliseconds(report.latency->p50), milliseconds(report.latency->p95),
                                        milliseconds(report.latency->max)));
  }
  text += sound_text(report);
  if (report.silent) text += line("end", "nothing came any more");
  for (const Fault& fault : report.allowed) text += line("allowed", fault.text);
  for (const Fault& fault : report.faults) text += line("FAULT", fault.text);
  text += fmt::format("{}: {}\n", report.name, report.faults.empty() ? "sound" : "has faults");
  return text;
}

std::string verify_json(const VerifyReport& report) {
  const OrderReport& order = report.order;
  Json refused = Json::array();
  for (const auto& [backend, why] : report.refused)
    refused.push_back({{"backend", to_string(backend)}, {"reason", why}});
  Json missing = Json::array();
  for (const verify::NumberRange& range : order.missing) missing.push_back({range.first, range.last});
  Json json = {
      {"name", report.name},
      {"sound", report.faults.empty()},
      {"faults", fault_json(report.faults)},
      {"allowed", fault_json(report.allowed)},
      {"container", report.container},
      {"codec", to_string(report.codec)},
      {"profile", report.profile},
      {"level", report.level},
      {"reordering",
       {{"told", report.reordering ? maybe(report.reordering->pictures) : Json()}, {"seen", report.reordered}}},
      {"width", report.size.width},
      {"height", report.size.height},
      {"pixel_format", report.pixel_format},
      {"bit_depth", report.bit_depth},
      {"colour",
       {{"matrix", name(report.colour.matrix)},
        {"range", name(report.colour.range)},
        {"primaries", name(report.colour.primaries)},
        {"transfer", name(report.colour.transfer)},
        {"changes", report.colour_changes}}},
      {"hdr", hdr_json(report.hdr)},
      {"decoder", {{"backend", to_string(report.backend)}, {"name", report.decoder}, {"refused", refused}}},
      {"packets", report.packets},
      {"bytes", report.bytes},
      {"frames", order.pictures},
      {"keyframes", report.keyframes},
      {"decode_errors", report.decode_errors},
      {"corrupt_packets", report.corrupt_packets},
      {"numbered", order.marked},
      {"illegible", order.illegible},
      {"distinct", order.distinct},
      {"duplicates", order.duplicates},
      {"out_of_order", order.out_of_order},
      {"dropped", maybe(order.dropped)},
      {"missing", std::move(missing)},
      {"first_number", maybe(order.first_number)},
      {"last_number", maybe(order.last_number)},
      {"times_not_rising", order.times_not_rising},
      {"gaps", order.gaps},
      {"longest_gap_s", rounded(seconds(order.longest_gap))},
      {"seconds", rounded(seconds(order.last_pts - order.first_pts))},
      {"fps", rounded(order.rate())},
      {"constant_rate", order.constant_interval.has_value()},
      {"time_error_ms", order.largest_time_error ? Json(rounded(seconds(*order.largest_time_error) * 1000)) : Json()}};
  json["quality"] = report.quality ? quality_json(*report.quality) : Json();
  json["latency_ms"] = nullptr;
  if (report.latency) {
    json["latency_ms"] = {{"pictures", report.latency->pictures},
                          {"p50", rounded(milliseconds(report.latency->p50))},
                          {"p95", rounded(milliseconds(report.latency->p95))},
                          {"max", rounded(milliseconds(report.latency->max))}};
  }
  json["sound_tracks"] = Json::array();
  for (const verify::SoundReport& sound : report.sound) json["sound_tracks"].push_back(sound_json(sound));
  // A file's name may hold anything; what is no UTF-8 is replaced.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace zc
