/// Sound between the decoder and the loudspeaker, on the audio thread: a ring that is held at a small fill. The
/// two clocks differ and packets come unevenly, so it is read a little faster or slower than it is written, too
/// little to be heard; what is far too much is left out at once.

const kSeconds = 2;            ///< the ring's size
const kMostBend = 0.005;       ///< half a percent: a twelfth of a semitone
const kSmooth = 0.005;         ///< of the fill, for each block of 128 samples: half a second
const kLeaveOut = 0.15;        ///< seconds beyond the target that are left out at once
const kFade = 128;             ///< samples in which sound comes and goes, so that nothing clicks
const kStep = 0.02;            ///< more target after each time it ran empty
const kLowest = 0.045;
const kHighest = 0.25;
const kCalm = 20;              ///< seconds without an empty ring after which the target shrinks again
const kReport = 64;            ///< blocks between two reports, about 170 ms

class Ring extends AudioWorkletProcessor {
  constructor({processorOptions: {channels}}) {
    super();
    this.size = Math.round(kSeconds * sampleRate);
    this.ring = Array.from({length: channels}, () => new Float32Array(this.size));
    this.target = kLowest;   // seconds, for what the network does
    this.align = 0;          // seconds, to be as late as the pictures
    this.blocks = this.played = this.empties = this.left_out = this.level = 0;
    this.calm_since = currentTime;
    this.flush();
    this.port.onmessage = ({data}) => {
      if (data.planes) this.write(data.planes);
      else if (data.flush) this.flush();
      else this.align = data.align;
    };
  }

  flush() {
    this.written = 0;   // samples since the flush
    this.read = 0;      // likewise, with a fraction
    this.fill = 0;      // smoothed
    this.playing = false;
    this.gain = 0;
  }

  write(planes) {
    const length = planes[0].length;
    for (let c = 0; c < this.ring.length; ++c) {
      const from = planes[Math.min(c, planes.length - 1)];
      const at = this.written % this.size;
      const first = Math.min(length, this.size - at);
      this.ring[c].set(first === length ? from : from.subarray(0, first), at);
      if (first < length) this.ring[c].set(from.subarray(first), 0);
    }
    this.written += length;
    const most = (this.wanted() + kLeaveOut) * sampleRate;
    if (this.written - this.read > most) {
      const to = this.written - this.wanted() * sampleRate;
      this.left_out += to - this.read;
      this.read = to;
      this.fill = this.written - this.read;
      this.gain = 0;
    }
  }

  wanted() { return Math.min(Math.max(this.target, this.align), kSeconds / 2); }

  process(_, [output]) {
    const length = output[0].length;
    const have = this.written - this.read;
    if (!this.playing && have >= this.wanted() * sampleRate) {
      this.playing = true;
      this.fill = have;
    }
    if (this.playing) this.play(output, length, have);
    if (++this.blocks % kReport === 0) this.report();
    return true;
  }

  play(output, length, have) {
    this.fill += (have - this.fill) * kSmooth;
    const wrong = this.fill / sampleRate - this.wanted();
    const step = 1 + Math.max(-kMostBend, Math.min(kMostBend, wrong * 0.25));
    const enough = have > length * step + 3;
    for (let i = 0; i < length; ++i) {
      // Towards silence in the last block before it runs empty.
      this.gain = enough ? Math.min(1, this.gain + 1 / kFade) : Math.max(0, this.gain - 1 / length);
      const base = Math.min(Math.floor(this.read), this.written - 1);
      const part = this.read - base;
      for (let c = 0; c < output.length; ++c) {
        const value = this.gain * this.between(this.ring[Math.min(c, this.ring.length - 1)], base, part);
        output[c][i] = value;
        if (c === 0) this.level = Math.max(this.level, Math.abs(value));
      }
      this.read = Math.min(this.read + step, this.written);
    }
    this.played += length;
    if (enough) {
      if (currentTime - this.calm_since > kCalm && this.target > kLowest) {
        this.target = Math.max(kLowest, this.target - 0.005);
        this.calm_since = currentTime - kCalm + 1;
      }
      return;
    }
    this.playing = false;
    ++this.empties;
    this.target = Math.min(kHighest, this.target + kStep);
    this.calm_since = currentTime;
  }

  /// Between four samples by Catmull and Rom's cubic: a straight line would dull the treble.
  between(plane, base, part) {
    const size = this.size;
    const a = plane[(base + size - 1) % size];
    const b = plane[base % size];
    const c = base + 1 < this.written ? plane[(base + 1) % size] : b;
    const d = base + 2 < this.written ? plane[(base + 2) % size] : c;
    return b + 0.5 * part * (c - a + part * (2 * a - 5 * b + 4 * c - d + part * (3 * (b - c) + d - a)));
  }

  report() {
    this.port.postMessage({
      fill: (this.written - this.read) / sampleRate, target: this.wanted(), played: this.played,
      empties: this.empties, left_out: this.left_out, level: this.level,
    });
    this.level = 0;
  }
}

registerProcessor('zerocast-sound', Ring);
