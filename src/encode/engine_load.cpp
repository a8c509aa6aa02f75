#include "encode/engine_load.h"

#include "base/private_file.h"
#include "gpu/device_nodes.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>
#include <utility>

namespace zc {
namespace {

constexpr std::size_t kMaxFdinfoBytes = 8192;
constexpr std::string_view kEngine = "drm-engine-";

struct Line {
  std::string_view key;
  std::string_view value;
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

/// The next "key:\tvalue" of `rest`, taken off it; nullopt at its end.
std::optional<Line> next_line(std::string_view& rest) {
  if (rest.empty()) return std::nullopt;
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return Line{};
  return Line{line.substr(0, colon), trimmed(line.substr(colon + 1))};
}

bool encodes(std::string_view engine) {
  return engine == "video" || engine == "enc" || engine.starts_with("enc_") || engine.starts_with("enc-");
}

}  // namespace

std::optional<EngineTimes> parse_fdinfo(std::string_view text) {
  std::string_view card;
  std::string_view id;
  std::optional<std::uint64_t> busy_ns;
  while (const auto line = next_line(text)) {
    if (line->key == "drm-pdev") card = line->value;
    if (line->key == "drm-client-id") id = line->value;
    if (!line->key.starts_with(kEngine) || !encodes(line->key.substr(kEngine.size()))) continue;
    std::uint64_t number = 0;
    const char* end = line->value.data() + line->value.size();
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): its end is given
    const auto [stop, error] = std::from_chars(line->value.data(), end, number);
    if (error != std::errc() || trimmed({stop, static_cast<std::size_t>(end - stop)}) != "ns") continue;
    busy_ns = busy_ns.value_or(0) + number;
  }
  if (id.empty() || !busy_ns) return std::nullopt;
  return EngineTimes{std::string(card) + '/' + std::string(id), Nanoseconds(static_cast<std::int64_t>(*busy_ns))};
}

/// NVIDIA's management library: nvml.h, loaded at run time.
class EngineLoad::Nvml {
 public:
  /// Null: no such library, or no device that it tells of.
  static std::unique_ptr<Nvml> load() {
    Library library(::dlopen("libnvidia-ml.so.1", RTLD_LAZY | RTLD_LOCAL));
    if (!library) return nullptr;
    const auto init = function<int (*)()>(library, "nvmlInit_v2");
    const auto shutdown = function<int (*)()>(library, "nvmlShutdown");
    const auto device_of = function<int (*)(unsigned, void**)>(library, "nvmlDeviceGetHandleByIndex_v2");
    const auto use = function<Use>(library, "nvmlDeviceGetEncoderUtilization");
    if (init == nullptr || shutdown == nullptr || device_of == nullptr || use == nullptr || init() != 0) return nullptr;
    std::unique_ptr<Nvml> nvml(new Nvml(std::move(library), shutdown, use));
    if (device_of(0, &nvml->device_) != 0 || !nvml->sample()) return nullptr;
    return nvml;
  }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;
  ~Nvml() { shutdown_(); }

  [[nodiscard]] std::optional<double> sample() const {
    unsigned percent = 0;
    unsigned period_us = 0;
    if (use_(device_, &percent, &period_us) != 0) return std::nullopt;
    return std::min(percent, 100U) / 100.0;
  }

 private:
  using Use = int (*)(void* device, unsigned* percent, unsigned* period_us);
  struct Close {
    void operator()(void* library) const noexcept { ::dlclose(library); }
  };
  using Library = std::unique_ptr<void, Close>;

  template <class Function>
  static Function function(const Library& library, const char* name) {
    return reinterpret_cast<Function>(::dlsym(library.get(), name));
  }
  Nvml(Library library, int (*shutdown)(), Use use) : library_(std::move(library)), shutdown_(shutdown), use_(use) {}

  Library library_;
  int (*shutdown_)();
  Use use_;
  void* device_ = nullptr;
};

EngineLoad::EngineLoad(Driver driver) {
  if (driver == Driver::Asked && has_gpu_node()) nvml_ = Nvml::load();
}
EngineLoad::~EngineLoad() = default;

std::optional<double> EngineLoad::sample(Nanoseconds now, const std::filesystem::path& fdinfo) {
  if (nvml_) return nvml_->sample();
  return from_fdinfo(now, fdinfo);
}

std::optional<double> EngineLoad::from_fdinfo(Nanoseconds now, const std::filesystem::path& fdinfo) {
  std::map<std::string, Nanoseconds> clients;
  std::error_code error;
  for (std::filesystem::directory_iterator at(fdinfo, error), end; !error && at != end; at.increment(error)) {
    const auto text = read_small_file(at->path(), kMaxFdinfoBytes);
    if (auto times = text ? parse_fdinfo(*text) : std::nullopt) clients.insert_or_assign(times->client, times->busy);
  }
  const auto before = std::exchange(last_, clients);
  const auto since = std::exchange(last_at_, now);
  if (clients.empty() || !since || now <= *since) return std::nullopt;
  Nanoseconds busy{};
  for (const auto& [client, time] : clients) {
    const auto known = before.find(client);
    if (known != before.end()) busy += std::max(Nanoseconds{}, time - known->second);
  }
  return std::min(1.0, static_cast<double>(busy.count()) / static_cast<double>((now - *since).count()));
}

}  // namespace zc
