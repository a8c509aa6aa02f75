// How libva finds the driver, what no picture needs but libva asks for, and the faults.
#include "softva/driver.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace zc::softva {
namespace {

constexpr std::array<std::string_view, kFaultCount> kNames = {
    "alloc", "export", "no-modifiers", "modifier", "twice", "apart", "narrow", "lie", "put-image", "encode", "lost"};
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
    const std::string_view word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    const std::string_view name = word.substr(0, word.find('='));
    const auto* known = std::ranges::find(kNames, name);
    if (known == kNames.end()) return std::nullopt;
    std::uint64_t value = 1;
    if (name.size() < word.size()) {
      const auto [end, error] = std::from_chars(word.data() + name.size() + 1, word.data() + word.size(), value);
      if (error != std::errc() || end != word.data() + word.size() || value == 0) return std::nullopt;
    }
    values.at(static_cast<std::size_t>(known - kNames.begin())) = value;
  }
  return values;
}

bool init_faults() {
  std::unique_lock lock(state().mutex);
  if (state().set) return true;
  lock.unlock();
  return softva_set_faults(nullptr);
}

VAStatus terminate(VADriverContextP context) {
  const std::unique_ptr<Driver> gone(static_cast<Driver*>(std::exchange(context->pDriverData, nullptr)));
  std::size_t left = 0;
  const auto forget = [&](std::size_t Counts::* member, std::size_t number) {
    count(member, -static_cast<int>(number));
    left += number;
  };
  forget(&Counts::configs, gone->configs.size());
  forget(&Counts::contexts, gone->contexts.size());
  forget(&Counts::surfaces, gone->surfaces.size());
  forget(&Counts::buffers, gone->buffers.size());
  forget(&Counts::images, gone->images.size());
  if (left != 0) std::fprintf(stderr, "softva: %zu objects not given back\n", left);
  return VA_STATUS_SUCCESS;
}

template <class... Arguments>
void refuse_one(VAStatus (*&entry)(Arguments...)) {
  entry = [](Arguments... /*unused*/) -> VAStatus { return VA_STATUS_ERROR_UNIMPLEMENTED; };
}
template <class... Entries>
void refuse(Entries&... entries) {
  (refuse_one(entries), ...);
}

}  // namespace

bool fault(Fault which) {
  const std::lock_guard lock(state().mutex);
  return state().wanted.at(static_cast<std::size_t>(which)) != 0;
}

bool fault_now(Fault which) {
  const std::lock_guard lock(state().mutex);
  const auto index = static_cast<std::size_t>(which);
  return state().wanted.at(index) != 0 && ++state().seen.at(index) == state().wanted.at(index);
}

bool lost() {
  const std::lock_guard lock(state().mutex);
  const auto index = static_cast<std::size_t>(Fault::Lost);
  return state().wanted.at(index) != 0 && state().seen.at(index) >= state().wanted.at(index);
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

// libva asks for its own minor version first and takes any older one: this one is of 1.14, the first with every entry
// that is used here.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): libva's name
extern "C" __attribute__((visibility("default"))) VAStatus __vaDriverInit_1_14(VADriverContextP context);
extern "C" VAStatus __vaDriverInit_1_14(VADriverContextP context) {
  // NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
  if (!init_faults() || lost()) return VA_STATUS_ERROR_OPERATION_FAILED;
  context->pDriverData = new Driver;
  context->version_major = 1;
  context->version_minor = 14;
  context->max_profiles = 8;
  context->max_entrypoints = 4;
  context->max_attributes = 16;
  context->max_image_formats = static_cast<int>(formats().size());
  context->max_subpic_formats = 1;
  context->max_display_attributes = 1;
  context->str_vendor = "softva, a stand-in for tests";
  VADriverVTable& table = *context->vtable;
  table.vaTerminate = terminate;
  fill_config(table);
  fill_surface(table);
  fill_encoder(table);
  refuse(table.vaQueryConfigAttributes, table.vaCreateSurfaces, table.vaQuerySurfaceStatus, table.vaQuerySurfaceError,
         table.vaPutSurface, table.vaDeriveImage, table.vaSetImagePalette, table.vaBufferSetNumElements,
         table.vaBufferInfo, table.vaQuerySubpictureFormats, table.vaCreateSubpicture, table.vaDestroySubpicture,
         table.vaSetSubpictureImage, table.vaSetSubpictureChromakey, table.vaSetSubpictureGlobalAlpha,
         table.vaAssociateSubpicture, table.vaDeassociateSubpicture, table.vaQueryDisplayAttributes,
         table.vaGetDisplayAttributes, table.vaSetDisplayAttributes, table.vaLockSurface, table.vaUnlockSurface);
  return VA_STATUS_SUCCESS;
}
