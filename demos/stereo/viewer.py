"""What the viewer does in the browser: the epipolar line under the pointer, choosing a point, and asking for changes.

The script runs once, for as long as the component lives; what it shows is drawn anew with each result. A change that is
asked for goes to the server as an event: {"do": "add" | "partner" | "delete", "u", "v", "name"}.
"""

from __future__ import annotations

SCRIPT = """
function spot(event) {
  const svg = event.target.closest && event.target.closest(".stereo-eye svg");
  if (!svg) return null;
  const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
  const u = view.x + (event.clientX - box.left) / box.width * view.width;
  const v = view.y + (event.clientY - box.top) / box.height * view.height;
  return {eye: svg.closest(".stereo-eye").dataset.eye, u: Math.round(u * 10) / 10, v: Math.round(v * 10) / 10};
}

function follow(event) {
  const at = spot(event), readout = element.querySelector(".stereo-readout");
  for (const line of element.querySelectorAll(".stereo-epipolar")) {
    line.style.visibility = at ? "visible" : "hidden";
    if (at) { line.setAttribute("y1", at.v); line.setAttribute("y2", at.v); }
  }
  if (readout) {
    readout.textContent = at
      ? `${at.eye} picture: u ${at.u.toFixed(1)}, v ${at.v.toFixed(1)} px; the partner lies on the yellow line`
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
  if (!at || stage.clickable !== "1") return;
  const back = JSON.parse(stage[at.eye]);  // row by row: from the pictures shown to those that were sent
  const [u, v, w] = [0, 3, 6].map(row => back[row] * at.u + back[row + 1] * at.v + back[row + 2]);
  [at.u, at.v] = [u / w, v / w].map(pixel => Math.round(pixel * 100) / 100);
  if (at.eye === "left") return trigger("click", {do: "add", u: at.u, v: at.v});
  const row = element.querySelector(`.stereo-points tr[data-point="${chosen()}"] .stereo-delete`);
  if (row) trigger("click", {do: "partner", u: at.u, v: at.v, name: row.dataset.name});
});
watch("value", mark);
mark();
"""
