"""Fixtures shared by the whole suite."""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
import release_server

import feelvos_tf  # noqa: F401  (selects the Keras 2 API before anything imports TensorFlow)

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared():
    """The folder with reference outputs and datasets that lies beside the project, if any."""
    folder = ROOT.parent / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip(f"needs the reference data in {folder}, which is not on this machine")
    return folder


@pytest.fixture
def server(monkeypatch):
    """A server on the loopback in place of the release's, which no proxy stands before."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with release_server.running() as started:
        yield started
