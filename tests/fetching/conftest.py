"""A cache of weights that fetches from a server on the loopback."""

import dataclasses

import pytest
from small_networks import RELEASED
from small_release import ARCHIVE, NAME, RELEASE, START_ARCHIVE

from feelvos_tf import presets
from feelvos_tf.fetching import downloads


@pytest.fixture
def cache(tmp_path, monkeypatch, server):
    """The cache's folder, before there is one; the server has the release."""
    monkeypatch.setenv("FEELVOS_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("FEELVOS_DOWNLOAD_URL", server.url + "/models/")
    monkeypatch.delenv("FEELVOS_OFFLINE", raising=False)
    monkeypatch.setattr(downloads, "_WAITS", (0.0, 0.0, 0.0))
    small = dataclasses.replace(presets.PRESETS[NAME], config=RELEASED)
    monkeypatch.setitem(presets.PRESETS, NAME, small)
    server.files = {ARCHIVE: RELEASE, START_ARCHIVE: RELEASE}
    return tmp_path / "cache"
