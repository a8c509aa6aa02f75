/// Pictures without delay: WebCodecs decodes them (https://www.w3.org/TR/webcodecs/), a canvas shows the newest one.
/// Nothing here waits for a picture's time: the newest decoded one is painted, and what is older is left out.

import {Field} from './stats.js';
import {kHeader} from './net.js';

const kQueue = 4;          ///< pictures that may wait for the decoder
const kQueueMs = 500;      ///< and for how long there may be more
const kErrors = 4;         ///< so many within kErrorsMs: this decoder is of no use
const kErrorsMs = 10_000;

export class PicturePlayer {
  #canvas;
  #context = null;
  #stats;
  #clock;
  #on;
  #decoder = null;
  #stream = null;
  #key_needed = true;
  #crowded_since = 0;
  #errors = [];
  #waiting = null;   ///< the newest decoded VideoFrame that is not painted yet
  #request = 0;
  #window = window;  ///< whose animation frames: the canvas may be in a small window of its own
  #tick = () => {
    this.#request = 0;
    if (this.#waiting !== null) this.#paint();
  };

  /// `on`: {keyframe(), unusable(reason), size(width, height)}.
  constructor(canvas, stats, clock, on) {
    this.#canvas = canvas;
    this.#stats = stats;
    this.#clock = clock;
    this.#on = on;
  }

  get decoding() { return this.#decoder?.state === 'configured'; }
  /// Nothing can be decoded before the next keyframe.
  get needs_key() { return this.decoding && this.#key_needed; }
  get queued() { return this.#decoder?.decodeQueueSize ?? 0; }

  /// The first packet must be one that a decoder can start at.
  start(stream) {
    this.#context ??= this.#canvas.getContext('2d', {alpha: false, desynchronized: true});
    this.#stream = stream;
    this.#errors.length = 0;
    this.#configure();
  }

  stop() {
    this.#drop_waiting();
    if (this.#decoder && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = null;
    this.#stream = null;
  }

  packet(header, buffer) {
    const decoder = this.#decoder;
    if (decoder === null || decoder.state !== 'configured') return;
    if (this.#key_needed && !header.key) {
      ++this.#stats.skipped;
      return;
    }
    if (this.#is_crowded(decoder)) {
      this.#stats.skipped += decoder.decodeQueueSize + 1;
      this.#configure();
      this.#on.keyframe();
      return;
    }
    this.#key_needed = false;
    // `transfer` spares a copy where a browser knows it; others pass over the word.
    decoder.decode(new EncodedVideoChunk({
      type: header.key ? 'key' : 'delta',
      timestamp: header.pts,
      data: new Uint8Array(buffer, kHeader),
      transfer: [buffer],
    }));
  }

  /// Pictures that come are of no use for a while: nobody sees them.
  rest() {
    this.#drop_waiting();
    this.#key_needed = true;
  }

  /// What was shown is no longer what is watched.
  clear() { this.#canvas.width = this.#canvas.width; }

  /// A window that the canvas was moved to (or back from).
  move_to(other) {
    this.#drop_waiting();
    this.#window = other;
  }

  #configure() {
    this.#drop_waiting();
    this.#key_needed = true;
    this.#crowded_since = 0;
    if (this.#decoder === null || this.#decoder.state === 'closed') {
      this.#decoder = new VideoDecoder({
        output: (frame) => this.#decoded(frame),
        error: (error) => this.#failed(error),
      });
    } else {
      this.#decoder.reset();
    }
    // Without a description the samples are Annex B: parameter sets come with each keyframe
    // (https://www.w3.org/TR/webcodecs-avc-codec-registration/, section 3).
    this.#decoder.configure({
      codec: this.#stream.codec_string,
      codedWidth: this.#stream.width,
      codedHeight: this.#stream.height,
      optimizeForLatency: true,
      hardwareAcceleration: 'no-preference',
    });
  }

  #is_crowded(decoder) {
    if (decoder.decodeQueueSize <= kQueue) {
      this.#crowded_since = 0;
      return false;
    }
    const now = performance.now();
    this.#crowded_since ||= now;
    return now - this.#crowded_since > kQueueMs;
  }

  #failed(error) {
    const now = performance.now();
    this.#errors.push(now);
    while (this.#errors[0] < now - kErrorsMs) this.#errors.shift();
    if (this.#stream === null) return;
    if (error.name === 'NotSupportedError' || this.#errors.length >= kErrors) {
      this.stop();
      this.#on.unusable(error.message);
      return;
    }
    ++this.#stats.skipped;
    this.#configure();
    this.#on.keyframe();
  }

  #decoded(frame) {
    this.#stats.mark(frame.timestamp, Field.decoded, this.#clock.now());
    if (this.#waiting !== null) {
      this.#waiting.close();
      ++this.#stats.skipped;
    }
    this.#waiting = frame;
    // The first picture between two animation frames is painted as it comes: on a canvas that is desynchronized it is
    // seen at once, on others no later than one that waited. Of those that follow only the newest is painted.
    if (this.#request === 0) this.#paint();
  }

  #paint() {
    const frame = this.#waiting;
    this.#waiting = null;
    this.#request = this.#window.requestAnimationFrame(this.#tick);
    const {displayWidth: width, displayHeight: height, timestamp} = frame;
    // A canvas whose size is set is cleared and its memory made anew, even if it is the same size.
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
      this.#on.size(width, height);
    }
    this.#context.drawImage(frame, 0, 0);
    frame.close();
    this.#stats.count_painted(timestamp, this.#clock.now());
  }

  #drop_waiting() {
    if (this.#request !== 0) this.#window.cancelAnimationFrame(this.#request);
    this.#request = 0;
    if (this.#waiting === null) return;
    this.#waiting.close();
    this.#waiting = null;
    ++this.#stats.skipped;
  }
}
