# shellcheck shell=bash disable=SC2154 # the session that sources this file sets them
# Starting, awaiting and ending the parts of a desktop session. Uses the session's: logs, pids, names, command_pid,
# stopping.

# start NAME CMD...: runs it in the background, its output in $logs/NAME.log. It gets SIGTERM when this shell dies and
# stays out of the terminal's process group, so that Ctrl-C reaches the session's command only.
start() {
  local name=$1
  shift
  setsid setpriv --pdeathsig TERM -- "$@" </dev/null >"$logs/$name.log" 2>&1 &
  pids+=("$!")
  names+=("$name")
}

# failed NAME WHY: one line, the end of the part's log, exit 125.
failed() {
  printf 'desktop: %s %s; the end of its log:\n' "$1" "$2" >&2
  tail -n 15 "$logs/$1.log" 2>/dev/null | sed 's/^/  /' >&2
  exit 125
}

# until_ready NAME SECONDS TEST...: polls TEST; fails when it does not come true in time or the part NAME has ended.
until_ready() {
  local name=$1 deadline=$((SECONDS + $2 + 1)) i
  shift 2
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
    deadline=${deadline:-$((SECONDS + 15))}
    if ((SECONDS >= deadline || stopping > 2)); then kill -KILL -- "-$command_pid" 2>/dev/null || true; fi
    sleep 0.05
  done
  # A wait that a trap interrupted has the trap's status; the child's own is still to be had.
  wait "$command_pid" 2>/dev/null || status=$?
  return "$status"
}
