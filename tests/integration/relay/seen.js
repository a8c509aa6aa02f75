// What the page's <video> shows in so many pictures, in one expression: their numbers and times (src/media/test_mark.h)
// and the colour bars of the test pattern. `clock`: how far the wall's clock is before the machine's, in milliseconds.
(async (count, clock) => {
  const columns = 16, rows = 8, cell = 16;
  const bars = [[191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0],
    [191, 0, 191], [191, 0, 0], [0, 0, 191], [0, 0, 0]];
  const near = 24;  // steps of 255: of lossy coding
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });

  function read() {
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    context.drawImage(video, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    const at = (x, y) => pixels.subarray(4 * (Math.floor(y) * canvas.width + Math.floor(x))).subarray(0, 3);
    const bits = (from, to) => {
      let value = 0;
      for (let bit = from; bit < to; ++bit) {
        const [, green] = at((bit % columns + 0.5) * cell, (Math.floor(bit / columns) + 0.5) * cell);
        value = value * 2 + (green > 127 ? 1 : 0);
      }
      return value;
    };
    const matching = bars.filter((bar, i) => at((i + 0.5) * canvas.width / bars.length, canvas.height * 0.6)
      .every((part, channel) => Math.abs(part - bar[channel]) <= near));
    return { frame: bits(0, 32), painted: bits(32, 96) / 1e6, bars: matching.length,
      seen: performance.timeOrigin + performance.now() - clock };
  }

  const pictures = [];
  while (pictures.length < count) {
    await new Promise((done) => video.requestVideoFrameCallback(done));
    pictures.push(read());
  }
  const delays = pictures.map((one) => one.seen - one.painted).sort((a, b) => a - b);
  return {
    size: `${video.videoWidth}x${video.videoHeight}`,
    pictures: new Set(pictures.map((one) => one.frame)).size,
    in_order: pictures.every((one, i) => i === 0 || one.frame >= pictures[i - 1].frame),
    span: pictures.at(-1).frame - pictures[0].frame,
    bars: Math.max(...pictures.map((one) => one.bars)),  // the box that moves hides one or two at a time
    delay_ms: Math.round(delays[Math.floor(delays.length / 2)]),
    p99_ms: Math.round(delays[Math.floor(delays.length * 0.99)]),
    worst_ms: Math.round(delays.at(-1)),
    sound: (video.srcObject?.getAudioTracks() ?? []).map((track) => track.readyState),
  };
})
