"""Weights by name, from a server on the loopback: fetched once, checked, imported, kept."""

import dataclasses
import hashlib
import json
import pathlib

import pytest
from release_server import archive
from small_networks import RELEASED
from small_release import (
    ARCHIVE,
    FILES,
    NAME,
    OTHER,
    RELEASE,
    START,
    START_ARCHIVE,
    content,
    get,
    holds,
    never,
    start_of,
)

from feelvos_tf import checkpoint_file, named_weights, presets
from feelvos_tf.checkpoint_file import CONFIG_KEY, read_headers
from feelvos_tf.errors import InputError
from feelvos_tf.fetching.cache_folder import folder


def test_the_releases_settings_travel_with_its_names():
    for name in ("feelvos_davis17", "feelvos_davis17_youtubevos"):
        config = presets.get(name).config
        assert (config.backbone, config.output_stride) == ("xception_65", 8)
        assert config.atrous_rates == (12, 24, 36) and config.window == 15
        assert presets.get(name).settings == (
            "xception_65 at output stride 8, atrous rates 12, 24, 36"
        )
    for preset in presets.PRESETS.values():
        assert preset.about and preset.licence
        assert preset.ships or (preset.archive.endswith(".tar.gz") and preset.folder)


def test_a_name_is_fetched_once(cache, server):
    said = []
    path = get(NAME, say=said.append)
    assert path == cache / f"{NAME}.npz" and holds(path)
    assert server.requests == [(f"/models/{ARCHIVE}", None)]
    assert said[0] == f"{NAME}: fetching {server.url}/models/{ARCHIVE} into {cache}"
    assert said[-1] == (
        f"{NAME}: mobilenet_v2 at output stride 8, atrous rates 12, 24, as the release tests it"
    )
    assert content(cache) == [f"{NAME}.json", f"{NAME}.npz", ARCHIVE]
    record = json.loads((cache / f"{NAME}.json").read_text())["files"]
    assert record[ARCHIVE]["sha256"] == hashlib.sha256(RELEASE).hexdigest()
    assert set(record) == {f"{NAME}.npz", ARCHIVE}
    # From now on nothing is fetched or imported, and the network is not needed.
    assert named_weights.checkpoint(NAME, never, offline=True, say=said.append) == path
    assert len(server.requests) == 1 and said[-1].endswith("as the release tests it")


def test_silence(cache, capsys):
    get(NAME, say=None)
    assert capsys.readouterr() == ("", "")
    named_weights.checkpoint(NAME, never)
    shown = capsys.readouterr()
    assert shown.out == "" and "as the release tests it" in shown.err


@pytest.mark.compat
def test_without_a_network_one_line_says_what_was_tried_and_what_helps(cache, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError) as error:
        get(NAME)
    assert str(error.value) == (
        f"{NAME}: {server.url}/models/{ARCHIVE} cannot be fetched (no connection: connection "
        f"refused); put {ARCHIVE} into {cache} by hand, or give its path in place of the name"
    )
    assert content(cache) == []


def test_offline(cache, server, monkeypatch):
    message = (
        rf"{NAME}: not in .*, and fetching .* is forbidden \(--offline, FEELVOS_OFFLINE\); put"
    )
    with pytest.raises(InputError, match=message):
        get(NAME, offline=True)
    monkeypatch.setenv("FEELVOS_OFFLINE", "1")
    with pytest.raises(InputError, match=message):
        get(NAME)
    assert not server.requests
    get(NAME, offline=False)
    get(NAME)
    monkeypatch.setenv("FEELVOS_OFFLINE", "perhaps")
    with pytest.raises(InputError, match="FEELVOS_OFFLINE is 'perhaps', expected 1 or 0"):
        get(NAME)


@pytest.mark.parametrize("how", ["cut", "page", "flipped"])
def test_what_is_no_archive_is_not_kept(cache, server, how):
    flipped = bytearray(RELEASE)
    flipped[len(RELEASE) // 2] ^= 1
    server.files[ARCHIVE] = {
        "cut": RELEASE[:-100],
        "page": b"<!DOCTYPE html><title>Welcome to the hotel",
        "flipped": bytes(flipped),
    }[how]
    with pytest.raises(InputError, match=rf"{server.url}/models/{ARCHIVE}: no .tar.gz archive"):
        get(NAME)
    assert content(cache) == []
    server.files[ARCHIVE] = RELEASE
    get(NAME)


def test_an_importer_that_fails_leaves_the_archive_alone(cache, server):
    def fails(prefix, config, path):
        path.write_bytes(b"half")
        raise InputError(f"{pathlib.Path(prefix).name} does not fit")

    with pytest.raises(InputError, match=f"{NAME}: model.ckpt-200004 does not fit"):
        named_weights.checkpoint(NAME, fails, say=None)
    assert content(cache) == [f"{NAME}.json", ARCHIVE]
    get(NAME, offline=True)


def test_errors_of_the_server_name_what_helps(cache, server):
    server.plan = [("status", 404)]
    with pytest.raises(InputError, match=rf"status 404 Not Found\); put {ARCHIVE} into {cache}"):
        get(NAME)
    server.plan = [("status", 500), ("status", 503)]
    get(NAME)
    assert len(server.requests) == 4


def test_a_changed_file_is_refused_ever_after(cache, server):
    get(NAME)
    npz = cache / f"{NAME}.npz"
    whole = npz.read_bytes()
    npz.write_bytes(whole[:-1])
    with pytest.raises(
        InputError, match=rf"{NAME}.npz: its SHA-256 is \w+, expected \w+ as on .*--remove={NAME}"
    ):
        get(NAME)
    assert len(named_weights.remove(NAME)) == 2 and content(cache) == [f"{NAME}.json"]
    # The same archive again is welcome, another one is not, whether fetched or put there.
    get(NAME)
    named_weights.remove(NAME)
    server.files[ARCHIVE] = archive(OTHER)
    with pytest.raises(InputError, match=f"{server.url}/models/{ARCHIVE}: its SHA-256 is .* stays"):
        get(NAME)
    assert content(cache) == [f"{NAME}.json"]
    (cache / ARCHIVE).write_bytes(archive(OTHER))
    with pytest.raises(InputError, match=f"cache/{ARCHIVE}: its SHA-256 is"):
        get(NAME)
    (cache / f"{NAME}.json").unlink()
    assert holds(get(NAME), OTHER)


def test_a_record_that_is_none(cache):
    get(NAME)
    for text in ("", "[]", '{"files": {"a": 1}}', '{"files": {"a": {}}}'):
        (cache / f"{NAME}.json").write_text(text)
        with pytest.raises(InputError, match=f"{NAME}.json: cannot be read as a record"):
            get(NAME)


def test_other_settings_of_a_later_version_are_imported_anew(cache, server, monkeypatch):
    get(NAME)
    later = dataclasses.replace(presets.get(NAME), config=dataclasses.replace(RELEASED, window=7))
    monkeypatch.setitem(presets.PRESETS, NAME, later)
    for _ in range(2):
        path = get(NAME, offline=True)
        assert checkpoint_file.read_json(path, read_headers(path), CONFIG_KEY)["window"] == 7


def test_a_starting_point_is_the_releases_own_checkpoint(cache, server, tmp_path):
    prefix = start_of(START)
    assert prefix == str(cache / START / "model.ckpt-200004")
    assert content(cache / START) == sorted(n for n in FILES if not n.endswith(".meta"))
    assert named_weights.starting_point(START, never, offline=True, say=None) == prefix
    assert len(server.requests) == 1
    index = cache / START / "model.ckpt-200004.index"
    index.write_bytes(b"x")
    with pytest.raises(InputError, match=r"model.ckpt-200004.index: its SHA-256 is"):
        start_of(START)
    assert cache / START in named_weights.remove(START)
    path = tmp_path / START_ARCHIVE
    path.write_bytes(RELEASE)
    elsewhere = pathlib.Path(start_of(path, offline=True))
    assert elsewhere.parent.parent == cache / "archives"
    with pytest.raises(InputError, match=f"{path}: is no network to run, it starts a training"):
        get(path)
    assert start_of(NAME) == str(get(NAME))
    assert start_of("runs/x.ckpt") == "runs/x.ckpt"


def test_the_weights_that_ship_have_a_name_too(cache):
    assert named_weights.checkpoint(presets.NAME, never) == presets.checkpoint()
    assert named_weights.checkpoint(None, never) == presets.checkpoint()
    with pytest.raises(InputError, match="comes with the package"):
        named_weights.remove(presets.NAME)
    assert not cache.exists()


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("FEELVOS_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert folder() == tmp_path / ".cache" / "feelvos_tf"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert folder() == tmp_path / ".cache" / "feelvos_tf"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert folder() == tmp_path / "xdg" / "feelvos_tf"
    monkeypatch.setenv("FEELVOS_HOME", "~/mine")
    assert folder() == tmp_path / "mine"


def test_a_cache_that_cannot_be_made(cache):
    cache.write_text("a file")
    with pytest.raises(InputError, match="cache: cannot be made as a folder"):
        get(NAME)
