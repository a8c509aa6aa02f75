#include "softva/faults.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string_view>

namespace zc::softva {
namespace {

constexpr std::array<std::string_view, kFaultCount> kNames = {
    "no-proc", "alloc", "import", "export", "proc", "sync", "colour", "get-image", "put-image", "encode", "lost"};

using Values = std::array<std::uint64_t, kFaultCount>;

struct State {
  std::mutex mutex;
  Values wanted{};  ///< 0: not asked for
  Values seen{};
  Counts counts;
  bool set = false;
};

State& state() {
  static State instance;
  return instance;
}

std::optional<Values> parse(std::string_view text) {
  Values values{};
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view word = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    const std::size_t equals = word.find('=');
    const auto* name = std::ranges::find(kNames, word.substr(0, equals));
    if (name == kNames.end()) return std::nullopt;
    std::uint64_t value = 1;
    if (equals != std::string_view::npos) {
      const std::string_view digits = word.substr(equals + 1);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (error != std::errc() || end != digits.data() + digits.size() || value == 0) return std::nullopt;
    }
    values.at(static_cast<std::size_t>(name - kNames.begin())) = value;
  }
  return values;
}

}  // namespace

bool fault(Fault which) {
  const std::lock_guard lock(state().mutex);
  return state().wanted.at(static_cast<std::size_t>(which)) != 0;
}

bool fault_now(Fault which) {
  const std::lock_guard lock(state().mutex);
  const auto index = static_cast<std::size_t>(which);
  const std::uint64_t wanted = state().wanted.at(index);
  if (wanted == 0) return false;
  return ++state().seen.at(index) == wanted;
}

bool lost() {
  const std::lock_guard lock(state().mutex);
  const auto index = static_cast<std::size_t>(Fault::Lost);
  return state().wanted.at(index) != 0 && state().seen.at(index) >= state().wanted.at(index);
}

bool init_faults() {
  {
    const std::lock_guard lock(state().mutex);
    if (state().set) return true;
  }
  return softva_set_faults(nullptr);
}

void count(std::size_t Counts::* member, int change) {
  const std::lock_guard lock(state().mutex);
  (state().counts.*member) += static_cast<std::size_t>(change);
}

}  // namespace zc::softva

using namespace zc::softva;

extern "C" bool softva_set_faults(const char* text) {
  if (text == nullptr) text = std::getenv("SOFTVA_FAULTS");
  const auto parsed = parse(text == nullptr ? "" : text);
  if (!parsed) std::fprintf(stderr, "softva: SOFTVA_FAULTS is not understood: %s\n", text);
  const std::lock_guard lock(state().mutex);
  state().wanted = parsed.value_or(Values{});
  state().seen = {};
  state().set = true;
  return parsed.has_value();
}

extern "C" void softva_counts(Counts* counts) {
  const std::lock_guard lock(state().mutex);
  *counts = state().counts;
}
