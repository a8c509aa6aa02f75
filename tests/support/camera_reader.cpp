#include "support/camera_reader.h"

#include <spa/buffer/meta.h>
#include <spa/param/buffers.h>
#include <spa/param/format-utils.h>
#include <spa/param/video/format-utils.h>
#include <spa/pod/builder.h>

#include <array>
#include <chrono>
#include <cstring>
#include <map>
#include <span>
#include <thread>
#include <utility>

namespace zc::test {
namespace {

using namespace std::chrono_literals;
constexpr auto kPatience = 60s;

void initialise() {
  static const bool done = [] {
    pw_init(nullptr, nullptr);
    return true;
  }();
  static_cast<void>(done);
}

std::int64_t now() { return std::chrono::steady_clock::now().time_since_epoch() / 1ns; }

const spa_pod* offer(spa_pod_builder& b, std::uint32_t format, const std::optional<spa_fraction>& most) {
  spa_pod_frame object{};
  spa_pod_builder_push_object(&b, &object, SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat);
  spa_pod_builder_add(&b, SPA_FORMAT_mediaType, SPA_POD_Id(SPA_MEDIA_TYPE_video), SPA_FORMAT_mediaSubtype,
                      SPA_POD_Id(SPA_MEDIA_SUBTYPE_raw), SPA_FORMAT_VIDEO_format, SPA_POD_Id(format), 0);
  spa_rectangle usual{640, 480};
  spa_rectangle least{1, 1};
  spa_rectangle largest{16384, 16384};
  spa_pod_builder_add(&b, SPA_FORMAT_VIDEO_size, SPA_POD_CHOICE_RANGE_Rectangle(&usual, &least, &largest), 0);
  spa_fraction rate = most.value_or(spa_fraction{60, 1});
  spa_fraction none{0, 1};
  spa_fraction highest = most.value_or(spa_fraction{1000, 1});
  if (most) none = rate;
  spa_pod_builder_add(&b, SPA_FORMAT_VIDEO_framerate, SPA_POD_CHOICE_RANGE_Fraction(&rate, &none, &highest), 0);
  return static_cast<const spa_pod*>(spa_pod_builder_pop(&b, &object));
}

std::uint64_t hash_of(std::span<const std::byte> bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    hash = (hash ^ word) * 0x100000001b3;
  }
  return hash;
}

}  // namespace

struct CameraReader::Events {
  static void state(void* data, pw_stream_state, pw_stream_state state, const char* message) {
    auto& self = *static_cast<CameraReader*>(data);
    if (state != PW_STREAM_STATE_ERROR) return;
    const std::lock_guard lock(self.mutex_);
    self.error_ = message == nullptr ? "error" : message;
    self.changed_.notify_all();
  }
  static void param(void* data, std::uint32_t id, const spa_pod* param) {
    if (id == SPA_PARAM_Format && param != nullptr) static_cast<CameraReader*>(data)->format_changed(param);
  }
  static void process(void* data) { static_cast<CameraReader*>(data)->read(); }
  static const pw_stream_events kEvents;
};

const pw_stream_events CameraReader::Events::kEvents = [] {
  pw_stream_events events{};
  events.version = PW_VERSION_STREAM_EVENTS;
  events.state_changed = state;
  events.param_changed = param;
  events.process = process;
  return events;
}();

CameraReader::CameraReader(ReaderOptions options) : options_(std::move(options)) {
  initialise();
  loop_ = pw_thread_loop_new("test-reader", nullptr);
  context_ = pw_context_new(pw_thread_loop_get_loop(loop_), nullptr, 0);
  pw_thread_loop_start(loop_);
  pw_thread_loop_lock(loop_);
  core_ = pw_context_connect(context_, nullptr, 0);
  if (core_ != nullptr) {
    stream_ =
        pw_stream_new(core_, "test-reader",
                      pw_properties_new(PW_KEY_MEDIA_TYPE, "Video", PW_KEY_MEDIA_CATEGORY, "Capture", PW_KEY_MEDIA_ROLE,
                                        "Camera", PW_KEY_TARGET_OBJECT, options_.camera.c_str(), nullptr));
    pw_stream_add_listener(stream_, &hook_, &Events::kEvents, this);
    std::array<std::uint8_t, 4096> memory{};
    spa_pod_builder b{};
    spa_pod_builder_init(&b, memory.data(), memory.size());
    std::vector<std::uint32_t> formats = options_.formats;
    if (formats.empty()) {
      formats = {SPA_VIDEO_FORMAT_NV12, SPA_VIDEO_FORMAT_I420, SPA_VIDEO_FORMAT_YUY2, SPA_VIDEO_FORMAT_BGRx};
    }
    std::vector<const spa_pod*> params;
    for (const std::uint32_t format : formats) params.push_back(offer(b, format, options_.most_rate));
    pw_stream_connect(stream_, PW_DIRECTION_INPUT, PW_ID_ANY,
                      static_cast<pw_stream_flags>(PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_MAP_BUFFERS),
                      params.data(), static_cast<std::uint32_t>(params.size()));
  } else {
    error_ = "no PipeWire";
  }
  pw_thread_loop_unlock(loop_);
}

CameraReader::~CameraReader() {
  {
    const std::lock_guard lock(mutex_);
    hangs_ = false;
    changed_.notify_all();
  }
  pw_thread_loop_stop(loop_);
  if (stream_ != nullptr) {
    spa_hook_remove(&hook_);
    pw_stream_destroy(stream_);
  }
  if (core_ != nullptr) pw_core_disconnect(core_);
  pw_context_destroy(context_);
  pw_thread_loop_destroy(loop_);
}

void CameraReader::format_changed(const spa_pod* format) {
  spa_video_info_raw info{};
  if (spa_format_video_raw_parse(format, &info) < 0) return;
  const auto id = [&](std::uint32_t key) -> std::optional<std::uint32_t> {
    const spa_pod_prop* prop = spa_pod_find_prop(format, nullptr, key);
    std::uint32_t value = 0;
    return prop != nullptr && spa_pod_get_id(&prop->value, &value) == 0 ? std::optional(value) : std::nullopt;
  };
  std::array<std::uint8_t, 256> memory{};
  spa_pod_builder b{};
  spa_pod_builder_init(&b, memory.data(), memory.size());
  const auto* head = static_cast<const spa_pod*>(spa_pod_builder_add_object(
      &b, SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta, SPA_PARAM_META_type, SPA_POD_Id(SPA_META_Header),
      SPA_PARAM_META_size, SPA_POD_Int(sizeof(spa_meta_header))));
  pw_stream_update_params(stream_, &head, 1);
  const std::lock_guard lock(mutex_);
  format_ = info.format;
  size_ = info.size;
  matrix_ = id(SPA_FORMAT_VIDEO_colorMatrix);
  range_ = id(SPA_FORMAT_VIDEO_colorRange);
  changed_.notify_all();
}

void CameraReader::read() {
  pw_buffer* buffer = pw_stream_dequeue_buffer(stream_);
  if (buffer == nullptr) return;
  const spa_data& data = buffer->buffer->datas[0];
  ReadPicture picture;
  picture.arrived = now();
  const auto* head = static_cast<const spa_meta_header*>(
      spa_buffer_find_meta_data(buffer->buffer, SPA_META_Header, sizeof(spa_meta_header)));
  if (head != nullptr) {
    picture.pts = head->pts;
    picture.sequence = head->seq;
  }
  picture.bytes = data.chunk->size;
  picture.stride = data.chunk->stride;
  std::uint32_t format = 0;
  spa_rectangle size{};
  {
    const std::lock_guard lock(mutex_);
    format = format_;
    size = size_;
  }
  const bool packed = format == SPA_VIDEO_FORMAT_YUY2 || format == SPA_VIDEO_FORMAT_BGRx;
  const std::size_t step = format == SPA_VIDEO_FORMAT_YUY2 ? 2 : packed ? 4 : 1;
  const std::size_t first = format == SPA_VIDEO_FORMAT_BGRx ? 1 : 0;
  const std::size_t row = size.width * step;
  if (data.data != nullptr && picture.stride >= static_cast<std::int32_t>(row) &&
      picture.bytes >= static_cast<std::size_t>(picture.stride) * size.height) {
    const std::span all(static_cast<const std::byte*>(data.data) + data.chunk->offset, picture.bytes);
    const std::uint64_t before = options_.looks_for_ms > 0 ? hash_of(all) : 0;
    std::vector<std::byte> luma(std::size_t{size.width} * size.height);
    for (std::size_t y = 0; y < size.height; ++y) {
      const std::byte* from = all.data() + y * static_cast<std::size_t>(picture.stride) + first;
      for (std::size_t x = 0; x < size.width; ++x) luma[y * size.width + x] = from[x * step];
    }
    picture.mark = read_mark(luma, size.width, {size.width, size.height}, 1, {size.width, size.height});
    if (options_.looks_for_ms > 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(options_.looks_for_ms));
      picture.changed = hash_of(all) != before;
    }
  }
  if (!options_.keeps_all) pw_stream_queue_buffer(stream_, buffer);
  std::unique_lock lock(mutex_);
  pictures_.push_back(picture);
  changed_.notify_all();
  changed_.wait(lock, [this] { return !hangs_; });
}

bool CameraReader::wait(const std::function<bool(const std::vector<ReadPicture>&)>& good) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return good(pictures_); });
}

bool CameraReader::wait_for(std::size_t pictures) {
  return wait([&](const std::vector<ReadPicture>& all) { return all.size() >= pictures; });
}

std::vector<ReadPicture> CameraReader::pictures() {
  const std::lock_guard lock(mutex_);
  return pictures_;
}
std::string CameraReader::error() {
  const std::lock_guard lock(mutex_);
  return error_;
}
std::uint32_t CameraReader::format() {
  const std::lock_guard lock(mutex_);
  return format_;
}
spa_rectangle CameraReader::size() {
  const std::lock_guard lock(mutex_);
  return size_;
}
std::optional<std::uint32_t> CameraReader::matrix() {
  const std::lock_guard lock(mutex_);
  return matrix_;
}
std::optional<std::uint32_t> CameraReader::range() {
  const std::lock_guard lock(mutex_);
  return range_;
}
void CameraReader::hang() {
  const std::lock_guard lock(mutex_);
  hangs_ = true;
}

namespace {

/// One look at the daemon's nodes.
struct Nodes {
  std::vector<std::map<std::string, std::string>> all;

  static void global(void* data, std::uint32_t, std::uint32_t, const char* type, std::uint32_t,
                     const spa_dict* properties) {
    if (std::strcmp(type, PW_TYPE_INTERFACE_Node) != 0 || properties == nullptr) return;
    auto& node = static_cast<Nodes*>(data)->all.emplace_back();
    for (std::uint32_t i = 0; i < properties->n_items; ++i) {
      node[properties->items[i].key] = properties->items[i].value;
    }
  }
  static void done(void* data, std::uint32_t, int) { *static_cast<bool*>(data) = true; }
};

std::vector<std::map<std::string, std::string>> nodes_named(const std::string& name) {
  initialise();
  Nodes nodes;
  pw_main_loop* loop = pw_main_loop_new(nullptr);
  pw_context* context = pw_context_new(pw_main_loop_get_loop(loop), nullptr, 0);
  if (pw_core* core = pw_context_connect(context, nullptr, 0); core != nullptr) {
    bool all_told = false;
    spa_hook of_core{};
    spa_hook of_registry{};
    pw_core_events core_events{};
    core_events.version = PW_VERSION_CORE_EVENTS;
    core_events.done = Nodes::done;
    pw_registry_events registry_events{};
    registry_events.version = PW_VERSION_REGISTRY_EVENTS;
    registry_events.global = Nodes::global;
    pw_core_add_listener(core, &of_core, &core_events, &all_told);
    pw_registry* registry = pw_core_get_registry(core, PW_VERSION_REGISTRY, 0);
    pw_registry_add_listener(registry, &of_registry, &registry_events, &nodes);
    pw_core_sync(core, PW_ID_CORE, 0);
    const auto until = std::chrono::steady_clock::now() + 10s;
    pw_loop_enter(pw_main_loop_get_loop(loop));
    while (!all_told && std::chrono::steady_clock::now() < until) {
      pw_loop_iterate(pw_main_loop_get_loop(loop), 50);
    }
    pw_loop_leave(pw_main_loop_get_loop(loop));
    spa_hook_remove(&of_core);
    spa_hook_remove(&of_registry);
    pw_proxy_destroy(reinterpret_cast<pw_proxy*>(registry));
    pw_core_disconnect(core);
  }
  pw_context_destroy(context);
  pw_main_loop_destroy(loop);
  std::erase_if(nodes.all,
                [&](auto& node) { return node["node.name"] != name || node["media.class"] != "Video/Source"; });
  return nodes.all;
}

}  // namespace

unsigned cameras_named(const std::string& name) { return static_cast<unsigned>(nodes_named(name).size()); }

std::string camera_property(const std::string& name, const std::string& key) {
  auto nodes = nodes_named(name);
  return nodes.empty() ? std::string() : nodes.front()[key];
}

}  // namespace zc::test
