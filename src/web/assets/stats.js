/// What became of the newest pictures: one record each, in a ring of numbers, so that counting makes no garbage.

/// Fields of a record: times of the server's clock in microseconds, 0 while they have not come.
export const Field = Object.freeze({
  captured: 0, submitted: 1, encoded: 2, sent: 3, received: 4, decoded: 5, painted: 6, pts: 7,
});
const kFields = 8;
const kRecords = 4096;
const kSearch = 240;  ///< a decoder that holds back more than so many pictures is not one for live pictures

/// The stages that add up from the compositor's stamp to the canvas: from one field to another.
export const kStages = [
  ['capture', Field.captured, Field.submitted],
  ['encode', Field.submitted, Field.encoded],
  ['network', Field.encoded, Field.received],
  ['present', Field.received, Field.painted],
  ['total', Field.captured, Field.painted],
];

export class Stats {
  #ring = new Float64Array(kRecords * kFields);
  #scratch = new Float64Array(kRecords);
  #next = 0;
  painted = 0;
  received = 0;
  skipped = 0;         ///< left out by this page: newer ones had come, or nothing to decode them from
  server_skipped = 0;  ///< left out by the server, since this viewer was too slow
  bytes = 0;           ///< of pictures and sound
  first_picture_ms = 0;  ///< from the start of the navigation

  /// A picture has come.
  add(header, received) {
    const at = (this.#next++ % kRecords) * kFields;
    const ring = this.#ring;
    ring[at + Field.captured] = header.captured;
    ring[at + Field.submitted] = header.submitted;
    ring[at + Field.encoded] = header.encoded;
    ring[at + Field.sent] = header.sent;
    ring[at + Field.received] = received;
    ring[at + Field.decoded] = 0;
    ring[at + Field.painted] = 0;
    ring[at + Field.pts] = header.pts;
    ++this.received;
  }

  /// The picture of that `pts` (or the one nearest to it within `slack` microseconds) has reached `field`.
  mark(pts, field, now, slack = 0) {
    const oldest = Math.max(0, this.#next - Math.min(kSearch, kRecords));
    for (let i = this.#next - 1; i >= oldest; --i) {
      const at = (i % kRecords) * kFields;
      if (Math.abs(this.#ring[at + Field.pts] - pts) > slack) continue;
      this.#ring[at + field] = now;
      return;
    }
  }

  count_painted(pts, now, slack = 0) {
    if (this.painted++ === 0) this.first_picture_ms = performance.now();
    this.mark(pts, Field.painted, now, slack);
  }

  /// The painted ones of the newest `records`, oldest first, as arrays.
  samples(records = kRecords) {
    const all = [];
    for (let i = Math.max(0, this.#next - Math.min(records, kRecords)); i < this.#next; ++i) {
      const at = (i % kRecords) * kFields;
      if (this.#ring[at + Field.painted] > 0) all.push(Array.from(this.#ring.subarray(at, at + Field.pts)));
    }
    return all;
  }

  /// {p50, p99, count} in milliseconds of one stage, over pictures painted since `since`.
  stage(from, to, since) {
    let count = 0;
    for (let i = this.#next - 1; i >= Math.max(0, this.#next - kRecords); --i) {
      const at = (i % kRecords) * kFields;
      const painted = this.#ring[at + Field.painted];
      if (painted === 0) continue;
      if (painted < since) break;
      this.#scratch[count++] = (this.#ring[at + to] - this.#ring[at + from]) / 1000;
    }
    const sorted = this.#scratch.subarray(0, count).sort();
    return {p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99), count};
  }

  /// Every stage by name: [p50, p99] of the last `seconds`.
  stages(now, seconds = 5) {
    const since = now - seconds * 1e6;
    return Object.fromEntries(kStages.map(([name, from, to]) => {
      const {p50, p99} = this.stage(from, to, since);
      return [name, [p50, p99]];
    }));
  }
}

function percentile(sorted, part) {
  if (sorted.length === 0) return null;
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

/// How fast a growing number grows, over the last few seconds; asked a few times a second.
export class Rate {
  #points = [];
  constructor(seconds = 3) { this.seconds = seconds; }

  of(value) {
    const now = performance.now();
    // A counter that began anew begins a new rate.
    if (this.#points.length && this.#points.at(-1).value > value) this.#points.length = 0;
    this.#points.push({now, value});
    while (this.#points.length > 2 && this.#points[0].now < now - this.seconds * 1000) this.#points.shift();
    const first = this.#points[0];
    return now > first.now ? (value - first.value) * 1000 / (now - first.now) : 0;
  }
}
