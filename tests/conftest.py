"""What tests over HTTP and in the browser share: the real app, with the embedded models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gradio_client import Client

from tests.app import RunningApp, running_app


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """The app, launched once a test module."""
    with running_app(tmp_path_factory.mktemp("uploads")) as running:
        yield running


@pytest.fixture(scope="module")
def client(app: RunningApp) -> Client:
    """A client of the app, with a session of its own."""
    return Client(app.url, verbose=False)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Let torch compute on one core: tests run side by side."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
