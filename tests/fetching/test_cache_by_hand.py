"""Weights that users put into the cache or give as an archive, and names that stand for none."""

import dataclasses
import pathlib

import pytest
from release_server import archive
from small_networks import RELEASED
from small_release import (
    ARCHIVE,
    BY_HAND,
    FILES,
    NAME,
    OTHER,
    RELEASE,
    START,
    content,
    get,
    holds,
    importer,
    never,
    start_of,
)

from feelvos_tf import checkpoint_file, named_weights, presets
from feelvos_tf.checkpoint_file import CONFIG_KEY, read_headers
from feelvos_tf.errors import InputError


def test_an_archive_put_there_by_hand(cache, server):
    cache.mkdir()
    (cache / ARCHIVE).write_bytes(RELEASE)
    said = []
    assert holds(get(NAME, offline=True, say=said.append))
    assert said[0] == f"{NAME}: taking {cache / ARCHIVE}" and not server.requests


def test_a_folder_put_there_by_hand(cache, server):
    (cache / BY_HAND).mkdir(parents=True)
    for name, data in FILES.items():
        (cache / BY_HAND / name).write_bytes(data)
    assert holds(get(NAME, offline=True))
    assert not server.requests
    (cache / f"{NAME}.npz").unlink()
    (cache / BY_HAND / "model.ckpt-200004.index").write_bytes(b"another")
    with pytest.raises(InputError, match=r"\.index: its SHA-256 is .* the file has changed"):
        get(NAME, offline=True)


def test_an_archive_anywhere(cache, server, tmp_path, monkeypatch):
    path = tmp_path / "downloads" / ARCHIVE
    path.parent.mkdir()
    path.write_bytes(RELEASE)
    said = []
    made = get(path, offline=True, say=said.append)
    assert holds(made) and made.parent == cache / "archives"
    assert said[0] == f"{NAME}: taking {path}" and content(path.parent) == [ARCHIVE]
    assert named_weights.checkpoint(path, never, say=None) == made
    # Another archive of the name is another network.
    path.write_bytes(archive(OTHER))
    assert holds(get(path), OTHER) and holds(made)
    # Without a name that tells more it has to be the release's network.
    unknown = path.with_name("mine.tgz")
    unknown.write_bytes(RELEASE)
    monkeypatch.setattr(presets, "RELEASE_CONFIG", dataclasses.replace(RELEASED, window=3))
    found = checkpoint_file.read_json(get(unknown), read_headers(get(unknown)), CONFIG_KEY)
    assert found["window"] == 3
    unknown.write_bytes(b"<html>")
    with pytest.raises(InputError, match="mine.tgz: no .tar.gz archive, it begins with '<html>'"):
        get(unknown)
    assert not server.requests


def test_a_users_own_files_in_the_cache_stay(cache, server, tmp_path):
    cache.mkdir()
    prefix = tmp_path / "model.ckpt-200004"
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    npz = cache / f"{NAME}.npz"
    importer(prefix, dataclasses.replace(RELEASED, window=5), npz)
    mine = npz.read_bytes()
    with pytest.raises(InputError, match="npz: was not made by this program .*; move it away"):
        get(NAME)
    assert npz.read_bytes() == mine
    importer(prefix, RELEASED, npz)  # of the name's own settings it is taken
    assert named_weights.checkpoint(NAME, never, say=None) == npz
    (cache / START).mkdir()
    (cache / START / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=f"{START}: was not made by this program, .* move it away"):
        start_of(START)
    assert not server.requests and (cache / START / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "name, message",
    [
        ("feelvos_davis", "no such file, and no weights have this name; .* mean feelvos_davis17?"),
        ("nothing", f"expected one of {', '.join(presets.PRESETS)}$"),
        (START, f"is no network to run.* of {presets.NAME}, .*feelvos_davis17, feelvos_davis17_"),
        ("", "no such file, and no weights have this name"),
    ],
)
def test_names_that_are_none(cache, name, message):
    with pytest.raises(InputError, match=message):
        get(name)
    if name not in ("", START):
        with pytest.raises(InputError, match="no such file, and no weights have this name"):
            start_of(name)
    assert not cache.exists()


def test_a_file_comes_before_a_name_and_a_folder_does_not(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path(NAME).mkdir()  # what a user unpacked here
    assert get(NAME) == cache / f"{NAME}.npz"
    pathlib.Path(NAME).rmdir()
    pathlib.Path(NAME).write_text("mine")
    assert get(NAME) == pathlib.Path(NAME) and start_of(NAME) == NAME
