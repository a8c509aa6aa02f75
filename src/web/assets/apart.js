/// The picture in a small window that stays above others: the canvas itself moves there
/// (https://wicg.github.io/document-picture-in-picture/), or the browser's player does.

export class Apart {
  #viewer;
  #changed;
  #window = null;

  constructor(viewer, changed) {
    this.#viewer = viewer;
    this.#changed = changed;
    for (const event of ['enterpictureinpicture', 'leavepictureinpicture']) {
      viewer.video.addEventListener(event, () => viewer.set_apart(document.pictureInPictureElement !== null));
    }
  }

  get possible() { return 'documentPictureInPicture' in window || document.pictureInPictureEnabled === true; }

  async toggle() {
    try {
      if (this.#window) this.#window.close();
      else if (this.#viewer.as === 'fragments') await this.#toggle_video();
      else await this.#open();
    } catch { /* Not without a gesture, and not in every browser. */ }
  }

  async #toggle_video() {
    if (document.pictureInPictureElement) await document.exitPictureInPicture();
    else await this.#viewer.video.requestPictureInPicture();
  }

  async #open() {
    const {canvas, picture} = this.#viewer;
    if (!canvas.height || !('documentPictureInPicture' in window)) return;
    const width = 480;
    const small = await documentPictureInPicture.requestWindow({width, height: Math.round(width * canvas.height / canvas.width)});
    const home = canvas.parentNode;
    const before = canvas.nextSibling;
    this.#window = small;
    Object.assign(small.document.body.style, {margin: '0', background: '#000', overflow: 'hidden'});
    Object.assign(canvas.style, {width: '100vw', height: '100vh', objectFit: 'contain', display: 'block'});
    small.document.body.append(canvas);
    picture.move_to(small);
    this.#viewer.set_apart(true);
    small.addEventListener('pagehide', () => {
      this.#window = null;
      home.insertBefore(canvas, before);
      canvas.removeAttribute('style');
      picture.move_to(window);
      this.#viewer.set_apart(false);
      this.#changed();
    });
    this.#changed();
  }
}
