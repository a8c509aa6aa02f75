# shellcheck shell=bash disable=SC2034,SC2119,SC2120 # variables and arguments of the scripts beside it
# What the guest's scripts share. Each script is one boot: it runs as root in the guest, starts a desktop in the user's
# session, and makes cells: one recording each. From the host: width, height, rate (pictures a second that the client
# paints), pictures (of a recording), seconds (that they take), quick (not empty: one cell a desktop).

: "${width:=640}" "${height:=360}" "${rate:=15}" "${seconds:=6}" "${pictures:=90}" "${quick:=}" "${record:=}"
out=/home/tester/out
programs=/opt/zerocast-vm
user_run=/run/user/1000
display="" source="" dmabuf_env=() desktop=""

up() { cut -d' ' -f1 /proc/uptime; }
say() { printf '[%s] %s\n' "$(up)" "$*"; }
# as_user [-E VAR=VALUE]... COMMAND...: as the user, beside the session; its output and status are the caller's.
as_user() {
  local environment=()
  while [[ $1 == -E ]]; do
    environment+=("$2")
    shift 2
  done
  setpriv --reuid=tester --regid=tester --init-groups env -i HOME=/home/tester USER=tester LOGNAME=tester LANG=C.UTF-8 \
    PATH=/usr/local/bin:/usr/bin:/bin XDG_RUNTIME_DIR="$user_run" DBUS_SESSION_BUS_ADDRESS="unix:path=$user_run/bus" \
    ${environment[@]+"${environment[@]}"} "$@"
}
in_session() { as_user systemctl --user "$@"; }
# in_background NAME [-E VAR=VALUE]... COMMAND...: a unit of the user's session; its output in NAME.log.
in_background() {
  local unit=$1
  shift
  as_user systemd-run -q --user --unit="$unit" --collect -p StandardOutput="append:$out/$unit.log" \
    -p StandardError="append:$out/$unit.log" "$@"
}
# until_true SECONDS CMD...
until_true() {
  local tries=$(($1 * 5))
  shift
  while ((tries-- > 0)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  return 1
}
give_up() {
  say "FAILED: $*"
  finish
  exit 1
}

begin() {
  mkdir -p "$out"
  cp -r /share/programs "$programs"
  until_true 30 test -S "$user_run/bus"
  until_true 30 in_session is-active -q default.target || say "no user session: $(in_session is-system-running)"
  chown -R tester: /home/tester
  in_session start pipewire.service wireplumber.service
  say "session $(in_session is-system-running), kernel $(uname -r), $(. /etc/os-release && printf '%s' "$PRETTY_NAME")"
}

# What was recorded and said, for the host.
finish() {
  journalctl --no-pager -b -o short-monotonic >"$out/journal.txt" 2>/dev/null
  dmesg >"$out/dmesg.txt"
  cp -r --preserve=timestamps "$out" /share/
  say "done"
}

# The desktops. Mesa's rasteriser sets no fences: without threads of its own its pictures are finished when they are
# handed over. threads=N leaves it N, and pictures tear as a driver's would that says nothing.
threads=${threads:-0}

# in_next NAME [-E VAR=VALUE]... COMMAND...: as in_background, but a program of Debian's next release, which is on the
# second disk.
next=/next
in_next() {
  local unit=$1
  shift
  mountpoint -q "$next" || { mkdir -p "$next" && mount /dev/ubdb "$next"; } || give_up "there is no second disk"
  install -d -o tester -g tester /home/tester/.config
  systemd-run -q --unit="$unit" --collect -p StandardOutput="append:$out/$unit.log" \
    -p StandardError="append:$out/$unit.log" -p RootDirectory="$next" -p MountAPIVFS=yes \
    -p BindPaths="$user_run $out /home/tester/.config" -p User=1000 -p Group=1000 -p PrivateTmp=yes \
    -E HOME=/home/tester -E XDG_RUNTIME_DIR="$user_run" -E DBUS_SESSION_BUS_ADDRESS="unix:path=$user_run/bus" \
    -E LANG=C.UTF-8 "$@"
}
desktop_in=in_background  # what starts sway and KWin

start_sway() { # [-E VAR=VALUE]...
  desktop=sway
  mkdir -p /home/tester/.config/{sway,xdg-desktop-portal,xdg-desktop-portal-wlr}
  printf '[preferred]\ndefault=wlr\n' >/home/tester/.config/xdg-desktop-portal/portals.conf
  printf '[screencast]\nchooser_type=none\noutput_name=HEADLESS-1\nmax_fps=60\n' \
    >/home/tester/.config/xdg-desktop-portal-wlr/config
  cat >/home/tester/.config/sway/config <<END
output * bg #2060a0 solid_color
output * resolution ${width}x${height}
default_border none
exec systemctl --user import-environment WAYLAND_DISPLAY XDG_CURRENT_DESKTOP SWAYSOCK
END
  chown -R tester: /home/tester/.config
  "$desktop_in" sway -E WLR_BACKENDS=headless -E WLR_RENDER_DRM_DEVICE=/dev/dri/renderD128 -E WLR_RENDERER=gles2 \
    -E WLR_RENDERER_ALLOW_SOFTWARE=1 -E LP_NUM_THREADS="$threads" -E WLR_LIBINPUT_NO_DEVICES=1 \
    -E XDG_CURRENT_DESKTOP=sway "$@" sway -d
  display=wayland-1 source=portal
  until_true 30 test -e "$user_run/$display" || give_up "sway has no display: $(tail -n 3 "$out/sway.log")"
  sleep 1
  sway_socket=$(find "$user_run" -maxdepth 1 -name 'sway-ipc.*.sock' | sed -n 1p)
}
sway_message() { as_user -E SWAYSOCK="$sway_socket" swaymsg -q -- "$@"; }

start_mutter() { # [-E VAR=VALUE]...
  desktop=mutter
  in_background mutter -E LP_NUM_THREADS="$threads" -E force_gl_renderer=TestGPU "$@" \
    mutter --headless --wayland --no-x11 --wayland-display=wayland-7 --virtual-monitor "${width}x${height}@60"
  display=wayland-7
  until_true 30 test -e "$user_run/$display" || give_up "mutter has no display: $(tail -n 3 "$out/mutter.log")"
  sleep 2
}
start_kwin() { # [-E VAR=VALUE]... [-- OPTION...]
  desktop=kwin
  local environment=()
  # As Plasma brings one along: without a menu KWin knows no application, and so none that it could permit anything.
  mkdir -p /etc/xdg/menus
  cat >/etc/xdg/menus/applications.menu <<END
<!DOCTYPE Menu PUBLIC "-//freedesktop//DTD Menu 1.0//EN" "http://www.freedesktop.org/standards/menu-spec/1.0/menu.dtd">
<Menu><Name>Applications</Name><DefaultAppDirs/><DefaultDirectoryDirs/><Include><All/></Include></Menu>
END
  while (($#)) && [[ $1 != -- ]]; do
    environment+=("$1")
    shift
  done
  if (($#)); then shift; fi
  "$desktop_in" kwin -E LP_NUM_THREADS="$threads" -E KWIN_WAYLAND_NO_PERMISSION_CHECKS=1 -E KWIN_COMPOSE=O2 \
    -E QT_LOGGING_RULES='kwin*.debug=true' -E QT_FORCE_STDERR_LOGGING=1 ${environment[@]+"${environment[@]}"} \
    kwin_wayland --virtual --width "$width" --height "$height" --no-lockscreen --no-global-shortcuts --socket wayland-8 "$@"
  display=wayland-8
  until_true 30 test -e "$user_run/$display" || give_up "KWin has no display: $(tail -n 3 "$out/kwin.log")"
  sleep 2
}
start_weston() { # [-E VAR=VALUE]...
  desktop=weston
  in_background weston -E LP_NUM_THREADS="$threads" "$@" weston --backend=pipewire --renderer=gl \
    --shell=kiosk-shell.so --socket=wayland-9 --width="$width" --height="$height"
  display=wayland-9 source=node:weston.pipewire
  until_true 30 test -e "$user_run/$display" || give_up "weston has no display: $(tail -n 3 "$out/weston.log")"
  sleep 1
}

# The desktop's stream as a node, by its own interface; sets source. start_node [CURSOR]
start_node() {
  rm -f "$out/node.log"
  case $desktop in
    mutter) in_background node "$programs/mutter-node" monitor "${1:-embedded}" ;;
    kwin) in_background node -E WAYLAND_DISPLAY="$display" "$programs/zerocast-vm-kwin-node" output "${1:-embedded}" ;;
    *) return 0 ;;
  esac
  until_true 20 grep -q '^node ' "$out/node.log" || give_up "$desktop gives no stream: $(cat "$out/node.log" 2>&1)"
  source=node:$(sed -n 's/^node //p' "$out/node.log" | tail -n 1)
}
stop_node() { in_session stop node.service; }

start_client() { # [RATE [FIRST [OUTPUT]]]
  in_background client -E WAYLAND_DISPLAY="$display" "$programs/zerocast-vm-pattern" "${1:-$rate}" "${2:-0}" "${3:-}"
  sleep 1
  in_session is-active -q client.service || give_up "the client ended: $(cat "$out/client.log")"
}
stop_client() { in_session stop client.service; }
# The outputs' names, and the seat's.
names_before=""
names() { as_user -E WAYLAND_DISPLAY="$display" wayland-info 2>/dev/null | sed -n "s/^[[:space:]]*name: '\?\([^']*\)'\?$/\1/p" | sort -u; }
new_output() { comm -13 <(printf '%s\n' "$names_before") <(names) | sed -n 1p; }
has_new_output() { [[ -n $(new_output) ]]; }
# For during(): the client is shown on the output that the recording has made. names_before: names() before it.
show_on_new_output() {
  until_true 20 has_new_output || say "there is no new output: $(names | paste -sd ' ')"
  start_client "$rate" 0 "$(new_output)"
}

# The ways a picture can take, as the environment and the options that lead there:
#   host        shared memory and the CPU
#   auto        what the program chooses, on Mesa's software renderers
#   vulkan, egl a pass of lavapipe or llvmpipe into host memory
#   *-cuda      into CUDA memory for hevc_nvenc, both the stand-ins of tests/softgpu
#   *-vaapi     into VA-API memory for h264_vaapi, both the stand-in of tests/softva
# '!' behind it: or not at all (ZEROCOPY=1).
declare -A way_env=() way_options=()
software="ZEROCOPY_SOFTWARE=1 VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.json"
cuda="$software LD_LIBRARY_PATH=$programs/softgpu"
vaapi="$software LIBVA_DRIVERS_PATH=$programs/softva LIBVA_DRIVER_NAME=softva"
way_env=(
  [host]="ZEROCOPY=0"
  [auto]="$software"
  [vulkan]="$software ZEROCOPY_ROUTE=vulkan"
  [egl]="$software ZEROCOPY_ROUTE=egl"
  [vulkan-cuda]="$cuda ZEROCOPY_ROUTE=vulkan"
  [egl-cuda]="$cuda ZEROCOPY_ROUTE=egl"
  [vulkan-vaapi]="$vaapi ZEROCOPY_ROUTE=vulkan"
  [egl-vaapi]="$vaapi ZEROCOPY_ROUTE=egl"
)
way_options=(
  [host]="--encoder libx264"
  [auto]="--encoder libx264"
  [vulkan]="--encoder libx264"
  [egl]="--encoder libx264"
  [vulkan-cuda]="--codec hevc --encoder hevc_nvenc"
  [egl-cuda]="--codec hevc --encoder hevc_nvenc"
  [vulkan-vaapi]="--encoder h264_vaapi"
  [egl-vaapi]="--encoder h264_vaapi"
)

# pipewire_objects: what PipeWire has, as pw-dump tells it. What a newer PipeWire's program brings (KWin's in the guest
# "next") it may write as no JSON: one such object is left out, not all.
pipewire_objects() {
  as_user pw-dump 2>/dev/null |
    jq -Rsc '[split("\n  }")[] | ltrimstr("[") | ltrimstr(",") + "\n  }" | fromjson?]'
}

# The buffers that PipeWire has agreed on for whoever records, from outside: its node's port, as PipeWire tells it. Where
# there is no PipeWire between, the last buffer that the compositor was given, by libwayland's own trace in the log.
agreed() { # NAME
  local buffer
  if [[ $source == wayland* ]]; then
    buffer=$(grep -aoE '(zwp_linux_buffer_params_v1[#@][0-9]+\.add|wl_shm_pool[#@][0-9]+\.create_buffer)\(.*' \
      "$out/$1.log" 2>/dev/null | tail -n 1)
    case $buffer in
      wl_shm*) echo '{"memory": "shared"}' ;;
      *params*) sed -E 's/.*, ([0-9]+), ([0-9]+)\)$/\1 \2/' <<<"$buffer" | while read -r high low; do
        printf '{"modifier": %d}\n' $((high << 32 | low))
      done ;;
    esac
    return 0
  fi
  pipewire_objects | jq -c '
    [.[] | select(.type == "PipeWire:Interface:Node" and (.info.props["media.class"] // "") == "Stream/Input/Video") | .id] as $nodes |
    [.[] | select(.type == "PipeWire:Interface:Port" and (.info.props["node.id"] | IN($nodes[]))) | .info.params.Format[0]] | first'
}

# has_agreed NAME [PID]: it is kept as soon as there is one, whose modifier is not open any more; that, or the recorder has ended.
has_agreed() {
  agreed "$1" >"$out/$1.agreed"
  json_of "$out/$1.agreed" | jq -e '. != null and (.modifier | type) != "object"' >/dev/null || ! kill -0 "${2:-$$}" 2>/dev/null
}

# await_pictures NAME PID: until the recording has its pictures, by the recorder's own progress, or has taken four times
# as long as it should.
await_pictures() {
  local written end
  end=$(($(date +%s) + 4 * seconds))
  while (($(date +%s) < end)) && kill -0 "$2" 2>/dev/null; do
    written=$(grep -aoE '[0-9]+ frames' "$out/$1.log" | tail -n 1)
    if ((${written%% *} + 0 >= pictures)); then break; fi
    sleep 0.5
  done
}

# json_of FILE: what is in it, or null. said_in LOG: its last complaint.
json_of() {
  local json
  json=$(jq -c . "$1" 2>/dev/null) || json=""
  printf '%s' "${json:-null}"
}
said_in() { grep -aE '^[0-9:.]+ (warn|error|critical)|^zerocast' "$1" | tail -n 1 | cut -c1-300; }

# cell NAME WAY MODIFIER SYNC [-E VAR=VALUE]... [-- OPTION...]: one recording of `source`. MODIFIER: linear, invalid,
# dmabuf (either) or none (shared memory), what the desktop gives; SYNC: how it says that a picture is finished.
# `cell_more`: what report.py is to know beside it, {"wanted_format": {"format": "YUY2"}} and so on.
cell_more="{}"
cell() {
  local name=$1 way=${2%!} forced="" modifier=$3 sync=$4 environment=() entry status=0
  [[ $2 == *! ]] && forced=yes
  shift 4
  for entry in ${way_env[$way]}; do environment+=(-E "$entry"); done
  if [[ -n $forced ]]; then environment+=(-E ZEROCOPY=1); fi
  while (($#)) && [[ $1 != -- ]]; do
    environment+=("$1")
    shift
  done
  if (($#)); then shift; fi
  local file=$out/$name.mkv begun disturbed=false timelines=false limit=()
  begun=$(up)
  if [[ $source == wayland* ]]; then environment+=(-E WAYLAND_DEBUG=1); fi
  if declare -F during >/dev/null; then disturbed=true; fi
  # Progress is told every five seconds.
  if [[ $disturbed == true ]] || ((seconds < 10)); then limit=(--seconds "$seconds"); fi
  # shellcheck disable=SC2086 # options are words
  as_user -E WAYLAND_DISPLAY="$display" -E XDG_CURRENT_DESKTOP="$desktop" -E ZEROCAST_LOG=debug "${environment[@]}" \
    timeout --foreground $((seconds * 3 + 60)) zerocast record --source "$source" "${limit[@]}" --json --overwrite \
    ${way_options[$way]} "$@" "$file" \
    >"$out/$name.report" 2>"$out/$name.log" &
  local recorder=$!
  if [[ $disturbed == true ]]; then
    sleep 2
    during
    [[ -s $out/$name.agreed ]] || has_agreed "$name"
  elif ((${#limit[@]})); then
    until_true 30 has_agreed "$name" "$recorder"
  else
    await_pictures "$name" "$recorder"
    has_agreed "$name"
    pkill -INT -x timeout -u tester # which hands it on
  fi
  wait "$recorder" || status=$?
  if [[ $source == wayland* ]]; then has_agreed "$name"; fi
  if grep -aq 'blocks and two timelines' "$out/$name.log"; then timelines=true; fi
  jq -cn --arg cell "$name" --arg desktop "$desktop" --arg way "$way" --arg modifier "$modifier" --arg sync "$sync" \
    --argjson status "$status" --argjson report "$(json_of <(tail -n 1 "$out/$name.report"))" \
    --argjson agreed "$(json_of "$out/$name.agreed")" --arg said "$(said_in "$out/$name.log")" \
    --argjson disturbed "$disturbed" --argjson timelines "$timelines" --argjson more "$cell_more" \
    '{$cell, $desktop, $way, $modifier, $sync, $timelines, $status, $agreed, $report, $said, $disturbed} + $more' \
    >"$out/$name.json"
  say "$name: exit $status, $(jq -r '"\(.report.route) \(.report.frames) frames"' "$out/$name.json"), $begun"
}

# The daemon, which the first call of the user starts over D-Bus.
z() { as_user timeout 60 zerocast "$@"; }
# daemon_environment WAY: what the service is started with.
daemon_way=""
daemon_environment() {
  daemon_way=$1
  local folder=/home/tester/.config/systemd/user/zerocast.service.d entry
  mkdir -p "$folder"
  {
    echo '[Service]'
    for entry in ${way_env[$1]} ZEROCAST_LOG=debug; do echo "Environment=$entry"; done
  } >"$folder/test.conf"
  chown -R tester: /home/tester/.config
  in_session daemon-reload
}
pictures_of() { z session status "$1" --json 2>/dev/null | jq -r '[.. | .encoder_frames? // empty] | first // 0'; }
goes_on() { # NAME PICTURES: it has more than that
  (($(pictures_of "$1") > $2))
}

# session NAME MODIFIER WHAT EVENT...: a session, the event in its middle, and what it has recorded.
session() {
  local name=$1 modifier=$2 faults=() status=0 before
  shift 2
  z start --source "$source" --sink "$out/$name.mkv" --name "$name" >"$out/$name.start" 2>&1 ||
    faults+=("start: exit $?: $(tail -n 1 "$out/$name.start")")
  until_true 10 has_agreed "$name"
  "$@" || faults+=("the event failed")
  before=$(pictures_of "$name")
  until_true 25 goes_on "$name" "$((before + rate))" || faults+=("no pictures after it")
  z stop "$name" >"$out/$name.report" 2>&1 || status=$?
  write_cell "$name" "$modifier" "$status" "$(tail -n 1 "$out/$name.report")" "${faults[@]}"
}
at_least=0              # the number that the last picture has to have
session_disturbed=false # what is captured changes in it
write_cell() { # NAME MODIFIER STATUS SAID [FAULT...]
  local name=$1 modifier=$2 status=$3 said=$4
  shift 4
  jq -cn --argjson disturbed "$session_disturbed" --argjson at_least "$at_least" --arg cell "$name" --arg desktop "$desktop" --arg modifier "$modifier" \
    --argjson status "$status" --arg way "daemon${daemon_way:+, $daemon_way}" \
    --argjson agreed "$(json_of "$out/$name.agreed")" --arg said "$said" \
    '{$cell, $desktop, $way, $modifier, sync: "none", $status, $agreed, $said, $at_least, $disturbed, wanted: 30,
      faults: $ARGS.positional}' --args "$@" >"$out/$name.json"
  say "$name: $(jq -c '[.status, .said, .faults]' "$out/$name.json")"
}
nothing() { return 0; }

# record_producer NAME [PREFIX...]: with --record, what the producer of `source` sends for each kind of buffers that a
# consumer can ask for. PREFIX: a command that starts the recorder and puts the node's id into ZEROCAST_PORTAL_NODE.
record_producer() {
  [[ -n $record ]] || return 0
  local name=$1 offer node=${source#node:}
  shift
  if [[ $node == *[!0-9]* ]]; then
    node=$(pipewire_objects | jq -r --arg name "$node" 'first(.[] | select(.info.props["node.name"]? == $name) | .id) // empty')
  fi
  for offer in memory linear invalid both; do
    # shellcheck disable=SC2016 # the inner shell's variable
    as_user -E WAYLAND_DISPLAY="$display" "$@" bash -c 'exec "$0" "${ZEROCAST_PORTAL_NODE:-$1}" 120 "$2"' \
      "$programs/zerocast-vm-recorder" "$node" "$offer" >"$out/$name.$offer.recorded" 2>"$out/$name.$offer.said"
    say "recorded $name, offered $offer: $(jq -c '[.format_rounds, (.frames | length), .agreed.modifier.value]' "$out/$name.$offer.recorded")"
  done
}
