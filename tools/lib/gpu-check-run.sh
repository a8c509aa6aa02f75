#!/bin/sh
# Runs zerocast's GPU checks from a bundle that tools/gpu-check --bundle made, on a machine with a GPU and little else:
#
#   ./run [REPORT]              every check; the JSON report goes to REPORT, or stdout
#   ./run --program NAME ARG... one of the bundle's programs: zerocast, zerocast-gpu-check, zerocast-gpu-bench
#
# Exit code: 0 nothing failed, 1 something did, 77 there is no GPU.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
files=$here/files

# Unpacked once, beside the payload or where there is room.
unpack() {
  if [ -e "$files/bin/zerocast" ]; then return; fi
  if ! mkdir -p "$files" 2>/dev/null; then
    files=${TMPDIR:-/tmp}/zerocast-gpu-check.$(id -u)
    mkdir -p "$files"
    if [ -e "$files/bin/zerocast" ]; then return; fi
  fi
  if command -v xz >/dev/null 2>&1; then
    xz -dc "$here/payload.tar.xz" | tar -C "$files" -x
  elif command -v python3 >/dev/null 2>&1; then
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' \
      "$here/payload.tar.xz" "$files"
  else
    echo "run: neither xz nor python3 is here to unpack payload.tar.xz" >&2
    exit 1
  fi
}

# newer A B: version A is B or later.
newer() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | sed -n 1p)" = "$2" ]; }

# start PROGRAM ARG...: with this machine's C library where it is new enough, since the driver's libraries were made for
# it; else with the bundle's own, by its loader.
start() {
  program=$1
  shift
  theirs=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^glibc //')
  if [ -n "$theirs" ] && newer "$theirs" "$(cat "$files/glibc/version")"; then
    LD_LIBRARY_PATH=$files/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec "$files/bin/$program" "$@"
  fi
  exec "$files/glibc/ld-linux-x86-64.so.2" \
    --library-path "$files/lib:$files/glibc${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$files/bin/$program" "$@"
}

# Where the driver's manifests are, when that is not where the loaders look.
find_driver() {
  set -- /usr/share/vulkan/icd.d/nvidia* /etc/vulkan/icd.d/nvidia*
  if [ -e "$1" ] || [ -e "$2" ]; then return; fi
  for prefix in /usr/local/nvidia /usr/local /opt/nvidia; do
    icd=$prefix/share/vulkan/icd.d/nvidia_icd.json
    if [ -e "$icd" ] && [ -z "${VK_DRIVER_FILES-}" ]; then
      export VK_DRIVER_FILES="$icd" VK_ICD_FILENAMES="$icd"
    fi
    egl=$prefix/share/glvnd/egl_vendor.d/10_nvidia.json
    if [ -e "$egl" ] && [ -z "${__EGL_VENDOR_LIBRARY_FILENAMES-}" ]; then
      export __EGL_VENDOR_LIBRARY_FILENAMES="$egl"
    fi
  done
}

unpack
find_driver
if [ "${1-}" = --program ]; then
  shift
  start "$@"
fi
# Each other program of the report is started by this script too.
for name in zerocast zerocast-gpu-bench; do
  printf '#!/bin/sh\nexec "%s/run" --program %s "$@"\n' "$here" "$name" >"$files/$name"
  chmod 755 "$files/$name"
done
if [ -n "${1-}" ]; then exec >"$1"; fi
start zerocast-gpu-check run --probe "$files/zerocast" --bench "$files/zerocast-gpu-bench"
