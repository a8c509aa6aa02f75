#include "cli/text_table.h"

#include <algorithm>

namespace zc {
namespace {

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

void append_cell(std::string& line, std::string_view cell, std::size_t width, bool last) {
  for (const char c : cell) {
    const auto byte = static_cast<unsigned char>(c);
    line += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  if (!last) line.append(width - columns_of(cell) + 2, ' ');
}

}  // namespace

std::string text_table(std::span<const std::string_view> headings, std::span<const std::vector<std::string>> rows) {
  std::vector<std::size_t> widths;
  for (const std::string_view heading : headings) widths.push_back(columns_of(heading));
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], columns_of(row.at(i)));
  }
  std::string text;
  const auto append_line = [&](const auto& cells) {
    std::string line;
    for (std::size_t i = 0; i < widths.size(); ++i) append_cell(line, cells[i], widths[i], i + 1 == widths.size());
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  append_line(headings);
  for (const auto& row : rows) append_line(row);
  return text;
}

}  // namespace zc
