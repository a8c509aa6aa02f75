#!/usr/bin/env bash
# OBS, headless, with libx264 (ultrafast), recording a moving X screen of 1920x1080 with nothing above it or with an inset:
# bench-obs.sh DIR SECONDS RATE none|480x270, inside a session with D-Bus. Prints one JSON object: the CPU time per picture
# of the whole program {ms}, or why there is none {missing}. Files go to DIR.
set -euo pipefail

dir=$1 seconds=$2 rate=$3 inset=$4
missing() {
  jq -cn --arg missing "$1" '{$missing}'
  exit 0
}
for program in obs Xvfb gst-launch-1.0 ffmpeg; do
  command -v "$program" >/dev/null || missing "$program is not installed"
done
started=()
end() { for pid in "${started[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done; }
trap end EXIT

export HOME=$dir/obs XDG_CONFIG_HOME=$dir/obs/.config QT_QPA_PLATFORM=xcb LIBGL_ALWAYS_SOFTWARE=1
unset WAYLAND_DISPLAY
settings=$XDG_CONFIG_HOME/obs-studio
rm -rf "$HOME"
mkdir -p "$settings/basic/profiles/bench" "$settings/basic/scenes" "$HOME/videos"
cat >"$settings/global.ini" <<END
[General]
FirstRun=true
EnableAutoUpdates=false
[BasicWindow]
PreviewEnabled=false
END
cat >"$settings/basic/profiles/bench/basic.ini" <<END
[General]
Name=bench
[Video]
BaseCX=1920
BaseCY=1080
OutputCX=1920
OutputCY=1080
FPSType=1
FPSInt=$rate
[Output]
Mode=Simple
[SimpleOutput]
FilePath=$HOME/videos
RecFormat=mkv
RecQuality=Stream
StreamEncoder=x264
VBitrate=8000
UseAdvanced=true
Preset=ultrafast
END
place() { # NAME X Y: where one source is in the scene
  jq -cn --arg name "$1" --argjson id "$2" --argjson x "$3" --argjson y "$4" '{$name, $id, visible: true, align: 5,
    pos: {$x, $y}, scale: {x: 1, y: 1}, rot: 0, bounds_type: 0, bounds_align: 0, bounds: {x: 0, y: 0}}'
}
items=$(place screen 1 0 0)
if [[ $inset != none ]]; then
  items+=$(place inset 2 1424 794)
  # A camera's pictures, not compressed.
  ffmpeg -v error -f lavfi -i "testsrc2=size=$inset:rate=$rate" -t 2 -c:v rawvideo -pix_fmt yuyv422 -f nut "$HOME/inset.nut" </dev/null
fi
jq -s --arg file "$HOME/inset.nut" --arg inset "$inset" '{name: "bench", current_scene: "scene", current_program_scene: "scene",
  scene_order: [{name: "scene"}], sources: [
    {id: "xshm_input", versioned_id: "xshm_input", name: "screen", enabled: true, settings: {screen: 0, show_cursor: true}},
    (select($inset != "none") | {id: "ffmpeg_source", versioned_id: "ffmpeg_source", name: "inset", enabled: true,
      settings: {local_file: $file, is_local_file: true, looping: true, hw_decode: false}}),
    {id: "scene", versioned_id: "scene", name: "scene", settings: {id_counter: 2, items: .}}]}' <<<"$items" \
  >"$settings/basic/scenes/bench.json"

mkfifo "$HOME/display"
Xvfb -displayfd 3 -screen 0 1920x1080x24 -nolisten tcp 3>"$HOME/display" >"$dir/obs-x.log" 2>&1 &
started+=($!)
read -r -t 10 display <"$HOME/display" || missing "Xvfb does not start"
export DISPLAY=:$display
gst-launch-1.0 -q videotestsrc pattern=ball is-live=true ! "video/x-raw,format=BGRx,width=1920,height=1080,framerate=$rate/1" \
  ! ximagesink >"$dir/obs-client.log" 2>&1 &
started+=($!)
obs --multi --minimize-to-tray --startrecording --profile bench --collection bench --scene scene >"$dir/obs.log" 2>&1 &
obs=$!
started+=("$obs")
for ((try = 0; try < 300; try++)); do
  if grep -q 'Recording Start' "$dir/obs.log"; then break; fi
  kill -0 "$obs" 2>/dev/null || missing "OBS ended before it recorded: $(tail -n 1 "$dir/obs.log")"
  sleep 0.1
done
grep -q 'Recording Start' "$dir/obs.log" || missing "OBS did not begin to record within 30 s"
# Utime and stime, in ticks.
used() { sed 's/.*) //' "/proc/$obs/stat" | awk '{ print $12 + $13 }'; }
sleep 2
before=$(used)
sleep "$seconds"
jq -cn --argjson ticks $(($(used) - before)) --argjson hz "$(getconf CLK_TCK)" --argjson pictures $((seconds * rate)) \
  '{ms: ($ticks * 1000 / $hz / $pictures)}'
