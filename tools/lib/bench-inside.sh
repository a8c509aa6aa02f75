#!/usr/bin/env bash
# What tools/bench runs inside the private desktop: bench-inside.sh ROUNDS|memory DIR ... Files and figures go to DIR.
set -euo pipefail

# measured NAME CMD...: runs CMD, writes the CPU seconds (user and system) of it and all its children to NAME.cpu and its
# exit status to NAME.status.
measured() {
  local name=$1 TIMEFORMAT='%U %S'
  shift
  echo 0 >"$name.status"
  { time "$@" >"$name.log" 2>&1 || echo "$?" >"$name.status"; } 2>"$name.time"
  # The shell's word about a killed program may stand before the times.
  tail -n 1 "$name.time" | awk '{ print $1 + $2 }' >"$name.cpu"
}

# start_daemon LOG: sets `daemon`; returns when it answers.
start_daemon() {
  "$dir/zerocast-daemon" >"$1" 2>&1 &
  daemon=$!
  until "$dir/zerocast" session list >/dev/null 2>&1; do
    kill -0 "$daemon" || return 1
    sleep 0.1
  done
}
# start_view NAME PORT SOURCE: sets `server`; returns when it records. To NAME.link its address, to NAME.log what it says.
start_view() {
  "$dir/zerocast" view --listen "127.0.0.1:$2" --source "$3" >"$1.link" 2>"$1.log" &
  server=$!
  until "$dir/zerocast" session list 2>/dev/null | grep -q recording; do
    kill -0 "$server" || return 1
    sleep 0.1
  done
}

# All with preset ultrafast, tune zerolatency, CRF 23, 4:2:0, every frame the compositor sends.
record_zerocast() {
  measured "$1" "$dir/zerocast" record --source portal --encoder libx264 --preset low-latency --crf 23 \
    --encoder-option preset=ultrafast --encoder-option tune=zerolatency --seconds "$seconds" --json --overwrite "$1.mkv"
  tail -n 1 "$1.log" >"$1.json"
}
record_wf_recorder() {
  measured "$1" timeout -s INT -k 5 "$seconds" \
    wf-recorder -c libx264 -x yuv420p -p preset=ultrafast -p tune=zerolatency -p crf=23 -f "$1.mkv"
}
# pipewiresrc's stream pauses and goes on between GStreamer's states PAUSED and PLAYING, within less than a frame. Told of
# both, xdg-desktop-portal-wlr 0.7 asks the compositor for two frames at once and most often for none after them. Its node
# is not paused where PipeWire is asked to leave it running.
keep_portal_running() {
  local portal=(xdg-desktop-portal-wlr xdg-desktop-portal)
  mkdir -p "$XDG_CONFIG_HOME/pipewire/client.conf.d"
  cat >"$XDG_CONFIG_HOME/pipewire/client.conf.d/50-portal.conf" <<'EOF'
stream.rules = [
  { matches = [ { node.name = "xdg-desktop-portal-wlr" } ] actions = { update-props = { node.pause-on-idle = false } } }
]
EOF
  "$ZEROCAST_DESKTOP_SESSION/bin/part" kill "${portal[@]}"
  "$ZEROCAST_DESKTOP_SESSION/bin/part" start "${portal[@]}"
}

# It takes the node from the session's PipeWire by serial, which the portal's own connection does not tell. Up to five
# tries; after them NAME.missing says why there are no figures.
record_gstreamer() {
  local try
  for try in 1 2 3 4 5; do
    # shellcheck disable=SC2016 # the child's variables
    "$dir/zerocast-portal-node" bash -c '
      serial=$(pw-dump "$ZEROCAST_PORTAL_NODE" | jq -r ".[0].info.props[\"object.serial\"]")
      . "$3"
      measured "$1" timeout -s INT -k 5 "$2" gst-launch-1.0 -e pipewiresrc "target-object=$serial" do-timestamp=true \
        ! videoconvert ! video/x-raw,format=I420 \
        ! x264enc speed-preset=ultrafast tune=zerolatency pass=qual quantizer=23 ! matroskamux \
        ! filesink "location=$1.mkv"' _ "$1" "$seconds" "${BASH_SOURCE[0]}" || true
    # A stream that stood still after its first picture has no figures; one that had to be killed (137) no CPU time.
    if [[ $(cat "$1.status") != 137 ]] && (($(pictures "$1.mkv") >= seconds)); then return 0; fi
    printf 'GStreamer got no frames or did not end, try %d\n' "$try" >&2
  done
  echo "gave no frames in 5 tries" >"$1.missing"
}

# pictures FILE: how many it holds.
pictures() { { "$dir/zerocast-framecheck" --json "$1" 2>/dev/null || echo '{}'; } | jq '.frames // 0'; }

rounds() {
  local count=$1 round recorder
  keep_portal_running
  for ((round = 1; round <= count; round++)); do
    for recorder in zerocast wf_recorder gstreamer; do
      printf 'round %d of %d: %s\n' "$round" "$count" "$recorder" >&2
      "record_$recorder" "$dir/$recorder-$round"
    done
  done
}

# layers ROUNDS RATE: the moving screen without a layer and with cameras of three sizes in a corner, then OBS without and
# with an inset; to layers.runs, one object a recording.
layers() {
  local rounds=$1 rate=$2 round name camera layer
  for ((round = 1; round <= rounds; round++)); do
    for name in none 480x270 640x360 1280x720; do
      printf 'round %d of %d: %s\n' "$round" "$rounds" "$name" >&2
      layer=()
      if [[ $name != none ]]; then
        # What USB cameras send that do not compress.
        "$dir/zerocast-test-producer" --name "bench-$name" --media-class Video/Source --size "$name" --fps "$rate" \
          --format YUY2 >"$dir/camera.log" 2>&1 &
        camera=$!
        layer=(--layer "node:bench-$name,at=br,margin=16,size=480x270")
        until grep -q . "$dir/camera.log"; do
          kill -0 "$camera" || return 1
          sleep 0.1
        done
      fi
      "$dir/zerocast" record --quiet --json --source portal --encoder libx264 --preset low-latency --crf 23 \
        --encoder-option preset=ultrafast --encoder-option tune=zerolatency --seconds "$seconds" --overwrite "${layer[@]}" \
        "$dir/clip.mkv" >"$dir/layers-$name.json" 2>"$dir/layers-$name.log"
      if [[ $name != none ]]; then
        kill "$camera"
        wait "$camera" || true
      fi
      tail -n 1 "$dir/layers-$name.json" | jq -c --arg name "$name" --argjson round "$round" \
        '{recorder: "zerocast", $name, $round, frames, dropped, ms: .non_encoder_ms_per_frame}' >>"$dir/layers.runs"
    done
    for name in none 480x270; do
      printf 'round %d of %d: OBS, %s\n' "$round" "$rounds" "$name" >&2
      "$dir/bench-obs.sh" "$dir" "$seconds" "$rate" "$name" 2>"$dir/obs-script.log" |
        jq -c --arg name "$name" --argjson round "$round" '{recorder: "OBS", $name, $round} + .' >>"$dir/layers.runs"
    done
  done
}

# One long recording; its resident memory every 5 s as "SECONDS KIB".
memory() {
  "$dir/zerocast" record --source portal --codec h264 --seconds "$seconds" --json --overwrite "$dir/memory.mkv" \
    >"$dir/memory.log" 2>&1 &
  local pid=$! begun=$SECONDS
  while kill -0 "$pid" 2>/dev/null; do
    awk -v t="$((SECONDS - begun))" '/^VmRSS:/ { print t, $2 }' "/proc/$pid/status" 2>/dev/null >>"$dir/memory.rss" || true
    sleep 5
  done
  wait "$pid"
  tail -n 1 "$dir/memory.log" >"$dir/memory.json"
}

# sound ROUNDS PPM: sound and pictures together, one recorder after the other, from a microphone whose clock is so slow;
# the peers take it from PulseAudio's interface. All with Opus or AAC and preset ultrafast. Which recorder has sound is for
# `zerocast verify` to say.
sound() {
  local round count=$1 sound=() recorder
  keep_portal_running
  "$dir/zerocast-desktop-sound" "$2" >"$dir/sound.log" 2>&1 &
  sound+=($!)
  pipewire-pulse >"$dir/pulse.log" 2>&1 &
  sound+=($!)
  for ((round = 0; round < 100; round++)); do
    pw-cli info card >/dev/null 2>&1 && [[ -S $XDG_RUNTIME_DIR/pulse/native ]] && break
    sleep 0.1
  done
  for ((round = 1; round <= count; round++)); do
    for recorder in zerocast wf_recorder gstreamer; do
      printf 'round %d of %d: %s\n' "$round" "$count" "$recorder" >&2
      "sound_$recorder" "$dir/$recorder-$round"
    done
  done
  kill "${sound[@]}"
}
# One session: its file, what ffmpeg gets of it through SRT, and the replay of all of it.
sound_zerocast() {
  local srt=${1%/*}/zerocast_srt-${1##*-} replay=${1%/*}/zerocast_replay-${1##*-} port=$((20000 + RANDOM % 10000)) daemon receiver
  start_daemon "$1.daemon.log"
  ffmpeg -v error -i "srt://127.0.0.1:$port?mode=listener" -map 0 -c copy -y "$srt.mkv" </dev/null >"$srt.log" 2>&1 &
  receiver=$!
  "$dir/zerocast" session start --name bench --source portal --audio card --encoder libx264 --preset low-latency --crf 23 \
    --encoder-option preset=ultrafast --encoder-option tune=zerolatency --replay-seconds "$((seconds + 60))" \
    --sink "$1.mkv" --sink "srt://127.0.0.1:$port" >"$1.log" 2>&1
  sleep "$seconds"
  "$dir/zerocast" session save-replay bench "$replay.mkv" >>"$1.log" 2>&1
  "$dir/zerocast" session stop --json bench >"$1.json"
  kill "$daemon"
  wait "$daemon" "$receiver" || true
}
sound_wf_recorder() {
  measured "$1" timeout -s INT -k 5 "$seconds" wf-recorder -c libx264 -x yuv420p -p preset=ultrafast -p tune=zerolatency \
    -p crf=23 -a card -f "$1.mkv"
}
sound_gstreamer() {
  # shellcheck disable=SC2016 # the child's variables
  "$dir/zerocast-portal-node" bash -c '
    serial=$(pw-dump "$ZEROCAST_PORTAL_NODE" | jq -r ".[0].info.props[\"object.serial\"]")
    . "$3"
    measured "$1" timeout -s INT -k 5 "$2" gst-launch-1.0 -e matroskamux name=mux ! filesink "location=$1.mkv" \
      pipewiresrc "target-object=$serial" do-timestamp=true ! queue ! videoconvert ! video/x-raw,format=I420 \
      ! x264enc speed-preset=ultrafast tune=zerolatency pass=qual quantizer=23 ! mux. \
      pulsesrc device=card ! queue ! audioconvert ! opusenc ! mux.' _ "$1" "$seconds" "${BASH_SOURCE[0]}" || true
}

# A drawing that is only noted down is not on the canvas yet: a pixel of each picture is read back.
read_back='window.zerocast && (draw => { CanvasRenderingContext2D.prototype.drawImage = function (...all) {
  draw.apply(this, all); this.getImageData(0, 0, 1, 1); }; return true; })(CanvasRenderingContext2D.prototype.drawImage)'

# view: how long a picture takes from the compositor's stamp to the canvas of a real browser; to view-ROUND.json the
# page's records, in microseconds of one clock.
view() {
  local rounds=$1 round daemon server port=$((20000 + RANDOM % 10000))
  start_daemon "$dir/daemon.log"
  for ((round = 1; round <= rounds; round++)); do
    start_view "$dir/view-$round" "$((port + round))" portal
    "$dir/zerocast-page" "$(head -n 1 "$dir/view-$round.link")" \
      "until=$read_back" "until=window.zerocast.stats().painted > 60" \
      "print=new Promise(done => setTimeout(done, $seconds * 1000)).then(() => ({first_picture_ms:
        window.zerocast.first_picture_ms, stats: window.zerocast.stats(), samples: Array.from(window.zerocast.samples,
        one => Array.from(one))}))" >"$dir/view-$round.json" 2>>"$dir/view-$round.log"
    kill -INT "$server"
    wait "$server" || true
  done
  kill "$daemon"
  wait "$daemon" || true
}

# hls: the same session for a player of HLS that takes parts as they come; to hls-ROUND.json when each picture was captured
# and received.
hls() {
  local rounds=$1 round daemon server port=$((20000 + RANDOM % 10000))
  start_daemon "$dir/daemon.log"
  for ((round = 1; round <= rounds; round++)); do
    start_view "$dir/hls-$round" "$((port + round))" portal
    "$dir/hls-delay.py" "http://127.0.0.1:$((port + round))/hls/view-$server/index.m3u8?token=$(head -n 1 "$dir/hls-$round.link" |
      sed 's/.*#//')" "$seconds" >"$dir/hls-$round.json" 2>>"$dir/hls-$round.log"
    kill -INT "$server"
    wait "$server" || true
  done
  kill "$daemon"
  wait "$daemon" || true
}

# viewers COUNT SOURCE: clients without a screen, and a recording beside them; 8 Mbit/s, filled up where the pattern has less.
viewers() {
  local count=$1 port=$((20000 + RANDOM % 10000)) daemon server
  start_daemon "$dir/daemon.log"
  "$dir/zerocast" session start --name bench --source "test:$2" --encoder libx264 --preset low-latency --bitrate 8M \
    --rate-control cbr --encoder-option preset=ultrafast --sink "$dir/beside.mkv" >"$dir/session.log" 2>&1
  "$dir/zerocast" view --listen "127.0.0.1:$port" >"$dir/view.link" 2>"$dir/view.log" &
  server=$!
  until grep -q '#' "$dir/view.link"; do
    kill -0 "$server" || return 1
    sleep 0.1
  done
  "$dir/zerocast-viewers" "127.0.0.1:$port" "$(head -n 1 "$dir/view.link" | sed 's/.*#//')" bench "$server" "$count" "$seconds" \
    >"$dir/viewers.json" 2>"$dir/viewers.log"
  "$dir/zerocast" session stop --json bench >"$dir/beside.json"
  kill -INT "$server"
  wait "$server" || true
  kill "$daemon"
  wait "$daemon" || true
}

# ways SOURCE ROOT: the same pictures through the page and through relays, one after the other: from the time painted into
# a picture to when it is seen; to way-NAME.json {p50, p99}, or {reason}.
ways() {
  local way reason
  for way in page janus nginx_hls nginx_rtmp; do
    printf 'through %s\n' "$way" >&2
    if timeout -k 10 $((seconds + 120)) bash "${BASH_SOURCE[0]}" "way_$way" "$dir" "$seconds" "test:$1" "$2" \
      >"$dir/way-$way.out" 2>"$dir/way-$way.log" && jq -ce 'select(.p50 != null)' "$dir/way-$way.out" >"$dir/way-$way.json"; then
      continue
    fi
    reason=$(grep -h 'is not here' "$dir/way-$way.log" | tail -n 1) || reason="gave no pictures"
    jq -cn --arg reason "$reason" '{$reason}' >"$dir/way-$way.json"
  done
}
# What a way has started ends with it.
end_jobs() {
  local pid
  for pid in $(jobs -p); do kill -TERM "$pid" 2>/dev/null || true; done
  wait || true
}
port_above() { echo $(($1 + RANDOM % 4000 * 2)); }
# live_into SOURCE URL...: the stream that every relay gets; a keyframe each second, as who joins needs one.
live_into() {
  "$dir/zerocast" stream --source "$1" --audio test --encoder libx264 --preset low-latency \
    --encoder-option preset=ultrafast --gop 1 --quiet "${@:2}" &
}
# ready_relay NAME OPTION...: until it says so.
ready_relay() {
  TMPDIR=$dir "$root/tools/relay" "$@" >"$dir/relay-$1.log" 2>&1 &
  local relay=$!
  until grep -qs ready "$dir/relay-$1.log"; do
    kill -0 "$relay" 2>/dev/null || { cat "$dir/relay-$1.log" >&2 && return 1; }
    sleep 0.1
  done
}
# seen URL STEP...: figures of what a page's <video> shows.
seen() {
  local clock
  clock=$(python3 -c 'import time; print(1000 * (time.time() - time.monotonic()))')
  TMPDIR=$dir "$dir/zerocast-page" --flag=--allow-loopback-in-peer-connection "$@" \
    "print=$(<"$root/tests/integration/relay/seen.js")($((30 * seconds)), $clock)" |
    tail -n 1 | jq -c '{p50: .delay_ms, p99: .p99_ms}'
}
way_page() {
  trap end_jobs EXIT
  local port
  port=$(port_above 20000)
  start_daemon "$dir/way-daemon.log"
  start_view "$dir/way" "$port" "$1"
  TMPDIR=$dir "$dir/zerocast-page" "$(head -n 1 "$dir/way.link")" "until=$read_back" "until=window.zerocast.stats().painted > 60" \
    "print=new Promise(done => setTimeout(done, $seconds * 1000)).then(() => Array.from(window.zerocast.samples,
      (one) => one[6] - one[0]).slice(60).sort((a, b) => a - b))" |
    jq -c 'def at($p): .[length * $p | floor] / 100 | round / 10; {p50: at(0.5), p99: at(0.99)}'
}
way_janus() {
  local root=$2
  trap end_jobs EXIT
  local rtp api http
  rtp=$(port_above 30000) api=$(port_above 40000) http=$(port_above 50000)
  ready_relay janus --rtp "$rtp" --api "$api" --http "$http"
  live_into "$1" "rtp://127.0.0.1:$rtp"
  seen "http://127.0.0.1:$http/#http://127.0.0.1:$api/janus" 'until=figures().then((all) => all.video.frames > 60)'
}
# nginx_with SOURCE: sets rtmp and http.
nginx_with() {
  rtmp=$(port_above 30000) http=$(port_above 40000)
  ready_relay nginx --rtmp "$rtmp" --http "$http"
  live_into "$1" "rtmp://127.0.0.1:$rtmp/live?key=bench"
}
way_nginx_hls() {
  local root=$2
  trap end_jobs EXIT
  local rtmp http page
  nginx_with "$1"
  until [[ $(curl -sf "http://127.0.0.1:$http/bench.m3u8" | grep -c '\.ts$') -ge 3 ]]; do sleep 0.2; done
  # A page of this machine's own: others may not read what is on it.
  page=$(port_above 50000)
  mkdir -p "$dir/player"
  printf '<!doctype html><video id="video" autoplay muted crossorigin="anonymous" src="http://127.0.0.1:%s/bench.m3u8"></video>' \
    "$http" >"$dir/player/index.html"
  python3 -m http.server --bind 127.0.0.1 --directory "$dir/player" "$page" >/dev/null 2>&1 &
  until curl -sf "http://127.0.0.1:$page/" >/dev/null; do sleep 0.1; done
  seen "http://127.0.0.1:$page/" \
    'until=video.currentTime > 1'
}
way_nginx_rtmp() {
  local root=$2
  trap end_jobs EXIT
  local rtmp http port
  nginx_with "$1"
  port=$(port_above 50000)
  until [[ $(curl -sf "http://127.0.0.1:$http/bench.m3u8" | grep -c '\.ts$') -ge 1 ]]; do sleep 0.2; done
  ffmpeg -nostdin -v error -fflags nobuffer -i "rtmp://127.0.0.1:$rtmp/live/bench" -map 0:v -c copy -f mpegts \
    "udp://127.0.0.1:$port?pkt_size=1316" &
  "$dir/zerocast" verify --json --decoder software --seconds "$seconds" --timeout 30 "udp://127.0.0.1:$port" |
    jq -c '{p50: .latency_ms.p50, p99: .latency_ms.max}'
}

# Sourced for `measured`, or run.
if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  task=$1 dir=$2 seconds=$3
  shift 3
  "$task" "$@"
fi
