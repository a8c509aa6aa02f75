#include "capture/portal_results.h"

#include "base/log.h"
#include "capture/portal_bus.h"

#include <array>
#include <span>
#include <string_view>

namespace zc {
namespace {

constexpr std::string_view kOperation = "speak with the desktop portal";
/// A portal asked for one stream has no reason to list more; a broken one shall not fill our memory.
constexpr std::size_t kMaxStreams = 64;
constexpr std::uint32_t kNoNode = 0xffff'ffff;  // PW_ID_ANY

/// Reads the value of one key into a Target, at the position of the variant's content. Negative: errno of sd-bus.
template <class Target>
struct Key {
  std::string_view name;
  std::string_view signature;
  int (*read)(sd_bus_message* message, Target& target);
};

/// Walks an a{sv}; keys that are not in the table, or not of its type, are passed over.
template <class Target>
int read_dictionary(sd_bus_message* message, std::span<const Key<Target>> keys, Target& target) {
  if (const int r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "{sv}"); r <= 0) {
    return r < 0 ? r : -EBADMSG;
  }
  int r = 0;
  while ((r = sd_bus_message_enter_container(message, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
    const char* name = nullptr;
    if ((r = sd_bus_message_read_basic(message, SD_BUS_TYPE_STRING, static_cast<void*>(&name))) < 0) return r;
    char type = 0;
    const char* signature = nullptr;
    if ((r = sd_bus_message_peek_type(message, &type, &signature)) < 0) return r;
    const Key<Target>* found = nullptr;
    for (const Key<Target>& key : keys) {
      if (key.name == name && key.signature == signature) found = &key;
    }
    if (found == nullptr) {
      r = sd_bus_message_skip(message, "v");
    } else if ((r = sd_bus_message_enter_container(message, SD_BUS_TYPE_VARIANT, signature)) >= 0) {
      r = found->read(message, target);
      if (r >= 0) r = sd_bus_message_exit_container(message);
    }
    if (r < 0) return r;
    if ((r = sd_bus_message_exit_container(message)) < 0) return r;
  }
  if (r < 0) return r;
  return sd_bus_message_exit_container(message);
}

int read_text(sd_bus_message* message, char type, std::string& text) {
  const char* value = nullptr;
  const int r = sd_bus_message_read_basic(message, type, static_cast<void*>(&value));
  if (r > 0) text = value;
  return r;
}

int read_number(sd_bus_message* message, std::uint32_t& number) {
  return sd_bus_message_read_basic(message, SD_BUS_TYPE_UINT32, &number);
}

int read_pair(sd_bus_message* message, std::int32_t& first, std::int32_t& second) {
  return sd_bus_message_read(message, "(ii)", &first, &second);
}

// --- properties of a stream -----------------------------------------------------------------------------------------

int read_size(sd_bus_message* message, PortalStream& stream) {
  std::int32_t width = 0;
  std::int32_t height = 0;
  const int r = read_pair(message, width, height);
  if (r >= 0 && width > 0 && height > 0) {
    stream.identity.size = Size{static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height)};
  }
  return r;
}

int read_position(sd_bus_message* message, PortalStream& stream) {
  Point point;
  const int r = read_pair(message, point.x, point.y);
  if (r >= 0) stream.identity.position = point;
  return r;
}

int read_source_type(sd_bus_message* message, PortalStream& stream) {
  return read_number(message, stream.identity.source_type.emplace());
}

int read_id(sd_bus_message* message, PortalStream& stream) {
  return read_text(message, SD_BUS_TYPE_STRING, stream.identity.id);
}

int read_mapping_id(sd_bus_message* message, PortalStream& stream) {
  return read_text(message, SD_BUS_TYPE_STRING, stream.identity.mapping_id);
}

int read_serial(sd_bus_message* message, PortalStream& stream) {
  return sd_bus_message_read_basic(message, SD_BUS_TYPE_UINT64, &stream.serial.emplace());
}

constexpr std::array kStreamKeys = {
    Key<PortalStream>{"size", "(ii)", read_size},
    Key<PortalStream>{"position", "(ii)", read_position},
    Key<PortalStream>{"source_type", "u", read_source_type},
    Key<PortalStream>{"id", "s", read_id},
    Key<PortalStream>{"mapping_id", "s", read_mapping_id},
    Key<PortalStream>{"pipewire-serial", "t", read_serial},
};

// --- results --------------------------------------------------------------------------------------------------------

int read_streams(sd_bus_message* message, PortalResults& results) {
  int r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "(ua{sv})");
  if (r < 0) return r;
  while ((r = sd_bus_message_enter_container(message, SD_BUS_TYPE_STRUCT, "ua{sv}")) > 0) {
    PortalStream stream;
    if ((r = read_number(message, stream.node)) < 0) return r;
    if ((r = read_dictionary<PortalStream>(message, kStreamKeys, stream)) < 0) return r;
    if ((r = sd_bus_message_exit_container(message)) < 0) return r;
    if (stream.node != kNoNode && results.streams.size() < kMaxStreams) results.streams.push_back(std::move(stream));
  }
  return r < 0 ? r : sd_bus_message_exit_container(message);
}

template <char Type>
int read_session_handle(sd_bus_message* message, PortalResults& results) {
  const int r = read_text(message, Type, results.session_handle);
  if (sd_bus_object_path_is_valid(results.session_handle.c_str()) <= 0) results.session_handle.clear();
  return r;
}

int read_restore_token(sd_bus_message* message, PortalResults& results) {
  return read_text(message, SD_BUS_TYPE_STRING, results.restore_token);
}

constexpr std::array kResultKeys = {
    // The interface says "s", by an oversight it cannot take back; some implementations send the "o" it should be.
    Key<PortalResults>{"session_handle", "s", read_session_handle<SD_BUS_TYPE_STRING>},
    Key<PortalResults>{"session_handle", "o", read_session_handle<SD_BUS_TYPE_OBJECT_PATH>},
    Key<PortalResults>{"restore_token", "s", read_restore_token},
    Key<PortalResults>{"streams", "a(ua{sv})", read_streams},
};

// --- properties of the interface ------------------------------------------------------------------------------------

constexpr std::array kAbilityKeys = {
    Key<PortalAbilities>{"version", "u",
                         [](sd_bus_message* m, PortalAbilities& a) { return read_number(m, a.version); }},
    Key<PortalAbilities>{"AvailableSourceTypes", "u",
                         [](sd_bus_message* m, PortalAbilities& a) { return read_number(m, a.source_types); }},
    Key<PortalAbilities>{"AvailableCursorModes", "u",
                         [](sd_bus_message* m, PortalAbilities& a) { return read_number(m, a.cursor_modes); }},
};

template <class Target, std::size_t N>
Result<Target> read_all(sd_bus_message* message, const std::array<Key<Target>, N>& keys) {
  Target target;
  if (const int r = read_dictionary<Target>(message, keys, target); r < 0) {
    return std::unexpected(Error{ErrorKind::Internal, ErrorDomain::DBus, -r, std::string(kOperation),
                                 "the desktop portal's answer is not what its interface says"});
  }
  return target;
}

}  // namespace

Result<PortalResults> read_portal_results(sd_bus_message* message) { return read_all(message, kResultKeys); }

Result<PortalAbilities> read_portal_abilities(sd_bus_message* message) { return read_all(message, kAbilityKeys); }

}  // namespace zc
