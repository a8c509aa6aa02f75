#include "daemon/bus_tables.h"

#include "base/file_names.h"
#include "base/version.h"
#include "daemon/bus_service.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace zc::daemon {
namespace {

using Call = sd_bus_message;

BusService& service(void* data) { return *static_cast<BusService*>(data); }

/// sd-bus calls C: nothing may fly through it.
template <class Body>
int guarded(Call* call, Body body) {
  try {
    return body();
  } catch (const std::exception& error) {
    return reply_error(call, {.kind = ErrorKind::Internal, .operation = "answer a call", .detail = error.what()});
  }
}

/// Answers with nothing, or with the error.
template <class T>
void reply(const std::shared_ptr<Call>& call, const Result<T>& result) {
  if (!result) {
    reply_error(call.get(), result.error());
  } else {
    sd_bus_reply_method_return(call.get(), nullptr);
  }
}

void reply_text(const std::shared_ptr<Call>& call, const Result<std::string>& text) {
  if (!text) {
    reply_error(call.get(), text.error());
  } else {
    sd_bus_reply_method_return(call.get(), "s", bus::good_text(*text).c_str());
  }
}

/// Keeps the call until it is answered.
std::shared_ptr<Call> hold(Call* call) { return {bus::keep(call).release(), bus::MessageUnref()}; }

// ---- Manager

int start_session(Call* call, void* data, sd_bus_error* /*error*/) {
  return guarded(call, [&] {
    auto options = bus::read_settings(call);
    if (!options) return reply_error(call, options.error());
    BusService& bus = service(data);
    bus.operations().start_session(*std::move(options), [held = hold(call), &bus](const Result<std::string>& name) {
      const Session* session = name ? bus.operations().find(*name) : nullptr;
      if (!name) {
        reply_error(held.get(), name.error());
      } else if (session != nullptr) {
        sd_bus_reply_method_return(held.get(), "o", BusService::path_of(*session).c_str());
      }
    });
    return 1;
  });
}

/// ListSources and ListEncoders: what `zerocast` prints, as D-Bus values.
int list(Call* call, void* data, Operations::Question question, const char* member) {
  return guarded(call, [&] {
    service(data).operations().ask(question, [held = hold(call), member](const Result<std::string>& json) {
      if (!json) {
        reply_error(held.get(), json.error());
        return;
      }
      sd_bus_message* answer = nullptr;
      if (sd_bus_message_new_method_return(held.get(), &answer) < 0) return;
      const bus::MessagePtr owner(answer);
      if (append_objects(answer, *json, member) < 0) {
        reply_error(held.get(), {.kind = ErrorKind::Internal, .operation = "list", .detail = "unexpected output"});
        return;
      }
      sd_bus_message_send(answer);
    });
    return 1;
  });
}

int list_sources(Call* call, void* data, sd_bus_error* /*error*/) {
  return list(call, data, Operations::Question::Sources, "sources");
}
int list_encoders(Call* call, void* data, sd_bus_error* /*error*/) {
  return list(call, data, Operations::Question::Encoders, "encoders");
}

int probe(Call* call, void* data, sd_bus_error* /*error*/) {
  return guarded(call, [&] {
    service(data).operations().ask(Operations::Question::Probe,
                                   [held = hold(call)](const Result<std::string>& json) { reply_text(held, json); });
    return 1;
  });
}

int reload(Call* call, void* data, sd_bus_error* /*error*/) {
  return guarded(call, [&] {
    service(data).operations().reload([held = hold(call)](const Result<void>& result) { reply(held, result); });
    return 1;
  });
}

int get_version(sd_bus* /*bus*/, const char* /*path*/, const char* /*interface*/, const char* /*property*/, Call* out,
                void* /*data*/, sd_bus_error* /*error*/) {
  return bus::append_text(out, version());
}

int get_sessions(sd_bus* /*bus*/, const char* /*path*/, const char* /*interface*/, const char* /*property*/, Call* out,
                 void* data, sd_bus_error* /*error*/) {
  if (const int r = sd_bus_message_open_container(out, 'a', "o"); r < 0) return r;
  for (const Session* session : service(data).operations().sessions()) {
    if (const int r = sd_bus_message_append(out, "o", BusService::path_of(*session).c_str()); r < 0) return r;
  }
  return sd_bus_message_close_container(out);
}

int get_encoders(sd_bus* /*bus*/, const char* /*path*/, const char* /*interface*/, const char* /*property*/, Call* out,
                 void* data, sd_bus_error* /*error*/) {
  return bus::append_texts(out, service(data).operations().encoders());
}

int get_templates(sd_bus* /*bus*/, const char* /*path*/, const char* /*interface*/, const char* /*property*/, Call* out,
                  void* data, sd_bus_error* /*error*/) {
  return bus::append_texts(out, service(data).operations().templates());
}

int get_capturing(sd_bus* /*bus*/, const char* /*path*/, const char* /*interface*/, const char* /*property*/, Call* out,
                  void* data, sd_bus_error* /*error*/) {
  return sd_bus_message_append(out, "b", static_cast<int>(service(data).operations().capturing()));
}

// ---- Session. `data` is the Found of the call's path.

struct Found {
  BusService* bus = nullptr;
  Session* session = nullptr;
};
/// sd-bus takes a pointer that must live until the call returns; all calls come from the loop's thread, one at a time.
Found& found_place() {
  thread_local Found place;
  return place;
}
Session& session_of(void* data) { return *static_cast<Found*>(data)->session; }

/// Sends a request and answers with nothing.
int request(Call* call, void* data, RequestKind kind, std::vector<Setting> arguments = {}) {
  return guarded(call, [&] {
    session_of(data).request(kind, std::move(arguments),
                             [held = hold(call)](const Result<std::string>& result) { reply(held, result); });
    return 1;
  });
}

int stop(Call* call, void* data, sd_bus_error* /*error*/) {
  return guarded(call, [&] {
    const Found found = *static_cast<Found*>(data);
    found.bus->operations().stop_session(
        *found.session, [held = hold(call)](const Result<std::string>& report) { reply_text(held, report); });
    return 1;
  });
}

int pause(Call* call, void* data, sd_bus_error* /*error*/) { return request(call, data, RequestKind::Pause); }
int resume(Call* call, void* data, sd_bus_error* /*error*/) { return request(call, data, RequestKind::Resume); }
int keyframe(Call* call, void* data, sd_bus_error* /*error*/) { return request(call, data, RequestKind::Keyframe); }

int add_sink(Call* call, void* data, sd_bus_error* /*error*/) {
  const char* sink = nullptr;
  if (const int r = sd_bus_message_read(call, "s", &sink); r < 0) return r;
  const Found found = *static_cast<Found*>(data);
  if (found.session->sink_count() >= found.bus->operations().max_sinks()) {
    return reply_error(call, {.kind = ErrorKind::Busy,
                              .operation = "add a sink",
                              .detail = "the session has as many as it may (max-sinks in the configuration)"});
  }
  const auto named = is_url(sink) ? Result<std::string>(sink) : expand_file_name(sink, found.session->name());
  if (!named) return reply_error(call, named.error());
  return request(call, data, RequestKind::AddSink, {{"sink", *named, {}}});
}

int remove_sink(Call* call, void* data, sd_bus_error* /*error*/) {
  const char* sink = nullptr;
  if (const int r = sd_bus_message_read(call, "s", &sink); r < 0) return r;
  return request(call, data, RequestKind::RemoveSink, {{"sink", std::string(sink), {}}});
}

int add_layer(Call* call, void* data, sd_bus_error* /*error*/) {
  const char* layer = nullptr;
  if (const int r = sd_bus_message_read(call, "s", &layer); r < 0) return r;
  return guarded(call, [&] {
    session_of(data).request(RequestKind::AddLayer, {{"layer", std::string(layer), {}}},
                             [held = hold(call)](const Result<std::string>& name) { reply_text(held, name); });
    return 1;
  });
}

int set_layer(Call* call, void* data, sd_bus_error* /*error*/) {
  const char* layer = nullptr;
  const char* changes = nullptr;
  if (const int r = sd_bus_message_read(call, "ss", &layer, &changes); r < 0) return r;
  return request(call, data, RequestKind::ChangeLayer,
                 {{"layer", std::string(layer), {}}, {"changes", std::string(changes), {}}});
}

int remove_layer(Call* call, void* data, sd_bus_error* /*error*/) {
  const char* layer = nullptr;
  if (const int r = sd_bus_message_read(call, "s", &layer); r < 0) return r;
  return request(call, data, RequestKind::RemoveLayer, {{"layer", std::string(layer), {}}});
}

int set_volume(Call* call, void* data, sd_bus_error* /*error*/) {
  const char* source = nullptr;
  double volume = 0;
  if (const int r = sd_bus_message_read(call, "sd", &source, &volume); r < 0) return r;
  return request(call, data, RequestKind::Audio, {{"source", std::string(source), {}}, {"volume", volume, {}}});
}

int set_muted(Call* call, void* data, sd_bus_error* /*error*/) {
  const char* source = nullptr;
  int muted = 0;
  if (const int r = sd_bus_message_read(call, "sb", &source, &muted); r < 0) return r;
  return request(call, data, RequestKind::Audio, {{"source", std::string(source), {}}, {"muted", muted != 0, {}}});
}

/// Has the session write a file; `extension`: of one without a name.
int save(Call* call, void* data, RequestKind kind, const char* extension) {
  const char* file = nullptr;
  if (const int r = sd_bus_message_read(call, "s", &file); r < 0) return r;
  return guarded(call, [&] {
    const std::string& session = session_of(data).name();
    const auto named = *file == '\0' ? default_file(extension, session) : expand_file_name(file, session);
    if (!named) return reply_error(call, named.error());
    session_of(data).request(kind, {{"file", *named, {}}},
                             [held = hold(call)](const Result<std::string>& path) { reply_text(held, path); });
    return 1;
  });
}

int save_replay(Call* call, void* data, sd_bus_error* /*error*/) {
  return save(call, data, RequestKind::SaveReplay, "mkv");
}
int snapshot(Call* call, void* data, sd_bus_error* /*error*/) { return save(call, data, RequestKind::Snapshot, "png"); }

int reconfigure(Call* call, void* data, sd_bus_error* /*error*/) {
  return guarded(call, [&] {
    auto options = bus::read_settings(call);
    if (!options) return reply_error(call, options.error());
    const Found found = *static_cast<Found*>(data);
    found.bus->operations().reconfigure(*found.session, *std::move(options),
                                        [held = hold(call)](const Result<void>& result) { reply(held, result); });
    return 1;
  });
}

/// A property made by `Get`, which appends it.
template <int (*Get)(Call* out, const Session& session)>
int property(sd_bus* /*bus*/, const char* /*path*/, const char* /*interface*/, const char* /*property*/, Call* out,
             void* data, sd_bus_error* /*error*/) {
  return Get(out, session_of(data));
}

int put_name(Call* out, const Session& session) { return bus::append_text(out, session.name()); }
int put_state(Call* out, const Session& session) { return bus::append_text(out, to_string(session.state())); }
int put_source(Call* out, const Session& session) { return bus::append_text(out, session.facts().source); }
int put_route(Call* out, const Session& session) { return bus::append_text(out, session.facts().route); }
int put_encoder(Call* out, const Session& session) { return bus::append_text(out, session.facts().encoder); }
int put_codec(Call* out, const Session& session) { return bus::append_text(out, session.facts().codec); }
int put_size(Call* out, const Session& session) {
  return sd_bus_message_append(out, "(uu)", session.facts().width, session.facts().height);
}
int put_sinks(Call* out, const Session& session) { return bus::append_texts(out, session.sinks()); }
int put_layers(Call* out, const Session& session) { return append_layers(out, session.facts()); }
int put_sink_statistics(Call* out, const Session& session) { return append_sinks(out, session.statistics()); }
int put_audio_sources(Call* out, const Session& session) { return append_audio_sources(out, session.statistics()); }
int put_audio_tracks(Call* out, const Session& session) { return append_audio_tracks(out, session.statistics()); }
int put_statistics(Call* out, const Session& session) { return append_statistics(out, session.statistics()); }
int put_process(Call* out, const Session& session) {
  return sd_bus_message_append(out, "u", static_cast<std::uint32_t>(session.pid()));
}
int put_error(Call* out, const Session& session) {
  const std::string name = session.error() ? bus::error_name(session.error()->kind) : "";
  const std::string text = session.error() ? bus::good_text(session.error()->message()) : "";
  return sd_bus_message_append(out, "(ss)", name.c_str(), text.c_str());
}
int put_settings(Call* out, const Session& session) {
  std::vector<Setting> shown = session.settings();
  for (Setting& setting : shown) {
    // URLs may hold a passphrase.
    if (setting.name == "sinks") setting.value = session.sinks();
  }
  return bus::append_settings(out, shown);
}

constexpr std::uint64_t kChanges = SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE;

// NOLINTBEGIN: sd-bus's macros.
const sd_bus_vtable kManagerTable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_NAMES("StartSession", "a{sv}", SD_BUS_PARAM(options), "o", SD_BUS_PARAM(session), start_session,
                             0),
    SD_BUS_METHOD_WITH_NAMES("ListSources", "", , "aa{sv}", SD_BUS_PARAM(sources), list_sources, 0),
    SD_BUS_METHOD_WITH_NAMES("ListEncoders", "", , "aa{sv}", SD_BUS_PARAM(encoders), list_encoders, 0),
    SD_BUS_METHOD_WITH_NAMES("Probe", "", , "s", SD_BUS_PARAM(report), probe, 0),
    SD_BUS_METHOD("Reload", "", "", reload, 0),
    SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Sessions", "ao", get_sessions, 0, kChanges),
    SD_BUS_PROPERTY("Encoders", "as", get_encoders, 0, kChanges),
    SD_BUS_PROPERTY("Templates", "as", get_templates, 0, kChanges),
    SD_BUS_PROPERTY("Capturing", "b", get_capturing, 0, kChanges),
    SD_BUS_VTABLE_END};

const sd_bus_vtable kSessionTable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_NAMES("Stop", "", , "s", SD_BUS_PARAM(report), stop, 0),
    SD_BUS_METHOD("Pause", "", "", pause, 0),
    SD_BUS_METHOD("Resume", "", "", resume, 0),
    SD_BUS_METHOD("RequestKeyframe", "", "", keyframe, 0),
    SD_BUS_METHOD_WITH_NAMES("AddSink", "s", SD_BUS_PARAM(sink), "", , add_sink, 0),
    SD_BUS_METHOD_WITH_NAMES("RemoveSink", "s", SD_BUS_PARAM(sink), "", , remove_sink, 0),
    SD_BUS_METHOD_WITH_NAMES("AddLayer", "s", SD_BUS_PARAM(layer), "s", SD_BUS_PARAM(name), add_layer, 0),
    SD_BUS_METHOD_WITH_NAMES("SetLayer", "ss", SD_BUS_PARAM(name) SD_BUS_PARAM(changes), "", , set_layer, 0),
    SD_BUS_METHOD_WITH_NAMES("RemoveLayer", "s", SD_BUS_PARAM(name), "", , remove_layer, 0),
    SD_BUS_METHOD_WITH_NAMES("SetVolume", "sd", SD_BUS_PARAM(source) SD_BUS_PARAM(volume), "", , set_volume, 0),
    SD_BUS_METHOD_WITH_NAMES("SetMuted", "sb", SD_BUS_PARAM(source) SD_BUS_PARAM(muted), "", , set_muted, 0),
    SD_BUS_METHOD_WITH_NAMES("SaveReplay", "s", SD_BUS_PARAM(file), "s", SD_BUS_PARAM(path), save_replay, 0),
    SD_BUS_METHOD_WITH_NAMES("Snapshot", "s", SD_BUS_PARAM(file), "s", SD_BUS_PARAM(path), snapshot, 0),
    SD_BUS_METHOD_WITH_NAMES("Reconfigure", "a{sv}", SD_BUS_PARAM(options), "", , reconfigure, 0),
    SD_BUS_SIGNAL_WITH_NAMES("StateChanged", "sss", SD_BUS_PARAM(before) SD_BUS_PARAM(now) SD_BUS_PARAM(reason), 0),
    SD_BUS_SIGNAL_WITH_NAMES("RouteChanged", "sss", SD_BUS_PARAM(before) SD_BUS_PARAM(now) SD_BUS_PARAM(reason), 0),
    SD_BUS_SIGNAL_WITH_NAMES("EncoderChanged", "sss", SD_BUS_PARAM(before) SD_BUS_PARAM(now) SD_BUS_PARAM(reason), 0),
    SD_BUS_SIGNAL_WITH_NAMES("SinkError", "ssb", SD_BUS_PARAM(sink) SD_BUS_PARAM(error) SD_BUS_PARAM(fatal), 0),
    SD_BUS_SIGNAL_WITH_NAMES("LayerChanged", "ss", SD_BUS_PARAM(layer) SD_BUS_PARAM(error), 0),
    SD_BUS_SIGNAL_WITH_NAMES("Stalled", "d", SD_BUS_PARAM(seconds), 0),
    SD_BUS_SIGNAL("Restored", "", 0),
    SD_BUS_PROPERTY("Name", "s", property<put_name>, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("State", "s", property<put_state>, 0, kChanges),
    SD_BUS_PROPERTY("Error", "(ss)", property<put_error>, 0, kChanges),
    SD_BUS_PROPERTY("Source", "s", property<put_source>, 0, kChanges),
    SD_BUS_PROPERTY("Route", "s", property<put_route>, 0, kChanges),
    SD_BUS_PROPERTY("Encoder", "s", property<put_encoder>, 0, kChanges),
    SD_BUS_PROPERTY("Codec", "s", property<put_codec>, 0, kChanges),
    SD_BUS_PROPERTY("Size", "(uu)", property<put_size>, 0, kChanges),
    SD_BUS_PROPERTY("Sinks", "as", property<put_sinks>, 0, kChanges),
    SD_BUS_PROPERTY("Layers", "aa{sv}", property<put_layers>, 0, kChanges),
    SD_BUS_PROPERTY("SinkStatistics", "aa{sv}", property<put_sink_statistics>, 0, 0),
    SD_BUS_PROPERTY("AudioSources", "aa{sv}", property<put_audio_sources>, 0, 0),
    SD_BUS_PROPERTY("AudioTracks", "aa{sv}", property<put_audio_tracks>, 0, 0),
    SD_BUS_PROPERTY("Statistics", "a{sv}", property<put_statistics>, 0, 0),
    SD_BUS_PROPERTY("Settings", "a{sv}", property<put_settings>, 0, 0),
    SD_BUS_PROPERTY("Process", "u", property<put_process>, 0, 0),
    SD_BUS_VTABLE_END};
// NOLINTEND

}  // namespace

const sd_bus_vtable* manager_table() { return static_cast<const sd_bus_vtable*>(kManagerTable); }
const sd_bus_vtable* session_table() { return static_cast<const sd_bus_vtable*>(kSessionTable); }

int find_session(sd_bus* /*bus*/, const char* path, const char* /*interface*/, void* data, void** found,
                 sd_bus_error* /*error*/) {
  char* name = nullptr;
  const int r = sd_bus_path_decode(path, kSessionsPath, &name);
  if (r <= 0) return r;
  const std::unique_ptr<char, decltype(&std::free)> owner(name, &std::free);
  Session* session = service(data).operations().find(name);
  if (session == nullptr) return 0;
  found_place() = {&service(data), session};
  *found = &found_place();
  return 1;
}

int list_session_nodes(sd_bus* /*bus*/, const char* /*prefix*/, void* data, char*** nodes, sd_bus_error* /*error*/) {
  const std::vector<Session*> sessions = service(data).operations().sessions();
  // NOLINTNEXTLINE(cppcoreguidelines-no-malloc): sd-bus frees it
  auto** list = static_cast<char**>(std::calloc(sessions.size() + 1, sizeof(char*)));
  if (list == nullptr) return -ENOMEM;
  for (std::size_t i = 0; i < sessions.size(); ++i) list[i] = ::strdup(BusService::path_of(*sessions[i]).c_str());
  *nodes = list;
  return 1;
}

}  // namespace zc::daemon
