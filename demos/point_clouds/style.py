"""CSS of the point clouds tab: the list of steps, the summary, the tables and the formats page."""

from __future__ import annotations

from demos.point_clouds.viewer import CSS as VIEWER_CSS

RULES = """
.clouds-head { margin: .2rem 0 0; font-size: 1.05rem; }
.clouds-empty, .clouds-more, .clouds-explanation, .clouds-hint { font-size: .9rem; margin: .25rem 0;
  color: var(--body-text-color-subdued); }
.clouds-operation { padding-left: .8rem; border-left: 4px solid var(--primary-600); }
.clouds-explanation summary { cursor: pointer; }
.clouds-explanation p { margin: .2rem 0; color: inherit; }
.clouds-steps { margin: .3rem 0; padding-left: 1.6rem; list-style: decimal; }
.clouds-steps li { margin: .15rem 0; }
.clouds-steps small, .clouds-history small, .clouds-findings h4 small { color: var(--body-text-color-subdued);
  font-weight: 400; overflow-wrap: anywhere; }
.clouds-steps button { border: 0; background: none; cursor: pointer; padding: .1rem .45rem; min-width: 1.8rem;
  color: var(--body-text-color); }
.clouds-steps button:hover { color: var(--error-text-color, #b91c1c); }

.clouds-summary { display: grid; gap: .3rem .9rem; margin: .4rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 10rem), 1fr)); }
.clouds-summary div { min-width: 0; }
.clouds-summary dt { font-size: .82rem; color: var(--body-text-color-subdued); }
.clouds-summary dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }

/* Takes the width there is and asks for none, so that a wide table scrolls in its own box. */
.clouds-scroll { overflow-x: auto; width: 0; min-width: 100%; }
.clouds-table { border-collapse: collapse; width: 100%; margin: .4rem 0; border: 0 !important; font-size: .88rem; }
.clouds-table.clouds-rows, .clouds-table.clouds-matrix { width: auto; }
.clouds-table caption { text-align: left; font-weight: 600; padding: .2rem 0; }
.clouds-table th, .clouds-table td { border: 0 !important; padding: .25rem .9rem .25rem 0; text-align: left;
  vertical-align: top; line-height: 1.35; font-variant-numeric: tabular-nums; background: none !important; }
.clouds-table tr { border: 0 !important; border-bottom: 1px solid var(--border-color-primary) !important;
  background: none !important; }
.clouds-table td > small { display: block; color: var(--body-text-color-subdued); }
.clouds-matrix td { text-align: right; }
.clouds-rows th { font-weight: 400; color: var(--body-text-color-subdued); }
.clouds-table td { white-space: nowrap; }
.clouds-rows td, .clouds-formats td, .clouds-file td { white-space: normal; }
.clouds-history td:nth-child(2) { white-space: normal; min-width: 11rem; }
@media (max-width: 760px) {
  .clouds-table th, .clouds-table td { padding-right: .5rem; }
  .clouds-history td:nth-child(2) { min-width: 6.5rem; }
}
.clouds-history summary { cursor: pointer; }
.clouds-history details p { margin: .3rem 0; color: var(--body-text-color-subdued); }
.clouds-findings h4, .clouds-truth h4 { margin: .8rem 0 .2rem; font-size: 1rem; }
.clouds-truth { border-left: 4px solid var(--primary-600); padding-left: .8rem; margin: .6rem 0; }
.clouds-truth p { margin: .2rem 0; }
.clouds-depth { margin: .5rem 0; max-width: 22rem; }
.clouds-depth img { width: 100%; margin: 0; border-radius: .4rem; }
.clouds-depth figcaption { font-size: .88rem; color: var(--body-text-color-subdued); }
"""

CSS = RULES + VIEWER_CSS
