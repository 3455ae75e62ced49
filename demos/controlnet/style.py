"""CSS and script of the drawings: small and sharp below the controls, and laid over the result with a slider."""

from __future__ import annotations

CSS = """
.steered { display: flex; flex-wrap: wrap; gap: .6rem; margin: .4rem 0; }
.steered figure { margin: 0; max-width: 100%; }
.steered img { display: block; width: 100%; image-rendering: pixelated; border-radius: .3rem; }
.steered figcaption { font-size: .85rem; line-height: 1.3; color: var(--body-text-color-subdued); max-width: 18rem; }
.steered figcaption a { color: inherit; text-decoration: underline; }
.steered-stage { position: relative; }
.steered-stage > img + img { position: absolute; inset: 0; mix-blend-mode: screen; }
.steered-slider { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; font-size: .9rem; }
.steered-slider input { width: 14rem; max-width: 60vw; accent-color: var(--primary-600); }
.steered-wait { display: flex; align-items: center; justify-content: center; aspect-ratio: 1; padding: .5rem;
  text-align: center; font-size: .85rem; border: 1px dashed var(--border-color-primary); border-radius: .3rem;
  color: var(--body-text-color-subdued); }
"""

SCRIPT = """
element.addEventListener("input", event => {
  if (!event.target.matches(".steered-slider input")) return;
  for (const over of element.querySelectorAll(".steered-stage > img + img")) over.style.opacity = event.target.value;
});
"""
