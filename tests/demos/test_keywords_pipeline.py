"""The keyword spotting pipeline, with the embedded model: windows, batches, progress, what mattered, taught words."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from demos.keyword_spotting import windows
from demos.keyword_spotting.importance import BANDS, TIME_PARTS, band_edges_hz, covered, importance
from demos.keyword_spotting.models import MODELS
from demos.keyword_spotting.options import SpottingOptions, SpottingRequest
from demos.keyword_spotting.pipeline import SpottingPipeline, load
from demos.keyword_spotting.spotting import Spotting
from demos.keyword_spotting.taught import Space, Taught
from hub.batch import Item, Progress, Watch
from hub.demo import Loading
from hub.device import Device
from hub.errors import Cancelled, InvalidInput
from hub.jobs import CancelToken
from hub.sounds import Sound, sound

pytestmark = pytest.mark.usefixtures("one_thread")

EXAMPLES = Path(__file__).resolve().parents[2] / "assets/examples/keyword_spotting"
CARD = MODELS[0]


@pytest.fixture(scope="module")
def spotter() -> SpottingPipeline:
    cpu = Device("cpu", "float32", "CPU")
    return load(Loading(CARD, CARD.folder, cpu, lambda *_: None, lambda _, build: build()))


@pytest.fixture(scope="module")
def seven() -> Sound:
    return sound(EXAMPLES / "seven.wav")


def noise(seconds: float, loudness: float = 0.05) -> np.ndarray:
    return loudness * np.random.default_rng(0).standard_normal(round(16000 * seconds), dtype=np.float32)


def spotted(spotter: SpottingPipeline, request: SpottingRequest) -> Spotting:
    (found,) = spotter([request])
    return found


# --- Windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 8000, 15999, 16000, 16001, 19199, 19200, 19201, 50000])
def test_windows_begin_every_hop_and_the_last_ends_with_the_sound(samples: int) -> None:
    found = windows.places(samples, 1.0, 0.2)
    assert found[0] == 0
    assert all(0 < later - earlier <= 3200 for earlier, later in itertools.pairwise(found))
    assert found[-1] == max(0, samples - 16000)
    assert {place % 3200 for place in found[:-1]} <= {0}


def test_a_short_sound_stands_in_the_middle_of_its_window_and_a_longer_one_is_cut_where_it_says() -> None:
    short = np.arange(1, 6, dtype=np.float32)
    window = windows.cut(short, 0, 1.0)
    assert window.shape == (16000,)
    np.testing.assert_array_equal(window[7997:8002], short)
    long = np.arange(40000, dtype=np.float32)
    np.testing.assert_array_equal(windows.cut(long, 3200, 1.0), long[3200:19200])


def test_times_of_a_long_sound_are_exact_to_the_sample(spotter: SpottingPipeline) -> None:
    places = np.array(windows.places(16000 * 600, 1.0, 0.05))
    assert len(places) == 599 * 20 + 1
    assert (np.diff(places) == 800).all()


# --- Words ------------------------------------------------------------------------------------------------------------


def test_a_word_said_once_is_detected_once_and_where_it_is(spotter: SpottingPipeline, seven: Sound) -> None:
    quiet = noise(2.0, 0.0005)
    long = Sound(np.concatenate([quiet, seven.samples, quiet]))
    found = spotted(spotter, SpottingRequest(long, SpottingOptions(threshold=0.6)))
    assert [one.word for one in found.detections] == ["seven"]
    (one,) = found.detections
    assert one.start_s < 2 + seven.seconds
    assert one.end_s > 2
    window, label = found.best
    assert found.labels[label] == "seven"
    assert found.scores[window, label] == found.scores[:, : len(found.labels) - 2].max()


def test_a_sound_no_longer_than_a_window_has_one_and_a_detection_ends_with_it(spotter: SpottingPipeline) -> None:
    short = sound(EXAMPLES / "no.wav")
    cut = Sound(short.samples[: round(0.9 * 16000)])
    found = spotted(spotter, SpottingRequest(cut, SpottingOptions(threshold=0.05)))
    assert found.starts_s.tolist() == [0]
    assert all(one.end_s <= cut.seconds for one in found.detections)


def test_a_window_of_silence_is_silence_whatever_the_model_says(spotter: SpottingPipeline, seven: Sound) -> None:
    gap = np.zeros(16000, np.float32)
    found = spotted(spotter, SpottingRequest(Sound(np.concatenate([gap, seven.samples])), SpottingOptions(hop_s=0.1)))
    assert found.labels[found.scores[0].argmax()] == "_silence_"
    assert found.scores[0].max() == 1
    assert found.scores[-1, found.labels.index("_silence_")] < 1


# --- Batches, progress, cancelling ------------------------------------------------------------------------------------


def test_sounds_of_any_length_and_options_run_together_as_they_do_alone(
    spotter: SpottingPipeline, seven: Sound
) -> None:
    requests = [
        SpottingRequest(seven, SpottingOptions(threshold=0.3)),
        SpottingRequest(Sound(noise(3.7)), SpottingOptions(hop_s=0.1)),
        SpottingRequest(Sound(np.concatenate([noise(1.3), seven.samples])), SpottingOptions(smoothing=1)),
        SpottingRequest(Sound(noise(0.2))),
    ]
    for request, together in zip(requests, spotter(requests), strict=True):
        alone = spotted(spotter, request)
        np.testing.assert_allclose(together.scores, alone.scores, atol=1e-5)
        np.testing.assert_array_equal(together.starts_s, alone.starts_s)
        assert [(one.word, one.start_s, one.end_s) for one in together.detections] == [
            (one.word, one.start_s, one.end_s) for one in alone.detections
        ]


def test_a_long_sound_tells_how_far_it_is_and_a_short_one_does_not(spotter: SpottingPipeline) -> None:
    def told(seconds: float) -> list[float]:
        item = Item(SpottingRequest(Sound(noise(seconds))), CancelToken())
        spotter([item.request], Watch([item]))
        updates = []
        while not item.updates.empty():
            updates.append(item.updates.get())
        return [update.fraction or 0 for update in updates if isinstance(update, Progress)]

    assert told(0.5) == []
    fractions = told(9.0)
    assert len(fractions) >= 2
    assert fractions == sorted(fractions)
    assert fractions[-1] < 1


def test_a_cancelled_scan_ends_after_the_chunk_it_is_in(
    spotter: SpottingPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = Item(SpottingRequest(Sound(noise(20))), CancelToken())
    heard = []
    hear = spotter.family.hear

    def hear_and_stop(cuts: np.ndarray, prepared: object) -> object:
        heard.append(len(cuts))
        item.token.cancel()
        return hear(cuts, prepared)

    monkeypatch.setattr(spotter.family, "hear", hear_and_stop)
    with pytest.raises(Cancelled):
        spotter([item.request], Watch([item]))
    assert heard == [spotter.family.at_once]


# --- What mattered ----------------------------------------------------------------------------------------------------


def test_covering_lowers_one_part_to_the_background_and_leaves_the_rest() -> None:
    sound = noise(1.0, 0.001)
    sound[8000:9600] += 0.5 * np.sin(np.arange(1600) * 2 * np.pi * 1000 / 16000, dtype=np.float32)
    parts = covered(sound)
    assert parts.shape == (TIME_PARTS + BANDS, 16000)
    energy = np.square(parts[:, 8000:9600]).mean(1)
    at_time, band = 8000 * TIME_PARTS // 16000, int(np.searchsorted(band_edges_hz(), 1000) - 1)
    for covering in (at_time, TIME_PARTS + band):
        assert energy[covering] < 0.7 * np.square(sound[8000:9600]).mean()
    np.testing.assert_allclose(parts[0, 2000:], sound[2000:], atol=1e-5)  # far from the first part
    assert np.abs(parts[at_time, 8200:8600]).max() < 0.01  # not silence, not the tone


def test_what_mattered_is_where_the_score_hangs_on() -> None:
    sound = noise(1.0, 0.001)
    sound[12000:13000] += 0.3 * np.sin(np.arange(1000) * 2 * np.pi * 3000 / 16000, dtype=np.float32)

    def loudness(windows: np.ndarray) -> np.ndarray:
        return np.square(windows).sum(1)

    found = importance(sound, loudness, word="tone", start_s=2.0)
    edges = band_edges_hz()
    band = int(np.searchsorted(edges, 3000) - 1)
    for falls, place in ((found.over_time, 15), (found.over_frequency, band)):
        assert falls[place] > 0.9 * falls.max()
        far = np.abs(np.arange(len(falls)) - place) > 3
        assert np.abs(falls[far]).max() < 0.05 * falls.max()
    assert edges[0] == 0
    assert edges[-1] == pytest.approx(8000)
    assert (found.word, found.start_s) == ("tone", 2.0)


def test_a_run_is_explained_where_that_is_asked_for(spotter: SpottingPipeline, seven: Sound) -> None:
    plain = spotted(spotter, SpottingRequest(seven))
    found = spotted(spotter, SpottingRequest(seven, explain=True))
    assert plain.importance is None
    assert found.importance is not None
    window, label = found.best
    assert found.importance.word == found.labels[label] == "seven"
    assert found.importance.score == pytest.approx(float(found.scores[window, label]), abs=1e-4)
    assert found.importance.start_s == found.starts_s[window]
    assert found.importance.over_time.max() > 0.2


# --- Words of the user's own ------------------------------------------------------------------------------------------


def knock_and_seven(spotter: SpottingPipeline, seven: Sound, source: str = CARD.source) -> Taught:
    """Two words, one of which is near what the model makes of `seven`."""
    features = spotted(spotter, SpottingRequest(seven)).features
    assert features is not None
    rng = np.random.default_rng(0)
    middle = features.mean(0) + 0.1 * rng.standard_normal(features.shape[1], np.float32)
    space = Space(middle, np.eye(len(middle), dtype=np.float32))
    others = space(features.mean(0) + rng.standard_normal((50, len(middle)), np.float32))
    near = space(features[:1])
    return Taught(
        words=("knock", "my seven", "_unknown_"),
        source=source,
        revision=CARD.revision,
        weights="",
        counts=(3, 3),
        space=space,
        prototypes=np.concatenate([-near, near]),
        others=others,
        slopes=np.full(2, 20, np.float32),
        offsets=np.full(2, -2, np.float32),
    )


def test_taught_words_take_the_place_of_the_models_and_share_its_batch(spotter: SpottingPipeline, seven: Sound) -> None:
    taught = knock_and_seven(spotter, seven)
    own, models = spotter([SpottingRequest(seven, taught=taught), SpottingRequest(seven)])
    assert own.labels == taught.words
    assert own.features is not None
    np.testing.assert_allclose(own.scores, taught.scores(own.features), atol=1e-6)
    assert own.labels[own.best[1]] == "my seven"
    assert models.labels[models.best[1]] == "seven"
    explained = spotted(spotter, SpottingRequest(seven, taught=taught, explain=True))
    assert explained.importance is not None
    assert explained.importance.word == "my seven"


def test_silence_is_no_taught_word(spotter: SpottingPipeline, seven: Sound) -> None:
    taught = knock_and_seven(spotter, seven)
    found = spotted(spotter, SpottingRequest(Sound(np.zeros(16000, np.float32)), taught=taught))
    assert found.scores[0].tolist() == [0, 0, 1]


def test_words_taught_with_another_model_are_refused(spotter: SpottingPipeline, seven: Sound) -> None:
    taught = knock_and_seven(spotter, seven, source="somebody/else")
    with pytest.raises(InvalidInput, match=r"taught with somebody/else.*Choose the model they were taught with"):
        spotter([SpottingRequest(seven, taught=taught)])
