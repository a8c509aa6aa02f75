// zerocast-test-producer: the test producer for scripts. Prints its node id, then runs until its frames are sent, it
// dies as told, or SIGINT/SIGTERM.
#include "support/producer_fixture.h"
#include "support/test_producer.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace {

using namespace zc;
using namespace zc::test;

template <class Value>
using Words = std::map<std::string, Value>;

const Words<PtsMode> kPtsModes = {
    {"good", PtsMode::Good},       {"zero", PtsMode::Zero},     {"-1", PtsMode::MinusOne},
    {"ancient", PtsMode::Ancient}, {"future", PtsMode::Future}, {"repeated", PtsMode::Repeated},
    {"none", PtsMode::NoHeader},
};
const Words<CursorOnly> kCursorOnly = {{"none", CursorOnly::None},
                                       {"size0", CursorOnly::SizeZero},
                                       {"corrupted", CursorOnly::Corrupted},
                                       {"both", CursorOnly::Both}};
const Words<Sync> kSyncs = {{"none", Sync::None}, {"implicit", Sync::Implicit}, {"timeline", Sync::Explicit}};
const Words<Fence> kFences = {{"late", Fence::Late}, {"never", Fence::Never}};
const Words<Fixation> kFixations = {{"producer", Fixation::Producer}, {"consumer", Fixation::Consumer}};

/// Reads up to `count` unsigned numbers parted by any of `separators`; false when the text is anything else.
bool numbers(std::string_view text, std::string_view separators, unsigned* values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t end = text.find_first_of(separators);
    const std::string_view word = text.substr(0, end);
    if (word.empty() || word.find_first_not_of("0123456789") != std::string_view::npos || word.size() > 9) return false;
    values[i] = static_cast<unsigned>(std::stoul(std::string(word)));
    if (i + 1 == count) return end == std::string_view::npos;
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  return false;
}

std::optional<Size> parse_size(std::string_view text) {
  std::array<unsigned, 2> v{};
  if (!numbers(text, "x", v.data(), v.size()) || v[0] == 0 || v[1] == 0) return std::nullopt;
  return Size{v[0], v[1]};
}

std::optional<Rect> parse_rect(std::string_view text) {
  std::array<unsigned, 4> v{};
  if (!numbers(text, "x+", v.data(), v.size())) return std::nullopt;
  return Rect{static_cast<std::int32_t>(v[2]), static_cast<std::int32_t>(v[3]), v[0], v[1]};
}

/// "SIZE@N" or "FORMAT@N".
bool parse_change(const std::string& text, ProducerOptions::Change& change) {
  const std::size_t at = text.find('@');
  unsigned frame = 0;
  if (at == std::string::npos || !numbers(std::string_view(text).substr(at + 1), "@", &frame, 1)) return false;
  change.at = frame;
  const std::string value = text.substr(0, at);
  change.size = parse_size(value);
  if (!change.size) change.format = pixel_format_from_name(value);
  return change.size || change.format;
}

/// `real`: the dmabufs are a DRM node's.
bool parse_memory(const std::string& text, Memory& memory, bool& real) {
  static const Words<Memory> kMemories = {
      {"memfd", Memory::MemFd}, {"dmabuf", Memory::DmaBuf}, {"either", Memory::Either}, {"vgem", Memory::DmaBuf}};
  const auto found = kMemories.find(text);
  if (found == kMemories.end()) return false;
  memory = found->second;
  real = text == "vgem";
  return true;
}

/// Adds an option whose texts go through `take`, which says whether it understood one.
template <class Take>
CLI::Option* add_parsed(CLI::App& app, const std::string& name, const std::string& help, Take take) {
  return app.add_option_function<std::vector<std::string>>(
      name,
      [take, name](const std::vector<std::string>& texts) {
        for (const std::string& text : texts) {
          if (!take(text)) throw CLI::ValidationError(name, "'" + text + "' is not understood");
        }
      },
      help);
}

/// The FILE of "--replay FILE": its options are what the others on the command line then change.
std::optional<std::string> replayed(int argc, char** argv) {
  const auto at = std::find(argv, argv + argc, std::string_view("--replay"));
  return argv + argc - at < 2 ? std::nullopt : std::optional<std::string>(*(at + 1));
}

/// "FRAME:MILLISECONDS".
bool parse_pause(const std::string& text, ProducerOptions::Pause& pause) {
  std::array<unsigned, 2> v{};
  if (!numbers(text, ":", v.data(), v.size())) return false;
  pause = {v[0], std::chrono::milliseconds(v[1])};
  return true;
}

int run(int argc, char** argv) {
  ProducerOptions o;
  if (const auto file = replayed(argc, argv)) {
    auto fixture = read_fixture(*file);
    if (!fixture) {
      fmt::print(stderr, "zerocast-test-producer: {}\n", fixture.error().message());
      return 1;
    }
    o = std::move(fixture->options);
  }
  CLI::App app("A PipeWire video source with known pictures, for tests.", "zerocast-test-producer");
  std::string replay;
  app.add_option("--replay", replay, "play the producer that FILE describes (tests/fixtures/producers/README.md)");
  app.add_option("--name", o.name, "node.name");
  app.add_option("--media-class", o.media_class, "media.class");
  add_parsed(app, "--size", "WxH", [&](const std::string& t) {
    const auto size = parse_size(t);
    if (size) o.size = *size;
    return size.has_value();
  });
  app.add_option("--fps", o.rate.num, "frames per second");
  app.add_flag("--variable-rate", o.variable_rate, "state framerate 0 and a maximum");
  o.formats.clear();
  add_parsed(app, "--format", "pixel formats offered, the preferred first (BGRx)", [&](const std::string& t) {
    const auto format = pixel_format_from_name(t);
    if (format) o.formats.push_back(*format);
    return format.has_value();
  });
  app.add_option("--stride-padding", o.stride_padding, "bytes behind each row");
  app.add_option("--offset", o.offset, "bytes before the picture");
  app.add_option("--map-offset", o.map_offset, "bytes before the block in its fd");
  app.add_flag("--separate-blocks", o.separate_blocks, "one block of memory per plane");
  app.add_flag("--zero-stride", o.zero_stride, "leave the stride 0");
  app.add_flag("--short-buffers", o.short_buffers, "fds shorter than claimed");
  app.add_flag("--short-chunks", o.short_chunks, "chunks shorter than the picture");
  bool real = false;
  std::string drm_node = "/dev/dri/renderD128";
  add_parsed(app, "--memory", "memfd, dmabuf (a memfd called so), either of these, or vgem (real dmabufs)",
             [&](const std::string& t) { return parse_memory(t, o.memory, real); });
  app.add_option("--drm-node", drm_node, "where real dmabufs come from (/dev/dri/renderD128)");
  app.add_option("--sync", o.sync, "how a dmabuf says that its picture is there: none, implicit, timeline")
      ->transform(CLI::Transformer(kSyncs));
  app.add_option("--fence", o.fence, "fences and points are signalled late, or every third one never")
      ->transform(CLI::Transformer(kFences));
  app.add_option("--fixation", o.fixation, "who chooses the modifier: producer, consumer")
      ->transform(CLI::Transformer(kFixations));
  app.add_option("--still-from", o.still_from, "a screen that stands still from that frame on");
  add_parsed(app, "--pause", "FRAME:MILLISECONDS, inactive before that frame",
             [&](const std::string& t) { return parse_pause(t, o.pause); });
  app.add_option("--frames", o.frames, "end after so many frames");
  app.add_option("--die-at", o.die_at, "kill this process instead of sending that frame");
  add_parsed(app, "--change", "SIZE@FRAME or FORMAT@FRAME, in order",
             [&](const std::string& t) { return parse_change(t, o.changes.emplace_back()); });
  app.add_option("--pts", o.pts, "good, zero, -1, ancient, future, repeated, none")
      ->transform(CLI::Transformer(kPtsModes));
  add_parsed(app, "--crop", "WxH+X+Y", [&](const std::string& t) {
    const auto rect = parse_rect(t);
    if (rect) o.crop = *rect;
    return rect.has_value();
  });
  unsigned transform = 0;
  app.add_option("--transform", transform, "0 to 7, as SPA_META_TRANSFORMATION_*")->check(CLI::Range(0, 7));
  add_parsed(app, "--damage", "WxH+X+Y, up to 16", [&](const std::string& t) {
    const auto rect = parse_rect(t);
    if (rect) o.damage.push_back(*rect);
    return rect.has_value();
  });
  app.add_flag("--cursor", o.cursor, "send cursor metadata");
  app.add_option("--cursor-only", o.cursor_only, "buffers that only move the pointer: none, size0, corrupted, both")
      ->transform(CLI::Transformer(kCursorOnly));
  CLI11_PARSE(app, argc, argv);
  if (o.formats.empty()) o.formats.push_back(PixelFormat::BGRx);
  o.transform = static_cast<Transform>(transform);
  if (real) o.drm_node = drm_node;

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before PipeWire's threads start

  const std::uint64_t die_at = std::exchange(o.die_at, 0);
  const std::uint64_t frames = o.frames;
  if (die_at != 0) o.frames = die_at;
  auto producer = TestProducer::create(std::move(o));
  if (!producer) {
    fmt::print(stderr, "zerocast-test-producer: {}\n", producer.error().message());
    return 1;
  }
  fmt::print("{}\n", (*producer)->node_id());
  std::fflush(stdout);
  constexpr timespec kTick{0, 20'000'000};
  while (!(*producer)->ended() && (frames == 0 || (*producer)->sent() < frames)) {
    if (die_at != 0 && (*producer)->sent() >= die_at) std::raise(SIGKILL);
    if (sigtimedwait(&signals, nullptr, &kTick) > 0) break;
  }
  fmt::print(stderr, "sent {} synced {} bad_releases {}\n", (*producer)->sent(), (*producer)->synced(),
             (*producer)->bad_releases());
  if ((*producer)->rounds() > 0) fmt::print(stderr, "rounds {}\n", (*producer)->rounds());
  return (*producer)->ended() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fputs(e.what(), stderr);
    return 1;
  }
}
