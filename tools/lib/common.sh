# shellcheck shell=bash
# What every script of tools/ shares. Sets: root (the source tree), log_dir.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
log_dir=$root/build/log

# step TEXT: one line of progress, on stderr: stdout belongs to results.
step() { printf '==> %s\n' "$*" >&2; }

# die TEXT: one line saying what is wrong.
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# logged NAME CMD...: runs CMD with its output in $log_dir/NAME.log; returns its status.
logged() {
  local log=$log_dir/$1.log
  shift
  mkdir -p "$log_dir"
  "$@" </dev/null >"$log" 2>&1
}

# must NAME WHAT CMD...: logged, and on failure the end of the log, what failed and where the log is.
must() {
  local name=$1 what=$2
  shift 2
  logged "$name" "$@" || {
    local status=$?
    tail -n 25 "$log_dir/$name.log" | sed 's/^/    /' >&2
    die "$what failed (exit $status); full log: $log_dir/$name.log"
  }
}

# package_list FILE: its lines without comments and blank ones: "name [minimum version]".
package_list() { sed -E 's/[[:space:]]*#.*//; /^[[:space:]]*$/d' "$1"; }
