"""Damaged checkpoints and settings, hundreds of each: one line, soon, and no other file touched."""

import json
import time
import zipfile

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_networks import TINY

from feelvos_tf import ModelConfig, build_model
from feelvos_tf.checkpoints import CONFIG_KEY, load_model, named_variables, save_model
from feelvos_tf.errors import InputError

pytestmark = pytest.mark.slow

SECONDS = 10
CAMPAIGN = settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TEXT = st.characters(codec="utf-8")
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 5),
    st.floats(),
    st.dates(),
    st.text(TEXT, max_size=20),
)
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
)


def within_bounds(folder, function, name):
    """Calls a function that may refuse its input, but not write, hang or break."""
    files = {path: path.read_bytes() for path in folder.rglob("*")}
    start = time.monotonic()
    try:
        function()
    except InputError as error:
        assert name in str(error)
        assert "\n" not in str(error)
    assert time.monotonic() - start < SECONDS
    assert {path: path.read_bytes() for path in folder.rglob("*")} == files


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The bytes of a healthy checkpoint, its arrays, and a folder to work in."""
    folder = tmp_path_factory.mktemp("fuzz")
    model = build_model(TINY)
    save_model(model, folder / "fuzz.npz")
    arrays = {name: v.numpy() for name, v in named_variables(model).items()}
    data = (folder / "fuzz.npz").read_bytes()
    load_model(folder / "fuzz.npz")
    return data, arrays, folder


@st.composite
def damaged_bytes(draw, data):
    """Bytes changed where zip files and arrays have their headers, or anywhere; or cut."""
    data = bytearray(data)
    headers = [
        at
        for at in range(len(data) - 4)
        if data[at : at + 2] == b"PK" or data[at : at + 6] == b"\x93NUMPY"
    ]
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.sampled_from(headers)) + draw(st.integers(0, 200))
        at = draw(st.sampled_from([at, draw(st.integers(0, len(data) - 1))])) % len(data)
        how = draw(st.sampled_from(["set", "flip", "drop", "cut"]))
        if how == "set":
            data[at] = draw(st.sampled_from([0, 1, 40, 91, 127, 128, 255]))
        elif how == "flip":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "drop":
            del data[at : at + draw(st.integers(1, 16))]
        else:
            del data[max(at, 100) :]
    return bytes(data)


@settings(CAMPAIGN, max_examples=250)
@given(st.data())
def test_checkpoints_with_damaged_bytes(checkpoint, data):
    content, _, folder = checkpoint
    path = folder / "fuzz.npz"
    path.write_bytes(data.draw(damaged_bytes(content)))
    within_bounds(folder, lambda: load_model(path), "fuzz.npz")


@settings(CAMPAIGN, max_examples=250)
@given(st.data())
def test_checkpoints_of_wrong_content(checkpoint, data):
    _, arrays, folder = checkpoint
    path = folder / "fuzz.npz"
    arrays, config = dict(arrays), TINY.to_dict()
    for _ in range(data.draw(st.integers(0, 2))):
        config[data.draw(st.sampled_from(sorted(config)))] = data.draw(ANYTHING)
    if data.draw(st.booleans()):
        shape = data.draw(st.lists(st.integers(0, 9), max_size=4))
        kind = data.draw(
            st.sampled_from(
                ["f2", "f4", "f8", "i4", "u1", "?", "c8", "U5", "S3", "M8[s]", "O", "V4"]
            )
        )
        name = data.draw(st.sampled_from([*sorted(arrays), "surplus", "../../x", ""]))
        arrays[name] = np.zeros(shape, kind)
    else:
        name = data.draw(st.sampled_from(sorted(arrays)))
        arrays[name] = np.full_like(arrays[name], data.draw(st.floats(width=16)))
    text = data.draw(
        st.one_of(st.just(json.dumps(config, default=str).encode()), st.binary(max_size=40))
    )
    arrays[CONFIG_KEY] = np.frombuffer(text, np.uint8)
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, value)
    within_bounds(folder, lambda: load_model(path), "fuzz.npz")


def mutated(draw, values):
    """Settings with some values, keys or whole branches replaced."""
    if not isinstance(values, dict) or not values or draw(st.integers(0, 4)) == 0:
        return draw(ANYTHING)
    key = draw(st.sampled_from(sorted(values, key=str)))
    new_key = key if draw(st.integers(0, 4)) else draw(PLAIN)
    inner = values[key]
    if isinstance(inner, list) and inner and draw(st.booleans()):
        return {new_key: [*inner[:-1], mutated(draw, inner[-1])]}
    return {new_key: mutated(draw, inner)}


@st.composite
def yaml_texts(draw, values):
    """YAML of settings mutated, then a few characters changed in some."""
    text = yaml.dump(
        mutated(draw, values),
        allow_unicode=True,
        default_flow_style=draw(st.sampled_from([True, False, None])),
    )
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        text = (
            text[:at]
            + draw(
                st.sampled_from(
                    [
                        "[",
                        "{",
                        ":",
                        "- ",
                        "&a ",
                        "*a",
                        "!!int ",
                        "? ",
                        "\n",
                        "'",
                        "%",
                        "|",
                        "0x",
                        "\0",
                        "[" * 3000,
                        "{a: " * 3000,
                        "9" * 5000,
                    ]
                )
            )
            + text[at:]
        )
    return text


@pytest.fixture(scope="module")
def training():
    """The function that reads settings of training, and settings to begin with."""
    pytest.importorskip("official", reason="needs the extra train")
    from feelvos_tf.training import run

    return run.read_params, run.read_params("tiny").as_dict()


@CAMPAIGN
@given(st.data())
def test_settings_of_training(training, tmp_path_factory, data):
    read_params, healthy = training
    text = data.draw(yaml_texts(healthy))
    folder = tmp_path_factory.getbasetemp() / "settings"
    folder.mkdir(exist_ok=True)
    path = folder / "fuzz.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    # A value out of range is named by its key, all else by its file.
    within_bounds(folder, lambda: read_params("tiny", [path]), "")
    within_bounds(folder, lambda: read_params("tiny", override=text), "")


@CAMPAIGN
@given(st.data())
def test_settings_of_a_network(data):
    text = data.draw(yaml_texts(TINY.to_dict()))
    start = time.monotonic()
    try:
        config = ModelConfig.from_yaml(text)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert ModelConfig.from_yaml(config.to_yaml()) == config
    assert time.monotonic() - start < SECONDS
