// zerocast-vm-recorder NODE COUNT memory|linear|invalid|both [TARGET_FD]: an independent PipeWire consumer that writes
// down what a producer sends, as JSON on stdout: the parameters of its port as it offered them, what was agreed on, and
// of COUNT buffers the memory, the chunks, the header and when they arrived. Reads no pixels. tests/vm/fixture makes
// the files of tests/fixtures/producers from it. Uses libpipewire and SPA as they are, and nothing of zerocast.
#include <nlohmann/json.hpp>

#include <pipewire/pipewire.h>
#include <spa/buffer/meta.h>
#include <spa/debug/types.h>
#include <spa/param/buffers.h>
#include <spa/param/param.h>
#include <spa/param/video/format-utils.h>
#include <spa/param/video/type-info.h>
#include <spa/pod/builder.h>
#include <spa/pod/iter.h>
#include <spa/utils/type-info.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kLinear = 0;
constexpr std::int64_t kInvalid = 0x00ff'ffff'ffff'ffff;

std::int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

std::string hex(std::uint64_t value) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(value));
  return text.data();
}

/// One value of a POD's body. `info` names identifiers.
Json value_of(std::uint32_t type, const void* body, const spa_type_info* info) {
  switch (type) {
    case SPA_TYPE_Bool: return *static_cast<const std::int32_t*>(body) != 0;
    case SPA_TYPE_Id: {
      const auto id = *static_cast<const std::uint32_t*>(body);
      const char* name = info != nullptr ? spa_debug_type_find_short_name(info, id) : nullptr;
      return name != nullptr ? Json(name) : Json(id);
    }
    case SPA_TYPE_Int: return *static_cast<const std::int32_t*>(body);
    case SPA_TYPE_Long: return hex(*static_cast<const std::uint64_t*>(body));
    case SPA_TYPE_Rectangle: {
      const auto& size = *static_cast<const spa_rectangle*>(body);
      return Json::array({size.width, size.height});
    }
    case SPA_TYPE_Fraction: {
      const auto& rate = *static_cast<const spa_fraction*>(body);
      return Json::array({rate.num, rate.denom});
    }
    default: return Json(nullptr);
  }
}

/// A property: its value, or the choice it leaves, and the flags it has.
Json property(const spa_pod_prop& prop, const spa_type_info* info) {
  const spa_pod* pod = &prop.value;
  std::uint32_t count = 1;
  std::uint32_t choice = SPA_CHOICE_None;
  const spa_pod* first = spa_pod_get_values(pod, &count, &choice);
  const auto* bytes = static_cast<const char*>(SPA_POD_BODY_CONST(first));
  const auto at = [&](std::uint32_t index) {
    return value_of(SPA_POD_TYPE(first), bytes + std::size_t{index} * SPA_POD_BODY_SIZE(first), info);
  };
  Json json;
  if (spa_pod_is_array(pod) || count == 0) {
    json = nullptr;
  } else if (choice == SPA_CHOICE_None) {
    json["value"] = at(0);
  } else if ((choice == SPA_CHOICE_Range || choice == SPA_CHOICE_Step) && count >= 3) {
    json = {{"default", at(0)}, {"min", at(1)}, {"max", at(2)}};
  } else {
    json["default"] = at(0);
    for (std::uint32_t i = 1; i < count; ++i) json[choice == SPA_CHOICE_Flags ? "flags" : "enum"].push_back(at(i));
  }
  if ((prop.flags & SPA_POD_PROP_FLAG_MANDATORY) != 0) json["mandatory"] = true;
  if ((prop.flags & SPA_POD_PROP_FLAG_DONT_FIXATE) != 0) json["dont_fixate"] = true;
  return json;
}

Json object(const spa_pod* param) {
  Json json;
  if (param == nullptr || !spa_pod_is_object(param)) return json;
  const auto* pod = reinterpret_cast<const spa_pod_object*>(param);
  const spa_type_info* type = spa_debug_type_find(spa_types, SPA_POD_OBJECT_TYPE(pod));
  const spa_pod_prop* prop = nullptr;
  SPA_POD_OBJECT_FOREACH(pod, prop) {
    const spa_type_info* key = type != nullptr ? spa_debug_type_find(type->values, prop->key) : nullptr;
    const std::string name = key != nullptr ? spa_debug_type_short_name(key->name) : std::to_string(prop->key);
    json[name] = property(*prop, key != nullptr ? key->values : nullptr);
  }
  return json;
}

struct Recorder {
  pw_main_loop* loop = nullptr;
  pw_registry* registry = nullptr;
  pw_stream* stream = nullptr;
  std::uint32_t node = 0;
  pw_proxy* port = nullptr;
  spa_hook port_hook{};
  std::uint64_t wanted = 0;
  std::string offer;
  Json result;
  int rounds = 0;
};

Recorder& self(void* data) { return *static_cast<Recorder*>(data); }

std::vector<std::uint8_t> format(const std::string& offer) {
  std::vector<std::uint8_t> memory(4096);
  spa_pod_builder b = SPA_POD_BUILDER_INIT(memory.data(), static_cast<std::uint32_t>(memory.size()));
  spa_pod_frame frame{};
  spa_pod_builder_push_object(&b, &frame, SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat);
  spa_pod_builder_add(&b, SPA_FORMAT_mediaType, SPA_POD_Id(SPA_MEDIA_TYPE_video), SPA_FORMAT_mediaSubtype,
                      SPA_POD_Id(SPA_MEDIA_SUBTYPE_raw), SPA_FORMAT_VIDEO_format,
                      SPA_POD_CHOICE_ENUM_Id(8, SPA_VIDEO_FORMAT_BGRx, SPA_VIDEO_FORMAT_BGRx, SPA_VIDEO_FORMAT_RGBx,
                                             SPA_VIDEO_FORMAT_BGRA, SPA_VIDEO_FORMAT_RGBA, SPA_VIDEO_FORMAT_xRGB_210LE,
                                             SPA_VIDEO_FORMAT_YUY2, SPA_VIDEO_FORMAT_NV12),
                      0);
  if (offer != "memory") {
    spa_pod_frame choice{};
    spa_pod_builder_prop(&b, SPA_FORMAT_VIDEO_modifier, SPA_POD_PROP_FLAG_MANDATORY | SPA_POD_PROP_FLAG_DONT_FIXATE);
    spa_pod_builder_push_choice(&b, &choice, SPA_CHOICE_Enum, 0);
    spa_pod_builder_long(&b, offer == "invalid" ? kInvalid : kLinear);
    if (offer != "invalid") spa_pod_builder_long(&b, kLinear);
    if (offer != "linear") spa_pod_builder_long(&b, kInvalid);
    spa_pod_builder_pop(&b, &choice);
  }
  const spa_rectangle some{640, 360};
  const spa_rectangle least{1, 1};
  const spa_rectangle most{16384, 16384};
  const spa_fraction zero{0, 1};
  const spa_fraction fast{1000, 1};
  spa_pod_builder_add(&b, SPA_FORMAT_VIDEO_size, SPA_POD_CHOICE_RANGE_Rectangle(&some, &least, &most),
                      SPA_FORMAT_VIDEO_framerate, SPA_POD_CHOICE_RANGE_Fraction(&zero, &zero, &fast), 0);
  spa_pod_builder_pop(&b, &frame);
  return memory;
}

/// Agreed on: asks for memory and every meta there is, to see which of them come.
void answer(Recorder& r, const spa_pod* param) {
  const bool dmabuf = spa_pod_find_prop(param, nullptr, SPA_FORMAT_VIDEO_modifier) != nullptr;
  std::array<std::uint8_t, 4096> memory{};
  spa_pod_builder b = SPA_POD_BUILDER_INIT(memory.data(), memory.size());
  std::vector<const spa_pod*> params;
  const int types = dmabuf ? 1 << SPA_DATA_DmaBuf : (1 << SPA_DATA_MemFd) | (1 << SPA_DATA_MemPtr);
  params.push_back(static_cast<const spa_pod*>(spa_pod_builder_add_object(&b, SPA_TYPE_OBJECT_ParamBuffers,
                                                                          SPA_PARAM_Buffers, SPA_PARAM_BUFFERS_dataType,
                                                                          SPA_POD_CHOICE_FLAGS_Int(types))));
  const auto meta = [&](std::uint32_t type, int size, int most) {
    params.push_back(static_cast<const spa_pod*>(
        spa_pod_builder_add_object(&b, SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta, SPA_PARAM_META_type, SPA_POD_Id(type),
                                   SPA_PARAM_META_size, SPA_POD_CHOICE_RANGE_Int(size, 1, most))));
  };
  constexpr int kMuch = 1 << 22;
  meta(SPA_META_Header, sizeof(spa_meta_header), kMuch);
  meta(SPA_META_VideoCrop, sizeof(spa_meta_region), kMuch);
  meta(SPA_META_VideoDamage, sizeof(spa_meta_region) * 16, kMuch);
  meta(SPA_META_Cursor, 64 * 64 * 4 + 64, kMuch);
  meta(SPA_META_VideoTransform, sizeof(spa_meta_videotransform), kMuch);
  pw_stream_update_params(r.stream, params.data(), static_cast<std::uint32_t>(params.size()));
}

void format_changed(void* data, std::uint32_t id, const spa_pod* param) {
  if (param == nullptr || id != SPA_PARAM_Format) return;
  Recorder& r = self(data);
  ++r.rounds;
  r.result["agreed"] = object(param);
  r.result["format_rounds"] = r.rounds;
  const spa_pod_prop* modifier = spa_pod_find_prop(param, nullptr, SPA_FORMAT_VIDEO_modifier);
  // A choice left open is the producer's to make: it sends the next format.
  if (modifier != nullptr && (modifier->flags & SPA_POD_PROP_FLAG_DONT_FIXATE) != 0) {
    if (r.rounds > 200) pw_main_loop_quit(r.loop);
    return;
  }
  answer(r, param);
}

Json metas_of(const spa_buffer& buffer) {
  Json metas;
  for (std::uint32_t i = 0; i < buffer.n_metas; ++i) {
    const char* name = spa_debug_type_find_short_name(spa_type_meta_type, buffer.metas[i].type);
    metas[name != nullptr ? name : std::to_string(buffer.metas[i].type)] = buffer.metas[i].size;
  }
  return metas;
}

Json buffer_of(const spa_buffer& buffer) {
  Json datas = Json::array();
  for (std::uint32_t i = 0; i < buffer.n_datas; ++i) {
    const spa_data& d = buffer.datas[i];
    const char* type = spa_debug_type_find_short_name(spa_type_data_type, d.type);
    datas.push_back({{"type", type != nullptr ? type : "?"},
                     {"maxsize", d.maxsize},
                     {"mapoffset", d.mapoffset},
                     {"flags", d.flags},
                     {"offset", d.chunk->offset},
                     {"size", d.chunk->size},
                     {"stride", d.chunk->stride},
                     {"chunk_flags", d.chunk->flags}});
  }
  return datas;
}

void take(void* data) {
  Recorder& r = self(data);
  while (pw_buffer* b = pw_stream_dequeue_buffer(r.stream)) {
    const std::int64_t arrival = now();
    const spa_buffer& buffer = *b->buffer;
    Json& frames = r.result["frames"];
    if (frames.is_null()) r.result["metas"] = metas_of(buffer);
    Json frame{{"arrival_ns", arrival}};
    if (const auto* header = static_cast<const spa_meta_header*>(
            spa_buffer_find_meta_data(&buffer, SPA_META_Header, sizeof(spa_meta_header)))) {
      frame["pts"] = header->pts;
      frame["seq"] = header->seq;
      frame["header_flags"] = header->flags;
    }
    if (const spa_meta* damage = spa_buffer_find_meta(&buffer, SPA_META_VideoDamage)) {
      int count = 0;
      const spa_meta_region* region = nullptr;
      spa_meta_for_each(region, damage) {
        if (!spa_meta_region_is_valid(region)) break;
        ++count;
      }
      frame["damage"] = count;
    }
    if (const auto* cursor = static_cast<const spa_meta_cursor*>(
            spa_buffer_find_meta_data(&buffer, SPA_META_Cursor, sizeof(spa_meta_cursor)))) {
      frame["cursor"] = {{"id", cursor->id}, {"bitmap", cursor->bitmap_offset != 0}};
    }
    frame["datas"] = buffer_of(buffer);
    frames.push_back(std::move(frame));
    pw_stream_queue_buffer(r.stream, b);
    if (frames.size() >= r.wanted) pw_main_loop_quit(r.loop);
  }
}

void stream_state(void* data, pw_stream_state, pw_stream_state state, const char* error) {
  Recorder& r = self(data);
  r.result["states"].push_back(error != nullptr ? std::string(pw_stream_state_as_string(state)) + ": " + error
                                                : std::string(pw_stream_state_as_string(state)));
  if (state == PW_STREAM_STATE_ERROR) pw_main_loop_quit(r.loop);
}

constexpr pw_stream_events kStream = [] {
  pw_stream_events events{};
  events.version = PW_VERSION_STREAM_EVENTS;
  events.state_changed = stream_state;
  events.param_changed = format_changed;
  events.process = take;
  return events;
}();

void port_param(void* data, int, std::uint32_t id, std::uint32_t, std::uint32_t, const spa_pod* param) {
  const char* name = id == SPA_PARAM_EnumFormat ? "EnumFormat"
                     : id == SPA_PARAM_Meta     ? "Meta"
                     : id == SPA_PARAM_Buffers  ? "Buffers"
                                                : nullptr;
  if (name != nullptr) self(data).result[name].push_back(object(param));
}

constexpr pw_port_events kPort = [] {
  pw_port_events events{};
  events.version = PW_VERSION_PORT_EVENTS;
  events.param = port_param;
  return events;
}();

/// The producer's port: what it offers is asked of it before anybody is linked to it.
void global(void* data, std::uint32_t id, std::uint32_t, const char* type, std::uint32_t, const spa_dict* props) {
  Recorder& r = self(data);
  const char* node = props != nullptr ? spa_dict_lookup(props, PW_KEY_NODE_ID) : nullptr;
  if (id == r.node) {
    for (std::uint32_t i = 0; props != nullptr && i < props->n_items; ++i) {
      r.result["node"][props->items[i].key] = props->items[i].value;
    }
  }
  if (std::string_view(type) != PW_TYPE_INTERFACE_Port || node == nullptr || r.port != nullptr ||
      std::strtoul(node, nullptr, 10) != r.node) {
    return;
  }
  r.port = static_cast<pw_proxy*>(pw_registry_bind(r.registry, id, PW_TYPE_INTERFACE_Port, PW_VERSION_PORT, 0));
  pw_port_add_listener(reinterpret_cast<pw_port*>(r.port), &r.port_hook, &kPort, data);
  pw_port_enum_params(reinterpret_cast<pw_port*>(r.port), 1, SPA_PARAM_EnumFormat, 0, UINT32_MAX, nullptr);
}

constexpr pw_registry_events kRegistry = [] {
  pw_registry_events events{};
  events.version = PW_VERSION_REGISTRY_EVENTS;
  events.global = global;
  return events;
}();

int run(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: zerocast-vm-recorder NODE COUNT memory|linear|invalid|both [FD]\n", stderr);
    return 2;
  }
  Recorder r;
  r.node = static_cast<std::uint32_t>(std::strtoul(argv[1], nullptr, 10));
  r.wanted = std::strtoull(argv[2], nullptr, 10);
  r.offer = argv[3];
  r.loop = pw_main_loop_new(nullptr);
  pw_loop* loop = pw_main_loop_get_loop(r.loop);
  pw_context* context = pw_context_new(loop, nullptr, 0);
  pw_core* core = argc > 4
                      ? pw_context_connect_fd(context, static_cast<int>(std::strtol(argv[4], nullptr, 10)), nullptr, 0)
                      : pw_context_connect(context, nullptr, 0);
  if (core == nullptr) {
    std::fputs("no PipeWire\n", stderr);
    return 1;
  }
  spa_hook registry_hook{};
  r.registry = pw_core_get_registry(core, PW_VERSION_REGISTRY, 0);
  pw_registry_add_listener(r.registry, &registry_hook, &kRegistry, &r);
  // Time for the answer, then the stream.
  spa_source* timer = pw_loop_add_timer(
      loop, [](void* data, std::uint64_t) { pw_main_loop_quit(static_cast<pw_main_loop*>(data)); }, r.loop);
  timespec time{1, 0};
  pw_loop_update_timer(loop, timer, &time, nullptr, false);
  pw_main_loop_run(r.loop);

  r.stream = pw_stream_new(core, "zerocast-vm-recorder",
                           pw_properties_new(PW_KEY_MEDIA_TYPE, "Video", PW_KEY_MEDIA_CATEGORY, "Capture",
                                             PW_KEY_MEDIA_ROLE, "Screen", nullptr));
  spa_hook stream_hook{};
  pw_stream_add_listener(r.stream, &stream_hook, &kStream, &r);
  const auto offer = format(r.offer);
  const auto* pod = reinterpret_cast<const spa_pod*>(offer.data());
  r.result["offered"] = r.offer;
  pw_stream_connect(r.stream, PW_DIRECTION_INPUT, r.node, PW_STREAM_FLAG_AUTOCONNECT, &pod, 1);
  time.tv_sec = 30;
  pw_loop_update_timer(loop, timer, &time, nullptr, false);
  pw_main_loop_run(r.loop);
  // What the port has agreed on by now.
  if (r.port != nullptr) {
    for (const std::uint32_t id : {SPA_PARAM_Meta, SPA_PARAM_Buffers}) {
      pw_port_enum_params(reinterpret_cast<pw_port*>(r.port), 2, id, 0, UINT32_MAX, nullptr);
    }
    time.tv_sec = 1;
    pw_loop_update_timer(loop, timer, &time, nullptr, false);
    pw_main_loop_run(r.loop);
  }
  std::puts(r.result.dump(1, ' ', false, Json::error_handler_t::replace).c_str());
  pw_stream_destroy(r.stream);
  if (r.port != nullptr) pw_proxy_destroy(r.port);
  pw_proxy_destroy(reinterpret_cast<pw_proxy*>(r.registry));
  pw_core_disconnect(core);
  pw_context_destroy(context);
  pw_main_loop_destroy(r.loop);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  pw_init(&argc, &argv);
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fputs(e.what(), stderr);
    return 1;
  }
}
