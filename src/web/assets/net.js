/// The way to the server: tokens, the WebSocket that comes back by itself, orders and their answers.

import {ServerClock} from './clock.js';

const kFirstWaitMs = 200;
const kLongestWaitMs = 5_000;
const kQuickPings = 5;
const kQuickPingMs = 60;
const kPingMs = 2_000;
const kSilenceMs = 10_000;  ///< pongs that stay away for so long: the way is dead, though nobody says so
export const kHeader = 48;

/// One header object serves all packets: it is read before the next one comes.
const head = {type: 0, key: false, track: 0, pts: 0, captured: 0, submitted: 0, encoded: 0, sent: 0};

/// An i64 as a number: exact for 285 years of microseconds, and without a BigInt for each.
function read_i64(view, at) { return view.getInt32(at + 4, true) * 4294967296 + view.getUint32(at, true); }

export function read_header(buffer) {
  const view = new DataView(buffer, 0, kHeader);
  head.type = view.getUint8(0);
  head.key = (view.getUint8(1) & 1) !== 0;
  head.track = view.getUint16(2, true);
  head.pts = read_i64(view, 8);
  head.captured = read_i64(view, 16);
  head.submitted = read_i64(view, 24);
  head.encoded = read_i64(view, 32);
  head.sent = read_i64(view, 40);
  return head;
}

/// A link, as `zerocast view` prints it, or a token alone.
export function token_of(text) {
  const word = text.trim();
  const hash = word.indexOf('#');
  if (hash >= 0) return word.slice(hash + 1);
  const query = /[?&]token=([^&#\s]+)/.exec(word);
  return query ? decodeURIComponent(query[1]) : word;
}

/// What the server says to a token: 'in', 'wrong', 'wait' (too many wrong ones), 'away' (it does not answer), or
/// 'refused' (this address is not one that it serves).
export async function log_in(token) {
  try {
    const answer = await fetch('login', {method: 'POST', body: token, cache: 'no-store'});
    return {204: 'in', 200: 'in', 429: 'wait', 403: 'refused'}[answer.status] ?? 'wrong';
  } catch {
    return 'away';
  }
}

/// Why a WebSocket was refused: a browser does not tell a page, but a plain request to
/// the same path is answered in the same way. 'in': not for lack of a token.
async function probe() {
  try {
    const answer = await fetch('ws', {cache: 'no-store'});
    return {401: 'wrong', 429: 'wait', 403: 'refused'}[answer.status] ?? 'in';
  } catch {
    return 'away';
  }
}

export async function log_out() {
  try { await fetch('logout', {method: 'POST'}); } catch { /* It is gone: so is the cookie's use. */ }
}

/// What happens is kept until somebody listens, so that a page can call while the rest of it still loads.
export class Connection {
  #on = null;
  #early = [];
  #socket = null;
  #orders = new Map();
  #next_order = 1;
  #wait = kFirstWaitMs;
  #timer = 0;
  #ping_timer = 0;
  #pings = 0;
  #heard = 0;
  #wanted = false;
  clock = new ServerClock();

  /// `on`: {event(message), packet(buffer), open(), lost(), refused(why)}.
  listen(on) {
    this.#on = on;
    for (const [name, argument] of this.#early.splice(0)) on[name](argument);
  }

  get open() { return this.#socket?.readyState === WebSocket.OPEN; }

  connect() {
    this.#wanted = true;
    clearTimeout(this.#timer);
    if (this.#socket) return;
    const url = new URL('ws', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    url.hash = url.search = '';
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.#wait = kFirstWaitMs;
      this.#start_pings();
      this.#tell('open');
    };
    socket.onmessage = ({data}) => {
      if (typeof data === 'string') this.#told(data);
      else if (data.byteLength >= kHeader) this.#tell('packet', data);
    };
    socket.onclose = () => {
      if (this.#socket === socket) this.#closed(opened);
    };
    this.#socket = socket;
  }

  close() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    clearInterval(this.#ping_timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#forget_orders();
  }

  /// At once, rather than when the next try is due.
  hurry() {
    if (this.#wanted && !this.#socket) this.connect();
  }

  send(message) {
    if (this.open) this.#socket.send(JSON.stringify(message));
  }

  /// Its answer's text, or an Error that says what the server said.
  order(message) {
    if (!this.open) return Promise.reject(new Error('There is no connection to the server.'));
    const id = this.#next_order++;
    this.send({...message, id});
    return new Promise((resolve, reject) => this.#orders.set(id, {resolve, reject}));
  }

  #told(text) {
    const message = JSON.parse(text);
    if (message.event === 'pong') {
      this.#heard = performance.now();
      this.clock.answered(message.at, message.now);
      return;
    }
    const order = this.#orders.get(message.id);
    if (order && (message.event === 'done' || message.event === 'error')) {
      this.#orders.delete(message.id);
      if (message.event === 'done') order.resolve(message.text ?? '');
      else order.reject(new Error(message.message ?? 'The server refused.'));
      return;
    }
    this.#tell('event', message);
  }

  #start_pings() {
    this.clock.reset();
    this.#pings = 0;
    this.#heard = performance.now();
    clearInterval(this.#ping_timer);
    const ping = () => {
      if (performance.now() - this.#heard > kSilenceMs) {
        this.#drop();
        return;
      }
      this.send({do: 'ping', at: performance.now()});
      if (++this.#pings !== kQuickPings) return;
      clearInterval(this.#ping_timer);
      this.#ping_timer = setInterval(ping, kPingMs);
    };
    this.#ping_timer = setInterval(ping, kQuickPingMs);
    ping();
  }

  /// close() waits for an answer, and none will come.
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    socket.onmessage = socket.onclose = null;
    socket.close();
    this.#closed(true);
  }

  async #closed(was_open) {
    this.#socket = null;
    clearInterval(this.#ping_timer);
    this.#forget_orders();
    if (!this.#wanted) return;
    if (!was_open) {
      const why = await probe();
      if (!this.#wanted || this.#socket) return;
      if (why !== 'in' && why !== 'away') {
        this.#wanted = false;
        this.#tell('refused', why);
        return;
      }
    }
    const wait = this.#wait * (0.8 + 0.4 * Math.random());
    this.#wait = Math.min(this.#wait * 1.8, kLongestWaitMs);
    this.#tell('lost');
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.connect(), wait);
  }

  #tell(name, argument) {
    if (this.#on) this.#on[name](argument);
    else this.#early.push([name, argument]);
  }

  #forget_orders() {
    for (const order of this.#orders.values()) order.reject(new Error('The connection was lost before the answer came.'));
    this.#orders.clear();
  }
}
