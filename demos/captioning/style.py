"""CSS of the captioning result: words coloured by probability, and the map of the chosen word over the picture."""

from __future__ import annotations

from demos.captioning.options import CaptionOptions
from hub.options import specs

MOST_WORDS = int(specs(CaptionOptions)["max_tokens"][0].maximum or 0)  # a word has a token at least

RULES = """
.captioning { font-size: 1.6rem; line-height: 2.4rem; }
.captioning input { position: absolute; opacity: 0; pointer-events: none; }
.captioning label { display: inline-block; margin: 0 .12em .2em; padding: 0 .28em; border-radius: .3em; cursor: pointer;
  line-height: 1.15; text-align: center;
  background: hsl(calc(var(--p) * 160) 65% 50% / calc(.65 - .45 * var(--p))); }
.captioning label:not([style]) { background: none; font-style: italic; }
.captioning label small { display: block; font-size: .8rem; font-style: normal; }
.captioning-hint { font-size: .9rem; line-height: 1.3; margin: .3rem 0 0; color: var(--body-text-color-subdued); }
.captioning-candidates { margin-top: .6rem; }
.captioning input:checked + label { outline: 2px solid var(--primary-500); }
.captioning input:focus-visible + label { outline: 3px dashed var(--primary-500); }
.captioning-stage { position: relative; max-width: 560px; margin-top: .5rem; }
.captioning-stage img { display: block; width: 100%; border-radius: .4rem; }
.captioning-stage img + img { position: absolute; inset: 0; height: 100%; opacity: 0; }
.captioning-truth summary { cursor: pointer; color: var(--body-text-color-subdued); }
"""

# The k-th radio button shows the k-th overlay, which follows the picture itself: no script needed.
CHOSEN = "".join(
    f".captioning input:nth-of-type({k}):checked ~ .captioning-stage img:nth-of-type({k + 1}) {{ opacity: 1; }}\n"
    for k in range(1, MOST_WORDS + 1)
)

CSS = RULES + CHOSEN
