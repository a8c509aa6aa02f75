/// What is watched, and how: one session, by the best way this browser has. All that happens - sessions that come
/// and go, a tab that is hidden, a connection that is lost - changes what is wanted, and #settle() asks the server for the difference.

import {read_header} from './net.js';
import {Stats} from './stats.js';
import {PicturePlayer} from './picture.js';
import {FragmentPlayer} from './fragments.js';
import {Sound} from './sound.js';
import {decodes_fragments, decodes_packets, has_decoder} from './codecs.js';

const kHiddenMs = 4_000;      ///< a tab that is hidden for so long needs no pictures
const kRefusedMs = 1_500;     ///< after a refused watch
const kKeyframeMs = 300;      ///< between two wishes for a keyframe
const kGone = new Set(['ended', 'failed', 'stopping']);
const kRemembered = 'zerocast-session';

export class Viewer {
  #net;
  #on;
  #sessions = [];
  #chosen = sessionStorage.getItem(kRemembered) ?? '';
  #asked = null;         ///< {session, as}: what the server was asked for last
  #as;                   ///< the way that is used, "packets" or "fragments"
  #unwatchable = '';     ///< the codec_string that this browser does not decode in any way
  #stream = null;
  #held = false;
  #hidden = false;
  #hidden_timer = 0;
  #not_before = 0;
  #keyframe_asked = 0;
  #apart = false;        ///< the picture is in a window of its own: a hidden tab does not matter
  #reported = {painted: 0, skipped: 0};
  stats = new Stats();

  /// `on`: {changed(), size(width, height), unwatchable(stream), note(text), sound_refused()}.
  constructor(net, canvas, video, on) {
    this.#net = net;
    this.#on = on;
    this.canvas = canvas;
    this.video = video;
    this.#as = has_decoder ? 'packets' : 'fragments';
    const player = {
      keyframe: () => this.#ask_keyframe(),
      size: on.size,
      sound_refused: on.sound_refused,
    };
    this.picture = new PicturePlayer(canvas, this.stats, net.clock,
        {...player, unusable: () => this.#try_other('fragments')});
    this.fragments = new FragmentPlayer(video, this.stats, net.clock,
        {...player, unusable: () => this.#try_other('packets')});
    this.sound = new Sound(net.clock, () => this.#on.changed());
    document.addEventListener('visibilitychange', () => this.#visibility());
    setInterval(() => this.#report(), 1000);
  }

  get sessions() { return this.#sessions; }
  get chosen() { return this.#chosen; }
  get session() { return this.#sessions.find(({name}) => name === this.#chosen) ?? null; }
  get stream() { return this.#stream; }
  get as() { return this.#as; }
  get held() { return this.#held; }
  get unwatchable() { return this.#unwatchable !== ''; }

  choose(name) {
    if (name === this.#chosen) return;
    this.#chosen = name;
    if (name) sessionStorage.setItem(kRemembered, name);
    else sessionStorage.removeItem(kRemembered);
    this.#held = false;
    this.canvas.hidden = this.video.hidden = true;
    this.picture.clear();
    this.#unwatchable = '';
    this.#not_before = 0;
    this.#settle();
    this.#on.changed();
  }

  /// The picture stands still and nothing more is sent, until it is watched on.
  hold(held) {
    this.#held = held;
    this.#settle();
    this.#on.changed();
  }

  /// "packets" or "fragments", for somebody who knows better.
  use(as) {
    this.#as = as;
    this.#unwatchable = '';
    this.#settle();
  }

  set_apart(apart) {
    this.#apart = apart;
    this.#visibility();
  }

  connected() {
    this.#asked = null;
    this.#end_stream();
  }

  lost() {
    this.#asked = null;
    this.#sessions = [];
    this.#end_stream();
  }

  told(message) {
    const handler = {
      sessions: () => this.#told_sessions(message.sessions),
      stream: () => this.#told_stream(message),
      skipped: () => { this.stats.server_skipped += message.pictures; },
      ended: () => this.#told_ended(message),
      error: () => this.#told_error(message),
    }[message.event];
    handler?.();
  }

  packet(buffer) {
    if (this.#stream === null) return;  // of a session that was watched before
    const header = read_header(buffer);
    this.stats.bytes += buffer.byteLength;
    if (header.type === 1 && header.track > 0) {
      this.sound.packet(header, buffer);
      return;
    }
    if (header.type === 1 !== (this.#as === 'packets')) return;
    if (header.track === 0 && header.type !== 2) this.stats.add(header, this.#net.clock.now());
    if (header.type !== 1) this.fragments.packet(header, buffer);
    else if (this.#sees) this.picture.packet(header, buffer);
  }

  get #sees() { return !document.hidden || this.#apart; }

  #told_sessions(sessions) {
    this.#sessions = sessions;
    const alive = sessions.filter(({state}) => !kGone.has(state));
    if (!this.#chosen && alive.length === 1) this.choose(alive[0].name);
    // One that is remembered, but not there, gives way to the only one that is, unless it was just being watched.
    else if (this.#chosen && !this.session && !this.stats.painted && alive.length === 1) this.choose(alive[0].name);
    this.#settle();
    this.#on.changed();
  }

  #told_stream(stream) {
    if (stream.session !== this.#asked?.session) return;
    this.#end_stream();
    this.#stream = stream;
    const packets = this.#as === 'packets';
    this.canvas.hidden = !packets;
    this.video.hidden = packets;
    if (packets) {
      try {
        // The answer takes longer than the first picture does, so decoding begins without it.
        decodes_packets(stream.codec_string).then((can) => {
          if (!can && this.#stream === stream) this.#try_other('fragments');
        });
        this.picture.start(stream);
      } catch {
        this.#try_other('fragments');  // not even a string that it knows
        return;
      }
      this.sound.start(stream.audio ?? []);
    } else if (decodes_fragments(stream.type)) {
      this.fragments.start(stream);
    } else {
      this.#try_other('packets');
      return;
    }
    this.#on.changed();
  }

  async #try_other(as) {
    const stream = this.#stream;
    if (stream === null) return;
    this.#end_stream();
    const other = as === 'packets' ? await decodes_packets(stream.codec_string) : decodes_fragments(stream.type);
    if (other && this.#as !== as && this.#unwatchable !== stream.codec_string) {
      this.#as = as;
    } else {
      this.#unwatchable = stream.codec_string;
      this.#on.unwatchable(stream);
    }
    this.#settle();
    this.#on.changed();
  }

  #told_ended({session, reason}) {
    if (session !== this.#asked?.session) return;
    this.#asked = null;
    this.#end_stream();
    this.#not_before = performance.now() + kRefusedMs;
    this.#on.note(reason ? `${session} has ended: ${reason}` : `${session} has ended.`);
    this.#on.changed();
  }

  #told_error({message}) {
    this.#asked = null;
    this.#end_stream();
    this.#not_before = performance.now() + kRefusedMs;
    this.#on.note(message ?? 'The server refused.');
    this.#on.changed();
  }

  #settle() {
    const session = this.session;
    const wanted = this.#net.open && session && !kGone.has(session.state) && !this.#held && !this.#hidden &&
        this.#unwatchable === '' && performance.now() >= this.#not_before;
    if (!wanted) {
      if (this.#asked) this.#net.send({do: 'unwatch'});
      this.#asked = null;
      this.#end_stream();
      return;
    }
    if (this.#asked?.session === session.name && this.#asked.as === this.#as) return;
    this.#end_stream();
    this.#asked = {session: session.name, as: this.#as};
    this.#net.send({do: 'watch', ...this.#asked});
  }

  /// The last picture stays where it is.
  #end_stream() {
    if (this.#stream === null) return;
    this.#stream = null;
    this.picture.stop();
    this.fragments.stop();
    this.sound.stop();
  }

  #ask_keyframe() {
    const now = performance.now();
    if (now - this.#keyframe_asked < kKeyframeMs) return;
    this.#keyframe_asked = now;
    this.#net.send({do: 'keyframe'});
  }

  #visibility() {
    clearTimeout(this.#hidden_timer);
    if (this.#sees) {
      const was_hidden = this.#hidden;
      this.#hidden = false;
      this.#settle();
      if (!was_hidden && this.picture.needs_key) this.#ask_keyframe();
      return;
    }
    this.picture.rest();
    this.#hidden_timer = setTimeout(() => {
      // What is being listened to goes on; only its pictures are not decoded.
      const listening = this.#as === 'packets' ? this.sound.wanted && !this.sound.blocked : !this.video.muted;
      this.#hidden = !this.#sees && !listening;
      this.#settle();
    }, kHiddenMs);
  }

  #report() {
    if (this.#stream === null) return;
    const {painted, skipped} = this.stats;
    const {total: [delay_ms]} = this.stats.stages(this.#net.clock.now(), 1);
    const message = {do: 'report', painted: painted - this.#reported.painted, skipped: skipped - this.#reported.skipped};
    if (delay_ms !== null) message.delay_ms = Math.round(delay_ms * 10) / 10;
    this.#reported = {painted, skipped};
    this.#net.send(message);
    if (this.#sees && this.picture.needs_key) this.#ask_keyframe();  // the one that was asked for did not come
  }
}
