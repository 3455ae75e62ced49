"""What is kept: a recording goes with the last session that sent it, everything else by age."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.files import result_path
from hub.kept import Recordings, sweep
from hub.settings import Settings


def sent(folder: Path, name: str) -> Path:
    path = folder / name / "audio.wav"
    path.parent.mkdir()
    path.write_bytes(b"RIFF")
    return path


def test_a_recording_goes_when_its_session_ends_and_not_before(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path)
    mine, other = sent(tmp_path, "a"), sent(tmp_path, "b")
    recordings.note("me", str(mine))
    recordings.note("you", str(other))
    recordings.forget("me")
    assert not mine.exists()
    assert not mine.parent.exists()
    assert other.exists()


def test_a_file_that_two_sessions_sent_stays_until_the_second_ends(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path)
    shared = sent(tmp_path, "a")
    recordings.note("me", str(shared))
    recordings.note("you", str(shared))
    recordings.forget("me")
    assert shared.exists()
    recordings.forget("you")
    assert not shared.exists()


@pytest.mark.parametrize("name", ["../outside/audio.wav", None, 7])
def test_what_is_no_upload_is_never_deleted(tmp_path: Path, name: object) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    outside = sent(tmp_path, "outside")
    recordings = Recordings(uploads)
    recordings.note("me", str(uploads / name) if isinstance(name, str) else name)
    recordings.note("me", str(outside))
    recordings.forget("me")
    assert outside.exists()


UPLOAD = "0f" * 32  # Gradio names the folder of an upload by the SHA-256 of what is in it


def test_old_files_are_swept_with_their_folders_and_new_ones_stay(tmp_path: Path) -> None:
    uploaded, result = sent(tmp_path, UPLOAD), sent(tmp_path, "result-abc")
    sweep(tmp_path)
    assert uploaded.exists()
    assert result.exists()
    sweep(tmp_path, older_than_s=-1.0)  # by then it is old
    assert not uploaded.parent.exists()
    assert not result.parent.exists()
    assert tmp_path.exists()


def test_what_is_no_upload_and_no_result_is_never_swept(tmp_path: Path) -> None:
    mine = [sent(tmp_path, "holidays"), tmp_path / "thesis.txt", tmp_path / UPLOAD[:-1]]
    for path in mine[1:]:
        path.write_text("mine")
    sweep(tmp_path, older_than_s=-1.0)
    assert all(path.exists() for path in mine)


def test_the_folder_that_a_result_is_written_to_is_swept_in_time(tmp_path: Path) -> None:
    path = result_path(Settings(temp_dir=tmp_path), "answer.csv")
    path.write_text("1")
    sweep(tmp_path, older_than_s=-1.0)
    assert not path.exists()


def test_a_folder_that_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    sweep(tmp_path / "gone")
    assert not (tmp_path / "gone").exists()
