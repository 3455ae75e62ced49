/**
 * A viewer of one cloud: `mount` starts it in the markup that demos/point_clouds/viewer.py writes.
 *
 * Nothing is drawn while nothing moves. While it moves, as many points are drawn as keep it smooth (they come in random
 * order, so that the first ones are an even choice), and all of them once it rests.
 */

import { Camera, VIEWS } from "./camera.js";
import { fetchCloud, pick, sample } from "./cloud.js";
import { followGestures } from "./gestures.js";
import { axisEnds, Overlay } from "./overlay.js";
import { Raster } from "./raster.js";

const MOST_PIXELS = 1.3e6; // drawn at once: sharper screens get larger pixels
const SMOOTH_MS = 25; // a picture may take this long while the cloud moves
const LEAST_EFFORT = 0.25; // share of the points that is always drawn

const viewers = new WeakMap(); // by the element they are in

/**
 * Show a cloud in `root`; what was shown there before is let go.
 *
 * @param {HTMLElement} root
 * @param {URL} address of the data file.
 * @param {(event: object) => void} send tells the server of two points whose distance is to be kept.
 */
export function mount(root, address, send) {
  const before = viewers.get(root);
  if (before && !before.ending.signal.aborted && before.address.href === address.href) return;
  before?.dispose();
  const viewer = new Viewer(root, address, send, before);
  viewers.set(root, viewer);
  viewer.start();
}

class Viewer {
  constructor(root, address, send, before) {
    Object.assign(this, { root, address, send, before });
    this.given = { ...root.dataset }; // what the server said of this cloud
    const part = name => root.querySelector(`.cloud-${name}`);
    this.stage = part("stage");
    this.state = part("state");
    this.readout = part("readout");
    this.size = part("size");
    this.canvas = part("points");
    this.words = part("words");
    this.ending = new AbortController();
    this.picks = [];
    this.effort = 1;
    this.moving = false;
    this.due = 0;
  }

  async start() {
    try {
      this.cloud = await fetchCloud(this.address, this.ending.signal);
    } catch (error) {
      if (this.ending.signal.aborted) return; // another cloud took its place
      this.root.dataset.state = "failed";
      this.state.textContent = `The points could not be loaded (${error.message}). Run again.`;
      return;
    }
    if (this.ending.signal.aborted) return;
    const { high } = this.cloud;
    this.camera = new Camera([...sample(this.cloud), ...axisEnds(this.cloud)], Math.hypot(...high));
    this.camera.up = this.given.up;
    if (this.before?.camera && this.before.given.up === this.given.up) {
      const { azimuth, elevation, up } = this.before.camera; // a step was added: go on looking from the same side
      Object.assign(this.camera, { azimuth, elevation, up });
    }
    this.before = null;
    this.root.querySelector(".cloud-up").value = this.camera.up;
    this.root.querySelector("[data-do=large]").hidden = !document.fullscreenEnabled;
    this.overlay = new Overlay(this.words.getContext("2d"), this.cloud);
    this.listen();
    this.draw();
  }

  listen() {
    const { signal } = this.ending;
    followGestures(this.stage, this.camera, {
      moved: () => { this.moving = true; this.ask(); },
      rested: () => { this.moving = false; this.ask(); },
      clicked: (u, v) => this.pickAt(u, v),
    }, signal);
    this.root.addEventListener("click", event => {
      const button = event.target.closest("[data-do]");
      if (button) this.act(button.dataset.do);
    }, { signal });
    this.root.addEventListener("input", event => {
      if (event.target === this.size) this.root.sizeChosen = true; // stays as it is for the clouds to come
      this.camera.up = this.root.querySelector(".cloud-up").value;
      this.ask();
    }, { signal });
    this.resizes = new ResizeObserver(() => (this.root.isConnected ? this.ask() : this.dispose()));
    this.resizes.observe(this.stage);
    this.themes = new MutationObserver(() => this.ask());
    for (const element of [document.documentElement, document.body]) {
      this.themes.observe(element, { attributeFilter: ["class"] });
    }
  }

  act(what) {
    if (what === "save") return this.save();
    if (what === "forget") return this.forget();
    if (what === "keep") return this.send({ do: "keep", a: this.users(this.picks[0]), b: this.users(this.picks[1]) });
    if (what === "large") return document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen();
    if (what in VIEWS) this.camera.look(what);
    return this.ask();
  }

  /** Draw soon, once, however often it is asked. */
  ask() {
    this.root.dataset.state = "drawing";
    this.due ||= requestAnimationFrame(() => {
      this.due = 0;
      this.draw();
    });
  }

  draw() {
    const { stage, camera } = this;
    const [width, height] = [stage.clientWidth, stage.clientHeight];
    if (!width || !height) return; // in a tab that is not shown: resizing will ask again
    if (this.ending.signal.aborted || this.root.dataset.points !== this.given.points) return; // another one comes
    if (camera.distance === null) camera.fit(width, height);
    const started = performance.now();
    this.root.dataset.drawn = this.drawCloud(width, height, this.moving ? this.effort : 1);
    this.drawWords(width, height);
    const took = performance.now() - started;
    if (this.moving) this.effort = Math.min(Math.max((this.effort * SMOOTH_MS) / took, LEAST_EFFORT), 1);
    this.state.textContent = "";
    if (!this.moving) this.root.dataset.state = "ready";
  }

  /** Draw the points or triangles; with less effort fewer points, or a surface in larger pixels. Returns how many. */
  drawCloud(width, height, effort) {
    const { cloud, camera, canvas } = this;
    const isMesh = cloud.triangles.length > 0;
    const sharp = Math.min(window.devicePixelRatio, Math.sqrt(MOST_PIXELS / (width * height)));
    const ratio = isMesh && effort < 0.6 ? sharp / 2 : sharp;
    this.fit(Math.round(width * ratio), Math.round(height * ratio));
    const projection = camera.projection(canvas.width, canvas.height);
    this.raster.clear();
    let drawn = cloud.triangles.length / 3;
    if (isMesh) {
      this.raster.triangles(cloud, projection, camera.directions());
    } else {
      if (!this.root.sizeChosen) this.size.value = autoSize((width * height) / cloud.points);
      drawn = Math.ceil(cloud.points * effort);
      this.raster.points(cloud.positions, cloud.packed, drawn, this.size.value * ratio, projection);
    }
    canvas.getContext("2d").putImageData(this.raster.image, 0, 0);
    return drawn;
  }

  drawWords(width, height) {
    const ratio = window.devicePixelRatio;
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.words.width !== across) this.words.width = across;
    if (this.words.height !== down) this.words.height = down;
    const checked = name => this.root.querySelector(`.cloud-${name}`)?.checked ?? false;
    const shown = { axes: checked("axes"), names: checked("names") };
    this.overlay.draw(this.raster, this.camera.projection(width, height), ratio, shown, this.picks);
  }

  /** Make the array of pixels as large as the canvas must be. */
  fit(width, height) {
    if (this.raster?.width === width && this.raster.height === height && this.canvas.width === width) return;
    this.raster = new Raster(width, height);
    this.canvas.width = width;
    this.canvas.height = height;
  }

  /** Pick what is seen there: the first point, the second, and then a first again. */
  pickAt(u, v) {
    const place = pick(this.cloud, this.camera, u, v, this.stage.clientWidth, this.stage.clientHeight);
    if (!place) return;
    this.picks = this.picks.length === 1 ? [this.picks[0], place] : [place];
    this.showPicks();
  }

  /** Forget what was picked. */
  forget() {
    this.picks = [];
    this.showPicks();
  }

  showPicks() {
    const [a, b] = this.picks.map(place => this.users(place));
    this.readout.textContent = a ? this.told(a, b) : this.readout.dataset.hint;
    this.root.querySelector("[data-do=forget]").hidden = !a;
    this.root.querySelector("[data-do=keep]").hidden = !b;
    this.ask();
  }

  /** A place in the user's coordinates. */
  users(place) {
    return place.map((value, k) => value + this.cloud.offset[k]);
  }

  /** Say where the picked points are and how far apart. */
  told(a, b) {
    const { unit, low, high } = this.cloud;
    const extent = Math.max(...high.map((value, k) => value - low[k])) || 1;
    const decimals = Math.min(Math.max(Math.ceil(4 - Math.log10(extent)), 0), 12);
    const place = picked => picked.map(value => value.toFixed(decimals)).join(", ");
    const withUnit = unit ? ` ${unit}` : "";
    if (!b) return `A: ${place(a)}${withUnit}. Click a second point for the distance.`;
    const distance = Math.hypot(...a.map((value, k) => b[k] - value));
    return `A: ${place(a)}; B: ${place(b)}; distance ${distance.toFixed(decimals)}${withUnit}`;
  }

  /** Download the picture as PNG, its background included. */
  save() {
    this.moving = false;
    this.draw();
    const picture = document.createElement("canvas");
    [picture.width, picture.height] = [this.words.width, this.words.height];
    const context = picture.getContext("2d");
    context.fillStyle = getComputedStyle(this.stage).backgroundColor;
    context.fillRect(0, 0, picture.width, picture.height);
    for (const layer of [this.canvas, this.words]) context.drawImage(layer, 0, 0, picture.width, picture.height);
    picture.toBlob(blob => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = "point-cloud.png";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // some browsers read it after the click
    });
  }

  /** Let everything go: listeners, observers and arrays. */
  dispose() {
    this.ending.abort();
    cancelAnimationFrame(this.due);
    this.resizes?.disconnect();
    this.themes?.disconnect();
    this.cloud = this.raster = this.overlay = null;
  }
}

/** The size of points, in CSS pixels, that closes most gaps between them where each has `area` pixels of the picture. */
function autoSize(area) {
  return Math.round(Math.min(Math.max(2.2 * Math.sqrt(area), 2), 5));
}
