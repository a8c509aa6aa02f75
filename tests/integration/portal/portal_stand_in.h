// A stand-in for the desktop's portal that does what it is told, for what no real portal can be made to do on demand:
// the user's "no", silence, nonsense, old versions, and an end at a given moment.
#pragma once

#include <systemd/sd-bus.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "capture/portal_bus.h"
#include "media/geometry.h"

namespace zc::test {

/// How one method answers.
struct PortalStep {
  enum class When : std::uint8_t {
    AfterReply,
    BeforeReply,  ///< the Response comes before the method's own answer
    Never,
  };
  bool reply = true;  ///< false: the method is never answered
  std::string error;  ///< answered with this D-Bus error name instead
  When response = When::AfterReply;
  std::uint32_t code = 0;
  bool other_path = false;  ///< the request is not where its token says, as before version 0.9
  /// Appends the Response's whole body. Unset: the well-formed one of this method.
  std::function<int(sd_bus_message*)> body;
  /// Runs on the stand-in's thread when the call came, before it is answered.
  std::function<void(const std::string& caller, const std::string& request_path)> on_call;
};

/// One that Start's response lists.
struct ScriptedStream {
  std::uint32_t node = 0;
  std::uint32_t source_type = 1;
  Size size;
  std::optional<Point> position;
  std::string mapping_id;
};

struct PortalScript {
  bool screen_cast = true;  ///< false: a portal without org.freedesktop.portal.ScreenCast, as GDBus says it
  std::uint32_t version = 5;
  std::uint32_t source_types = 7;
  std::uint32_t cursor_modes = 7;
  bool camera = true;  ///< false: a portal without org.freedesktop.portal.Camera
  PortalStep access_camera;
  PortalStep register_app;  ///< its answer only; refused all the same when another call came before
  PortalStep create_session;
  PortalStep select_sources;
  PortalStep start;
  PortalStep open_remote;
  std::string restore_token;            ///< in Start's response, if not empty
  std::uint32_t node = 42;              ///< likewise
  std::vector<ScriptedStream> streams;  ///< likewise, instead of one with `node`
  /// What OpenPipeWireRemote hands out; unset: an eventfd that counts 4711.
  std::function<UniqueFd()> remote;
};

/// What reached the stand-in.
struct PortalSeen {
  std::vector<std::string> methods;                   ///< of the screen cast
  std::vector<std::string> app_ids;                   ///< of callers that registered in time
  std::map<std::string, std::string> select_options;  ///< values as text
  std::string session;                                ///< of the last CreateSession
  std::string start_request;                          ///< path of the last Start's request
  std::string parent_window = "unset";
  std::vector<std::string> closed;  ///< paths of Close calls
};

/// Appends "ua{sv}" with `code` and one entry `key` whose value `append` makes (of type `signature`).
int append_response(sd_bus_message* message, std::uint32_t code, const char* key, const char* signature,
                    const std::function<int(sd_bus_message*)>& append);
/// A well-formed Start response: node 42, 1920x1080 at 100,-50, and everything a version 5 portal tells.
int append_streams(sd_bus_message* message);

class PortalStandIn {
 public:
  /// Owns org.freedesktop.portal.Desktop on the session bus when it returns; nullptr when that failed.
  [[nodiscard]] static std::unique_ptr<PortalStandIn> start(PortalScript script);
  PortalStandIn(const PortalStandIn&) = delete;
  PortalStandIn& operator=(const PortalStandIn&) = delete;
  ~PortalStandIn();

  [[nodiscard]] PortalSeen seen() const;
  /// False when it did not come to that within half a minute.
  [[nodiscard]] bool wait(const std::function<bool(const PortalSeen&)>& done);
  /// Emits Session.Closed for the last session.
  void close_session();
  /// Leaves the bus.
  void drop_off();

 private:
  explicit PortalStandIn(PortalScript script) : script_(std::move(script)) {}
  void run(const std::stop_token& stop);
  static int on_message(sd_bus_message* message, void* self, sd_bus_error* error);
  int handle(sd_bus_message* message);
  int answer_register(sd_bus_message* message, bool first);
  int answer_properties(sd_bus_message* message) const;
  int answer_request(sd_bus_message* message, const std::string& method, const PortalStep& step);
  int answer_remote(sd_bus_message* message) const;
  void respond(const std::string& caller, const std::string& path, const std::string& method, const PortalStep& step);
  void note(const std::function<void(PortalSeen&)>& change);

  const PortalScript script_;
  BusPtr bus_;
  SlotPtr filter_;
  UniqueFd wake_;
  std::string caller_;             ///< of the last session; the thread's own
  std::set<std::string> callers_;  ///< connections that called already; the thread's own
  std::atomic<bool> close_asked_ = false;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  PortalSeen seen_;
  std::jthread thread_;
};

}  // namespace zc::test
