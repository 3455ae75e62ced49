"""CSS of the keyword spotting tab: the answer, the lanes over one time axis, the traces, bars, and the lecture view."""

from __future__ import annotations

# How the traces of words differ, best first: a colour of its own and a pattern of dashes, so that neither is needed to
# see the other. Colours after Okabe and Ito (2008, Color Universal Design), darkened or lightened to stand out by at
# least 3:1 on the page's two backgrounds.
LIGHT = ("#0072b2", "#b84f00", "#00795c", "#9c4a82", "#6b5d00")
DARK = ("#56b4e9", "#e69f00", "#2fc69a", "#e59ac6", "#f0e442")
DASHES = ("", "7 3", "2 3", "9 3 2 3", "5 2", "12 4", "4 4", "1 4")
TRACES = tuple((str(number % len(LIGHT)), dashes) for number, dashes in enumerate(DASHES))  # (--keywords-N, dashes)

PALETTES = f"""
.keywords {{ {" ".join(f"--keywords-{number}: {colour};" for number, colour in enumerate(LIGHT))}
  --keywords-mattered: #b84f00; --keywords-hindered: #0072b2; }}
.dark .keywords {{ {" ".join(f"--keywords-{number}: {colour};" for number, colour in enumerate(DARK))}
  --keywords-mattered: #e69f00; --keywords-hindered: #56b4e9; }}
"""

RULES = """
.keywords { font-size: .95rem; }
.keywords-answer { font-size: 2.6rem; line-height: 1.15; margin: .2rem 0 .1rem; overflow-wrap: anywhere; }
.keywords-answer span { color: var(--body-text-color-subdued); font-size: 1.9rem; margin-left: .35em; }
.keywords-several { display: flex; flex-wrap: wrap; gap: .4rem; list-style: none; padding: 0; margin: .3rem 0; }
.keywords-several li { margin: 0; padding: .2rem .7rem; border-radius: .5rem; font-size: 1.3rem;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-secondary); }
.keywords-several small { display: block; font-size: .85rem; color: var(--body-text-color-subdued);
  font-variant-numeric: tabular-nums; }
.keywords-hint { font-size: .9rem; color: var(--body-text-color-subdued); margin: .25rem 0; }

/* Lanes: a label, the plot, and what stands beside it; the plots share one axis of time. */
.keywords-stage { --left: 3.4rem; --right: 3.4rem; --gap: .4rem; position: relative; display: grid;
  grid-template-columns: var(--left) minmax(0, 1fr) var(--right); gap: 3px var(--gap); margin: .5rem 0; }
.keywords-name { grid-column: 1; font-size: .8rem; text-align: right; align-self: center; line-height: 1.1;
  color: var(--body-text-color-subdued); }
.keywords-plot { grid-column: 2; position: relative; min-width: 0; border-radius: .2rem;
  background: var(--background-fill-secondary); }
.keywords-plot svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.keywords-side { grid-column: 3; position: relative; font-size: .75rem; color: var(--body-text-color-subdued); }
.keywords-heard { background: none; }
.keywords-rows { position: relative; height: calc(1.8rem * var(--rows)); }
.keywords-heard span { position: absolute; top: calc(1.8rem * var(--row)); height: 1.7rem; min-width: 3px;
  border-radius: .25rem; background: var(--primary-200); border-left: 3px solid var(--primary-600); }
.dark .keywords-heard span { background: var(--primary-800); }
.keywords-heard em { position: absolute; left: .3rem; font-style: normal; font-size: .95rem; font-weight: 600;
  line-height: 1.7rem; white-space: nowrap; }
.keywords-heard .keywords-late em { left: auto; right: .3rem; }
.keywords-heard small { color: var(--body-text-color-subdued); font-size: .85rem; line-height: 1.8rem; }
.keywords-mattered { height: 1.5rem; }
.keywords-mattered i, .keywords-bands i { position: absolute; background: var(--keywords-mattered); }
.keywords-mattered i { bottom: 0; }
.keywords-mattered i.keywords-negative, .keywords-bands i.keywords-negative {
  background: repeating-linear-gradient(45deg, var(--keywords-hindered) 0 2px, transparent 2px 4px); }
.keywords-mattered b { position: absolute; inset: 0; border: 1px solid var(--body-text-color-subdued);
  border-width: 0 1px; }
.keywords-wave { height: 5rem; }
.keywords-wave path { fill: var(--keywords-0); }
.keywords-mel { height: 11rem; overflow: hidden; }
.keywords-mel img { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; image-rendering: pixelated; }
.keywords-name:has(.keywords-hz) { align-self: stretch; }
.keywords-hz { position: relative; height: 100%; }
.keywords-hz span { position: absolute; right: 0; transform: translateY(50%); white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.keywords-bands i { left: 0; }
.keywords-traces { height: 8rem; }
.keywords-traces polyline, .keywords-key line { fill: none; stroke-width: 2.5; vector-effect: non-scaling-stroke;
  stroke-linejoin: round; }
.keywords-traces line { stroke: var(--body-text-color); stroke-width: 1.5; stroke-dasharray: 6 4;
  vector-effect: non-scaling-stroke; }
.keywords-axis { grid-column: 2; position: relative; height: 1.3rem; font-size: .8rem;
  font-variant-numeric: tabular-nums; color: var(--body-text-color-subdued); }
.keywords-axis span { position: absolute; transform: translateX(-50%); white-space: nowrap; padding-top: .25rem; }
.keywords-axis span::before { content: ""; position: absolute; left: 50%; top: 0; height: .3rem;
  border-left: 1px solid currentColor; }
.keywords-time { position: absolute; inset: 0 calc(var(--right) + var(--gap)) 1.3rem calc(var(--left) + var(--gap));
  z-index: 1; cursor: pointer; touch-action: pan-y; border-radius: .2rem; }
.keywords-time:focus-visible { outline: 3px dashed var(--primary-500); outline-offset: 2px; }
.keywords-time i { position: absolute; top: 0; bottom: 0; width: 0; margin-left: -1px; pointer-events: none;
  border-left: 2px solid #fff; outline: 1px solid #000; visibility: hidden; }
.keywords-time[data-at] i { visibility: visible; }
.keywords-readout { min-height: 1.5em; font-variant-numeric: tabular-nums; margin: .2rem 0; }
.keywords-key { display: flex; flex-wrap: wrap; gap: .1rem 1rem; list-style: none; padding: 0; margin: .2rem 0;
  font-size: .9rem; }
.keywords-key li { display: inline-flex; align-items: center; gap: .4rem; margin: 0; }
.keywords-key svg { width: 2.2rem; height: .8rem; }
.keywords audio { width: 100%; height: 2.6rem; margin: .3rem 0; }
.dark .keywords audio { color-scheme: dark; }
.block:has(.live-hint[hidden]):not(:has(.live)) { display: none; }

.keywords-bars { list-style: none; margin: .3rem 0; padding: 0; }
.keywords-bars li { display: grid; grid-template-columns: minmax(5rem, 9rem) minmax(0, 1fr) 4rem; gap: .6rem;
  align-items: center; margin: .15rem 0; }
.keywords-bars span:first-child { overflow-wrap: anywhere; }
.keywords-bars b { text-align: right; font-weight: 400; font-variant-numeric: tabular-nums; }
.keywords-bar { position: relative; height: 1.1rem; border-radius: .2rem;
  background: var(--background-fill-secondary); }
.keywords-bar i { position: absolute; inset: 0 auto 0 0; border-radius: .2rem; background: var(--primary-600); }
.keywords-bar u { position: absolute; top: -.2rem; bottom: -.2rem; border-left: 2px dashed var(--body-text-color); }
.keywords-table { border-collapse: collapse; width: 100%; margin: .4rem 0; border: 0 !important; font-size: .9rem; }
.keywords-table caption { text-align: left; font-weight: 600; }
.keywords-table th, .keywords-table td { border: 0 !important; padding: .2rem .8rem .2rem 0; text-align: left;
  vertical-align: top; font-variant-numeric: tabular-nums; background: none !important; }
.keywords-table tr { border: 0 !important; border-bottom: 1px solid var(--border-color-primary) !important;
  background: none !important; }
.keywords details summary { cursor: pointer; }

/* Charts of the lecture view. */
.keywords-chart { display: grid; grid-template-columns: 3.4rem minmax(0, 1fr); gap: 0 .4rem; margin: .9rem 1.2rem 0 0; }
.keywords-chart figcaption { grid-column: 1 / -1; font-weight: 600; margin-bottom: .25rem; }
.keywords-area { position: relative; height: 9rem; border-radius: .2rem; background: var(--background-fill-secondary); }
.keywords-chart-frame .keywords-area, .keywords-chart-bands .keywords-area { height: 8rem; }
.keywords-chart-filters .keywords-area { height: 3.5rem; }
.keywords-chart-stft .keywords-area { height: 11rem; overflow: hidden; }
.keywords-area > i { position: absolute; left: 0; right: 0; border-top: 1px solid var(--border-color-primary); }
.keywords-area svg, .keywords-area img { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; }
.keywords-area img { image-rendering: pixelated; }
.keywords-area polyline { fill: none; vector-effect: non-scaling-stroke; stroke-linejoin: round; stroke-width: 1.5; }
.keywords-area polyline.keywords-thin { stroke: var(--body-text-color-subdued); stroke-width: 1; }
.keywords-area polyline.keywords-strong { stroke: var(--keywords-0); stroke-width: 2; }
.keywords-area polyline.keywords-dashed { stroke: var(--keywords-1); stroke-dasharray: 6 4; }
.keywords-area polyline.keywords-band0 { stroke: var(--keywords-0); }
.keywords-area polyline.keywords-band1 { stroke: var(--keywords-1); }
.keywords-filled { fill: var(--keywords-0); }
.keywords-mark { position: absolute; top: 0; bottom: 0; margin-left: -1px; border-left: 2px solid #fff;
  outline: 1px solid #000; }
.keywords-rows-of { position: relative; font-size: .8rem; color: var(--body-text-color-subdued); }
.keywords-rows-of span { position: absolute; right: 0; transform: translateY(calc(100% * var(--at)));
  line-height: 1.1; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.keywords-columns-of { grid-column: 2; position: relative; height: 1.4rem; font-size: .8rem;
  font-variant-numeric: tabular-nums; color: var(--body-text-color-subdued); }
.keywords-columns-of span { position: absolute; transform: translateX(calc(-100% * var(--at))); white-space: nowrap; }

/* What belongs to a recording is not asked for while the microphone is listened to or a word is taught. */
.lectern-columns:has(#keyword_spotting-view-live-button[aria-selected=true]) .keywords-of-a-clip,
.lectern-columns:has(#keyword_spotting-view-live-button[aria-selected=true]) #keyword_spotting-comparison,
.lectern-columns:has(#keyword_spotting-view-teach-button[aria-selected=true]) #keyword_spotting-comparison,
.lectern-columns:has(#keyword_spotting-view-teach-button[aria-selected=true]) .keywords-of-a-clip { display: none; }
.lectern-columns:has(#keyword_spotting-view-live-button[aria-selected=true]) .row:has(> #keyword_spotting-run),
.lectern-columns:has(#keyword_spotting-view-teach-button[aria-selected=true]) .row:has(> #keyword_spotting-run) {
  display: none; }

/* On a phone. Gradio passes media queries on, but no container queries. */
@media (max-width: 40rem) {
  .keywords-stage { --left: 2.6rem; --right: 2rem; --gap: .25rem; }
  .keywords-name { font-size: .66rem; }
  .keywords-axis span:nth-of-type(even), .keywords-columns-of span:nth-of-type(even) { display: none; }
  .keywords-answer { font-size: 2.2rem; }
  .keywords-many em { display: none; }
}
"""

CSS = PALETTES + RULES
