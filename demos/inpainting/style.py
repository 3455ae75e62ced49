"""The look of the inpainting tab, and the script of the slider between before and after."""

from __future__ import annotations

from hub import canvas_style
from hub.diffusion import stage

SCRIPT = """
element.addEventListener("input", event => {
  const pair = event.target.closest(".before-after");
  if (pair && event.target.type === "range") pair.style.setProperty("--at", `${event.target.value}%`);
});
"""

CSS = (
    stage.CSS
    + canvas_style.CSS
    + """
.before-afters { display: flex; flex-wrap: wrap; gap: .6rem; margin: .4rem 0; }
.before-after { --at: 50%; max-width: 100%; margin: 0; }
.before-after div { position: relative; overflow: hidden; border-radius: .3rem; touch-action: pan-y; }
.before-after img { position: absolute; inset: 0; width: 100%; height: 100%; display: block; margin: 0; }
.before-after .pixels { image-rendering: pixelated; }
.before-after .after { clip-path: inset(0 0 0 var(--at)); }
.before-after i { position: absolute; inset: 0 auto 0 var(--at); width: 2px; background: #fff;
  box-shadow: 0 0 0 1px #0009; pointer-events: none; }
.before-after i::after { content: "↔"; position: absolute; top: 50%; left: 0; width: 1.8rem; height: 1.8rem;
  transform: translate(-50%, -50%); border-radius: 50%; background: #fff; color: #111; box-shadow: 0 0 0 1px #0009;
  font: 1.1rem/1.8rem sans-serif; text-align: center; }
.before-after input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0;
  cursor: ew-resize; }
.before-after div:has(input:focus-visible) { outline: 3px dashed var(--primary-500); outline-offset: 2px; }
.before-after figcaption { display: flex; justify-content: space-between; font-size: .85rem;
  color: var(--body-text-color-subdued); }
.before-afters ~ .drawn-hint a { color: inherit; text-decoration: underline; }
.inpainting-parts { display: flex; flex-wrap: wrap; gap: .6rem; margin: .4rem 0; }
.inpainting-parts figure { margin: 0; width: 9rem; max-width: 45%; }
.inpainting-parts img { width: 100%; display: block; margin: 0; border-radius: .3rem; image-rendering: pixelated; }
.inpainting-parts figcaption { font-size: .85rem; color: var(--body-text-color-subdued); }
"""
)
