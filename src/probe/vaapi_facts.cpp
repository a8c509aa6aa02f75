#include "base/unique_fd.h"
#include "probe/apis.h"
#include "probe/library.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

namespace zc::probe {
namespace {

// VA-API's stable C interface (va/va.h), declared here so that neither the build nor the program needs libva.
using Display = void*;
constexpr int kSuccess = 0;
constexpr int kEntryDecode = 1;          // VAEntrypointVLD
constexpr int kEntryEncode = 6;          // VAEntrypointEncSlice
constexpr int kEntryEncodeLowPower = 8;  // VAEntrypointEncSliceLP

struct Functions {
  Display (*get_display)(int fd) = nullptr;
  int (*initialize)(Display, int* major, int* minor) = nullptr;
  int (*terminate)(Display) = nullptr;
  const char* (*vendor)(Display) = nullptr;
  const char* (*error_text)(int status) = nullptr;
  int (*max_profiles)(Display) = nullptr;
  int (*profiles)(Display, int* list, int* count) = nullptr;
  int (*max_entries)(Display) = nullptr;
  int (*entries)(Display, int profile, int* list, int* count) = nullptr;
  void* (*set_error_callback)(Display, void (*)(void*, const char*), void*) = nullptr;
  void* (*set_info_callback)(Display, void (*)(void*, const char*), void*) = nullptr;
};

/// A codec by a range of VAProfile's numbers.
struct ProfileRow {
  std::string_view codec;
  int first, last;
};
constexpr std::array kProfiles{ProfileRow{"h264", 5, 7},   ProfileRow{"h264", 13, 13}, ProfileRow{"hevc", 17, 18},
                               ProfileRow{"hevc", 23, 31}, ProfileRow{"hevc", 34, 34}, ProfileRow{"av1", 32, 33}};

Result<Functions> load() {
  const auto va = Library::open("libva.so.2");
  if (!va) return std::unexpected(va.error());
  const auto drm = Library::open("libva-drm.so.2");
  if (!drm) return std::unexpected(drm.error());
  Functions fn;
  const bool complete = drm->get("vaGetDisplayDRM", fn.get_display) && va->get("vaInitialize", fn.initialize) &&
                        va->get("vaTerminate", fn.terminate) && va->get("vaQueryVendorString", fn.vendor) &&
                        va->get("vaErrorStr", fn.error_text) && va->get("vaMaxNumProfiles", fn.max_profiles) &&
                        va->get("vaQueryConfigProfiles", fn.profiles) &&
                        va->get("vaMaxNumEntrypoints", fn.max_entries) &&
                        va->get("vaQueryConfigEntrypoints", fn.entries);
  if (!complete) return fail(ErrorKind::Unsupported, "load libva.so.2", "it lacks functions");
  // Otherwise it writes on stderr by itself.
  if (va->get("vaSetErrorCallback", fn.set_error_callback) && va->get("vaSetInfoCallback", fn.set_info_callback)) {
    return fn;
  }
  fn.set_error_callback = nullptr;
  return fn;
}

void add(std::vector<std::string>& words, std::string_view word) {
  if (std::ranges::find(words, word) == words.end()) words.emplace_back(word);
}

void list_codecs(const Functions& fn, Display display, VaapiFacts& facts) {
  std::vector<int> profiles(static_cast<std::size_t>(std::max(fn.max_profiles(display), 0)));
  std::vector<int> entries(static_cast<std::size_t>(std::max(fn.max_entries(display), 0)));
  int count = 0;
  if (profiles.empty() || entries.empty() || fn.profiles(display, profiles.data(), &count) != kSuccess) return;
  profiles.resize(std::min(profiles.size(), static_cast<std::size_t>(std::max(count, 0))));
  for (const int profile : profiles) {
    const auto* const row =
        std::ranges::find_if(kProfiles, [&](const ProfileRow& r) { return profile >= r.first && profile <= r.last; });
    int found = 0;
    if (row == kProfiles.end() || fn.entries(display, profile, entries.data(), &found) != kSuccess) continue;
    const auto shown = std::span(entries).first(std::min(entries.size(), static_cast<std::size_t>(std::max(found, 0))));
    for (const int entry : shown) {
      if (entry == kEntryDecode) add(facts.decodes, row->codec);
      if (entry == kEntryEncode || entry == kEntryEncodeLowPower) add(facts.encodes, row->codec);
    }
  }
}

}  // namespace

Result<VaapiFacts> vaapi_facts(const std::string& render_node) {
  const auto functions = load();
  if (!functions) return std::unexpected(functions.error());
  const Functions& fn = *functions;
  const UniqueFd fd(::open(render_node.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return fail_errno(errno, "open " + render_node);
  Display display = fn.get_display(fd.get());
  if (display == nullptr) return fail(ErrorKind::Unsupported, "open VA-API on " + render_node, "it takes no display");
  if (fn.set_error_callback != nullptr) {
    fn.set_error_callback(display, nullptr, nullptr);
    fn.set_info_callback(display, nullptr, nullptr);
  }
  int major = 0;
  int minor = 0;
  if (const int status = fn.initialize(display, &major, &minor); status != kSuccess) {
    fn.terminate(display);
    return fail(ErrorKind::Unsupported, "start VA-API on " + render_node, fn.error_text(status));
  }
  const char* vendor = fn.vendor(display);
  VaapiFacts facts{.render_node = render_node,
                   .driver = vendor == nullptr ? "" : vendor,
                   .version = fmt::format("{}.{}", major, minor),
                   .encodes = {},
                   .decodes = {}};
  list_codecs(fn, display, facts);
  fn.terminate(display);
  return facts;
}

}  // namespace zc::probe
