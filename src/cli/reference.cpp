#include "cli/reference.h"

#include <array>

namespace zc {
namespace {

constexpr std::array kEnvironment{
    ReferenceEntry{
        "ZEROCAST_LOG",
        "What is logged: a level (trace, debug, info, warn, error, critical, off), or levels of single "
        "parts, such as warn,capture=debug. Parts are capture, zerocopy, encode, output, session, daemon, cli and "
        "ffmpeg. Default info."},
    ReferenceEntry{"ZEROCOPY",
                   "0 forces the CPU path, 1 refuses to run without zero-copy, auto takes the best that works. "
                   "Default auto."},
    ReferenceEntry{
        "ZEROCOPY_ROUTE",
        "vulkan, egl or cpu: nothing else converts pictures. For finding out which one is at fault. Default: "
        "vulkan, and egl for buffers that Vulkan does not import."},
    ReferenceEntry{
        "ZEROCOPY_SOFTWARE",
        "1 takes a software renderer (Mesa's lavapipe and llvmpipe) for a GPU: for trying things out without "
        "one. Default 0."},
    ReferenceEntry{"ZEROCOPY_LATCH",
                   "1 reads each GPU buffer only when the next one has come, or after 50 ms: for desktops whose driver "
                   "does not say when a picture is finished, where recordings show half-drawn or late pictures. Costs "
                   "one frame of delay. Not used where the desktop synchronises explicitly. Default 0."},
    ReferenceEntry{"NO_COLOR", "Anything: the log has no colours on a terminal."},
    ReferenceEntry{"FFMPEG_DEBUG", "1 shows FFmpeg's own log at debug level. Default 0."},
    ReferenceEntry{"ZEROCAST_CONFIG", "Another configuration file; /dev/null for none."},
    ReferenceEntry{"XDG_CONFIG_HOME", "Where the configuration is looked for. Default ~/.config."},
    ReferenceEntry{"XDG_STATE_HOME", "Where the desktop's permissions are remembered. Default ~/.local/state."},
    ReferenceEntry{"XDG_RUNTIME_DIR", "Where PipeWire's socket is looked for."},
    ReferenceEntry{"PIPEWIRE_REMOTE", "Another PipeWire socket than pipewire-0."},
    ReferenceEntry{
        "WAYLAND_DISPLAY",
        "The compositor whose screens are made to change where the portal gives no first picture of one that "
        "stands still. Default: the only one in $XDG_RUNTIME_DIR."},
    ReferenceEntry{"DBUS_SESSION_BUS_ADDRESS", "The session bus on which the desktop portal is asked."},
};

constexpr std::array kFiles{
    ReferenceEntry{"$XDG_CONFIG_HOME/zerocast/zerocast.toml",
                   "The user's own defaults of 'record' and 'stream'; 'zerocast config example' prints one."},
    ReferenceEntry{"$XDG_STATE_HOME/zerocast/restore-tokens",
                   "The desktop portal's permissions, readable by their owner only."},
};

}  // namespace

std::span<const ReferenceEntry> environment_entries() { return kEnvironment; }
std::span<const ReferenceEntry> file_entries() { return kFiles; }

}  // namespace zc
