# What `tools/bench cpu` prints of an object of cpu-figures.jq.
"                CPU ms/frame   frames  distinct",
(("zerocast", "wf_recorder", "gstreamer") as $name | .[$name] as $r |
  ($name + " " * (16 - ($name | length))) as $row |
  if $r.cpu_ms_per_frame == null then "\($row)\($r.reason)"
  else "\($row)\($r.cpu_ms_per_frame)\t\t\($r.frames)\t\($r.distinct_frames)" +
    if $r.reason then "  (\($r.reason))" else "" end end),
"zerocast without the encoder: \(.non_encoder_ms_per_frame) ms per frame",
"latency, compositor to packet: p50 \(.latency_ms.p50) ms, p95 \(.latency_ms.p95) ms, p99 \(.latency_ms.p99) ms",
if .ratio_to_best_peer == null then "ratio to the better peer: neither recorded anything"
elif .wf_recorder.cpu_ms_per_frame == null or .gstreamer.cpu_ms_per_frame == null then
  "ratio to the only peer that recorded: \(.ratio_to_best_peer)"
else "ratio to the better peer: \(.ratio_to_best_peer)" end
