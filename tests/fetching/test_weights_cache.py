"""Weights by name, from a server on the loopback: fetched once, checked, imported, kept."""

import dataclasses
import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from release_server import archive

from feelvos_tf import ModelConfig, checkpoint_file, named_weights, presets
from feelvos_tf.checkpoint_file import CONFIG_KEY, read_headers
from feelvos_tf.errors import InputError
from feelvos_tf.fetching import downloads
from feelvos_tf.fetching.cache_folder import folder

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME, START = "feelvos_davis17", "xception_65_coco"
ARCHIVE, BY_HAND = "feelvos_davis17_trained.tar.gz", "feelvos_davis17_trained"
START_ARCHIVE = "xception_65_coco_pretrained_2018_10_02.tar.gz"
TINY = ModelConfig(
    depth_multiplier=0.1,
    output_stride=8,
    atrous_rates=(12, 24),
    aspp_filters=8,
    decoder_filters=8,
    embedding_dim=4,
    head_filters=4,
    head_layers=1,
    head_kernel_size=3,
    window=2,
)


FILES = {
    "model.ckpt-200004.index": b"index" * 100,
    "model.ckpt-200004.data-00000-of-00001": random.Random(0).randbytes(200_000),
    "model.ckpt-200004.meta": b"a graph",
}
OTHER = {name: data[::-1] for name, data in FILES.items()}
RELEASE = archive(FILES)


def importer(prefix, config, path):
    """In place of TensorFlow's: what is imported is the bytes of the checkpoint."""
    data = pathlib.Path(f"{prefix}.data-00000-of-00001").read_bytes()
    if path is not None:
        config = checkpoint_file.pack(config.to_dict())
        np.savez(path, data=np.frombuffer(data, np.uint8), **{CONFIG_KEY: config})


def get(name, offline=None, say=None):
    return named_weights.checkpoint(name, importer, offline=offline, say=say)


def start_of(name, offline=None):
    return named_weights.starting_point(name, importer, offline=offline, say=None)


def holds(path, files=FILES):
    """Whether a file was made of the checkpoint in these files."""
    return np.load(path)["data"].tobytes() == files["model.ckpt-200004.data-00000-of-00001"]


@pytest.fixture
def cache(tmp_path, monkeypatch, server):
    """The cache's folder, before there is one; the server has the release."""
    monkeypatch.setenv("FEELVOS_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("FEELVOS_DOWNLOAD_URL", server.url + "/models/")
    monkeypatch.delenv("FEELVOS_OFFLINE", raising=False)
    monkeypatch.setattr(downloads, "_WAITS", (0.0, 0.0, 0.0))
    small = dataclasses.replace(presets.PRESETS[NAME], config=TINY)
    monkeypatch.setitem(presets.PRESETS, NAME, small)
    server.files = {ARCHIVE: RELEASE, START_ARCHIVE: RELEASE}
    return tmp_path / "cache"


def never(*arguments):
    raise AssertionError("nothing is to be imported again")


def content(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*"))


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
    monkeypatch.setattr(presets, "RELEASE_CONFIG", dataclasses.replace(TINY, window=3))
    found = checkpoint_file.read_json(get(unknown), read_headers(get(unknown)), CONFIG_KEY)
    assert found["window"] == 3
    unknown.write_bytes(b"<html>")
    with pytest.raises(InputError, match="mine.tgz: no .tar.gz archive, it begins with '<html>'"):
        get(unknown)
    assert not server.requests


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
    later = dataclasses.replace(presets.get(NAME), config=dataclasses.replace(TINY, window=7))
    monkeypatch.setitem(presets.PRESETS, NAME, later)
    for _ in range(2):
        path = get(NAME, offline=True)
        assert checkpoint_file.read_json(path, read_headers(path), CONFIG_KEY)["window"] == 7


def test_a_users_own_files_in_the_cache_stay(cache, server, tmp_path):
    cache.mkdir()
    prefix = tmp_path / "model.ckpt-200004"
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    npz = cache / f"{NAME}.npz"
    importer(prefix, dataclasses.replace(TINY, window=5), npz)
    mine = npz.read_bytes()
    with pytest.raises(InputError, match="npz: was not made by this program .*; move it away"):
        get(NAME)
    assert npz.read_bytes() == mine
    importer(prefix, TINY, npz)  # of the name's own settings it is taken
    assert named_weights.checkpoint(NAME, never, say=None) == npz
    (cache / START).mkdir()
    (cache / START / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=f"{START}: was not made by this program, .* move it away"):
        start_of(START)
    assert not server.requests and (cache / START / "notes.txt").read_text() == "mine"


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


SCRIPT = """
import numpy as np
from feelvos_tf import checkpoint_file, named_weights, presets

def importer(prefix, config, path):
    np.savez(path, **{checkpoint_file.CONFIG_KEY: checkpoint_file.pack(config.to_dict())})

def say(line):
    print(line, flush=True)

print(named_weights.checkpoint("feelvos_davis17", importer, say=say))
"""


def start():
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.compat
def test_two_processes_at_once_fetch_once(cache, server):
    server.gate.clear()
    first = start()
    wait_for(lambda: server.requests)
    second = start()
    waiting = second.stdout.readline()
    assert waiting.startswith(f"waiting for process {first.pid} on "), waiting
    server.gate.set()
    done = [process.communicate(timeout=120) for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0], done
    assert server.requests == [(f"/models/{ARCHIVE}", None)]
    assert all(out.splitlines()[-1] == str(cache / f"{NAME}.npz") for out, _ in done)
    assert content(cache) == [f"{NAME}.json", f"{NAME}.npz", ARCHIVE]


@pytest.mark.compat
def test_killed_in_the_middle_it_goes_on_there(cache, server):
    server.gate.clear()
    process = start()
    part = cache / f"{ARCHIVE}.incomplete"
    wait_for(lambda: part.exists() and part.stat().st_size > 20_000)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert any(path.name.startswith(".feelvos-") for path in cache.iterdir())
    kept = part.stat().st_size
    server.gate.set()
    again = start()
    out, error = again.communicate(timeout=120)
    assert again.returncode == 0, error
    assert server.requests[1] == (f"/models/{ARCHIVE}", f"bytes={kept}-")
    assert content(cache) == [f"{NAME}.json", f"{NAME}.npz", ARCHIVE]
    assert (cache / ARCHIVE).read_bytes() == RELEASE
