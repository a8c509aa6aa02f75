/// Pictures and sound by Media Source (https://www.w3.org/TR/media-source-2/), where there is no VideoDecoder: a
/// page that came by plain http from another machine, and older browsers. The browser's player keeps a little
/// buffer of its own, so this is the slower way; it is held at the live edge.

import {MediaSourceHere} from './codecs.js';
import {kHeader} from './net.js';

const kNear = 0.1;       ///< seconds behind the live edge that are fine, to begin with
const kFurther = 0.04;   ///< more of them after each time that the player ran dry
const kNearMost = 0.4;
const kFar = 0.1;        ///< beyond those: played a little faster
const kLost = 1.5;       ///< jumped from here on
const kFaster = 1.1;
const kKeep = 4;         ///< seconds kept behind what is played
const kQueue = 120;      ///< fragments that may wait while the buffer is busy
const kSlackUs = 4_000;  ///< between a fragment's pts and the media time of its picture

export class FragmentPlayer {
  #video;
  #stats;
  #clock;
  #on;
  #source = null;
  #buffer = null;
  #queue = [];
  #url = '';
  #type = '';
  #timer = 0;
  #key_needed = true;
  #near = kNear;
  #playing = false;

  /// `on`: {keyframe(), unusable(reason), size(width, height), sound_refused()}.
  constructor(video, stats, clock, on) {
    this.#video = video;
    this.#stats = stats;
    this.#clock = clock;
    this.#on = on;
    video.addEventListener('error', () => {
      if (this.#source) this.#fail(video.error?.message || 'its player failed');
    });
    video.addEventListener('playing', () => { this.#playing = true; });
    video.addEventListener('waiting', () => {
      if (this.#playing && !video.seeking) this.#near = Math.min(kNearMost, this.#near + kFurther);
      this.#playing = false;
    });
    video.addEventListener('resize', () => {
      if (video.videoWidth) this.#on.size(video.videoWidth, video.videoHeight);
    });
    this.#watch_painted();
  }

  start(stream) {
    this.stop();
    this.#type = stream.type;
    this.#key_needed = true;
    this.#near = kNear;
    this.#playing = false;
    const source = new MediaSourceHere();
    this.#source = source;
    source.addEventListener('sourceopen', () => this.#opened(source), {once: true});
    // ManagedMediaSource asks for this: a picture that cannot be sent on to a television.
    this.#video.disableRemotePlayback = true;
    this.#url = URL.createObjectURL(source);
    this.#video.src = this.#url;
    this.#timer = setInterval(() => this.#follow(), 100);
  }

  stop() {
    clearInterval(this.#timer);
    if (!this.#source) return;
    this.#source = this.#buffer = null;
    this.#queue.length = 0;
    this.#video.removeAttribute('src');
    this.#video.load();
    URL.revokeObjectURL(this.#url);
  }

  packet(header, buffer) {
    if (!this.#source) return;
    if (header.type === 3 && header.track === 0) {
      if (this.#key_needed && !header.key) return;
      this.#key_needed = false;
    }
    if (this.#queue.length >= kQueue) {
      this.#stats.skipped += this.#queue.length;
      this.#queue.length = 0;
      this.#key_needed = true;
      this.#on.keyframe();
      return;
    }
    this.#queue.push(new Uint8Array(buffer, kHeader));
    this.#append();
  }

  #opened(source) {
    if (source !== this.#source) return;
    try {
      source.duration = Infinity;
      this.#buffer = source.addSourceBuffer(this.#type);
    } catch (error) {
      this.#fail(error.message);
      return;
    }
    this.#buffer.addEventListener('updateend', () => {
      if (source !== this.#source) return;
      this.#begin();
      this.#append();
    });
    this.#append();
  }

  #append() {
    const buffer = this.#buffer;
    if (!buffer || buffer.updating || this.#queue.length === 0) return;
    const bytes = this.#queue.shift();
    try {
      buffer.appendBuffer(bytes);
    } catch (error) {
      if (error.name !== 'QuotaExceededError') {
        this.#fail(error.message);
        return;
      }
      this.#queue.unshift(bytes);
      this.#trim(0.5);
    }
  }

  /// Into what is there: the stream began long before this viewer came.
  #begin() {
    const {buffered} = this.#video;
    if (buffered.length === 0) return;
    const end = buffered.end(buffered.length - 1);
    const start = buffered.start(buffered.length - 1);
    if (this.#video.currentTime < start) this.#video.currentTime = Math.max(start, end - this.#near);
    if (this.#video.paused) this.#play();
  }

  async #play() {
    const source = this.#source;
    try {
      await this.#video.play();
    } catch (error) {
      if (source !== this.#source || error.name !== 'NotAllowedError' || this.#video.muted) return;
      this.#video.muted = true;  // with sound only after a gesture
      this.#on.sound_refused();
      this.#video.play().catch(() => {});
    }
  }

  #follow() {
    const {buffered} = this.#video;
    if (!this.#buffer || buffered.length === 0) return;
    const end = buffered.end(buffered.length - 1);
    const behind = end - this.#video.currentTime;
    if (behind > kLost) this.#video.currentTime = end - this.#near;
    else if (behind > this.#near + kFar) this.#video.playbackRate = kFaster;
    else if (behind < this.#near) this.#video.playbackRate = 1;
    this.#trim(kKeep);
  }

  #trim(keep) {
    const buffer = this.#buffer;
    if (!buffer || buffer.updating || buffer.buffered.length === 0) return;
    const start = buffer.buffered.start(0);
    const until = this.#video.currentTime - keep;
    if (until - start > keep) buffer.remove(start, until);
  }

  #fail(reason) {
    this.stop();
    this.#on.unusable(reason);
  }

  /// The player says which picture it shows where it knows requestVideoFrameCallback; elsewhere none is counted.
  #watch_painted() {
    const video = this.#video;
    if (!video.requestVideoFrameCallback) return;
    let shown = 0;
    const painted = (_, frame) => {
      const now = this.#clock.now();
      if (this.#source) this.#stats.count_painted(frame.mediaTime * 1e6, now, kSlackUs);
      const left_out = frame.presentedFrames - shown - 1;
      if (this.#source && shown > 0 && left_out > 0) this.#stats.skipped += left_out;
      shown = frame.presentedFrames;
      video.requestVideoFrameCallback(painted);
    };
    video.requestVideoFrameCallback(painted);
  }
}
