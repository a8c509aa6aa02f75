/// Sound beside the pictures: decoded by WebCodecs, played by an AudioWorklet, about as late as the pictures are.
/// Pictures are never held for it.

import {kHeader} from './net.js';

export const can_sound = 'AudioDecoder' in globalThis && 'AudioWorkletNode' in globalThis;
const kLevelDecay = 0.6;

export class Sound {
  #clock;
  #changed;
  #track = null;    ///< of the stream event
  #number = 1;      ///< which track is heard
  #tracks = [];
  #context = null;
  #node = null;
  #gain = null;
  #opening = null;
  #decoder = null;
  #age = 0;         ///< milliseconds from when it was heard to when it came here, smoothed
  #muted = false;
  #volume = 1;
  /// What the audio thread said last, and what was counted here.
  state = {decoded: 0, played: 0, fill_ms: 0, target_ms: 0, empties: 0, left_out: 0, level: 0, delay_ms: 0};

  /// `changed`: what `audible` or `blocked` say may be another now.
  constructor(clock, changed) {
    this.#clock = clock;
    this.#changed = changed;
  }

  get tracks() { return this.#tracks.length; }
  get number() { return this.#number; }
  get muted() { return this.#muted; }
  get volume() { return this.#volume; }
  /// There is sound, and it is wanted: whether or not the browser lets it out yet.
  get wanted() { return this.#track !== null && !this.#muted; }
  /// The browser waits for a gesture (https://www.w3.org/TR/webaudio/, "allowed to start").
  get blocked() { return this.wanted && this.#context !== null && this.#context.state !== 'running'; }

  /// A stream begins; `tracks` as in the stream event.
  start(tracks) {
    this.stop();
    this.#tracks = can_sound ? tracks : [];
    this.choose(Math.min(this.#number, Math.max(1, this.#tracks.length)));
  }

  stop() {
    this.#close_decoder();
    this.#track = null;
    this.#tracks = [];
    this.#node?.port.postMessage({flush: true});
    this.#changed();
  }

  choose(number) {
    this.#close_decoder();
    this.#number = number;
    this.#track = this.#tracks[number - 1] ?? null;
    this.#node?.port.postMessage({flush: true});
    this.#changed();
  }

  set_muted(muted) {
    this.#muted = muted;
    if (muted) {
      this.#close_decoder();
      this.#node?.port.postMessage({flush: true});
      this.#context?.suspend();
    } else {
      this.resume();
    }
    this.#changed();
  }

  set_volume(volume) {
    this.#volume = volume;
    // Ears hear ratios: the square is nearer to them than the slider's own number.
    this.#gain?.gain.setTargetAtTime(volume * volume, this.#context.currentTime, 0.02);
  }

  /// After a gesture.
  resume() {
    if (this.wanted) this.#context?.resume().then(this.#changed, () => {});
  }

  packet(header, buffer) {
    if (header.track !== this.#number || this.#track === null || this.#muted) return;
    if (this.#context === null) {
      this.#opening ??= this.#open(this.#track).catch(() => this.#give_up());
      return;
    }
    if (this.#node === null || this.#context.state !== 'running') return;
    const age = (this.#clock.now() - header.captured) / 1000;
    this.#age += (age - this.#age) * (this.#age === 0 ? 1 : 0.05);
    try {
      this.#decoder ??= this.#open_decoder(this.#track);
      this.#decoder.decode(new EncodedAudioChunk({
        type: 'key', timestamp: header.pts, data: new Uint8Array(buffer, kHeader), transfer: [buffer],
      }));
    } catch {
      this.#close_decoder();
    }
  }

  /// A few times a second: sound that comes sooner than the pictures waits for them.
  align(picture_delay_ms) {
    if (this.#node === null || picture_delay_ms === null) return;
    const out_ms = ((this.#context.outputLatency || 0) + this.#context.baseLatency) * 1000;
    const wait = Math.max(0, picture_delay_ms - this.#age - out_ms);
    this.#node.port.postMessage({align: wait / 1000});
    this.state.delay_ms = this.#age + this.state.fill_ms + out_ms;
  }

  async #open({rate, channels}) {
    const context = new AudioContext({latencyHint: 'interactive', sampleRate: rate});
    this.#context = context;
    context.onstatechange = this.#changed;
    await context.audioWorklet.addModule('sound-worklet.js');
    const node = new AudioWorkletNode(context, 'zerocast-sound', {
      numberOfInputs: 0, outputChannelCount: [channels], processorOptions: {channels},
    });
    this.#gain = new GainNode(context, {gain: this.#volume * this.#volume});
    node.connect(this.#gain).connect(context.destination);
    node.port.onmessage = ({data}) => this.#told(data);
    this.#node = node;
    this.#changed();
  }

  #give_up() {
    this.#track = null;
    this.#tracks = [];
    this.#changed();
  }

  #open_decoder({codec_string, rate, channels, description}) {
    const decoder = new AudioDecoder({
      output: (data) => this.#decoded(data),
      error: () => { this.#decoder = null; },  // the next packet opens another
    });
    const config = {codec: codec_string, sampleRate: rate, numberOfChannels: channels};
    if (description) config.description = Uint8Array.from(atob(description), (c) => c.charCodeAt(0));
    decoder.configure(config);
    return decoder;
  }

  #close_decoder() {
    if (this.#decoder && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = null;
  }

  #decoded(data) {
    const planes = [];
    for (let planeIndex = 0; planeIndex < data.numberOfChannels; ++planeIndex) {
      const plane = new Float32Array(data.numberOfFrames);
      data.copyTo(plane, {planeIndex, format: 'f32-planar'});
      planes.push(plane);
    }
    this.state.decoded += data.numberOfFrames;
    data.close();
    this.#node.port.postMessage({planes}, planes.map((plane) => plane.buffer));
  }

  #told({fill, target, played, empties, left_out, level}) {
    const {state} = this;
    state.fill_ms = fill * 1000;
    state.target_ms = target * 1000;
    state.played = played;
    state.empties = empties;
    state.left_out = Math.round(left_out);
    state.level = Math.max(level, state.level * kLevelDecay);
  }
}
