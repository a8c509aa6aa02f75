#!/usr/bin/env bash
# tools/lib/unpacked.sh [--libraries] NAME PROGRAM PACKAGE...: puts the packages' files into build/NAME, where the machine
# has no PROGRAM. They are unpacked, since installed they would start a server. With --libraries, those of the packages
# that they depend on and the machine has not, too. Without apt, or a network, what wants them is skipped.
set -euo pipefail

# shellcheck source=tools/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
libraries=
if [[ $1 == --libraries ]]; then
  libraries=1
  shift
fi
name=$1 program=$2
shift 2
folder=$root/build/$name
if [[ -d $folder ]] || PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || ! command -v apt-get >/dev/null; then exit 0; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
if [[ $libraries ]]; then
  mapfile -t missing < <(apt-get -s install --no-install-recommends "$@" 2>/dev/null | awk '$1 == "Inst" { print $2 }')
  set -- "${missing[@]:-$@}"
fi
apt-get download -q "$@" >"$work/log" 2>&1 || {
  step "$name cannot be fetched: $(tail -n 1 "$work/log")"
  exit 0
}
for package in ./*.deb; do dpkg-deb -x "$package" unpacked; done
mkdir -p "$root/build"
chmod 755 unpacked
mv unpacked "$folder"
