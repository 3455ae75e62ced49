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
