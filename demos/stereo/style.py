"""CSS of the stereo result: the pair and its three views, the tables, the maps, and the cloud."""

from __future__ import annotations

BLINK_S = 1.6  # both pictures once: well below the three flashes a second of WCAG 2.2, 2.3.1
MOST_MAPS = 4

RULES = f"""
.stereo, .stereo-maps, .stereo-cloud {{ font-size: .95rem; }}
.stereo-choice {{ display: flex; flex-wrap: wrap; gap: .3rem; margin: .2rem 0 .5rem; }}
.stereo-choice input {{ position: absolute; opacity: 0; pointer-events: none; }}
.stereo-choice span {{ display: inline-block; padding: .15rem .7rem; border-radius: 1rem; cursor: pointer;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-secondary); }}
.stereo-choice input:checked + span {{ background: var(--primary-700); border-color: var(--primary-700); color: #fff; }}
.stereo-choice input:focus-visible + span {{ outline: 3px dashed var(--primary-500); }}

.stereo figure, .stereo-maps figure, .stereo-cloud figure {{ margin: 0; }}
.stereo figcaption, .stereo-maps figcaption, .stereo-cloud figcaption, .stereo-readout, .stereo-empty,
.stereo-cloud p {{ font-size: .9rem; color: var(--body-text-color-subdued); margin: .25rem 0; }}
.stereo-stage {{ display: grid; gap: .5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); }}
.stereo-stage:has(.stereo-blank) {{ grid-template-columns: 1fr; }}
.stereo-frame {{ position: relative; overflow: hidden; border-radius: .4rem; }}
.stereo-frame img, .stereo-frame svg {{ position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; }}
.stereo-frame svg {{ cursor: crosshair; touch-action: manipulation; }}
.stereo-blank {{ background: #1f2937; }}
.stereo-readout {{ min-height: 2.6em; font-variant-numeric: tabular-nums; }}

.stereo-eye path, .stereo-eye circle, .stereo-eye line {{ fill: none; stroke-width: 2;
  vector-effect: non-scaling-stroke; }}
.stereo-eye path.stereo-halo, .stereo-eye line.stereo-halo {{ stroke: #000; stroke-opacity: .65; stroke-width: 4; }}
.stereo-eye circle {{ visibility: hidden; }}
.stereo-eye .stereo-chosen circle {{ visibility: visible; }}
.stereo-eye circle.stereo-match {{ visibility: visible; stroke: none; fill-opacity: .8; }}
.stereo-match {{ fill: inherit; }}
.stereo-eye line.stereo-line {{ stroke: #fff; }}
.stereo-eye line.stereo-epipolar {{ stroke: #ffe600; stroke-width: 1.5; visibility: hidden; pointer-events: none; }}
.stereo-eye text {{ font-weight: 600; paint-order: stroke; stroke: #000; stroke-width: 3px; stroke-linejoin: round;
  vector-effect: non-scaling-stroke; pointer-events: none; }}

.stereo-anaglyph {{ display: none !important; }}
.stereo:has(input[value=anaglyph]:checked) .stereo-anaglyph {{ display: block !important; }}
.stereo:has(input[value=anaglyph]:checked) [data-eye=right],
.stereo:has(input[value=anaglyph]:checked) [data-eye=left] figcaption,
.stereo:has(input[value=blink]:checked) figure.stereo-eye figcaption {{ display: none; }}
.stereo:has(input[value=anaglyph]:checked) .stereo-stage,
.stereo:has(input[value=blink]:checked) .stereo-stage {{ grid-template-columns: 1fr; }}
.stereo:has(input[value=blink]:checked) .stereo-eye {{ grid-area: 1 / 1; }}
.stereo:has(input[value=blink]:checked) [data-eye=right] {{ pointer-events: none;
  animation: stereo-blink {BLINK_S}s steps(1) infinite; }}
@keyframes stereo-blink {{ 0% {{ opacity: 0; }} 50% {{ opacity: 1; }} }}
@media (prefers-reduced-motion: reduce) {{
  .stereo:has(input[value=blink]:checked) [data-eye=right] {{ animation: none; opacity: .5; }}
}}

/* Takes the width there is and asks for none, so that a wide table scrolls in its own box. */
.stereo-scroll, .gradio-container #stereo-points {{ overflow-x: auto; width: 0 !important;
  min-width: 100% !important; }}
.stereo-table {{ border-collapse: collapse; width: 100%; margin: .5rem 0; border: 0 !important; font-size: .88rem; }}
.stereo-table caption {{ text-align: left; font-weight: 600; padding: .2rem 0; }}
.stereo-table th, .stereo-table td {{ border: 0 !important; padding: .25rem .4rem .25rem 0; text-align: left;
  white-space: nowrap; font-variant-numeric: tabular-nums; background: none !important; }}
.stereo-table tr {{ border: 0 !important; border-bottom: 1px solid var(--border-color-primary) !important;
  background: none !important; }}
.stereo-table th small {{ font-weight: 400; margin-left: .3em; }}
.stereo-table td small {{ display: block; color: var(--body-text-color-subdued); }}
.stereo-table td {{ vertical-align: top; line-height: 1.35; }}
.stereo-table td.stereo-reason {{ white-space: normal; min-width: 12rem; }}
.stereo-table label {{ display: inline-flex; align-items: center; gap: .35rem; cursor: pointer; }}
.stereo-table label i, .stereo-legend i {{ display: inline-block; width: .8em; height: .8em; border-radius: .2em;
  border: 1px solid var(--body-text-color-subdued); }}
.stereo-table input[type=radio] {{ border: 1px solid var(--body-text-color-subdued) !important; }}
/* Where two models are compared, or on a phone, a point is a small card, each number under its name. */
[data-narrow] .stereo-points tr {{ display: grid; grid-template-columns: repeat(3, 1fr); padding: .3rem 0;
  position: relative; }}
[data-narrow] .stereo-points tr:not([data-point]), [data-narrow] .stereo-dimensions td:has(.stereo-bar),
[data-narrow] .stereo-dimensions th:nth-child(3) {{ display: none; }}
[data-narrow] .stereo-points td {{ padding: .1rem .3rem .1rem 0; }}
[data-narrow] .stereo-points td[data-label]:not([data-label=""])::before {{ content: attr(data-label); display: block;
  font-size: .8rem; color: var(--body-text-color-subdued); }}
[data-narrow] .stereo-points td:first-child, [data-narrow] .stereo-points td.stereo-reason {{
  grid-column: 1 / span 3; }}
[data-narrow] .stereo-points td:last-child {{ position: absolute; top: .3rem; right: 0; }}
[data-narrow] .stereo-points td.stereo-reason {{ min-width: 0; }}
[data-narrow] .stereo-dimensions td {{ white-space: normal; }}
.stereo-delete {{ border: 0; background: none; cursor: pointer; padding: .1rem .4rem; min-width: 1.6rem; }}
.stereo-delete:hover {{ color: var(--error-text-color, #b91c1c); }}
.stereo-bar {{ position: relative; width: 9rem; height: .9rem; }}
.stereo-bar i {{ position: absolute; inset: .2rem auto .2rem 0; border-radius: .2rem; background: var(--primary-500); }}
.stereo-bar b {{ position: absolute; top: 0; bottom: 0; border: solid var(--body-text-color); border-width: 0 2px;
  background: linear-gradient(var(--body-text-color), var(--body-text-color)) center / 100% 2px no-repeat; }}

.stereo-derivation h4 {{ margin: .6rem 0 .2rem; font-size: 1rem; }}
.stereo-derivation > div {{ display: grid; gap: .5rem 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); }}
.stereo-derivation ol {{ margin: 0; padding-left: 1.2rem; }}
.stereo-derivation li {{ margin: .2rem 0; overflow-wrap: anywhere; }}
.stereo-curve svg {{ width: 100%; max-width: 26rem; }}
.stereo-curve polyline, .stereo-curve line {{ fill: none; stroke: var(--primary-500); stroke-width: 1.5; }}
.stereo-curve line.stereo-grid {{ stroke: var(--border-color-primary); stroke-width: 1; }}
.stereo-curve path.stereo-used {{ fill: none; stroke: var(--body-text-color-subdued); stroke-dasharray: 4 3; }}
.stereo-curve circle {{ fill: var(--primary-500); }}
.stereo-curve text {{ font-size: 11px; fill: var(--body-text-color-subdued); }}

.stereo-maps figure {{ display: none; }}
.stereo-maps img {{ width: 100%; margin: 0; border-radius: .4rem; image-rendering: pixelated; }}
.stereo-colours {{ height: .8rem; border-radius: .2rem; margin-top: .3rem; }}
.stereo-ticks {{ position: relative; height: 1.3rem; font-size: .85rem; font-variant-numeric: tabular-nums; }}
.stereo-ticks span {{ position: absolute; transform: translateX(-50%); }}
.stereo-ticks span:first-child {{ transform: translateX(min(-50%, 0px)); }}
.stereo-legend {{ display: flex; flex-wrap: wrap; gap: .1rem .9rem; list-style: none; padding: 0; margin: .2rem 0;
  font-size: .88rem; }}
.stereo-legend li {{ display: inline-flex; align-items: center; gap: .35rem; margin: 0; }}

.stereo-cloud {{ display: grid; gap: .5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 11rem), 1fr)); }}
.stereo-cloud h4 {{ grid-column: 1 / -1; margin: 0; }}
.stereo-cloud p {{ grid-column: 1 / -1; }}
.stereo-cloud text {{ font-size: 12px; fill: #fff; }}
.stereo-cloud path {{ stroke: #fff; }}
.stereo-cloud svg {{ cursor: default; }}
.stereo-pixels input {{ font-variant-numeric: tabular-nums; }}
"""

# The k-th radio button shows the k-th map.
CHOSEN = "".join(
    f'.stereo-maps:has(input[value="{k}"]:checked) figure:nth-of-type({k + 1}) {{ display: block; }}\n'
    for k in range(MOST_MAPS)
)

CSS = RULES + CHOSEN
