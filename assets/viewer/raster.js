/**
 * Draws points and triangles into an array of pixels, on the CPU.
 *
 * Why not WebGL: without a graphics card a browser emulates one, and that took 220 ms for 200,000 points where the loop
 * below takes 7 (bench/viewers.py). It also works where WebGL is missing or switched off.
 */

const LIGHT = [-0.4, 0.5, -1]; // where light comes from, along the picture's right, up and forward; it moves with the eye
const LARGEST = 40; // diameter of a point in pixels
const DISCS = Array.from({ length: LARGEST + 1 }, (_, size) => disc(size));
const AMBIENT = 0.35; // of the colour is left where a face is edge-on to the light

export class Raster {
  constructor(width, height) {
    this.image = new ImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer); // ABGR, as every browser's machine is little-endian
    this.inverse = new Float32Array(width * height); // 1 / distance of what a pixel shows, 0 for nothing
    this.width = width;
    this.height = height;
  }

  clear() {
    this.pixels.fill(0); // see-through: the page's background shows
    this.inverse.fill(0);
  }

  /**
   * Draw points as discs, nearer ones over farther ones.
   *
   * @param {Float32Array} positions (N, 3) in world coordinates.
   * @param {Uint32Array} colours (N) ABGR.
   * @param {number} count how many of them to draw.
   * @param {number} size diameter in pixels at `distance` from the eye: nearer points are larger.
   */
  points(positions, colours, count, size, { rows, near, distance }) {
    const { width, height, pixels, inverse } = this;
    const [a, b, c, d, e, f, g, h, i, j, k, l] = rows;
    const scale = size * distance;
    for (let n = 0, p = 0; n < count; n++, p += 3) {
      const x = positions[p], y = positions[p + 1], z = positions[p + 2];
      const w = i * x + j * y + k * z + l;
      if (w < near) continue;
      const closeness = 1 / w;
      const across = Math.min(Math.max(Math.round(scale * closeness), 1), LARGEST);
      const u = Math.floor((a * x + b * y + c * z + d) * closeness + (width + 1 - across) / 2);
      const v = Math.floor((e * x + f * y + g * z + h) * closeness + (height + 1 - across) / 2);
      if (u < 0 || v < 0 || u > width - across || v > height - across) continue;
      const colour = colours[n], spans = DISCS[across];
      for (let row = 0, start = v * width + u; row < across; row++, start += width) {
        const inset = spans[row];
        for (let at = start + inset, end = start + across - inset; at < end; at++) {
          if (closeness > inverse[at]) {
            inverse[at] = closeness;
            pixels[at] = colour;
          }
        }
      }
    }
  }

  /**
   * Draw lit triangles, seen from both sides.
   *
   * @param {{positions: Float32Array, triangles: Uint32Array, colours: Uint8Array, normals: Float32Array}} mesh
   *   colours (N, 4) RGBA; normals (M, 9), a unit vector for each corner of each triangle.
   */
  triangles({ positions, triangles, colours, normals }, { rows, near }, [right, up, forward]) {
    const { width, height } = this;
    const length = Math.hypot(...LIGHT);
    const [lx, ly, lz] = [0, 1, 2].map(k => (LIGHT[0] * right[k] + LIGHT[1] * up[k] + LIGHT[2] * forward[k]) / length);
    const [a, b, c, d, e, f, g, h, i, j, k, l] = rows;
    const vertices = positions.length / 3;
    const us = new Float32Array(vertices), vs = new Float32Array(vertices), ws = new Float32Array(vertices);
    for (let n = 0, p = 0; n < vertices; n++, p += 3) {
      const x = positions[p], y = positions[p + 1], z = positions[p + 2];
      const w = i * x + j * y + k * z + l;
      const closeness = w < near ? 0 : 1 / w;
      us[n] = (a * x + b * y + c * z + d) * closeness + width / 2;
      vs[n] = (e * x + f * y + g * z + h) * closeness + height / 2;
      ws[n] = closeness;
    }
    const corner = new Float64Array(18); // u, v, 1/w, red, green, blue of each corner
    for (let t = 0; t < triangles.length; t += 3) {
      if (!ws[triangles[t]] || !ws[triangles[t + 1]] || !ws[triangles[t + 2]]) continue; // reaches behind the eye
      for (let q = 0; q < 3; q++) {
        const n = triangles[t + q], o = q * 6, s = 3 * (t + q);
        const facing = Math.abs(normals[s] * lx + normals[s + 1] * ly + normals[s + 2] * lz);
        const light = AMBIENT + (1 - AMBIENT) * facing;
        corner[o] = us[n]; corner[o + 1] = vs[n]; corner[o + 2] = ws[n];
        corner[o + 3] = colours[4 * n] * light;
        corner[o + 4] = colours[4 * n + 1] * light;
        corner[o + 5] = colours[4 * n + 2] * light;
      }
      this.fill(corner);
    }
  }

  /** Fill one triangle, its colour and 1/w running evenly between the corners (exact for 1/w). */
  fill(corner) {
    const { width, height, pixels, inverse } = this;
    const u0 = corner[0], v0 = corner[1], w0 = corner[2], r0 = corner[3], g0 = corner[4], b0 = corner[5];
    const u1 = corner[6], v1 = corner[7], w1 = corner[8], r1 = corner[9], g1 = corner[10], b1 = corner[11];
    const u2 = corner[12], v2 = corner[13], w2 = corner[14], r2 = corner[15], g2 = corner[16], b2 = corner[17];
    const area = (u1 - u0) * (v2 - v0) - (u2 - u0) * (v1 - v0);
    if (!area) return;
    const left = Math.max(Math.ceil(Math.min(u0, u1, u2) - 0.5), 0);
    const right = Math.min(Math.floor(Math.max(u0, u1, u2) - 0.5), width - 1);
    const top = Math.max(Math.ceil(Math.min(v0, v1, v2) - 0.5), 0);
    const bottom = Math.min(Math.floor(Math.max(v0, v1, v2) - 0.5), height - 1);
    // Shares of corners 1 and 2 at a pixel's middle, and how they grow to the right and downwards.
    const right1 = (v2 - v0) / area, down1 = (u0 - u2) / area;
    const right2 = (v0 - v1) / area, down2 = (u1 - u0) / area;
    for (let y = top; y <= bottom; y++) {
      const dx = left + 0.5 - u0, dy = y + 0.5 - v0;
      let s1 = dx * right1 + dy * down1, s2 = dx * right2 + dy * down2;
      for (let x = left, at = y * width + left; x <= right; x++, at++, s1 += right1, s2 += right2) {
        if (s1 < 0 || s2 < 0 || s1 + s2 > 1) continue;
        const closeness = w0 + s1 * (w1 - w0) + s2 * (w2 - w0);
        if (closeness <= inverse[at]) continue;
        inverse[at] = closeness;
        const red = r0 + s1 * (r1 - r0) + s2 * (r2 - r0);
        const green = g0 + s1 * (g1 - g0) + s2 * (g2 - g0);
        const blue = b0 + s1 * (b1 - b0) + s2 * (b2 - b0);
        pixels[at] = 0xff000000 | (blue << 16) | (green << 8) | red;
      }
    }
  }
}

/** How far a row of a disc is inset from both sides, for each of its `size` rows; up to three pixels it is a square. */
function disc(size) {
  const radius = size / 2;
  return Array.from({ length: size }, (_, row) => {
    if (size <= 3) return 0;
    const away = row + 0.5 - radius;
    return Math.round(radius - Math.sqrt(radius * radius - away * away));
  });
}
