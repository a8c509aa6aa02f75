# shellcheck shell=bash disable=SC2154 # the session that sources this file sets them
# One function per compositor: starts it, exports WAYLAND_DISPLAY, and starts what belongs to it.

# wlroots' headless output waits whole milliseconds between frames, from the end of one to the start of the next: asked
# for 60 Hz it gives 56. So its pause is half the period, and the client keeps the beat; the output sends frames only
# when something changed, so the beat is the stream's rate.
start_sway() {
  start_sway_alone
  start_wlr_portal HEADLESS-1
}

start_sway_alone() {
  local pause_ms=$((500 / ZEROCAST_DESKTOP_RATE))
  # shellcheck disable=SC2034 # the session's
  client_options=(--rate "$ZEROCAST_DESKTOP_RATE")
  export WLR_BACKENDS=headless WLR_RENDERER=pixman WLR_LIBINPUT_NO_DEVICES=1
  cat >"$session/sway.conf" <<EOF
xwayland disable
swaybg_command -
default_border none
output HEADLESS-1 mode --custom ${ZEROCAST_DESKTOP_SIZE}@$(hertz $((pause_ms > 1 ? pause_ms : 1)))Hz
EOF
  export SWAYSOCK=$XDG_RUNTIME_DIR/sway-ipc.sock
  start sway sway -c "$session/sway.conf"
  leaves sway "$XDG_RUNTIME_DIR/wayland-*" "$SWAYSOCK"
  await_wayland sway
}

# wlroots 0.15's headless outputs cannot be switched off; the windows of its Wayland backend can be closed, each of
# which is a monitor that is unplugged: swaymsg -s "$ZEROCAST_DESKTOP_OUTER" '[title="wlroots - WL-1"] kill'.
start_nested() {
  start_sway_alone
  export ZEROCAST_DESKTOP_OUTER=$SWAYSOCK SWAYSOCK=$XDG_RUNTIME_DIR/sway-inner.sock
  cat >"$session/inner.conf" <<'EOF'
xwayland disable
swaybg_command -
default_border none
EOF
  start inner env "WAYLAND_DISPLAY=$WAYLAND_DISPLAY" WLR_BACKENDS=wayland sway -c "$session/inner.conf"
  leaves inner "$XDG_RUNTIME_DIR/wayland-2*" "$SWAYSOCK"
  until_ready inner 60 test -S "$XDG_RUNTIME_DIR/wayland-2"
  export WAYLAND_DISPLAY=wayland-2
  start_wlr_portal WL-1
}

# hertz MILLISECONDS: the rate of that period, rounded down to 1 mHz.
hertz() { printf '%d.%03d' $((1000 / $1)) $((1000000 / $1 % 1000)); }

# start_wlr_portal OUTPUT: shares that. The backend first: the frontend looks for it when it starts.
start_wlr_portal() {
  mkdir -p "$XDG_CONFIG_HOME/xdg-desktop-portal-wlr" "$XDG_CONFIG_HOME/xdg-desktop-portal"
  cat >"$XDG_CONFIG_HOME/xdg-desktop-portal-wlr/config" <<EOF
[screencast]
output_name=$1
chooser_type=none
EOF
  # Read by xdg-desktop-portal 1.17 and later; before, XDG_CURRENT_DESKTOP=sway chooses.
  printf '[preferred]\ndefault=wlr\n' >"$XDG_CONFIG_HOME/xdg-desktop-portal/portals.conf"
  local preload=()
  if [[ $(package_version xdg-desktop-portal-wlr) == 0.7.0* ]]; then
    preload=(env "LD_PRELOAD=$bin/xdpw-shm-preload.so")
  fi
  start xdg-desktop-portal-wlr "${preload[@]}" "$(libexec xdg-desktop-portal-wlr)" -l WARN
  until_ready xdg-desktop-portal-wlr 60 bus_name_owned org.freedesktop.impl.portal.desktop.wlr
  # Keeps the restore tokens' permissions.
  start xdg-permission-store "$(libexec xdg-permission-store)"
  until_ready xdg-permission-store 60 bus_name_owned org.freedesktop.impl.portal.PermissionStore
  start xdg-desktop-portal "$(libexec xdg-desktop-portal)"
  until_ready xdg-desktop-portal 60 bus_name_owned org.freedesktop.portal.Desktop
}

start_mutter() {
  export XDG_CURRENT_DESKTOP=GNOME
  start mutter mutter --wayland --headless --no-x11 --wayland-display wayland-mutter \
    --virtual-monitor "${ZEROCAST_DESKTOP_SIZE}@${ZEROCAST_DESKTOP_RATE}"
  await_wayland mutter
  until_ready mutter 60 bus_name_owned org.gnome.Mutter.ScreenCast
}

start_weston() {
  cat >"$session/weston.ini" <<EOF
[output]
name=pipewire
mode=${ZEROCAST_DESKTOP_SIZE}@${ZEROCAST_DESKTOP_RATE}
EOF
  start weston weston --backend=pipewire --renderer=pixman --shell=kiosk --idle-time=0 --socket=wayland-weston \
    "--config=$session/weston.ini" "--width=${ZEROCAST_DESKTOP_SIZE%x*}" "--height=${ZEROCAST_DESKTOP_SIZE#*x}"
  await_wayland weston
}

# await_wayland NAME: until the compositor made its socket; exports WAYLAND_DISPLAY.
await_wayland() {
  until_ready "$1" 60 find_wayland
  export WAYLAND_DISPLAY=$wayland_socket
}
find_wayland() {
  local socket
  for socket in "$XDG_RUNTIME_DIR"/wayland-*; do
    if [[ -S $socket ]]; then
      wayland_socket=${socket##*/}
      return 0
    fi
  done
  return 1
}

# Where this distribution keeps a program that is not on PATH.
libexec() {
  local dir
  for dir in /usr/libexec /usr/lib /usr/lib/xdg-desktop-portal; do
    if [[ -x $dir/$1 ]]; then
      printf '%s\n' "$dir/$1"
      return 0
    fi
  done
  printf 'desktop: %s is not installed (tools/lib/install.sh run)\n' "$1" >&2
  exit 125
}

# The upstream version of an installed distribution package; empty when unknown.
package_version() {
  if command -v dpkg-query >/dev/null; then
    dpkg-query -W -f '${source:Upstream-Version}' "$1" 2>/dev/null || true
  elif command -v rpm >/dev/null; then
    rpm -q --qf '%{VERSION}' "$1" 2>/dev/null || true
  fi
}
