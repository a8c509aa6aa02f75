# The figures of `tools/bench cpu` as one object. Input: an array of runs, {recorder, cpu_ms_per_frame, frames,
# distinct_frames} or {recorder, missing: why it recorded nothing}. $reports: the array of zerocast's own reports;
# $size, $rate, $rounds, $seconds: of the run.
def median: sort | if length == 0 then null elif length % 2 == 1 then .[length / 2 | floor]
  else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def short($digits): if . == null then null else . * $digits | round / $digits end;
# One recorder's medians over the rounds in which it recorded; null without any. reason: why it did not.
def of($name): map(select(.recorder == $name)) | . as $all | map(select(.missing == null)) as $ran |
  ($all | map(.missing // empty) | first) as $missing |
  {cpu_ms_per_frame: ([$ran[].cpu_ms_per_frame] | median | short(100)), frames: ([$ran[].frames] | median),
   distinct_frames: ([$ran[].distinct_frames] | median)} +
  if $missing == null then {}
  elif $ran == [] then {reason: $missing}
  else {reason: "\($missing), in \(($all | length) - ($ran | length)) of \($all | length) rounds"} end;

{zerocast: of("zerocast"), wf_recorder: of("wf_recorder"), gstreamer: of("gstreamer"),
 non_encoder_ms_per_frame: ([$reports[].non_encoder_ms_per_frame] | median | short(1000)),
 latency_ms: {p50: ([$reports[].latency_ms.p50] | median), p95: ([$reports[].latency_ms.p95] | median),
              p99: ([$reports[].latency_ms.p99] | median)},
 $size, $rate, $rounds, $seconds}
| ([.wf_recorder.cpu_ms_per_frame, .gstreamer.cpu_ms_per_frame] | map(select(. != null)) | min) as $best
| .ratio_to_best_peer = if $best == null then null else .zerocast.cpu_ms_per_frame / $best | short(1000) end
