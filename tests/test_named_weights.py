"""Names of weights through TensorFlow: a checkpoint of the release comes out as a network."""

import dataclasses
import pathlib

import numpy as np
import pytest
from original_weights import weights, write_checkpoint
from release_server import archive
from small_networks import RELEASED

from feelvos_tf import build_model, load_model, named_weights, presets
from feelvos_tf.checkpoints import import_release, named_variables
from feelvos_tf.errors import InputError

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"
NAME, START = "feelvos_davis17", "xception_65_coco"


@pytest.fixture
def cache(tmp_path, monkeypatch, server):
    """A cache and a server; the network of NAME is small, to be quick."""
    monkeypatch.setenv("FEELVOS_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("FEELVOS_DOWNLOAD_URL", server.url)
    monkeypatch.delenv("FEELVOS_OFFLINE", raising=False)
    small = dataclasses.replace(presets.PRESETS[NAME], config=RELEASED)
    monkeypatch.setitem(presets.PRESETS, NAME, small)
    return tmp_path / "cache"


def files_of(values, folder):
    """The files of a checkpoint, with what the release's training leaves in it."""
    momenta = {f"{name}/Momentum": value for name, value in values.items()}
    write_checkpoint({**values, **momenta}, folder / "model.ckpt-200004")
    return {path.name: path.read_bytes() for path in folder.glob("model.ckpt*")}


@pytest.mark.compat
def test_a_name_is_the_releases_network_at_its_settings(cache, server, tmp_path):
    rng = np.random.default_rng(0)
    values = {
        name: rng.standard_normal(variable.shape).astype(np.float32)
        for name, variable in named_variables(build_model(RELEASED)).items()
    }
    server.files = {presets.get(NAME).archive: archive(files_of(values, tmp_path))}
    said = []
    model = load_model(NAME, say=said.append)
    assert model.config == RELEASED and model.recommended.memory is None
    for name, variable in named_variables(model).items():
        np.testing.assert_array_equal(variable, values[name], name)
    assert said[-1].startswith(
        f"{NAME}: mobilenet_v2 at output stride 8, atrous rates 12, 24, as the"
    )
    assert load_model(NAME, offline=True, say=None).config == RELEASED


@pytest.mark.compat
def test_a_checkpoint_of_another_network(cache, server, tmp_path):
    files = files_of({"aspp0/weights": np.zeros(3, np.float32)}, tmp_path)
    server.files = {presets.get(NAME).archive: archive(files)}
    with pytest.raises(InputError, match=f"{NAME}: .*does not fit the network: it lacks"):
        load_model(NAME, say=None)
    assert not (cache / f"{NAME}.npz").exists()


@pytest.mark.compat
def test_a_starting_point_that_tensorflow_cannot_read(cache, server, tmp_path):
    files = files_of({"aspp0/weights": np.zeros(3000, np.float32)}, tmp_path)
    whole = dict(files)
    data = next(name for name in files if ".data-" in name)
    files[data] = files[data][:1000]
    server.files = {presets.get(START).archive: archive(files)}
    with pytest.raises(InputError, match=f"{START}: .*not a readable TensorFlow checkpoint"):
        named_weights.starting_point(START, import_release, say=None)
    assert not (cache / START).exists()
    named_weights.remove(START)
    (cache / f"{START}.json").unlink()
    server.files = {presets.get(START).archive: archive(whole)}
    named_weights.starting_point(START, import_release, say=None)


@pytest.mark.slow
def test_the_whole_network_of_the_release(tmp_path, monkeypatch, server):
    """Xception-65 at full size, with the weights behind the reference outputs."""
    monkeypatch.setenv("FEELVOS_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("FEELVOS_DOWNLOAD_URL", server.url)
    monkeypatch.delenv("FEELVOS_OFFLINE", raising=False)
    values = weights(GOLDEN / "portable_xception_65")
    write_checkpoint(values, tmp_path / "model.ckpt-200004")
    files = {path.name: path.read_bytes() for path in tmp_path.glob("model.ckpt*")}
    preset = presets.get(NAME)
    server.files = {preset.archive: archive(files, preset.folder, level=0)}
    said = []
    model = load_model(NAME, say=said.append)
    assert model.config == presets.RELEASE_CONFIG and model.recommended.memory is None
    variables = named_variables(model)
    assert set(variables) == set(values) and len(values) == 752
    for name, variable in variables.items():
        np.testing.assert_array_equal(variable, values[name], name)
    assert said[-1] == (
        f"{NAME}: xception_65 at output stride 8, atrous rates 12, 24, 36, as the release tests it"
    )
