/// The server's clock as this page sees it: microseconds of its monotonic clock, found by pings.

const kWindowMs = 30_000;  ///< pings that count: clocks drift, so old ones say less

export class ServerClock {
  #pings = [];
  #offset = 0;
  known = false;   ///< at least one ping was answered
  trip_ms = 0;     ///< the round trip that the offset was found with

  /// Another connection may be to another clock.
  reset() {
    this.#pings.length = 0;
    this.known = false;
  }

  /// `at`: performance.now() when the ping left; `now_us`: the server's clock when it answered.
  /// The answer with the shortest way says most: what made the others longer was only on one of their ways
  /// (RFC 5905, section 10, the clock filter, does the same).
  answered(at, now_us) {
    const here = performance.now();
    const trip = here - at;
    this.#pings.push({at, trip, offset: now_us - (at + trip / 2) * 1000});
    while (this.#pings[0].at < here - kWindowMs) this.#pings.shift();
    const best = this.#pings.reduce((a, b) => (b.trip < a.trip ? b : a));
    this.#offset = best.offset;
    this.trip_ms = best.trip;
    this.known = true;
  }

  now() { return performance.now() * 1000 + this.#offset; }
}
