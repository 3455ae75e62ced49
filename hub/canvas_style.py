"""The look of a canvas (`hub.canvas`), apart from it so that a demo can name it without importing Gradio."""

from __future__ import annotations

CSS = """
.canvas { display: flex; flex-direction: column; gap: .4rem; }
.canvas p { margin: 0; font-size: .85rem; color: var(--body-text-color-subdued); }
.canvas-tools { display: flex; flex-wrap: wrap; gap: .3rem; align-items: center; }
.canvas-tools button { font: inherit; font-size: .9rem; padding: .3rem .6rem; border-radius: .4rem; cursor: pointer;
  border: 1px solid var(--border-color-primary); color: var(--body-text-color);
  background: var(--background-fill-secondary); }
.canvas-tools button[aria-pressed=true] { background: var(--primary-700); border-color: var(--primary-700);
  color: #fff; }
.canvas-tools button:disabled { opacity: .5; cursor: default; }
.canvas-tools button:focus-visible, .canvas-ink:focus-visible { outline: 3px dashed var(--primary-500);
  outline-offset: 2px; }
.canvas-tools label { display: inline-flex; align-items: center; gap: .3rem; font-size: .9rem;
  color: var(--body-text-color); }
.canvas-size { width: 6rem; accent-color: var(--primary-600); }
.canvas-stage { position: relative; width: 100%; max-width: calc(26rem * var(--shape, 1)); overflow: hidden;
  border-radius: .4rem; background: #fff; }
.canvas-stage > img, .canvas-stage > canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block;
  user-select: none; -webkit-user-select: none; }
.canvas-stage > img[hidden] { display: none; }
.canvas-ink { touch-action: pinch-zoom; cursor: crosshair; opacity: .55; }
.canvas-back[hidden] ~ .canvas-ink { opacity: 1; }
.canvas-pixels { image-rendering: pixelated; }
.canvas-ring { position: absolute; pointer-events: none; border: 1px solid #fff; outline: 1px solid #000;
  border-radius: 50%; transform: translate(-50%, -50%); display: none; }
.canvas-ink:hover ~ .canvas-ring, .canvas-ink:focus-visible ~ .canvas-ring { display: block; }
.canvas[data-tool=click] .canvas-ring { width: 9px !important; height: 9px !important; }
.canvas[data-state=empty] > :not(.canvas-empty) { display: none; }
.canvas[data-state=ready] > .canvas-empty, .canvas-said:empty { display: none; }
"""
