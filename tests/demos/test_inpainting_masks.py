"""Masks without a model: read, grown, feathered, cut to a region, and pasted back."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demos.inpainting import masks
from demos.inpainting.masks import Mask, Region
from hub import guard
from hub.diffusion.abilities import ABILITIES
from hub.errors import InvalidInput


def disc(size: int = 64, radius: float = 15) -> Mask:
    rows, columns = np.mgrid[:size, :size] - size // 2
    return np.asarray(np.hypot(rows, columns) <= radius)


def as_file(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def forms(mask: Mask) -> dict[str, Image.Image]:
    """Return the same mask as different programs write it."""
    levels = Image.fromarray(mask.astype(np.uint8) * 255)
    black, white = Image.new("RGB", levels.size), Image.new("RGB", levels.size, "white")
    layers = {}
    for name, ink in {"dark strokes on nothing": black, "bright strokes on nothing": white}.items():
        layers[name] = ink.copy()
        layers[name].putalpha(levels)
    opaque = levels.convert("RGBA")
    return {
        "grey": levels,
        "one bit": levels.convert("1"),
        "RGB": levels.convert("RGB"),
        "opaque RGBA": opaque,
        "palette": levels.convert("P"),
        "zeros and ones": Image.fromarray(mask.astype(np.uint8)),
        "16 bits": Image.fromarray(mask.astype(np.uint16) * 65535),
        **layers,
    }


@pytest.mark.parametrize("form", forms(disc()))
def test_a_mask_is_read_whatever_program_wrote_it(form: str) -> None:
    read = guard.mask(as_file(forms(disc())[form]))
    assert read.image.mode == "L"
    mask, notes = masks.fitted(read.image, (64, 64))
    np.testing.assert_array_equal(mask, disc())
    assert not notes


def test_a_mask_of_another_size_is_fitted_and_the_user_is_told() -> None:
    picture = masks.picture_of(disc(64))
    mask, notes = masks.fitted(picture, (128, 128))
    assert np.mean(mask == disc(128, 30)) > 0.98
    assert any("64 x 64" in note and "128 x 128" in note for note in notes)
    _, stretched = masks.fitted(picture, (128, 64))
    assert any("stretched" in note for note in stretched)


@pytest.mark.parametrize("level", [0, 255])
def test_a_mask_of_one_level_gets_a_clear_answer(level: int) -> None:
    mask, _ = masks.fitted(Image.new("L", (32, 32), level), (32, 32))
    if level:
        _, notes = masks.marked(mask)
        assert any("whole picture" in note for note in notes)
    else:
        with pytest.raises(InvalidInput, match="Nothing is marked"):
            masks.marked(mask)


@pytest.mark.parametrize("content", [b"", b"no picture", as_file(Image.new("L", (64, 64)))[:60]])
def test_no_mask_gets_a_message_that_says_what_to_send(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(content)
    for source in (content, tmp_path / "mask.png"):
        with pytest.raises(InvalidInput, match=r"Send|Save"):
            guard.mask(source)


@pytest.mark.parametrize("by_px", [-14, -3, 0, 1, 2, 10])
def test_growing_moves_the_edge_by_that_many_pixels_in_every_direction(by_px: int) -> None:
    moved = masks.grown(disc(), by_px)
    row, column = np.flatnonzero(moved[32]), np.flatnonzero(moved[:, 32])
    for line in (row, column):
        assert (line[0], line[-1]) == (17 - by_px, 47 + by_px)
    across = np.hypot(*(np.argwhere(moved) - 32).T)
    assert abs(across.max() - (15 + by_px)) < 1


def test_a_mask_that_is_shrunk_away_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Shrink it less"):
        masks.grown(disc(), -40)


def test_growing_keeps_a_mask_of_everything() -> None:
    everything = np.ones((8, 8), np.bool_)
    assert masks.grown(everything, -3).all()
    assert masks.feathered(everything, 3).min() == 1


def test_the_feather_is_whole_in_the_mask_and_nothing_beyond_its_width() -> None:
    mask = disc()
    weights = masks.feathered(mask, 4)
    away = masks.outside_px(mask)
    assert (weights[mask] == 1).all()
    assert (weights[away >= 5] == 0).all()
    between = (away > 0) & (away < 5)
    assert ((weights[between] > 0) & (weights[between] < 1)).all()
    np.testing.assert_array_equal(masks.feathered(mask, 0), mask)


def test_what_has_no_weight_stays_in_every_bit_and_what_has_all_is_what_was_drawn() -> None:
    rng = np.random.default_rng(0)
    picture, drawn = (Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)) for _ in range(2))
    weights = masks.feathered(disc(), 3)
    result = masks.pasted(picture, drawn, Region((0, 0, 64, 64), (64, 64)), weights)
    np.testing.assert_array_equal(np.asarray(result)[weights == 0], np.asarray(picture)[weights == 0])
    np.testing.assert_array_equal(np.asarray(result)[weights == 1], np.asarray(drawn)[weights == 1])


@pytest.mark.parametrize("native_px", [64, 128])
def test_what_the_model_is_shown_lines_up_with_where_it_is_pasted(native_px: int) -> None:
    rows, columns = np.mgrid[:200, :300].astype(np.float32)
    smooth = np.stack([columns * 255 / 300, rows * 255 / 200, np.full_like(rows, 90)], -1)
    picture = Image.fromarray(smooth.round().astype(np.uint8))
    mask = np.zeros((200, 300), np.bool_)
    mask[90:150, 200:260] = True
    region = masks.region_around(mask, 20, native_px, 8, (64, 256))
    result = masks.pasted(picture, masks.shown(picture, region), region, mask.astype(np.float32))
    assert abs(np.asarray(result, np.int16) - np.asarray(picture)).max() <= 3


def test_a_region_is_a_square_around_the_mask_inside_of_the_picture() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        height, width = rng.integers(30, 300, 2)
        top, left = rng.integers(0, height - 8), rng.integers(0, width - 8)
        mask = np.zeros((height, width), np.bool_)
        mask[top : top + rng.integers(1, 80), left : left + rng.integers(1, 80)] = True
        region = masks.region_around(mask, int(rng.integers(0, 30)), 512, 8, (256, 1024))
        box_left, box_top, right, bottom = region.box
        assert 0 <= box_left < right <= width
        assert 0 <= box_top < bottom <= height
        inside = np.zeros_like(mask)
        inside[box_top:bottom, box_left:right] = True
        assert inside[mask].all()
        across, down = region.shape
        assert across in (down, width) or down == height


@pytest.mark.parametrize("key", ABILITIES)
@pytest.mark.parametrize("size", [(128, 128), (4000, 3000), (300, 1800), (8, 256)])
def test_the_size_that_is_drawn_is_one_that_the_model_can_draw(key: str, size: tuple[int, int]) -> None:
    able = ABILITIES[key]
    region = masks.region_of((0, 0, *size), able.native_px, able.step_px, (able.smallest_px, able.largest_px))
    assert region.size == (able.rounded(region.size[0]), able.rounded(region.size[1]))


def test_not_even_the_thinnest_mask_is_lost_on_the_way_to_the_latents() -> None:
    mask = np.zeros((1000, 1000), np.bool_)
    mask[500, 300:700] = True
    region = masks.region_of((0, 0, 1000, 1000), 128, 32, (64, 256))
    hole = masks.hole(mask, region)
    assert hole.shape == (128, 128)
    assert hole.any()
    cells = masks.cells(hole)
    latent = cells.reshape(16, 8, 16, 8)
    assert (latent.any((1, 3)) == latent.all((1, 3))).all()
    assert latent.any((1, 3)).sum() >= 6
    assert cells[hole].all()


@pytest.mark.parametrize("by", [-5, -1, 3, 40])
def test_only_what_is_near_a_mask_is_computed_and_the_result_is_that_of_the_whole_picture(by: int) -> None:
    rows, columns = np.mgrid[:70, :90]
    for mask in ((rows < 20) & (columns > 60), disc(90)[:70], (rows > 50) | (columns == 4)):
        distance, depth = masks.outside_px(mask), masks.outside_px(~mask)
        wanted = distance <= by if by > 0 else depth > -by
        np.testing.assert_array_equal(masks.grown(mask, by), wanted)
        feather = abs(by)
        np.testing.assert_allclose(
            masks.feathered(mask, feather), np.clip(1 - distance / (feather + 1), 0, 1), atol=1e-6
        )
