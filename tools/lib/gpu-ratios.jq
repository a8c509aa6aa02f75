# The report of zerocast-gpu-bench for a person: what each way costs per frame at each size, then the ratios.
def us: . * 10 | round / 10 | tostring;
def padded($width): tostring | . + " " * ([$width - length, 0] | max);
# The program's keys in words; others are shown as they are.
def words: {"over_plain_copy": "of one plain copy", "classic_over_it": "times faster than the classic way",
            "cpu_of_classic": "of the classic way's CPU time",
            "blit_over_it": "times faster than blit, map and copy",
            "cpu_of_blit": "of the CPU time of blit, map and copy"}[.] // gsub("_"; " ");
def ratio: if . >= 10 then round else . * 100 | round / 100 end;

"\(.device), \(.driver)",
( (.sizes[], (.busy // empty | . + {beside: ", beside a load"}))
  | "",
    "\("\(.width)x\(.height)\(.beside // "")" | padded(36))median us   p99 us      CPU us",
    ( to_entries[]
      | select(.value | type == "object" and has("median_us"))
      | "  \(.key | padded(34))\(.value.median_us | us | padded(12))\(.value.p99_us | us | padded(12))\(.value.cpu_us | us)" ),
    ( (.ratios // {}) | to_entries[]
      | .key as $route
      | .value | to_entries[]
      | select(.value | type == "number")
      | "  \($route | gsub("_"; " ") | padded(34))\(.value | ratio) \(.key | words)" ),
    ( to_entries[]
      | select(.key | IN("allocations", "imports", "gl_imports"))
      | "  \(.key | gsub("_"; " ")) while measuring: \(.value)" ),
    (if (.cuda | type) == "string" then "  no CUDA beside it: \(.cuda)" else empty end) )
