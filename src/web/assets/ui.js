/// Small helpers of the page's parts: elements by name, texts that change only when they differ, notices, keys.

export function by_id(id) { return document.getElementById(id); }

/// Texts that are set again though they are the same would cost layout.
export function set_text(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function set_hidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

export function set_icon(button, name, label) {
  const use = button.querySelector('use');
  if (use.getAttribute('href') !== `#i-${name}`) use.setAttribute('href', `#i-${name}`);
  if (label && button.getAttribute('aria-label') !== label) button.setAttribute('aria-label', label);
}

export function set_pressed(button, pressed) { button.setAttribute('aria-pressed', String(pressed)); }

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/// "6.2 Mbit/s"
export function bits(rate) {
  if (!(rate > 0)) return '–';
  if (rate >= 1e6) return `${(rate / 1e6).toFixed(rate < 1e7 ? 1 : 0)} Mbit/s`;
  return `${Math.round(rate / 1e3)} kbit/s`;
}

/// One line at the foot of the picture, for `seconds`; 0 until the next one. Read out by screen readers.
export class Notice {
  #line = by_id('notice');
  #timer = 0;
  #lasting = '';

  say(text, seconds = 5) {
    clearTimeout(this.#timer);
    if (seconds === 0) this.#lasting = text;
    this.#show(text);
    if (seconds > 0) this.#timer = setTimeout(() => this.#show(this.#lasting), seconds * 1000);
  }

  /// What was said until further notice holds no more.
  clear() {
    const shown = this.#line.textContent === this.#lasting;
    this.#lasting = '';
    if (shown) this.#show('');
  }

  #show(text) {
    set_text(this.#line, text);
    set_hidden(this.#line, text === '');
  }
}

/// The middle of the stage, where there is no picture: what is so, and what can be done.
export class Message {
  #box = by_id('message');
  #shown = '';

  show(title, text = '', ...actions) {
    const what = [title, text, ...actions.map(([label]) => label)].join('\n');
    set_hidden(this.#box, false);
    if (what === this.#shown) return;
    this.#shown = what;
    set_text(by_id('message-title'), title);
    set_text(by_id('message-text'), text);
    set_hidden(by_id('message-text'), text === '');
    by_id('message-actions').replaceChildren(...actions.map(([label, act], i) =>
      element('button', {type: 'button', textContent: label, onclick: act, className: i === 0 ? 'primary' : ''})));
  }

  hide() {
    this.#shown = '';
    set_hidden(this.#box, true);
  }
}

/// Bars and the pointer go away while nothing is touched; they stay where something in them has the keyboard.
export function hide_when_idle(body, may_hide, milliseconds = 3000) {
  let timer = 0;
  const hide = () => {
    if (may_hide() && !document.querySelector('.bar :focus-visible')) body.classList.add('idle');
    else timer = setTimeout(hide, milliseconds);
  };
  const wake = () => {
    body.classList.remove('idle');
    clearTimeout(timer);
    timer = setTimeout(hide, milliseconds);
  };
  for (const event of ['pointermove', 'pointerdown', 'keydown', 'focusin']) {
    addEventListener(event, wake, {passive: true});
  }
  wake();
}

/// `keys`: from KeyboardEvent.key to what it does. Not while something is written, nor with Ctrl and the like; space
/// is left to a button that has the keyboard.
export function listen_to_keys(keys) {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (event.target.closest?.('input:not([type=range], [type=checkbox]), select, textarea, dialog[open]')) return;
    if (event.key === ' ' && event.target.closest?.('button, input')) return;
    const act = keys[event.key];
    if (!act || event.repeat) return;
    event.preventDefault();
    act();
  });
}
