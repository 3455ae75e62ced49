"""The guard: every picture a person may send is taken or refused with what to do, and no bytes do any harm."""

from __future__ import annotations

import io
import resource
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from hub.errors import InvalidInput
from hub.guard import FORMATS, MAX_ASPECT, ORIENTATION, Limits, Picture, picture
from tests.hub.toys import PATIENT

Save = Callable[..., Path]
EXACT: dict[str, dict[str, Any]] = {  # as exact as the format can be
    "WEBP": {"lossless": True},
    "JPEG": {"quality": 95, "subsampling": 0},
    "MPO": {"quality": 95, "subsampling": 0},
}


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def save(image: Image.Image, format: str = "PNG", **options: Any) -> Path:  # noqa: A002 - as Pillow calls it
        path = tmp_path / "picture.png"  # whatever it is: names are not believed
        image.save(path, format, **options)
        return path

    return save


def corners() -> Image.Image:
    """Return a picture 48 wide and 32 high whose four corners differ, made of JPEG's 8 x 8 blocks."""
    image = Image.new("RGB", (48, 32), (0, 0, 0))
    for box, colour in (((0, 0, 24, 16), "red"), ((24, 0, 48, 16), "lime"), ((0, 16, 24, 32), "blue")):
        image.paste(colour, box)
    return image


def same(first: Image.Image, second: Image.Image, tolerance: int = 0) -> bool:
    difference = np.abs(np.asarray(first, dtype=int) - np.asarray(second, dtype=int))
    return first.size == second.size and difference.max() <= tolerance


def refusal(path: Path | str | None, **limits: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        picture(path, Limits(**limits))
    return str(caught.value)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read(format: str, save: Save) -> None:  # noqa: A002
    options = EXACT.get(format, {})
    checked = picture(save(corners(), format, **options))
    assert checked.image.mode == "RGB"
    assert checked.notes == ()
    assert same(checked.image, corners(), tolerance=8 if format == "JPEG" else 0)


def test_a_picture_in_memory_is_checked_too_and_left_as_it_was() -> None:
    image = corners()
    checked = picture(image)
    assert same(checked.image, image)
    checked.image.putpixel((0, 0), (1, 2, 3))
    assert same(image, corners())
    with pytest.raises(InvalidInput, match="at least 8"):
        picture(Image.new("RGB", (1, 1)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_every_orientation_of_a_camera_is_turned_upright(format: str, orientation: int, save: Save) -> None:  # noqa: A002
    """EXIF 2.3, tag 0x0112: what a viewer must do to the stored rows and columns."""
    undone = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # stored turned by 90 degrees against the clock, to be turned back
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = corners() if undone is None else corners().transpose(undone)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = EXACT.get(format, {})
    checked = picture(save(stored, format, exif=exif, **options))
    assert same(checked.image, corners(), tolerance=8 if format == "JPEG" else 0)
    assert ImageOps.exif_transpose(checked.image).size == checked.image.size  # nobody will turn it again
    if format != "TIFF":  # Pillow turns those itself
        assert checked.notes == (() if orientation == 1 else ("turned upright as its camera noted",))


@pytest.mark.parametrize("orientation", [0, 9, 4711])
def test_an_orientation_that_does_not_exist_is_ignored(orientation: int, save: Save) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    checked = picture(save(corners(), "JPEG", exif=exif))
    assert checked.image.size == corners().size
    assert checked.notes == ()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_parts_are_laid_on_white(mode: str, save: Save) -> None:
    image = Image.new(mode, (16, 16), 0)
    checked = picture(save(image))
    assert same(checked.image, Image.new("RGB", (16, 16), "white"))
    assert checked.notes == ("transparent parts were laid on white",)


def test_a_palette_with_a_transparent_colour_is_laid_on_white(save: Save) -> None:
    image = corners().quantize(4)
    background = image.getpixel((0, 0))
    checked = picture(save(image, transparency=background))
    assert checked.image.getpixel((0, 0)) == (255, 255, 255)
    assert checked.image.getpixel((47, 0)) == (0, 255, 0)
    assert checked.notes == ("transparent parts were laid on white",)


def test_a_grey_png_with_a_transparent_value_is_laid_on_white(save: Save) -> None:
    checked = picture(save(Image.new("L", (16, 16), 7), transparency=7))
    assert checked.image.getpixel((0, 0)) == (255, 255, 255)


def test_an_alpha_channel_without_transparency_is_dropped_without_a_word(save: Save) -> None:
    checked = picture(save(corners().convert("RGBA")))
    assert same(checked.image, corners())
    assert checked.notes == ()


@pytest.mark.parametrize("mode", ["L", "1", "P"])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_grey_black_and_white_and_palettes_become_rgb(mode: str, format: str, save: Save) -> None:  # noqa: A002
    image = corners().convert(mode)
    checked = picture(save(image, format))
    assert same(checked.image, image.convert("RGB"))
    assert checked.notes == ()


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_brightness(format: str, save: Save) -> None:  # noqa: A002
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    checked = picture(save(Image.fromarray(ramp), format))
    assert same(checked.image, Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert("RGB"), 1)
    assert checked.notes == ("16-bit picture: brightness was reduced to 8 bits",)


def test_sixteen_bit_colour_keeps_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    path.write_bytes(png(16, 16, bits=16, colour=2, pixels=struct.pack(">3H", 65535, 32768, 0) * 256))
    assert picture(path).image.getpixel((3, 3)) == pytest.approx((255, 128, 0), abs=1)


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_floating_point_pictures_are_scaled_and_bad_numbers_are_black(top: float, save: Save) -> None:
    values = np.full((16, 16), top, dtype=np.float32)
    values[0, :3] = [np.nan, np.inf, -np.inf]
    checked = picture(save(Image.fromarray(values), "TIFF"))
    assert checked.image.getpixel((0, 0)) == checked.image.getpixel((1, 0)) == (0, 0, 0)
    assert checked.image.getpixel((5, 5)) == (255, 255, 255)


def test_a_black_floating_point_picture_stays_black(save: Save) -> None:
    assert picture(save(Image.new("F", (16, 16)), "TIFF")).image.getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("kind", "brightest"), [(np.uint16, 4095), (np.uint16, 200), (np.int32, 1), (np.int32, 4095), (np.int32, 10**6)]
)
def test_a_deep_picture_that_does_not_use_its_16_bits_is_scaled_to_its_brightest_value(
    kind: type, brightest: int, save: Save
) -> None:
    """Twelve bits of a camera, or small whole numbers, would be all but black out of 65535."""
    values: np.ndarray = np.zeros((16, 16), kind)
    values[:, :8] = brightest
    checked = picture(save(Image.fromarray(values), "TIFF"))
    assert checked.image.getpixel((0, 0)) == (255, 255, 255)
    assert checked.image.getpixel((15, 0)) == (0, 0, 0)
    assert checked.notes == (f"brightness was scaled so that the brightest value, {brightest:g}, is white",)


def test_a_dim_picture_that_uses_its_16_bits_stays_dim(save: Save) -> None:
    checked = picture(save(Image.fromarray(np.full((16, 16), 0x4040, np.uint16))))
    assert checked.image.getpixel((0, 0)) == (0x40, 0x40, 0x40)


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_a_black_deep_picture_stays_black(kind: type, save: Save) -> None:
    assert picture(save(Image.fromarray(np.zeros((16, 16), kind)), "TIFF")).image.getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_print_colours_become_rgb(format: str, save: Save) -> None:  # noqa: A002
    checked = picture(save(corners().convert("CMYK"), format, **EXACT.get(format, {})))
    assert same(checked.image, corners(), tolerance=8)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_or_pages_the_first_is_used_and_said(format: str, save: Save) -> None:  # noqa: A002
    options = EXACT.get(format, {})
    others = [Image.new("RGB", (48, 32), "white"), Image.new("RGB", (48, 32), "black")]
    checked = picture(save(corners(), format, save_all=True, append_images=others, **options))
    assert same(checked.image, corners())
    assert checked.notes == (f"only the first of 3 {'pages' if format == 'TIFF' else 'frames'} was used",)


def test_the_second_picture_that_phones_add_to_a_jpeg_is_no_animation(save: Save) -> None:
    path = save(corners(), "MPO", save_all=True, append_images=[Image.new("RGB", (12, 8))], **EXACT["MPO"])
    checked = picture(path)
    assert same(checked.image, corners(), tolerance=8)
    assert checked.notes == ()


def test_the_text_in_a_png_is_handed_on(save: Save) -> None:
    info = PngInfo()
    info.add_text("lectern", "{}")
    info.add_itxt("Author", "größer", zip=True)
    assert picture(save(corners(), pnginfo=info)).text == {"lectern": "{}", "Author": "größer"}
    assert picture(save(corners(), "JPEG")).text == {}


def test_no_picture_is_asked_for() -> None:
    assert "no picture yet" in refusal(None)


def test_a_file_that_is_gone_is_asked_for_again(tmp_path: Path) -> None:
    assert "Send it again" in refusal(tmp_path / "deleted.png")
    assert "Send it again" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"these are lecture notes, not a picture", "not a picture"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100"><script/></svg>', "not a picture"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "not a picture"),
        (b"P6 100 100 255 " + b"x" * 30000, "not a picture"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + b"\x00" * 100, "Most Compatible"),
        (b"\x00\x00\x00\x20ftypavif\x00\x00\x00\x00avifmif1" + b"\x00" * 100, "JPEG or PNG"),
        (b"\x89PNG\r\n\x1a\n", "not a picture"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "damaged or cut off"),
        (b"GIF89a", "not a picture"),
    ],
    ids=lambda value: str(value[:12]),
)
def test_what_is_not_a_picture_is_refused_with_what_to_send(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    assert expected in refusal(path)


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_was_cut_off_is_refused(format: str, save: Save) -> None:  # noqa: A002
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    path = save(noise, format)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "Save it again" in refusal(path) or "Send" in refusal(path)


def test_a_tiny_picture_is_refused_with_the_least_size(save: Save) -> None:
    assert "only 1 x 1 pixels. Each side needs at least 8" in refusal(save(Image.new("RGB", (1, 1))))
    assert picture(save(Image.new("RGB", (8, 8)))).image.size == (8, 8)


def test_a_strip_that_would_be_scaled_up_enormously_is_refused(save: Save) -> None:
    assert picture(save(Image.new("RGB", (8 * MAX_ASPECT, 8)))).image.height == 8
    assert f"at most {MAX_ASPECT} times" in refusal(save(Image.new("RGB", (8, 8 * MAX_ASPECT + 1))))


def test_too_many_megabytes_are_refused_with_the_limit(save: Save) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8))
    assert "The file has 0.1 MB. Send at most 0.05 MB." in refusal(save(noise), megabytes=0.05)


def test_too_many_pixels_are_refused_with_the_limit(save: Save) -> None:
    path = save(Image.new("RGB", (300, 200)))
    assert "300 x 200 pixels. Send at most 0.05 megapixels" in refusal(path, megapixels=0.05)
    with pytest.raises(InvalidInput, match="megapixels"):
        picture(Image.new("RGB", (300, 200)), Limits(megapixels=0.05))


def test_a_small_file_that_would_unpack_to_gigabytes_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(100_000, 100_000, bits=8, colour=2, pixels=b""))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "100000 x 100000 pixels" in refusal(path)
    path.write_bytes(b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 50_000, 50_000, 1, 24, 0, 0, 1, 1, 0, 0))
    assert "50000 x 50000 pixels" in refusal(path)
    path.write_bytes(b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\x00\x00" + b"\xff" * 6 + b"\x3b")
    assert "Send" in refusal(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # kB


def test_a_text_chunk_that_would_unpack_to_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    whole = png(16, 16, bits=8, colour=2, pixels=b"\x00" * 16 * 16 * 3)
    bomb = chunk(b"zTXt", b"lectern\x00\x00" + zlib.compress(b"\x00" * 100_000_000, 9))
    path.write_bytes(whole[:33] + bomb + whole[33:])
    assert "Save it again" in refusal(path)


def test_a_picture_larger_than_its_header_says_is_not_believed(tmp_path: Path, save: Save) -> None:
    path = save(corners(), "GIF")
    content = bytearray(path.read_bytes())
    start = content.index(b"\x2c")  # the first frame's own size
    content[start + 5 : start + 9] = struct.pack("<HH", 60_000, 60_000)
    path.write_bytes(content)
    assert "60000 x 60000 pixels" in refusal(path)


def test_a_tiff_whose_second_page_is_nonsense_is_damaged(save: Save) -> None:
    """Pillow raises a TypeError: what decoders raise cannot be listed."""
    path = save(corners(), "TIFF")
    content = bytearray(path.read_bytes())
    (directory,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, directory)
    struct.pack_into("<I", content, directory + 2 + 12 * entries, len(content))  # where the second page is said to be
    path.write_bytes(content + bytes(100))
    assert "damaged" in refusal(path)


def good_files() -> list[bytes]:
    """Return one good file of each format, small enough to damage all over."""
    files = []
    for format in FORMATS:  # noqa: A001
        file = io.BytesIO()
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        corners().save(file, format, **({"exif": exif} if format in ("JPEG", "PNG", "WEBP", "TIFF") else {}))
        files.append(file.getvalue())
    return files


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "picture.png"


def assert_taken_or_refused(path: Path) -> None:
    try:
        checked = picture(path)
    except InvalidInput:
        return
    assert isinstance(checked, Picture)
    assert checked.image.mode == "RGB"
    assert min(checked.image.size) >= 8


@PATIENT
@given(content=st.binary(max_size=2000))
def test_any_bytes_are_taken_or_refused(content: bytes, scratch: Path) -> None:
    scratch.write_bytes(content)
    assert_taken_or_refused(scratch)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow wonders about what it reads, and so do we
@PATIENT
@given(
    file=st.sampled_from(good_files()),
    damage=st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), min_size=1, max_size=8),
    kept=st.floats(0.1, 1.0),
)
def test_any_damage_to_a_good_file_is_taken_or_refused(
    file: bytes, damage: list[tuple[int, int]], kept: float, scratch: Path
) -> None:
    content = bytearray(file[: max(1, round(len(file) * kept))])
    for place, value in damage:
        content[place % len(content)] = value
    scratch.write_bytes(content)
    assert_taken_or_refused(scratch)


def png(width: int, height: int, *, bits: int, colour: int, pixels: bytes) -> bytes:
    """Write a PNG by hand, so that it may lie about its size."""
    rows = len(pixels) // height
    data = b"".join(b"\x00" + pixels[row * rows : (row + 1) * rows] for row in range(height if pixels else 0))
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
