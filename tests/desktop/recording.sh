# shellcheck shell=bash disable=SC2154,SC2034 # the tests that source this file set `here`, and read what it sets
# For tests that record the real desktop and judge the file by decoding it.
# shellcheck disable=SC2016 # single-quoted scripts are for the desktop's shell
zerocast=${ZEROCAST_BINARY:?} framecheck=${ZEROCAST_FRAMECHECK:?} tools=${ZEROCAST_TOOLS:?}
for program in sway pipewire wireplumber dbus-daemon; do
  command -v "$program" >/dev/null || { echo "skipped: no $program" && exit 77; }
done

work=$(mktemp -d /tmp/zerocast-recording.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir "$work/out"
cp "$zerocast" "$framecheck" "$work/"
chmod 755 "$work"
if ((EUID == 0)); then chown nobody "$work/out"; fi
size=640x360 compositor=sway source=portal

# on_desktop CLIENT SCRIPT: runs the bash SCRIPT on the desktop; it calls `record ARG...`, or `start ARG...` and then waits
# for $recorder; `recorded FILTER` waits until the jq FILTER is true of what is in the file. Sets status.
on_desktop() {
  status=0
  "$here/desktop" --compositor "$compositor" --size "$size" --rate 30 --client "$1" --tools "$tools" --keep-logs "$work/out" -- bash -c '
    work=$1 source=$3
    start() {
      env --default-signal=INT "$work/zerocast" record --source "$source" --json "$@" "$work/out/file.mkv" \
        >"$work/out/report" 2>"$work/out/errors" &
      recorder=$!
    }
    recorded() {
      local deadline=$((SECONDS + 60))
      until [[ $("$work/zerocast-framecheck" --json "$work/out/file.mkv" 2>/dev/null | jq "$1") == true ]]; do
        if ((SECONDS > deadline)) || ! kill -0 $recorder 2>/dev/null; then return; fi
        sleep 0.2
      done
    }
    record() { start "$@"; wait $recorder; }
    eval "$2"' _ "$work" "$2" "$source" || status=$?
  "$framecheck" --json "$work/out/file.mkv" >"$work/check.json" || echo '{}' >"$work/check.json"
}
report() { tail -n 1 "$work/out/report" | jq -r "$1"; }
check() { jq -r "$1" "$work/check.json"; }

# Whatever was recorded: it decodes to the end, in order, and as many frames as were reported.
expect_sound() {
  expect "decode errors" 0 "$(check .decode_errors)"
  expect "times rise" 0 "$(check .pts_not_rising)"
  expect "marks in order" 0 "$(check .out_of_order)"
  expect "frames as reported" "$(report .frames)" "$(check .frames)"
  expect "size" 640x360 "$(check '"\(.width)x\(.height)"')"
  expect "colour" "bt709 limited" "$(check '"\(.colour.matrix) \(.colour.range)"')"
}

