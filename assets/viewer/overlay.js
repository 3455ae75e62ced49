/**
 * Lines and words over the points: axes with their numbers, boxes, planes, lengths, and the points that were picked.
 *
 * Lines are cut into pieces; a piece behind what the picture shows is drawn faintly, so that one sees how a box stands.
 */

import { project } from "./camera.js";

const PIECES = 24; // of a line
const HIDDEN = 0.22; // opacity of what is hidden
const TICKS = 5; // on the longest axis, about
// Words in these have a contrast of at least 4.5 with the page (WCAG 2.2, 1.4.3).
const ON_LIGHT = {
  axes: ["#b91c1c", "#15803d", "#1d4ed8"], box: "#b45309", plane: "#0f766e", segment: "#a21caf", pick: "#be123c",
};
const ON_DARK = {
  axes: ["#f87171", "#4ade80", "#93c5fd"], box: "#fbbf24", plane: "#2dd4bf", segment: "#e879f9", pick: "#fb7185",
};
const FONT = "13px system-ui, sans-serif";

export class Overlay {
  /**
   * @param {CanvasRenderingContext2D} context of the canvas over the points.
   * @param {object} cloud as `fetchCloud` gives it.
   */
  constructor(context, cloud) {
    this.context = context;
    this.cloud = cloud;
  }

  /**
   * Draw everything anew.
   *
   * @param {Raster} raster what is behind, drawn with the same camera; of another size, perhaps.
   * @param {{axes: boolean, names: boolean}} shown
   * @param {number[][]} picks places that were picked, at most two.
   */
  draw(raster, projection, ratio, shown, picks) {
    const { context, cloud } = this;
    const { width, height } = projection;
    this.raster = raster;
    this.projection = projection;
    this.taken = []; // rectangles of words
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = FONT;
    const style = getComputedStyle(context.canvas);
    [this.ink, this.paper] = [style.color, style.getPropertyValue("--cloud-paper")];
    const brightness = this.ink.match(/\d+/g).slice(0, 3).reduce((sum, channel) => sum + Number(channel), 0);
    this.colours = brightness > 384 ? ON_DARK : ON_LIGHT;
    if (shown.names) for (const shape of cloud.shapes) this[shape.kind](shape);
    if (shown.axes) this.axes();
    this.picks(picks);
  }

  /** Axes along three edges of the cloud's extents, with numbers in the user's coordinates. */
  axes() {
    const { low, high, offset, unit } = this.cloud;
    const [start, ...ends] = axisEnds(this.cloud);
    const step = niceStep(Math.max(...high.map((value, k) => value - low[k])) / TICKS);
    const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    for (const axis of [0, 1, 2]) {
      const at = value => low.map((lowest, k) => (k === axis ? value : lowest));
      const colour = this.colours.axes[axis];
      this.line(start, ends[axis], colour, 1.5);
      this.word(ends[axis], `${"xyz"[axis]}${unit && `, ${unit}`}`, colour, 14, "600 ");
      const first = Math.ceil((low[axis] + offset[axis]) / step);
      for (let tick = first; tick * step <= high[axis] + offset[axis]; tick++) {
        const place = at(tick * step - offset[axis]);
        this.spot(place, 2, colour);
        this.word(place, (tick * step).toFixed(decimals), this.ink, 0);
      }
    }
  }

  box({ centre, axes, size, name }) {
    const corner = signs => centre.map((value, k) =>
      value + signs.reduce((sum, sign, axis) => sum + (sign * size[axis] * axes[axis][k]) / 2, 0));
    for (const axis of [0, 1, 2]) {
      for (const [one, two] of [[-1, -1], [-1, 1], [1, 1], [1, -1]]) {
        const signs = end => [0, 1, 2].map(k => (k === axis ? end : k === (axis + 1) % 3 ? one : two));
        this.line(corner(signs(-1)), corner(signs(1)), this.colours.box, 1.5);
      }
    }
    this.word(corner([0, 0, 1]), name, this.colours.box, 8, "600 ");
  }

  plane({ outline, name }) {
    outline.forEach((place, k) => this.line(place, outline[(k + 1) % outline.length], this.colours.plane, 2));
    const distance = place => project(this.projection, place)[2];
    const nearest = outline.reduce((best, place) => (distance(place) < distance(best) ? place : best), outline[0]);
    if (nearest) this.word(nearest, name, this.colours.plane, -22, "600 "); // below it: what stands on the plane is above
  }

  segment({ start, end, name }) {
    this.line(start, end, this.colours.segment, 2);
    this.word(start.map((value, k) => (value + end[k]) / 2), name, this.colours.segment, 8, "600 ");
  }

  picks(places) {
    if (places.length === 2) this.line(places[0], places[1], this.colours.pick, 2);
    places.forEach((place, k) => {
      this.spot(place, 5, this.colours.pick, true);
      this.word(place, "AB"[k], this.colours.pick, 12, "700 ");
    });
  }

  /** Draw a straight line, faint where something is in front of it. */
  line(from, to, colour, width) {
    const { context, projection } = this;
    const parts = [new Path2D(), new Path2D()];
    let before = null;
    for (let piece = 0; piece <= PIECES; piece++) {
      const share = piece / PIECES;
      const place = from.map((value, k) => value + share * (to[k] - value));
      const [u, v, w] = project(projection, place);
      const now = w > projection.near ? { u, v, hidden: this.hidden(u, v, w) } : null;
      if (before && now) {
        const part = parts[Number(before.hidden && now.hidden)];
        part.moveTo(before.u, before.v);
        part.lineTo(now.u, now.v);
      }
      before = now;
    }
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.lineCap = "round";
    context.stroke(parts[0]);
    context.globalAlpha = HIDDEN;
    context.stroke(parts[1]);
    context.globalAlpha = 1;
  }

  /** Whether the picture shows something nearer at a pixel; a little nearer does not count. */
  hidden(u, v, w) {
    const { raster, projection } = this;
    const x = Math.floor((u / projection.width) * raster.width), y = Math.floor((v / projection.height) * raster.height);
    if (x < 0 || y < 0 || x >= raster.width || y >= raster.height) return false;
    return raster.inverse[y * raster.width + x] * w > 1.01;
  }

  spot(place, radius, colour, ringed = false) {
    const { context, projection, paper } = this;
    const [u, v, w] = project(projection, place);
    if (w <= projection.near) return;
    context.beginPath();
    context.arc(u, v, radius, 0, 2 * Math.PI);
    context.fillStyle = colour;
    context.fill();
    if (!ringed) return;
    context.strokeStyle = paper;
    context.lineWidth = 2;
    context.stroke();
  }

  /** Write a word above a place, unless another word is there already. */
  word(place, text, colour, above, weight = "") {
    const { context, projection, paper, taken } = this;
    const [u, v, w] = project(projection, place);
    if (w <= projection.near || !text) return;
    context.font = weight + FONT;
    const half = context.measureText(text).width / 2 + 3;
    const box = [u - half, v - above - 18, u + half, v - above];
    if (taken.some(other => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) return;
    taken.push(box);
    context.textAlign = "center";
    context.textBaseline = "bottom";
    context.lineJoin = "round";
    context.strokeStyle = paper; // a rim of the background's colour, so that it reads over points too
    context.lineWidth = 4;
    context.strokeText(text, u, v - above);
    context.fillStyle = colour;
    context.fillText(text, u, v - above);
  }
}

/** Where the axes start, and where x, y and z end: corners of the cloud's extents. */
export function axisEnds({ low, high }) {
  return [low, ...[0, 1, 2].map(axis => low.map((lowest, k) => (k === axis ? high[k] : lowest)))];
}

/** The 1, 2 or 5 times a power of ten that is next to `length`. */
export function niceStep(length) {
  const power = 10 ** Math.floor(Math.log10(length || 1));
  return power * [1, 2, 5, 10].find(step => step * power >= length * 0.99);
}
