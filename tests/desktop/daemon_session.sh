# shellcheck shell=bash disable=SC2154 # whoever sources this sets work
# Sourced inside a session of tests/desktop/desktop by test_daemon's scripts: a daemon, a session called main, and what
# becomes of it. Needs $work, the folder with zerocast, zerocast-daemon and out/. What was found goes to $work/out/facts,
# a line each: NAME VALUE.

fact() { printf '%s %s\n' "$1" "$2" >>"$work/out/facts"; }
part() { "$ZEROCAST_DESKTOP_SESSION/bin/part" "$@"; }

# figure FILTER: of the session; nothing while the daemon is asked in vain.
figure() { "$work/zerocast" session status --json main 2>/dev/null | jq -r "$1" 2>/dev/null || true; }
captured() { figure '.statistics.frames_captured // 0'; }

# await SECONDS TEST...: polls it.
await() {
  local deadline=$((SECONDS + $1 + 1))
  shift
  until "$@"; do
    if ((SECONDS >= deadline)); then return 1; fi
    sleep 0.1
  done
}
is_in() { [[ $(figure .state) =~ ^($1)$ ]]; }
captured_more() { [[ $(captured) -gt $1 ]]; }
restored() { grep -c ' restored ' "$work/out/daemon.log" || true; }

start_daemon() {
  ZEROCAST_LOG=info,capture=debug "$work/zerocast-daemon" >"$work/out/daemon.log" 2>&1 &
  daemon=$!
  until "$work/zerocast" list >/dev/null 2>&1; do
    if ! kill -0 "$daemon" 2>/dev/null; then return 1; fi
    sleep 0.05
  done
}
end_daemon() {
  local status=0
  kill -TERM "$daemon"
  wait "$daemon" || status=$?
  fact daemon "$status"
}

# goes_on STEP: pictures of the desktop come, twenty more than there are now; how long that took is told, not judged.
goes_on() {
  local before begun=$EPOCHREALTIME
  if ! await 60 is_in recording; then
    fact "$1" "state $(figure .state): $(figure .error)"
    return
  fi
  before=$(captured)
  if await 60 captured_more $((${before:-0} + 20)); then
    fact "$1" recording
  else
    fact "$1" "no picture comes"
  fi
  printf '%s: 20 pictures %d ms later\n' "$1" $(((${EPOCHREALTIME/./} - ${begun/./}) / 1000)) >&2
}
# is_lost STEP: the session says that it looks for its source.
is_lost() {
  if await 60 is_in reconnecting; then fact "$1" reconnecting; else fact "$1" "state $(figure .state)"; fi
}
