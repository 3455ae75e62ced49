from __future__ import annotations

from PIL import Image

from hub.memo import Memo, fingerprint


def counted(calls: list[str], name: str, size: int = 10) -> bytes:
    calls.append(name)
    return name.encode() * size


def test_what_is_asked_for_again_is_not_computed_again() -> None:
    memo, calls = Memo(100), list[str]()
    first = memo.get("a", lambda: counted(calls, "a"), len)
    assert memo.get("a", lambda: counted(calls, "never"), len) is first
    assert calls == ["a"]


def test_the_least_recently_used_goes_first_when_the_bytes_run_out() -> None:
    memo, calls = Memo(25), list[str]()
    for name in ("a", "b", "a", "c"):
        memo.get(name, lambda name=name: counted(calls, name), len)  # type: ignore[misc]
    assert "a" in memo
    assert "b" not in memo
    assert memo.bytes == 20
    assert calls == ["a", "b", "c"]


def test_what_is_larger_than_the_whole_memo_is_returned_and_not_kept() -> None:
    memo, calls = Memo(25), list[str]()
    memo.get("small", lambda: counted(calls, "s"), len)
    assert memo.get("large", lambda: counted(calls, "l", 100), len) == b"l" * 100
    assert "large" not in memo
    assert "small" in memo


def test_a_fingerprint_tells_pictures_apart_by_pixel_and_by_size() -> None:
    image = Image.new("RGB", (4, 2), "red")
    other = image.copy()
    other.putpixel((3, 1), (254, 0, 0))
    prints = {fingerprint(one) for one in (image, other, Image.new("RGB", (2, 4), "red"), Image.new("L", (4, 2)))}
    assert len(prints) == 4
    assert fingerprint(image.copy()) == fingerprint(image)
