from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from hub.pictures import data_uri, shrunk, spotlight


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_a_picture_in_the_page_is_the_picture() -> None:
    image = Image.new("RGB", (5, 3), (10, 200, 30))
    assert data_uri(image, "PNG").startswith("data:image/png;base64,")
    assert decoded(data_uri(image, "PNG")).tobytes() == image.tobytes()


def test_shrinking_keeps_the_shape_and_leaves_the_original_and_small_pictures_alone() -> None:
    image = Image.new("RGB", (400, 200))
    assert shrunk(image, 100).size == (100, 50)
    assert image.size == (400, 200)
    assert shrunk(image, 1000).size == (400, 200)


def test_a_spotlight_is_clear_where_the_model_looked_most_and_dark_elsewhere() -> None:
    look = np.zeros((4, 4), np.float32)
    look[0, 0] = 1.0
    alpha = np.asarray(decoded(spotlight(look)).getchannel("A"))
    assert alpha[0, 0] < 20
    assert alpha[-1, -1] > 150
    assert np.asarray(decoded(spotlight(np.zeros((2, 2), np.float32)))).max() > 0  # nothing looked at: all dark
