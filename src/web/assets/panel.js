/// The list of sessions, and what a token that controls may do with them.

import {codec_title, decoded_codecs} from './codecs.js';
import {bits, by_id, element, set_hidden, set_text} from './ui.js';

const kBitRates = ['500k', '1M', '2M', '4M', '6M', '8M', '12M', '20M', '40M'];
const kRates = ['10', '15', '24', '30', '60', '120'];
const kStates = {
  starting: 'starting', recording: 'live', paused: 'paused', reconnecting: 'waiting for its source',
  stopping: 'stopping', ended: 'ended', failed: 'failed',
};
const kOver = new Set(['stopping', 'ended', 'failed']);

export function state_title(state) { return kStates[state] ?? state; }

export class Panel {
  #viewer;
  #net;
  #notice;
  #box = by_id('panel');
  #rows = new Map();
  #controls = false;
  #before = null;    ///< what had the keyboard before the list was opened
  #quality_of = '';  ///< the session that the choices of quality show

  constructor(viewer, net, notice) {
    this.#viewer = viewer;
    this.#net = net;
    this.#notice = notice;
    by_id('panel-button').onclick = () => this.toggle();
    by_id('panel-close').onclick = () => this.toggle(false);
    by_id('share-button').onclick = () => this.share();
    by_id('pause-button').onclick = () => this.#pause();
    by_id('save-button').onclick = () => this.save_replay();
    by_id('stop-button').onclick = () => this.#confirm(true);
    by_id('stop-no').onclick = () => this.#confirm(false);
    by_id('stop-yes').onclick = () => this.#stop();
    by_id('player').onchange = ({target}) => viewer.use(target.value);
    this.#fill('bitrate', kBitRates, (text) => `${text.replace('M', ' Mbit/s').replace('k', ' kbit/s')}`);
    this.#fill('fps', kRates, (text) => text);
  }

  get shown() { return !this.#box.hidden; }
  get controls() { return this.#controls; }

  toggle(shown = !this.shown) {
    if (shown === this.shown) return;
    this.#box.hidden = !shown;
    by_id('panel-button').setAttribute('aria-expanded', String(shown));
    if (shown) {
      this.update();
      this.#before = document.activeElement;
      by_id('panel-close').focus({preventScroll: true});
    } else {
      this.#before?.focus?.({preventScroll: true});
    }
  }

  /// The server's first word.
  greeted({version, role, templates}) {
    this.#controls = role === 'control';
    set_text(by_id('version'), `zerocast ${version}`);
    set_text(by_id('role'), this.#controls ? '' : '· view only');
    set_hidden(by_id('start'), !this.#controls);
    by_id('templates').replaceChildren(...(this.#controls ? templates ?? [] : []).map((name) =>
      element('button', {type: 'button', textContent: `Start “${name}”`, onclick: () => this.#start({template: name})})));
  }

  update() {
    if (!this.shown) return;
    const {sessions, session} = this.#viewer;
    set_hidden(by_id('no-session'), sessions.length > 0);
    this.#list(sessions);
    const controlled = this.#controls && session !== null && !kOver.has(session.state);
    set_hidden(by_id('session-controls'), !controlled);
    by_id('player').value = this.#viewer.as;
    if (controlled) this.#update_controls(session);
  }

  /// Rows stay as they are while their session is there: what has the keyboard keeps it.
  #list(sessions) {
    const names = new Set(sessions.map(({name}) => name));
    for (const [name, row] of this.#rows) {
      if (names.has(name)) continue;
      row.item.remove();
      this.#rows.delete(name);
    }
    sessions.forEach((session, i) => {
      let row = this.#rows.get(session.name);
      if (!row) this.#rows.set(session.name, row = this.#make_row(session.name));
      const list = by_id('sessions');
      if (list.children[i] !== row.item) list.insertBefore(row.item, list.children[i] ?? null);
      row.button.dataset.state = session.state;
      row.button.setAttribute('aria-current', String(session.name === this.#viewer.chosen));
      set_text(row.state, state_title(session.state));
      set_text(row.facts, facts(session));
      set_text(row.error, session.error ?? '');
    });
  }

  #make_row(name) {
    const state = element('span', {className: 'state'});
    const facts = element('span', {className: 'facts'});
    const error = element('span', {className: 'error'});
    const button = element('button', {type: 'button', onclick: () => this.#viewer.choose(name)},
        element('span', {className: 'name', textContent: name}), state, facts, error);
    return {item: element('li', {}, button), button, state, facts, error};
  }

  #update_controls(session) {
    set_text(by_id('controlled'), session.name);
    set_text(by_id('pause-button'), session.state === 'paused' ? 'Resume' : 'Pause');
    set_hidden(by_id('save-button'), !(session.replay_seconds > 0));
    if (this.#quality_of === session.name) return;
    this.#quality_of = session.name;
    this.#confirm(false);
    by_id('bitrate').value = by_id('fps').value = '';
  }

  #fill(option, values, title) {
    const select = by_id(option);
    select.append(element('option', {value: '', textContent: 'as it is'}),
        ...values.map((value) => element('option', {value, textContent: title(value)})));
    select.onchange = async () => {
      if (select.value === '') return;
      const session = this.#viewer.chosen;
      const said = await this.#order({do: 'change', session, options: {[option]: select.value}});
      if (said === null) select.value = '';
    };
  }

  share() {
    const options = {source: 'portal'};
    if (by_id('share-sound').checked) options.audio = 'desktop';
    this.#notice.say('Choose on that computer’s screen what is to be shared.', 20);
    return this.#start(options);
  }

  async #start(options) {
    // A template says itself what it is coded with.
    if (!options.template) {
      const [codec] = await decoded_codecs();
      if (codec) options.codec = codec;
    }
    const name = await this.#order({do: 'start', options});
    if (name === null) return;
    this.#notice.say('Started.', 3);
    if (name) this.#viewer.choose(name);
  }

  #pause() {
    const {session} = this.#viewer;
    return this.#order({do: session.state === 'paused' ? 'resume' : 'pause', session: session.name});
  }

  #confirm(asked) {
    set_hidden(by_id('stop-confirm'), !asked);
    if (asked) by_id('stop-no').focus();
  }

  #stop() {
    this.#confirm(false);
    return this.#order({do: 'stop', session: this.#viewer.chosen});
  }

  async save_replay() {
    this.#notice.say('Saving …', 30);
    const path = await this.#order({do: 'save-replay', session: this.#viewer.chosen});
    if (path !== null) this.#notice.say(path ? `Saved on that computer as ${path}` : 'Saved.', 12);
  }

  /// The answer's text, or null after telling what was wrong.
  async #order(message) {
    try {
      return await this.#net.order(message);
    } catch (error) {
      this.#notice.say(error.message, 10);
      return null;
    }
  }
}

function facts({width, height, fps, codec, bits_per_second, viewers}) {
  const all = [];
  if (width) all.push(`${width}×${height}`);
  if (fps) all.push(`${Math.round(fps)} fps`);
  if (codec) all.push(codec_title(codec));
  if (bits_per_second) all.push(bits(bits_per_second));
  if (viewers !== undefined) all.push(viewers === 1 ? '1 viewer' : `${viewers} viewers`);
  return all.map((fact) => fact.replace(' ', '\u00a0')).join(' · ');
}
