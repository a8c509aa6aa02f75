#include "cli/encoders_report.h"

#include "cli/text_table.h"
#include "encode/encoder_table.h"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

namespace zc {

std::string encoders_text(std::span<const EncoderReport> reports) {
  constexpr std::array<std::string_view, 5> kHeadings{"ENCODER", "CODEC", "BACKEND", "USABLE", "WHAT OR WHY NOT"};
  std::vector<std::vector<std::string>> rows;
  rows.reserve(reports.size());
  for (const EncoderReport& report : reports) {
    const EncoderRow& row = *report.row;
    std::string what = report.usable ? std::string(row.description) : report.reason;
    if (report.usable && !report.reason.empty()) what += " (" + report.reason + ")";
    rows.push_back({std::string(row.name), std::string(to_string(row.codec)), std::string(row.backend),
                    report.usable ? "yes" : "no", std::move(what)});
  }
  return text_table(kHeadings, rows);
}

std::string encoders_json(const EncodersOptions& options, std::span<const EncoderReport> reports) {
  using Json = nlohmann::ordered_json;
  Json json = {{"width", options.size.width},
               {"height", options.size.height},
               {"bit_depth", options.bit_depth},
               {"chroma", options.chroma == Chroma::Yuv444 ? "444" : "420"},
               {"encoders", Json::array()}};
  for (const EncoderReport& report : reports) {
    json["encoders"].push_back({{"name", report.row->name},
                                {"codec", to_string(report.row->codec)},
                                {"backend", report.row->backend},
                                {"description", report.row->description},
                                {"usable", report.usable},
                                {"reason", report.reason}});
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace zc
