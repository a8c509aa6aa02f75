#!/usr/bin/env bash
# tools/lib/promtool.sh: puts promtool, which checks metrics, into build/promtool. It is unpacked from Prometheus' package,
# which would start a server if it were installed. Without apt, or a network, the test that wants it is skipped.
set -euo pipefail

# shellcheck source=tools/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
folder=$root/build/promtool
[[ ! -x $folder/usr/bin/promtool ]] || exit 0
if command -v promtool >/dev/null || ! command -v apt-get >/dev/null; then exit 0; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
apt-get download -q prometheus >"$work/log" 2>&1 || {
  step "promtool cannot be fetched: $(tail -n 1 "$work/log")"
  exit 0
}
dpkg-deb -x ./prometheus_*.deb unpacked
mkdir -p "$folder/usr/bin"
mv unpacked/usr/bin/promtool "$folder/usr/bin/"
