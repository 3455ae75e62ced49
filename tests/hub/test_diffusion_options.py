from __future__ import annotations

from dataclasses import replace

import pytest

from hub.diffusion.abilities import ABILITIES
from hub.diffusion.options import MOST_PICTURES, SEEDS, SamplingOptions, enough_steps, fitted, new_seed
from hub.errors import InvalidInput
from hub.options import checked

TABLETOP, TURBO = ABILITIES["tabletop-diffusion"], ABILITIES["sd-turbo"]


def test_what_a_model_can_do_is_left_as_it_is() -> None:
    wanted = SamplingOptions("a red cube")
    assert fitted(wanted, TABLETOP) == (wanted, ())


def test_a_size_that_does_not_divide_is_rounded_and_said() -> None:
    changed, notes = fitted(SamplingOptions(width=100, height=2000), TABLETOP)
    assert (changed.width, changed.height) == (96, 256)
    (note,) = notes
    assert "100 x 2000" in note
    assert "96 x 256" in note


def test_a_model_without_guidance_says_so() -> None:
    wanted = SamplingOptions(negative_prompt="blue", steps=50, guidance=7.5, scheduler="ddim", width=512, height=512)
    changed, notes = fitted(wanted, TURBO)
    assert (changed.guidance, changed.steps, changed.scheduler) == (0.0, TURBO.most_steps, TURBO.schedulers[0])
    assert len(notes) == 4
    assert any("negative" in note for note in notes)


@pytest.mark.parametrize("name", ABILITIES)
def test_from_a_start_picture_at_least_one_step_is_taken_whatever_the_strength(name: str) -> None:
    most = ABILITIES[name].most_steps
    for wanted in range(1, most + 1):
        for strength in (0.0, 0.01, 0.15, 0.35, 0.6, 1.0):
            steps, kept, notes = enough_steps(wanted, strength, most)
            assert 1 <= int(steps * kept) <= steps <= most
            assert bool(notes) == ((steps, kept) != (wanted, strength))


def test_seeds_count_up_from_the_seed() -> None:
    assert SamplingOptions(seed=7, pictures=3).seeds() == (7, 8, 9)
    highest = SamplingOptions(seed=SEEDS - MOST_PICTURES, pictures=MOST_PICTURES)
    assert max(highest.seeds()) == SEEDS - 1


def test_a_drawn_seed_is_one_that_may_be_sent() -> None:
    for _ in range(20):
        assert checked(SamplingOptions, {"seed": new_seed()})


@pytest.mark.parametrize(
    "values",
    [
        {"steps": 0},
        {"steps": 1000},
        {"guidance": -1},
        {"guidance": float("nan")},
        {"scheduler": "magic"},
        {"width": 8},
        {"pictures": 9},
        {"seed": -1},
        {"seed": 0.5},
        {"prompt": "a\x00b"},
        {"prompt": "x" * 20_000},
        {"prompt": 5},
    ],
)
def test_what_is_out_of_range_is_refused_by_name(values: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        checked(SamplingOptions, values)


def test_a_guidance_of_one_is_none() -> None:
    assert not SamplingOptions(guidance=1.0).guided
    assert replace(SamplingOptions(), guidance=1.1).guided
