/// Where the time goes, over the picture: updated four times a second while it is shown, and never otherwise.

import {Rate, kStages} from './stats.js';
import {bits, by_id, element, set_pressed, set_text} from './ui.js';

const kUpdateMs = 250;
const kTitles = {capture: 'capture', encode: 'encode', network: 'network', present: 'decode, present', total: 'total'};
const kBarMs = 50;  ///< what a full bar stands for

export class Overlay {
  #viewer;
  #net;
  #table = by_id('overlay');
  #cells = new Map();
  #timer = 0;
  #painted = new Rate();
  #bytes = new Rate();

  constructor(viewer, net) {
    this.#viewer = viewer;
    this.#net = net;
    const body = this.#table.tBodies[0];
    body.append(element('tr', {}, element('th', {textContent: 'delay, ms', scope: 'col'}),
        element('td', {textContent: 'p50'}), element('td', {textContent: 'p99'}), element('td')));
    for (const [name] of kStages) {
      const bar = element('meter', {min: 0, max: kBarMs, value: 0, ariaHidden: 'true'});
      const p50 = element('td', {textContent: '–'});
      const p99 = element('td', {textContent: '–'});
      body.append(element('tr', {className: name}, element('th', {textContent: kTitles[name], scope: 'row'}), p50, p99,
          element('td', {}, bar)));
      this.#cells.set(name, {p50, p99, bar});
    }
    for (const name of ['pictures', 'rate', 'left out', 'picture', 'route', 'encoder', 'sound', 'clock']) {
      const value = element('td', {colSpan: 3, textContent: '–'});
      body.append(element('tr', {className: 'line'}, element('th', {textContent: name, scope: 'row'}), value));
      this.#cells.set(name, value);
    }
  }

  get shown() { return !this.#table.hidden; }

  toggle(shown = !this.shown) {
    this.#table.hidden = !shown;
    set_pressed(by_id('overlay-button'), shown);
    clearInterval(this.#timer);
    if (!shown) return;
    this.#timer = setInterval(() => this.#update(), kUpdateMs);
    this.#update();
  }

  #update() {
    const {stats, session, stream, sound, as} = this.#viewer;
    const stages = stats.stages(this.#net.clock.now());
    for (const [name, [p50, p99]] of Object.entries(stages)) {
      const cells = this.#cells.get(name);
      set_text(cells.p50, milliseconds(p50));
      set_text(cells.p99, milliseconds(p99));
      const value = Math.min(kBarMs, Math.round(p50 ?? 0));
      if (cells.bar.value !== value) cells.bar.value = value;
    }
    this.#say('pictures', `${this.#painted.of(stats.painted).toFixed(0)} a second`);
    this.#say('rate', bits(this.#bytes.of(stats.bytes) * 8));
    this.#say('left out', `${stats.skipped} here, ${stats.server_skipped + (session?.dropped ?? 0)} before`);
    this.#say('picture', stream ? `${stream.width}×${stream.height} ${stream.codec_string}` : '–');
    this.#say('route', session?.route || '–');
    this.#say('encoder', session?.encoder || '–');
    this.#say('sound', as === 'fragments' ? 'the browser’s player' : sound_line(sound));
    this.#say('clock', this.#net.clock.known ? `± ${(this.#net.clock.trip_ms / 2).toFixed(1)} ms` : '–');
  }

  #say(name, text) { set_text(this.#cells.get(name), text); }
}

function milliseconds(value) { return value === null ? '–' : value.toFixed(1); }

function sound_line(sound) {
  if (sound.tracks === 0) return 'none';
  if (sound.muted) return 'muted';
  if (sound.blocked) return 'waits for a click';
  const {delay_ms, fill_ms, empties} = sound.state;
  return `${delay_ms.toFixed(0)} ms, ${fill_ms.toFixed(0)} in the buffer${empties ? `, ${empties} gaps` : ''}`;
}
