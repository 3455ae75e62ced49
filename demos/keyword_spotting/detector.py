"""From scores to detections: smoothing, a threshold, and a pause. The same for a file and for the live microphone.

A model is sure of a word in every window that the word lies in, five in a row or more, and now and then for a single
window in between words. So scores are averaged over the last few windows, the first average that reaches the threshold
is the detection, and then there is a pause.

Source: posterior smoothing and a threshold, as in G. Chen, C. Parada, G. Heigold: Small-footprint keyword spotting
using deep neural networks, ICASSP 2014, section 2.3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from demos.keyword_spotting.options import SpottingOptions
from demos.keyword_spotting.spotting import F32, NOT_WORDS, Detection


class Detector:
    """Fed with the scores of one window after the other, tells when a keyword was heard.

    Keeps only what the next window needs: it can run for hours. A word that was detected is not detected again before
    its score has fallen below the threshold, or the window has left the first utterance behind.
    """

    def __init__(self, labels: Sequence[str], window_s: float, options: SpottingOptions) -> None:
        self._labels = tuple(labels)
        self._window_s = window_s
        self._options = options
        self._words = np.array([label not in NOT_WORDS for label in labels])
        self._recent: deque[tuple[float, F32]] = deque(maxlen=options.smoothing)  # start and scores of a window
        self._last: Detection | None = None
        self._still_up = False  # whether the score of the last detected word has stayed up since

    def __call__(self, start_s: float, scores: F32) -> tuple[F32, Detection | None]:
        """Take the scores (L,) of the window that begins at `start_s`; return the smoothed ones, and what was heard.

        Windows come in order of time. After a gap longer than a window, and after a jump back, nothing of what came
        before is averaged in.
        """
        if self._recent and not 0 <= start_s - self._recent[-1][0] <= self._window_s:
            self._recent.clear()
        self._recent.append((start_s, np.nan_to_num(scores)))
        smoothed: F32 = np.stack([scores for _, scores in self._recent]).mean(axis=0, dtype=np.float32)
        return smoothed, self._heard(start_s, smoothed)

    def retune(self, options: SpottingOptions) -> None:
        """Detect by other options from now on; the last windows and the last detection are remembered."""
        if options.smoothing != self._recent.maxlen:
            self._recent = deque(self._recent, maxlen=options.smoothing)
        self._options = options

    def _heard(self, start_s: float, smoothed: F32) -> Detection | None:
        up = self._words & (smoothed >= np.float32(self._options.threshold))
        self._still_up = self._still_up and self._last is not None and bool(up[self._labels.index(self._last.word)])
        if not up.any():
            return None
        best = int(np.argmax(np.where(up, smoothed, -1)))
        word = self._labels[best]
        if self._last is not None and self._is_too_soon(word, start_s, self._last):
            return None
        first_s = self._recent[0][0]
        self._last = Detection(word, float(smoothed[best]), first_s, start_s + self._window_s)
        self._still_up = True
        return self._last

    def _is_too_soon(self, word: str, start_s: float, last: Detection) -> bool:
        """Tell whether a word is in the pause after the last detection, or the same utterance of it."""
        end_s = start_s + self._window_s
        if not last.end_s <= end_s:  # the clock was set back: another recording
            return False
        if end_s - last.end_s < self._options.suppression_s:
            return True
        return word == last.word and self._still_up and start_s < last.end_s
