"""What the viewer does in the browser: what is under the pointer, choosing a point, and asking for changes.

Under the pointer are the epipolar line and, from the values that `maps.values_html` sends along, disparity and depth.
The script runs once, for as long as the component lives; what it shows is drawn anew with each result. A change that is
asked for goes to the server as an event: {"do": "add" | "partner" | "delete", "u", "v", "name"}.
"""

from __future__ import annotations

SCRIPT = """
function spot(event) {
  const shown = event.target.closest && event.target.closest(".stereo-eye svg, .stereo-maps img");
  if (!shown) return null;
  const box = shown.getBoundingClientRect(), eye = shown.closest(".stereo-eye");
  let view = shown.viewBox && shown.viewBox.baseVal;
  if (!eye) { const [width, height] = shown.dataset.size.split(" "); view = {x: -0.5, y: -0.5, width, height}; }
  const u = view.x + (event.clientX - box.left) / box.width * view.width;
  const v = view.y + (event.clientY - box.top) / box.height * view.height;
  return {eye: eye ? eye.dataset.eye : "map", u: Math.round(u * 10) / 10, v: Math.round(v * 10) / 10};
}

const decoded = new WeakMap();
let latest = null;  // where the pointer was last

async function unpacked(sent) {
  const bytes = Uint8Array.from(atob(sent.dataset.values), letter => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint16Array(await new Response(stream).arrayBuffer());
}

function measured(at) {
  const sent = element.querySelector(".stereo-values");
  if (!sent || at.eye === "right") return "";
  if (!decoded.has(sent)) {
    decoded.set(sent, null);  // until it is unpacked, the pointer says where it is
    unpacked(sent).then(values => { decoded.set(sent, values); follow(latest); }).catch(() => null);
  }
  const values = decoded.get(sent), about = JSON.parse(sent.dataset.about);
  if (!values) return "";
  const column = Math.min(Math.max(Math.round(at.u / about.step), 0), about.width - 1);
  const row = Math.min(Math.max(Math.round(at.v / about.step), 0), values.length / about.width - 1);
  const value = values[row * about.width + column];
  if (value < about.first) return "; no disparity: " + about.reasons[value];
  const disparity = about.least + (value - about.first) / about.steps, shift = disparity + about.doffs;
  const depth = shift > 0 ? `${Number((about.depth / shift).toPrecision(4))} ${about.unit}` : "infinity";
  return `; disparity ${disparity.toFixed(1)} px, depth ${depth}`;
}

function follow(event) {
  const at = spot(latest = event);
  for (const line of element.querySelectorAll(".stereo-epipolar")) {
    line.style.visibility = at ? "visible" : "hidden";
    if (at) { line.setAttribute("y1", at.v); line.setAttribute("y2", at.v); }
  }
  const names = {left: "Left picture: ", right: "Right picture: ", map: ""};
  for (const readout of element.querySelectorAll(".stereo-readout")) {
    const here = at && (at.eye === "map") === Boolean(readout.closest(".stereo-maps"));
    const partner = here && at.eye !== "map" ? "; the partner lies on the yellow line" : "";
    readout.textContent = here
      ? `${names[at.eye]}u ${at.u.toFixed(1)}, v ${at.v.toFixed(1)} px${measured(at)}${partner}`
      : readout.dataset.hint;
  }
}

function chosen() {
  const button = element.querySelector(".stereo-points input:checked");
  return button ? button.value : null;
}

function mark() {
  const number = chosen();
  for (const part of element.querySelectorAll("[data-point]")) {
    const same = part.dataset.point === number;
    if (part.classList.contains("stereo-derivation")) part.hidden = !same;
    else part.classList.toggle("stereo-chosen", same);
  }
}

element.addEventListener("pointermove", follow);
element.addEventListener("pointerdown", follow);
element.addEventListener("pointerleave", follow);
element.addEventListener("change", mark);
element.addEventListener("click", event => {
  const button = event.target.closest(".stereo-delete");
  if (button) return trigger("click", {do: "delete", name: button.dataset.name});
  const at = spot(event), stage = element.querySelector(".stereo").dataset;
  if (!at || at.eye === "map" || stage.clickable !== "1") return;
  const back = JSON.parse(stage[at.eye]);  // row by row: from the pictures shown to those that were sent
  const [u, v, w] = [0, 3, 6].map(row => back[row] * at.u + back[row + 1] * at.v + back[row + 2]);
  [at.u, at.v] = [u / w, v / w].map(pixel => Math.round(pixel * 100) / 100);
  if (at.eye === "left") return trigger("click", {do: "add", u: at.u, v: at.v});
  const row = element.querySelector(`.stereo-points tr[data-point="${chosen()}"] .stereo-delete`);
  if (row) trigger("click", {do: "partner", u: at.u, v: at.v, name: row.dataset.name});
});
// Gradio keeps no @container rules, so this says where the column is narrow.
const NARROW_PX = 400;
new ResizeObserver(([{contentRect}]) => element.toggleAttribute("data-narrow", contentRect.width < NARROW_PX))
  .observe(element);
watch("value", mark);
mark();
"""
