"""Fixtures shared by the whole suite."""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
import release_server

import feelvos_tf  # noqa: F401  (selects the Keras 2 API before anything imports TensorFlow)

import tensorflow as tf  # isort: skip

# Most of the suite's time goes into compiling functions for small inputs that they see a few times.
# A third of it is the optimizing of their graphs, which pays only where frames are large and many.
# What is run as a command, and a test that asks for it below, has graphs as users have them.
_QUICKLY = {"disable_meta_optimizer": True}
_AS_USERS_DO = {"disable_meta_optimizer": False}
tf.config.optimizer.set_experimental_options(_QUICKLY)
# Tests run side by side, a process for each core: threads that wait for the other process's core
# cost processor time and gain nothing. Commands have their threads as for users.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared():
    """The folder with reference outputs and datasets that lies beside the project, if any."""
    folder = ROOT.parent / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip(f"needs the reference data in {folder}, which is not on this machine")
    return folder


@pytest.fixture
def optimized_graphs():
    """What is compiled in this test is optimized as it is for users."""
    tf.config.optimizer.set_experimental_options(_AS_USERS_DO)
    yield
    tf.config.optimizer.set_experimental_options(_QUICKLY)


@pytest.fixture
def server(monkeypatch):
    """A server on the loopback in place of the release's, which no proxy stands before."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with release_server.running() as started:
        yield started
