#include "softgpu/faults.h"

#include <algorithm>
#include <charconv>

namespace zc::softgpu {
namespace {

struct FaultName {
  std::string_view name;
  Fault fault;
  std::uint64_t value_if_none;
};

constexpr std::array<FaultName, kFaultCount> kNames{{
    {"alloc", Fault::Alloc, 1},
    {"import", Fault::Import, 801},     // CUDA_ERROR_NOT_SUPPORTED
    {"register", Fault::Register, 23},  // NV_ENC_ERR_RESOURCE_REGISTER_FAILED
    {"register-imported", Fault::RegisterImported, 23},
    {"open", Fault::Open, 2},  // NV_ENC_ERR_UNSUPPORTED_DEVICE
    {"hang-open", Fault::HangOpen, 1},
    {"encode", Fault::Encode, 1},
    {"hang", Fault::Hang, 1},
    {"stall", Fault::Stall, 1},
    {"lost", Fault::Lost, 1},
    {"slow-ms", Fault::SlowMs, 1},
}};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): its end is given
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value == 0) return std::nullopt;
  return value;
}

}  // namespace

std::optional<Faults> Faults::parse(std::string_view text) {
  Faults faults;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view word = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);

    const std::size_t equals = word.find('=');
    const auto* row = std::ranges::find(kNames, word.substr(0, equals), &FaultName::name);
    if (row == kNames.end()) return std::nullopt;
    const auto value = equals == std::string_view::npos ? row->value_if_none : number(word.substr(equals + 1));
    if (!value) return std::nullopt;
    faults.values_.at(static_cast<std::size_t>(row->fault)) = *value;
  }
  return faults;
}

}  // namespace zc::softgpu
