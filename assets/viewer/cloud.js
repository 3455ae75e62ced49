/**
 * The data file of one cloud, and what is derived from it once: normals of a mesh's corners, and picking.
 *
 * The file (demos/point_clouds/payload.py writes it), little-endian: "LCV1", the header's length in bytes as uint32, the
 * header as JSON, then positions (N, 3) float32, colours (N, 4) uint8 RGBA and triangles (M, 3) uint32.
 */

import { project } from "./camera.js";

const CREASE = Math.cos((35 * Math.PI) / 180); // faces that meet at a larger angle keep their edge
const SAMPLED = 3000; // points that the camera is fitted to
const REACH_PX = 7; // how far from a point a click may be

/** Fetch and parse a data file. */
export async function fetchCloud(address, signal) {
  const answer = await fetch(address, { signal });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const bytes = await answer.arrayBuffer();
  const view = new DataView(bytes);
  if (bytes.byteLength < 8 || view.getUint32(0) !== 0x4c435631) throw new Error("this is not a cloud's data file");
  const length = view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
  const start = 8 + length;
  const { points, triangles } = header;
  const cloud = {
    ...header,
    positions: new Float32Array(bytes, start, 3 * points),
    colours: new Uint8Array(bytes, start + 12 * points, 4 * points),
    packed: new Uint32Array(bytes, start + 12 * points, points), // the same bytes, a point's colour as one number
    triangles: new Uint32Array(bytes, start + 16 * points, 3 * triangles),
  };
  if (triangles) cloud.normals = cornerNormals(cloud);
  return cloud;
}

/** Some of its points, evenly chosen, which tell the camera where the cloud is; without those outside the extents. */
export function sample({ positions, points, low, high }) {
  const step = Math.ceil(points / SAMPLED);
  const places = [];
  const slack = 1e-5 * Math.hypot(...high); // positions are rounded to float32
  const inside = place => place.every((value, k) => value >= low[k] - slack && value <= high[k] + slack);
  for (let n = 0; n < points; n += step) {
    const place = [...positions.subarray(3 * n, 3 * n + 3)];
    if (inside(place)) places.push(place);
  }
  return places;
}

/** A unit vector for each corner of each triangle, (M, 9): smooth over gentle bends, the face's own at a crease. */
function cornerNormals({ positions, triangles }) {
  const faces = new Float32Array(triangles.length);
  const sums = new Float32Array(positions.length); // of the faces round a vertex, weighted by their areas
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [3 * triangles[t], 3 * triangles[t + 1], 3 * triangles[t + 2]];
    const ux = positions[b] - positions[a], uy = positions[b + 1] - positions[a + 1], uz = positions[b + 2] - positions[a + 2];
    const vx = positions[c] - positions[a], vy = positions[c + 1] - positions[a + 1], vz = positions[c + 2] - positions[a + 2];
    const x = uy * vz - uz * vy, y = uz * vx - ux * vz, z = ux * vy - uy * vx;
    for (const at of [a, b, c]) {
      sums[at] += x; sums[at + 1] += y; sums[at + 2] += z;
    }
    const length = Math.hypot(x, y, z) || 1;
    faces[t] = x / length; faces[t + 1] = y / length; faces[t + 2] = z / length;
  }
  const normals = new Float32Array(3 * triangles.length);
  for (let t = 0; t < triangles.length; t++) {
    const at = 3 * triangles[t], face = t - (t % 3);
    const length = Math.hypot(sums[at], sums[at + 1], sums[at + 2]) || 1;
    const along = (sums[at] * faces[face] + sums[at + 1] * faces[face + 1] + sums[at + 2] * faces[face + 2]) / length;
    for (let k = 0; k < 3; k++) normals[3 * t + k] = along > CREASE ? sums[at + k] / length : faces[face + k];
  }
  return normals;
}

/**
 * Find what is seen at a pixel: the point nearest to it among those in front, or the place on the surface.
 *
 * @returns {number[] | null} in world coordinates.
 */
export function pick(cloud, camera, u, v, width, height) {
  return cloud.triangles.length
    ? pickSurface(cloud, camera.ray(u, v, width, height))
    : pickPoint(cloud, camera.projection(width, height), u, v);
}

function pickPoint({ positions, points }, projection, u, v) {
  const near = [];
  let front = Infinity;
  for (let n = 0; n < points; n++) {
    const place = positions.subarray(3 * n, 3 * n + 3);
    const [pu, pv, w] = project(projection, place);
    const away = Math.hypot(pu - u, pv - v);
    if (w < projection.near || away > REACH_PX) continue;
    near.push({ place, w, away });
    front = Math.min(front, w);
  }
  const seen = near.filter(({ w }) => w <= front * 1.02); // what lies farther back is hidden, or looks so
  seen.sort((a, b) => a.away - b.away);
  return seen.length ? Array.from(seen[0].place) : null;
}

/** Source: T. Möller and B. Trumbore, Fast, Minimum Storage Ray/Triangle Intersection, 1997. */
function pickSurface({ positions, triangles }, { start: [ox, oy, oz], direction: [dx, dy, dz] }) {
  let nearest = Infinity;
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [3 * triangles[t], 3 * triangles[t + 1], 3 * triangles[t + 2]];
    const ax = positions[a], ay = positions[a + 1], az = positions[a + 2];
    const ux = positions[b] - ax, uy = positions[b + 1] - ay, uz = positions[b + 2] - az;
    const vx = positions[c] - ax, vy = positions[c + 1] - ay, vz = positions[c + 2] - az;
    const px = dy * vz - dz * vy, py = dz * vx - dx * vz, pz = dx * vy - dy * vx;
    const determinant = ux * px + uy * py + uz * pz;
    if (!determinant) continue;
    const sx = ox - ax, sy = oy - ay, sz = oz - az;
    const first = (sx * px + sy * py + sz * pz) / determinant;
    if (first < 0 || first > 1) continue;
    const qx = sy * uz - sz * uy, qy = sz * ux - sx * uz, qz = sx * uy - sy * ux;
    const second = (dx * qx + dy * qy + dz * qz) / determinant;
    if (second < 0 || first + second > 1) continue;
    const along = (vx * qx + vy * qy + vz * qz) / determinant;
    if (along > 0 && along < nearest) nearest = along;
  }
  return nearest < Infinity ? [ox + nearest * dx, oy + nearest * dy, oz + nearest * dz] : null;
}
