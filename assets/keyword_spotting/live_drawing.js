// Draws the last seconds: the mel spectrogram, and the scores of the best words with the threshold.

const SHOWN_S = 5;
const SHOWN_DECADES = 6; // of power below the loudest; what is weaker is black
const QUIET_DECADES = 6.5; // from the least shade: a room without speech is not made any brighter than this
const MOST_WORDS = 5;
const WORTH_SHOWING = 0.1; // a word whose score stays below this has no trace
const NOT_WORDS = ["_unknown_", "_silence_"];

export class Drawing {
  constructor(root) {
    const { colours, dashes, bands, columnsASecond, shadesADecade } = root.dataset;
    this.root = root;
    this.mel = root.querySelector(".live-mel");
    this.traces = root.querySelector(".live-traces");
    this.key = root.querySelector(".live-key");
    this.dashes = dashes.split(",").map(dash => dash.split(" ").filter(Boolean).map(Number));
    this.palette = between(colours.split(",").map(hex => [0, 2, 4].map(k => parseInt(hex.slice(k, k + 2), 16))));
    this.bands = Number(bands);
    this.rate = Number(columnsASecond);
    this.perDecade = Number(shadesADecade);
    this.columns = SHOWN_S * this.rate;
    this.small = new OffscreenCanvas(this.columns, this.bands); // one pixel for each column and band
    this.clear();
    new ResizeObserver(() => this.draw()).observe(root);
  }

  clear() {
    this.shades = new Uint8Array(this.columns * this.bands); // column after column, the newest last
    this.end = 0; // number of the next column
    this.now = 0;
    this.windows = [];
    this.detections = [];
    this.threshold = null;
    this.places = new Map(); // word to its colour and dash, which it keeps while it is shown
    this.draw();
  }

  add(answer) {
    const fresh = Uint8Array.from(atob(answer.mel), letter => letter.charCodeAt(0)).subarray(-this.shades.length);
    // Columns that were not sent, because too many came at once, stay dark.
    const moved = Math.min(this.columns, answer.mel_end - this.end) * this.bands;
    this.shades.copyWithin(0, moved);
    this.shades.fill(0, this.shades.length - moved);
    this.shades.set(fresh, this.shades.length - fresh.length);
    this.end = answer.mel_end;
    this.now = this.end / this.rate;
    this.threshold = answer.threshold;
    for (const { end_s, scores } of answer.windows) {
      this.windows.push({ at: end_s, scores: new Map(answer.labels.map((label, k) => [label, scores[k]])) });
    }
    this.detections.push(...answer.detections.map(({ word, end_s }) => ({ word, at: end_s })));
    const since = this.now - SHOWN_S - 1;
    this.windows = this.windows.filter(({ at }) => at > since);
    this.detections = this.detections.filter(({ at }) => at > since);
    this.draw();
  }

  draw() {
    if (!this.mel.clientWidth) return; // another view is open
    this.drawMel(sized(this.mel));
    this.drawTraces(sized(this.traces));
  }

  drawMel({ context, width, height }) {
    const { columns, bands, shades, palette } = this;
    const top = Math.max(shades.reduce((most, shade) => Math.max(most, shade), 0), QUIET_DECADES * this.perDecade);
    const bottom = top - SHOWN_DECADES * this.perDecade;
    const colours = Uint32Array.from({ length: 256 }, (_, shade) =>
      palette[Math.round(255 * Math.min(1, Math.max(0, (shade - bottom) / (top - bottom))))]);
    const image = new ImageData(columns, bands);
    const pixels = new Uint32Array(image.data.buffer);
    for (let column = 0; column < columns; column++) {
      for (let band = 0; band < bands; band++) {
        pixels[(bands - 1 - band) * columns + column] = colours[shades[column * bands + band]];
      }
    }
    this.small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.small, 0, 0, width, height);
    label(context, "8 kHz", 4, 4, "top");
    label(context, "0 Hz", 4, height - 4, "bottom");
    for (const { word, at } of this.detections) label(context, word, this.x(at, width), 4, "top", "right");
  }

  drawTraces({ context, width, height }) {
    const style = getComputedStyle(this.traces);
    const ink = style.color;
    const y = score => 6 + (1 - score) * (height - 26);
    context.clearRect(0, 0, width, height);
    context.font = `12px ${style.fontFamily}`;
    context.strokeStyle = context.fillStyle = ink;
    context.textBaseline = "bottom";
    for (let second = Math.ceil(this.now - SHOWN_S); second <= this.now; second++) {
      if (second < 0) continue;
      const x = this.x(second, width);
      context.fillRect(x, height - 18, 1, 4);
      context.textAlign = x > width - 20 ? "right" : "center";
      context.fillText(`${second} s`, Math.max(x, 12), height);
    }
    if (this.threshold !== null) {
      line(context, [[0, y(this.threshold)], [width, y(this.threshold)]], ink, [6, 4], 1.5);
      context.textAlign = "left";
      context.fillText(`threshold ${this.threshold.toFixed(2)}`, 4, y(this.threshold) < 20 ? y(this.threshold) + 15 : y(this.threshold) - 2);
    }
    for (const { at } of this.detections) line(context, [[this.x(at, width), 6], [this.x(at, width), y(0)]], ink, [2, 2], 1);
    const words = this.best();
    for (const word of words) {
      const place = this.places.get(word);
      const points = this.windows.map(({ at, scores }) => [this.x(at, width), y(scores.get(word) ?? 0)]);
      line(context, points, style.getPropertyValue(`--keywords-${place}`), this.dashes[place], 2.5);
      context.fillStyle = style.getPropertyValue(`--keywords-${place}`);
      for (const [x, y] of points) context.fillRect(x - 2, y - 2, 4, 4); // where a window was heard
    }
    this.drawKey(words, style);
  }

  drawKey(words, style) {
    const newest = this.windows.at(-1);
    const items = words.map(word => {
      const place = this.places.get(word);
      const item = document.createElement("li");
      item.innerHTML = `<svg viewBox="0 0 36 12" aria-hidden="true"><line x1="0" y1="6" x2="36" y2="6"
        stroke="${style.getPropertyValue(`--keywords-${place}`)}" stroke-dasharray="${this.dashes[place]}"/></svg>`;
      item.append(`${word} ${Math.round(100 * (newest?.scores.get(word) ?? 0))} %`);
      return item;
    });
    this.key.replaceChildren(...items);
  }

  // The words with the highest scores of all that is shown. One that was shown before keeps its colour.
  best() {
    const highest = new Map();
    for (const { at, scores } of this.windows) {
      if (at < this.now - SHOWN_S) continue;
      for (const [word, score] of scores) highest.set(word, Math.max(score, highest.get(word) ?? 0));
    }
    const words = [...highest.keys()]
      .filter(word => !NOT_WORDS.includes(word) && highest.get(word) >= WORTH_SHOWING)
      .sort((a, b) => highest.get(b) - highest.get(a))
      .slice(0, MOST_WORDS);
    for (const word of [...this.places.keys()]) if (!words.includes(word)) this.places.delete(word);
    for (const word of words) {
      if (this.places.has(word)) continue;
      const taken = [...this.places.values()];
      this.places.set(word, this.dashes.findIndex((_, place) => !taken.includes(place)));
    }
    return words;
  }

  x(at, width) {
    return width * (1 - (this.now - at) / SHOWN_S);
  }
}

// Fit a canvas to the screen's pixels; the context draws in CSS pixels.
function sized(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}

function line(context, points, colour, dash, width) {
  context.strokeStyle = colour;
  context.setLineDash(dash);
  context.lineWidth = width;
  context.lineJoin = "round";
  context.beginPath();
  points.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
  context.setLineDash([]);
}

// Words on the picture: white on a black ground, whatever is below.
function label(context, text, x, y, baseline, align = "left") {
  context.font = `13px ${getComputedStyle(context.canvas).fontFamily}`;
  context.textAlign = align;
  context.textBaseline = baseline;
  const { width } = context.measureText(text);
  context.fillStyle = "rgb(0 0 0 / 65%)";
  context.fillRect((align === "right" ? x - width : x) - 3, baseline === "top" ? y - 2 : y - 15, width + 6, 17);
  context.fillStyle = "#fff";
  context.fillText(text, x, y);
}

// 256 colours between a few, as the numbers that the pixels of an image are: red in the lowest byte.
function between(colours) {
  return Uint32Array.from({ length: 256 }, (_, shade) => {
    const place = (shade / 255) * (colours.length - 1);
    const low = Math.min(Math.floor(place), colours.length - 2);
    const mixed = colours[low].map((channel, k) => Math.round(channel + (place - low) * (colours[low + 1][k] - channel)));
    return mixed[0] + 256 * mixed[1] + 65536 * mixed[2] + 0xff000000;
  });
}
