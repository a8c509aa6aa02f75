#!/usr/bin/env bash
# What tools/matrix runs inside the root file system: matrix-inside.sh. Installs, builds, runs the encoders' tests and
# prints one JSON object on the last line of stdout.
set -euo pipefail
# shellcheck source=tools/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tools/lib/build.sh
. "$root/tools/lib/build.sh"

"$root/tools/lib/install.sh" build test
build_tree matrix "-DCMAKE_BUILD_TYPE=RelWithDebInfo -DZEROCAST_WERROR=ON" \
  zerocast zerocast-softgpu test_encode test_encode_cuda test_softgpu_nvenc test_recording_nvenc test_verify_streams

tree=$root/build/matrix
zerocast=$tree/src/cli/zerocast
export ZEROCAST_SOFTGPU_DIR=$tree/tests/softgpu/lib

# suite NAME BINARY ARG...: runs a Catch2 binary; one line {"name", "cases", "failed", "skipped"}.
suite() {
  local name=$1 binary=$2 xml=$log_dir/matrix-$1.xml
  shift 2
  step "run $name"
  rm -f "$xml"
  logged "matrix-$name" "$@" "$binary" --reporter console --reporter "junit::out=$xml" || true
  local attributes
  attributes=$(sed -n 's/^ *<testsuite \(.*\)>$/\1/p' "$xml" 2>/dev/null | sed -n 1p)
  [[ -n $attributes ]] || tail -n 20 "$log_dir/matrix-$name.log" >&2
  number() { sed -nE 's/.*\<'"$1"'="([0-9]+)".*/\1/p' <<<"$attributes" | grep . || echo "${2:-0}"; }
  jq -cn --arg name "$name" --argjson cases "$(number tests)" --argjson failed "$(number failures 1)" \
    --argjson errors "$(number errors)" --argjson skipped "$(number skipped)" \
    '{$name, $cases, failed: ($failed + $errors), $skipped}'
}

suites=$(
  suite software "$tree/tests/unit/encode/test_encode" env
  suite nvenc "$tree/tests/unit/encode/test_encode" \
    env ZEROCAST_TEST_BACKEND=nvenc LD_LIBRARY_PATH="$ZEROCAST_SOFTGPU_DIR"
  suite cuda "$tree/tests/unit/encode/test_encode_cuda" env LD_LIBRARY_PATH="$ZEROCAST_SOFTGPU_DIR"
  suite driver "$tree/tests/softgpu/test_softgpu_nvenc" env LD_LIBRARY_PATH="$ZEROCAST_SOFTGPU_DIR"
  suite recording "$tree/tests/unit/session/test_recording_nvenc" env LD_LIBRARY_PATH="$ZEROCAST_SOFTGPU_DIR"
  suite verify "$tree/tests/unit/verify/test_verify_streams" env
)
step "try every row"
plain=$("$zerocast" encoders --json) || true
soft=$("$root/tools/softgpu" "$zerocast" encoders --json) || true
jq -cn --argjson plain "$plain" --argjson soft "$soft" --slurpfile suites <(printf '%s\n' "$suites") \
  --arg distribution "$(. /etc/os-release && printf '%s' "$PRETTY_NAME")" \
  --arg ffmpeg "$(dpkg-query -W -f '${Version}' libavcodec-dev)" --arg compiler "$(g++ -dumpfullversion)" '
  {$distribution, $ffmpeg, $compiler, suites: $suites,
   rows: [$plain.encoders[] as $row | ($soft.encoders[] | select(.name == $row.name)) as $software_gpu |
          {name: $row.name, codec: $row.codec, backend: $row.backend,
           plain: $row.usable, reason: $row.reason,
           software_gpu: $software_gpu.usable, software_gpu_reason: $software_gpu.reason}]}'
