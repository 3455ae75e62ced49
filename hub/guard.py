"""Checks of everything a user can send, before it reaches a model. Every refusal says what is allowed."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from hub.errors import InvalidInput

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
ACCEPTED = "PNG, JPEG, WebP, GIF, BMP or TIFF"
MIN_SIDE_PX = 8
DEEP_WHITE = 65535  # of a 16-bit picture
DEEP_ENOUGH = 4096  # a deep picture whose values all lie below (12-bit cameras, say) does not use the 16 bits
MAX_ASPECT = 32  # processors that scale the short side up would make a thin strip enormous
ORIENTATION = 0x0112  # the EXIF tag
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif")

# Our own limit on pixels is checked from the header, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Limits:
    """The largest picture that is taken."""

    megapixels: float = 50.0
    megabytes: float = 20.0


@dataclass(frozen=True)
class Picture:
    """A checked picture: upright, RGB, 8 bits a channel; `notes` say what was done to get there.

    `text` are the text chunks of a PNG: where Lectern's own pictures carry how they were made.
    """

    image: Image.Image
    notes: tuple[str, ...] = ()
    text: Mapping[str, str] = field(default_factory=dict)


def picture(source: str | Path | Image.Image | None, limits: Limits = Limits()) -> Picture:
    """Open and check a picture: a path of an uploaded file, or a PIL image.

    Orientation tags are honoured, transparency is laid on white, deep and grey pictures become 8-bit RGB, and the
    first frame of an animation, or the first page of a TIFF, is taken.

    Raises:
        InvalidInput: for nothing, no picture, a format or a size that is not taken, or a damaged file.
    """
    if source is None:
        raise InvalidInput("There is no picture yet.", "Upload one, take one with the camera, or click an example.")
    return _checked(source, limits, _upright_rgb)


def mask(source: str | Path | bytes, limits: Limits = Limits()) -> Picture:
    """Open and check a mask, or another drawing of two colours: a path of an uploaded file, or a file's bytes.

    Its picture is mode L: bright is what is marked. Where the file is transparent nothing is marked; marks that are
    all black, as on a transparent layer, count by how opaque they are.

    Raises:
        InvalidInput: as `picture`.
    """
    return _checked(source, limits, _upright_marks)


def _checked(
    source: str | Path | bytes | Image.Image, limits: Limits, upright: Callable[[Image.Image], Picture]
) -> Picture:
    if isinstance(source, Image.Image):
        _check_size(source.size, limits)
        return upright(source)
    file: Path | io.BytesIO
    if isinstance(source, bytes):
        file, length, head = io.BytesIO(source), len(source), source[:16]
    else:
        file = Path(source)
        if not file.is_file():
            raise InvalidInput("The picture is no longer on the server.", "Send it again.")
        length = file.stat().st_size
        with file.open("rb") as opened_file:
            head = opened_file.read(16)
    if length > limits.megabytes * 1e6:
        raise InvalidInput(f"The file has {length / 1e6:.1f} MB.", f"Send at most {limits.megabytes:g} MB.")
    _refuse_by_content(head)
    try:
        with Image.open(file, formats=FORMATS) as opened:
            _check_size(opened.size, limits)
            opened.load()
            return upright(opened)
    except InvalidInput:
        raise
    except UnidentifiedImageError as error:
        raise InvalidInput("The file is not a picture that can be read.", f"Send {ACCEPTED}.") from error
    except Exception as error:  # decoders raise anything when the bytes are bad
        raise InvalidInput("The picture is damaged or cut off.", "Save it again, for example as PNG.") from error


def _refuse_by_content(head: bytes) -> None:
    if not head:
        raise InvalidInput("The file is empty.", f"Send {ACCEPTED}.")
    if head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS:
        raise InvalidInput(
            "HEIC and AVIF pictures are not read here.",
            "Save it as JPEG or PNG; an iPhone does so under Settings, Camera, Formats, Most Compatible.",
        )


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width * height > limits.megapixels * 1e6:
        raise InvalidInput(
            f"The picture has {width} x {height} pixels.", f"Send at most {limits.megapixels:g} megapixels."
        )
    if min(width, height) < MIN_SIDE_PX:
        raise InvalidInput(
            f"The picture has only {width} x {height} pixels.", f"Each side needs at least {MIN_SIDE_PX}."
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise InvalidInput(
            f"The picture is a strip of {width} x {height} pixels.",
            f"The long side may be at most {MAX_ASPECT} times the short one: crop it.",
        )


def _upright_rgb(image: Image.Image) -> Picture:
    image, notes, text = _upright(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if np.asarray(image.getchannel("A")).min() < 255:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            notes.append("transparent parts were laid on white")
    return Picture(image.convert("RGB"), tuple(notes), text)


def _upright_marks(image: Image.Image) -> Picture:
    image, notes, text = _upright(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        opaque = image.getchannel("A")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image).convert("L")
        if not np.asarray(image).any() and np.asarray(opaque).min() < 255:
            image = opaque
    return Picture(image.convert("L"), tuple(notes), text)


def _upright(image: Image.Image) -> tuple[Image.Image, list[str], dict[str, str]]:
    """Return the first frame of a picture, upright and 8 bits deep, with notes of that and its text chunks."""
    notes: list[str] = []
    text = {key: str(value) for key, value in getattr(image, "text", image.info).items() if isinstance(value, str)}
    # Phones add a second picture to a JPEG (MPO), for depth or for bright screens: that is no animation.
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        frames = f"{image.n_frames} {'pages' if image.format == 'TIFF' else 'frames'}"  # type: ignore[attr-defined]
        notes.append(f"only the first of {frames} was used")
        image.seek(0)
    if image.getexif().get(ORIENTATION) in range(2, 9):
        image = ImageOps.exif_transpose(image)
        notes.append("turned upright as its camera noted")
    if image.mode in ("I", "F", "I;16", "I;16B", "I;16L"):
        image, note = _eight_bits(image)
        notes.append(note)
    return image, notes, text


def _eight_bits(image: Image.Image) -> tuple[Image.Image, str]:
    """Reduce a deep grey picture to 8 bits and say how: 0 is black, and white is one of two things.

    White is 65535 where the brightest value of whole numbers lies from 4096 to 65535. Elsewhere the file does not say
    what white is (12 bits stored as 16, 32-bit and floating-point numbers), so it is the brightest value itself.
    """
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    white, note = float(DEEP_WHITE), "16-bit picture: brightness was reduced to 8 bits"
    brightest = float(values.max(initial=0.0))
    if brightest > 0 and (image.mode == "F" or not DEEP_ENOUGH <= brightest <= DEEP_WHITE):
        white, note = brightest, f"brightness was scaled so that the brightest value, {brightest:g}, is white"
    return Image.fromarray((np.clip(values / white, 0.0, 1.0) * 255).round().astype(np.uint8)), note
