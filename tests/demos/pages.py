"""Pages and a chart with known text, drawn with Pillow: what the tests read, and the document examples of the app.

`python -m tests.demos.pages` writes the examples again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

EXAMPLES = Path(__file__).resolve().parents[2] / "assets/examples/vqa/documents"
INK = (28, 28, 34)
FAINT = (178, 180, 190)
BAR = (74, 111, 165)

Row = tuple[str, ...]

INVOICE: tuple[Row, ...] = (
    ("Riverside Paper Shop",),
    ("14 Mill Lane, Harrow",),
    ("Invoice number: 20417", "Date: 3 March 2025"),
    ("Customer: Oakfield School", "Clerk: Ada Brook"),
    ("Item", "Quantity", "Price", "Amount"),
    ("Copy paper", "12", "4.50", "54.00"),
    ("Pencils", "200", "0.15", "30.00"),
    ("Drawing pads", "25", "3.20", "80.00"),
    ("Glue sticks", "40", "0.90", "36.00"),
    ("Delivery", "1", "6.50", "6.50"),
    ("Total due", "206.50"),
    ("Please pay within 30 days to account 5521 0983.",),
    ("Questions? Call Ada Brook on 555 0142.",),
)

TIMETABLE: tuple[Row, ...] = (
    ("Bus 7: Station to Lighthouse",),
    ("Monday to Friday, not on public holidays",),
    ("Stop", "Early", "Morning", "Noon", "Evening"),
    ("Station", "06:12", "08:27", "12:05", "18:40"),
    ("Market square", "06:19", "08:35", "12:12", "18:47"),
    ("Hospital", "06:26", "08:43", "12:20", "18:55"),
    ("University", "06:34", "08:52", "12:28", "19:03"),
    ("Harbour", "06:41", "09:01", "12:37", "19:11"),
    ("Lighthouse", "06:50", "09:11", "12:46", "19:20"),
    ("Children under six travel free.",),
    ("Dogs need a ticket of 1.20.",),
)

BORROWED = {"January": 132, "February": 118, "March": 165, "April": 97, "May": 143, "June": 88}


def page(rows: Sequence[Row], size: tuple[int, int] = (1000, 1100), letters_px: int = 26) -> Image.Image:
    """Draw rows of cells, each row's cells spread evenly over the page; the first row is the title."""
    width, height = size
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    step = height / (len(rows) + 1)
    for number, row in enumerate(rows):
        font = ImageFont.load_default(letters_px * 1.6 if number == 0 else letters_px)
        column = 0.86 * width / len(row)
        for place, cell in enumerate(row):
            draw.text((0.07 * width + place * column, step * (number + 0.6)), cell, fill=INK, font=font)
    return picture


def chart(values: dict[str, int], title: str, axis: str, size: tuple[int, int] = (900, 620)) -> Image.Image:
    """Draw a bar chart with a number above each bar."""
    width, height = size
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    left, right, top, bottom = 90, width - 30, 110, height - 80
    draw.text((width / 2, 40), title, fill=INK, font=ImageFont.load_default(30), anchor="mm")
    draw.text((left - 60, top - 30), axis, fill=INK, font=ImageFont.load_default(18), anchor="lm")
    highest = 20 * (max(values.values()) // 20 + 1)
    small = ImageFont.load_default(20)
    for tick in range(0, highest + 1, 40):
        level = bottom - (bottom - top) * tick / highest
        draw.line((left, level, right, level), fill=FAINT)
        draw.text((left - 10, level), str(tick), fill=INK, font=small, anchor="rm")
    column = (right - left) / len(values)
    for place, (name, value) in enumerate(values.items()):
        middle, level = left + column * (place + 0.5), bottom - (bottom - top) * value / highest
        draw.rectangle((middle - column / 4, level, middle + column / 4, bottom), fill=BAR)
        draw.text((middle, level - 14), str(value), fill=INK, font=small, anchor="mm")
        draw.text((middle, bottom + 24), name, fill=INK, font=small, anchor="mm")
    draw.line((left, bottom, right, bottom), fill=INK, width=2)
    return picture


def examples() -> dict[str, Image.Image]:
    """Draw the examples of the app, by their file names."""
    return {
        "invoice.png": page(INVOICE),
        "timetable.png": page(TIMETABLE),
        "bar-chart.png": chart(BORROWED, "Books borrowed in the first half of the year", "books"),
    }


if __name__ == "__main__":
    EXAMPLES.mkdir(parents=True, exist_ok=True)
    for name, picture in examples().items():
        picture.save(EXAMPLES / name, optimize=True)
