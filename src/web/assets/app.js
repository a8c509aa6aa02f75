/// The page: who comes in, what the keys and buttons do, and what is said where there is no picture.

import {enter, entered, net, take_token} from './early.js';
import {log_out, token_of} from './net.js';
import {Viewer} from './viewer.js';
import {Panel, state_title} from './panel.js';
import {Overlay} from './overlay.js';
import {Apart} from './apart.js';
import {codec_title, decoded_codecs} from './codecs.js';
import {Message, Notice, by_id, element, hide_when_idle, listen_to_keys, set_hidden, set_icon, set_pressed,
  set_text} from './ui.js';

const kZooms = ['fit', 'fill', 'one'];
const kZoomTitles = {fit: 'fit', fill: 'fill', one: 'one to one'};
const kSoundMs = 250;
const kMuted = 'zerocast-muted';
const kVolume = 'zerocast-volume';
const kRefusals = {
  wrong: '',
  wait: 'Too many wrong tokens were tried. Wait a minute, then try again.',
  refused: 'The server does not answer under this address. Open the link that zerocast view prints.',
  away: 'The server does not answer.',
};

const body = document.body;
const stage = by_id('stage');
const notice = new Notice();
const message = new Message();
let lock = null;
let was_in = false;

const on_net = {
  open: () => {
    was_in = true;
    body.dataset.state = 'in';
    notice.clear();
    viewer.connected();
    changed();
  },
  event: (told) => {
    if (told.event === 'hello') panel.greeted(told);
    else viewer.told(told);
  },
  packet: (buffer) => viewer.packet(buffer),
  lost: () => {
    viewer.lost();
    notice.say('There is no connection to the server. Trying again …', 0);
    changed();
  },
  refused: (why) => show_login(why, was_in ? 'That token is no longer valid.' : ''),
};
const viewer = new Viewer(net, by_id('canvas'), by_id('video'), {
  changed: () => changed(),
  size: () => fit_one(),
  note: (text) => notice.say(text),
  unwatchable: (stream) => tell_unwatchable(stream),
  sound_refused: () => changed(),
});
const panel = new Panel(viewer, net, notice);
const overlay = new Overlay(viewer, net);
const apart = new Apart(viewer, () => changed());
let unwatchable_text = '';

async function tell_unwatchable(stream) {
  const decoded = (await decoded_codecs()).map(codec_title);
  unwatchable_text = `It is coded as ${codec_title(stream.codec)} (${stream.codec_string}), which this browser does not decode. ` +
    (decoded.length ? `It decodes ${decoded.join(' and ')}.` : 'It decodes none of zerocast’s codecs.');
  if (panel.controls && decoded.length) unwatchable_text += ` A session started from this page takes ${decoded[0]}.`;
  changed();
}

/// What is shown where, after anything changed.
let change_due = false;
function changed() {
  if (change_due) return;
  change_due = true;
  queueMicrotask(() => {
    change_due = false;
    show_state();
  });
}

function show_state() {
  const {session, stream, sound, sessions} = viewer;
  set_text(by_id('title'), session?.name || viewer.chosen || 'Sessions');
  document.title = session ? `${session.name} – zerocast` : 'zerocast';
  const badge = by_id('badge');
  const state = viewer.held ? 'view paused' : session ? state_title(session.state) : '';
  set_text(badge, state);
  set_hidden(badge, state === '');
  badge.dataset.state = viewer.held ? 'paused' : session?.state ?? '';
  set_icon(by_id('hold-button'), viewer.held ? 'play' : 'hold', viewer.held ? 'Go on' : 'Pause the view');
  by_id('hold-button').disabled = session === null;
  by_id('snapshot-button').disabled = session === null;
  set_hidden(by_id('replay-button'), !(panel.controls && session?.replay_seconds > 0));
  show_sound(stream, sound);
  show_message(session, sessions);
  panel.update();
  keep_awake(stream !== null && !viewer.held);
}

function show_sound(stream, sound) {
  const fragments = viewer.as === 'fragments';
  const there = fragments ? stream?.audio?.length > 0 : sound.tracks > 0;
  const silent = fragments ? viewer.video.muted : sound.muted || sound.blocked;
  for (const id of ['mute-button', 'volume']) set_hidden(by_id(id), !there);
  set_icon(by_id('mute-button'), silent ? 'muted' : 'sound', silent ? 'Sound on' : 'Mute');
  by_id('mute-button').classList.toggle('asks', there && !fragments && sound.blocked);
  const select = by_id('track');
  set_hidden(select, fragments || sound.tracks < 2);
  if (select.length !== sound.tracks) {
    select.replaceChildren(...Array.from({length: sound.tracks},
        (_, i) => element('option', {value: String(i + 1), textContent: `Track ${i + 1}`})));
  }
  if (sound.tracks > 0) select.value = String(sound.number);
}

function show_message(session, sessions) {
  if (!by_id('login').hidden) {
    message.hide();
    return;
  }
  const choose = ['Sessions', () => panel.toggle(true)];
  if (!net.open) {
    if (!viewer.stats.painted) message.show('Connecting …');
    return;
  }
  if (viewer.unwatchable) {
    if (panel.controls) message.show('Not in this browser', unwatchable_text, ['Share screen', () => panel.share()], choose);
    else message.show('Not in this browser', unwatchable_text);
  } else if (session?.state === 'failed') {
    message.show(`${session.name} has failed`, session.error || '', choose);
  } else if (session === null && sessions.length > 1) {
    message.show('Which one?', 'Choose a session to watch.',
        ...sessions.slice(0, 9).map(({name}) => [name, () => viewer.choose(name)]));
  } else if (session === null || session.state === 'ended') {
    if (panel.controls) message.show('Nothing to see yet', 'Share this computer’s screen, or wait until somebody starts a session.', ['Share screen', () => panel.share()], choose);
    else message.show('Nothing to see yet', 'The picture comes by itself when a session starts.');
  } else if (session.state === 'starting') {
    message.show(`${session.name} is starting`);
  } else {
    message.hide();
  }
}

/// One to one: each pixel of the picture is one of the screen.
function fit_one() {
  const one = stage.dataset.zoom === 'one';
  for (const [shown, width] of [[viewer.canvas, viewer.canvas.width], [viewer.video, viewer.video.videoWidth]]) {
    shown.style.width = one && width ? `${width / devicePixelRatio}px` : '';
  }
}

function zoom(to = kZooms[(kZooms.indexOf(stage.dataset.zoom) + 1) % kZooms.length]) {
  stage.dataset.zoom = to;
  set_icon(by_id('zoom-button'), to, `Zoom: ${kZoomTitles[to]}`);
  fit_one();
}

function set_muted(muted) {
  localStorage.setItem(kMuted, muted ? '1' : '');
  viewer.video.muted = muted;
  viewer.sound.set_muted(muted);
  changed();
}

function toggle_sound() {
  const {sound, video, as} = viewer;
  if (as === 'fragments') set_muted(!video.muted);
  else if (sound.blocked) sound.resume();
  else set_muted(!sound.muted);
}

async function full_screen() {
  try {
    if (document.fullscreenElement) await document.exitFullscreen();
    else if (document.documentElement.requestFullscreen) await document.documentElement.requestFullscreen({navigationUI: 'hide'});
    else viewer.video.webkitEnterFullscreen?.();  // iPhones: only a video can
  } catch { /* The browser says no. */ }
}

async function save_snapshot() {
  const name = viewer.chosen;
  if (!name) return;
  try {
    const answer = await fetch(`snapshot/${encodeURIComponent(name)}.png`, {cache: 'no-store'});
    if (!answer.ok) throw new Error((await answer.text()).trim() || `The server answers ${answer.status}.`);
    const now = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString();
    const url = URL.createObjectURL(await answer.blob());
    element('a', {href: url, download: `${name} ${now.slice(0, 10)} ${now.slice(11, 19).replaceAll(':', '.')}.png`}).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    notice.say('The picture is saved among your downloads.');
  } catch (error) {
    notice.say(`No picture was saved: ${error.message}`, 8);
  }
}

/// The screen stays on while something is watched (https://www.w3.org/TR/screen-wake-lock/). The browser takes the
/// lock away with each tab change.
async function keep_awake(wanted) {
  if (!wanted || document.hidden) {
    lock?.release?.();
    lock = null;
  } else if (lock === null && navigator.wakeLock) {
    lock = {};
    try {
      const sentinel = await navigator.wakeLock.request('screen');
      lock = sentinel;
      sentinel.onrelease = () => { if (lock === sentinel) lock = null; };
    } catch { /* No more than a kindness; not asked for again. */ }
  }
}

function show_login(why, wrong_text) {
  net.close();
  viewer.lost();
  notice.clear();
  body.dataset.state = 'out';
  panel.toggle(false);
  set_hidden(by_id('login'), false);
  set_text(by_id('login-error'), why === 'wrong' ? wrong_text : kRefusals[why] ?? '');
  changed();
}

/// After a token was shown; `said` as log_in() says it.
function told(said) {
  if (said !== 'in') return show_login(said, 'This token is not valid. Take the link that zerocast view prints now.');
  set_hidden(by_id('login'), true);
  changed();
}

by_id('login-form').onsubmit = async (event) => {
  event.preventDefault();
  told(await enter(token_of(by_id('token').value)));
  by_id('token').value = '';
};
by_id('logout-button').onclick = async () => {
  await log_out();
  was_in = false;
  show_login('wrong', '');
};
by_id('hold-button').onclick = () => viewer.hold(!viewer.held);
by_id('mute-button').onclick = toggle_sound;
by_id('volume').oninput = ({target}) => {
  viewer.sound.set_volume(target.valueAsNumber);
  viewer.video.volume = target.valueAsNumber;
  localStorage.setItem(kVolume, target.value);
};
by_id('track').onchange = ({target}) => viewer.sound.choose(Number(target.value));
by_id('replay-button').onclick = () => panel.save_replay();
by_id('snapshot-button').onclick = save_snapshot;
by_id('zoom-button').onclick = () => zoom();
by_id('overlay-button').onclick = () => overlay.toggle();
by_id('apart-button').onclick = () => apart.toggle();
by_id('full-button').onclick = full_screen;
by_id('help-button').onclick = () => by_id('help').showModal();
set_hidden(by_id('full-button'), !document.documentElement.requestFullscreen && !viewer.video.webkitEnterFullscreen);
set_hidden(by_id('apart-button'), !apart.possible);
stage.ondblclick = full_screen;
addEventListener('hashchange', async () => { if (location.hash) told(await enter(take_token())); });
addEventListener('online', () => net.hurry());
addEventListener('resize', fit_one);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) net.hurry();
  changed();
});
for (const gesture of ['pointerdown', 'keydown']) addEventListener(gesture, () => viewer.sound.resume(), {passive: true});
setInterval(() => viewer.sound.align(viewer.stats.stages(net.clock.now(), 2).total[0]), kSoundMs);

listen_to_keys({
  ' ': () => viewer.session && viewer.hold(!viewer.held),
  f: full_screen,
  m: toggle_sound,
  i: () => overlay.toggle(),
  s: save_snapshot,
  z: () => zoom(),
  p: () => apart.toggle(),
  l: () => panel.toggle(),
  '?': () => by_id('help').showModal(),
  Escape: () => panel.toggle(false),
  ...Object.fromEntries(Array.from({length: 9}, (_, i) => [String(i + 1), () => {
    const session = viewer.sessions[i];
    if (session) viewer.choose(session.name);
  }])),
});
hide_when_idle(body, () => viewer.stream !== null && !panel.shown && !by_id('help').open);
zoom('fit');
by_id('volume').value = localStorage.getItem(kVolume) ?? '1';
viewer.sound.set_volume(by_id('volume').valueAsNumber);
viewer.video.volume = by_id('volume').valueAsNumber;
if (localStorage.getItem(kMuted)) set_muted(true);

/// For tests and benchmarks.
window.zerocast = {
  stats: () => {
    const {painted, received, skipped, server_skipped, bytes} = viewer.stats;
    const clock = {known: net.clock.known, trip_ms: net.clock.trip_ms};
    return {painted, received, skipped, server_skipped, bytes, clock, stages: viewer.stats.stages(net.clock.now())};
  },
  get samples() { return viewer.stats.samples(); },
  get canvas() { return viewer.canvas; },
  get video() { return viewer.video; },
  get as() { return viewer.as; },
  get first_picture_ms() { return viewer.stats.first_picture_ms; },
  get audio() { return {...viewer.sound.state, muted: viewer.sound.muted, blocked: viewer.sound.blocked}; },
};

net.listen(on_net);
const said = await entered;
if (said !== 'in') told(said);  // else a refusal may have been heard already
