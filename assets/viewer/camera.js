/**
 * The camera that turns about a point: from places in the cloud to pixels.
 *
 * World coordinates are those of the data file: in the cloud's unit, relative to its middle. A canonical frame (x right,
 * y away, z up) lies in it as the chosen upward direction says, so that front, side and top mean the same for all clouds.
 */

const FIELD_OF_VIEW = (40 * Math.PI) / 180; // across the shorter side of the picture

const FILLED = 0.9; // of the picture by the cloud at first: the axes need room for their numbers
const FITTING_ROUNDS = 6; // each brings it nearer by a factor; the last changes less than a pixel

// Columns: the canonical x, y and z in world coordinates. "-y" is the frame of a camera: x right, y down, z ahead.
const FRAMES = {
  z: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  y: [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
  "-y": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
};

// Azimuth and elevation in degrees.
export const VIEWS = { start: [30, 30], top: [0, 90], front: [0, 0], side: [90, 0] };

export function dot(a, b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

export class Camera {
  /**
   * @param {number[][]} places what is to be seen at first, in world coordinates: some of the cloud's points, the axes.
   * @param {number} radius of the sphere about the middle that holds them.
   */
  constructor(places, radius) {
    this.places = places;
    this.radius = radius || 1;
    this.up = "z";
    this.look("start");
  }

  /** Look from one of `VIEWS`; `fit` says from how far. */
  look(view) {
    [this.azimuth, this.elevation] = VIEWS[view].map(degrees => (degrees * Math.PI) / 180);
    this.distance = null;
  }

  /** Choose target and distance such that the cloud fills a picture of this size. */
  fit(width, height) {
    this.target = [0, 0, 0];
    this.distance = this.radius / Math.sin(FIELD_OF_VIEW / 2); // all of it is in the picture, usually with much room
    for (let round = 0; round < FITTING_ROUNDS; round++) {
      const projection = this.projection(width, height);
      const seen = this.places.map(place => project(projection, place));
      const ends = [0, 1].map(k => [Math.min(...seen.map(place => place[k])), Math.max(...seen.map(place => place[k]))]);
      const [across, down] = ends.map(([least, most]) => most - least);
      this.pan(width / 2 - (ends[0][0] + ends[0][1]) / 2, height / 2 - (ends[1][0] + ends[1][1]) / 2, width, height);
      this.distance *= Math.max(across / width, down / height, 0.1) / FILLED;
    }
  }

  /** What may be assigned to a camera to look as this one does now. */
  pose() {
    const { azimuth, elevation, distance, target } = this;
    return { azimuth, elevation, distance, target };
  }

  /** Turn by radians; straight down and straight up are the ends. */
  turn(azimuth, elevation) {
    this.azimuth += azimuth;
    this.elevation = Math.min(Math.max(this.elevation + elevation, -Math.PI / 2), Math.PI / 2);
  }

  /** Come nearer (factor below one) or go away, within reason. */
  zoom(factor) {
    this.distance = Math.min(Math.max(this.distance * factor, this.radius * 1e-3), this.radius * 100);
  }

  /** The right, up and forward directions of the picture, in world coordinates. */
  directions() {
    const [ca, sa] = [Math.cos(this.azimuth), Math.sin(this.azimuth)];
    const [ce, se] = [Math.cos(this.elevation), Math.sin(this.elevation)];
    const [x, y, z] = FRAMES[this.up];
    const world = ([a, b, c]) => [0, 1, 2].map(k => a * x[k] + b * y[k] + c * z[k]);
    return [world([ca, sa, 0]), world([-sa * se, ca * se, ce]), world([-sa * ce, ca * ce, -se])];
  }

  /** Focal length in pixels of a picture of this size. */
  focal(width, height) {
    return Math.min(width, height) / 2 / Math.tan(FIELD_OF_VIEW / 2);
  }

  /** Move the picture's contents by pixels, at the target's distance. */
  pan(dx, dy, width, height) {
    const [right, up] = this.directions();
    const scale = this.distance / this.focal(width, height);
    this.target = this.target.map((value, k) => value + scale * (dy * up[k] - dx * right[k]));
  }

  /**
   * The projection for a picture of this size: of a world point p,
   * w = rows[8..11] . (p, 1), u = rows[0..3] . (p, 1) / w + width / 2, v = rows[4..7] . (p, 1) / w + height / 2.
   *
   * @returns {{rows: Float64Array, width: number, height: number, distance: number, near: number}} `distance` of the
   *   target; what has a w below `near` is not drawn.
   */
  projection(width, height) {
    const [right, up, forward] = this.directions();
    const focal = this.focal(width, height);
    const rows = Float64Array.of(
      ...right.map(value => value * focal), -focal * dot(right, this.target),
      ...up.map(value => -value * focal), focal * dot(up, this.target),
      ...forward, this.distance - dot(forward, this.target),
    );
    return { rows, width, height, distance: this.distance, near: Math.min(this.distance, this.radius) * 1e-3 };
  }

  /** The line of sight through a pixel: its start and direction in world coordinates. */
  ray(u, v, width, height) {
    const [right, up, forward] = this.directions();
    const focal = this.focal(width, height);
    const [x, y] = [(u - width / 2) / focal, (height / 2 - v) / focal];
    return {
      start: this.target.map((value, k) => value - this.distance * forward[k]),
      direction: forward.map((value, k) => value + x * right[k] + y * up[k]),
    };
  }
}

/** Project one world point: [u, v, w], w being its distance along the line of sight. */
export function project({ rows: m, width, height }, [x, y, z]) {
  const w = m[8] * x + m[9] * y + m[10] * z + m[11];
  return [
    (m[0] * x + m[1] * y + m[2] * z + m[3]) / w + width / 2,
    (m[4] * x + m[5] * y + m[6] * z + m[7]) / w + height / 2,
    w,
  ];
}
