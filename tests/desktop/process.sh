# shellcheck shell=bash disable=SC2154 # the session that sources this file sets them
# Starting, awaiting and ending the parts of a desktop session. Uses the session's: session, logs, pids, names,
# command_pid, stopping.

# By part: what it was started with, what until_ready was told of it, what it leaves behind.
declare -A commands=() readiness=() leftovers=()

# start NAME CMD...: runs it in the background, its output in $logs/NAME.log; that of its life before becomes
# $logs/NAME.1.log. It gets SIGTERM when this shell dies and stays out of the terminal's process group, so that Ctrl-C
# reaches the session's command only.
start() {
  local name=$1
  shift
  commands[$name]=${*@Q}
  if [[ -e $logs/$name.log ]]; then mv "$logs/$name.log" "$logs/$name.1.log"; fi
  setsid setpriv --pdeathsig TERM -- "$@" </dev/null >"$logs/$name.log" 2>&1 &
  pids+=("$!")
  names+=("$name")
}

# leaves NAME GLOB...: files that the part NAME leaves behind when it is killed, and that its successor trips over.
leaves() {
  local name=$1
  shift
  leftovers[$name]=${*@Q}
}

# failed NAME WHY: one line, the end of the part's log, exit 125.
failed() {
  printf 'desktop: %s %s; the end of its log:\n' "$1" "$2" >&2
  tail -n 15 "$logs/$1.log" 2>/dev/null | sed 's/^/  /' >&2
  exit 125
}

# until_ready NAME SECONDS TEST...: polls TEST; fails when it does not come true in time or the part NAME has ended.
until_ready() {
  local name=$1 seconds=$2 deadline=$((SECONDS + $2 + 1)) i
  shift 2
  readiness[$name]="$seconds ${*@Q}"
  until "$@" >/dev/null 2>&1; do
    for i in "${!names[@]}"; do
      if [[ ${names[i]} == "$name" ]] && ! kill -0 "${pids[i]}" 2>/dev/null; then failed "$name" "ended at once"; fi
    done
    if ((SECONDS >= deadline)); then failed "$name" "did not get ready in time"; fi
    sleep 0.03
  done
}

# True when someone owns this name on the session bus.
bus_name_owned() {
  dbus-send --session --print-reply=literal --reply-timeout=2000 --dest=org.freedesktop.DBus /org/freedesktop/DBus \
    org.freedesktop.DBus.NameHasOwner "string:$1" | grep -q true
}

# gone PID SECONDS: waits until the process ended, at most that long.
gone() {
  local deadline=$((SECONDS + $2 + 1))
  while kill -0 "$1" 2>/dev/null; do
    if ((SECONDS >= deadline)); then return 1; fi
    sleep 0.03
  done
}

# kill_part NAME: SIGKILL, if it still runs, and waits until it is gone.
kill_part() {
  local i leftover
  for i in "${!names[@]}"; do
    if [[ ${names[i]} != "$1" ]]; then continue; fi
    kill -KILL "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
    unset "pids[$i]" "names[$i]"
  done
  pids=("${pids[@]}") names=("${names[@]}")
  eval "set -- ${leftovers[$1]-}"
  for leftover; do
    # shellcheck disable=SC2086 # a pattern
    rm -f $leftover
  done
}

# signal_part SIGNAL NAME.
signal_part() {
  local i
  for i in "${!names[@]}"; do
    if [[ ${names[i]} == "$2" ]]; then kill "-$1" "${pids[i]}"; fi
  done
}

# start_again NAME: as it was started before, and until it is ready.
start_again() {
  eval "start $1 ${commands[$1]}"
  if [[ -n ${readiness[$1]-} ]]; then eval "until_ready $1 ${readiness[$1]}"; fi
}

# What the command asked for by `part` (a trap of this shell): "VERB NAME...", in $session/request.
serve_request() {
  local verb parts part
  read -r verb parts <"$session/request" || return 0
  rm -f "$session/request"
  for part in $parts; do
    case $verb in
      kill) kill_part "$part" ;;
      start) start_again "$part" ;;
      stop) signal_part STOP "$part" ;;
      continue) signal_part CONT "$part" ;;
    esac
  done
  : >"$session/served"
}

# Ends every part, the last started first: each may rely on those before it while it ends.
end_all() {
  local i
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill -TERM "${pids[i]}" 2>/dev/null || continue
    gone "${pids[i]}" 3 || kill -KILL "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
  done
}

# What the command left running in its own session's process group.
end_group() {
  kill -TERM -- "-$1" 2>/dev/null || return 0
  local deadline=$((SECONDS + 4))
  while kill -0 -- "-$1" 2>/dev/null; do
    if ((SECONDS >= deadline)); then
      kill -KILL -- "-$1" 2>/dev/null || true
      break
    fi
    sleep 0.03
  done
  wait "$1" 2>/dev/null || true
}

# Waits for the command; returns its exit code. After a signal was passed on it has 15 s to finish its file.
await_command() {
  local status=0 deadline=""
  while true; do
    status=0
    wait "$command_pid" || status=$?
    if ! kill -0 "$command_pid" 2>/dev/null; then break; fi
    if ((stopping == 0)); then continue; fi # it was a request that interrupted the wait
    deadline=${deadline:-$((SECONDS + 15))}
    if ((SECONDS >= deadline || stopping > 2)); then kill -KILL -- "-$command_pid" 2>/dev/null || true; fi
    sleep 0.05
  done
  # A wait that a trap interrupted has the trap's status; the child's own is still to be had.
  wait "$command_pid" 2>/dev/null || status=$?
  return "$status"
}
