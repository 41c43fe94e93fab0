"""Layers and network as Keras saves, loads and clones them."""

import importlib
import json
import os
import pathlib
import pkgutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from small_networks import TINY

from feelvos_tf import Memory, build_model, modeling
from feelvos_tf.checkpoints import named_variables
from feelvos_tf.modeling.deeplab import ASPP, Decoder, DeepLab
from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.modeling.heads import NoisyIdentity, SegmentationHead, embedding_head
from feelvos_tf.modeling.layers import ConvUnit, SeparableUnit
from feelvos_tf.modeling.mobilenet_v2 import InvertedResidual, MobileNetV2
from feelvos_tf.modeling.precision import with_precision
from feelvos_tf.modeling.xception import Xception65, XceptionModule
from feelvos_tf.streaming_settings import AS_PUBLISHED, StreamingSettings

pytestmark = pytest.mark.compat

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEMORY = Memory(every=3, frames=2, max_pixels=77, min_confidence=0.5)
IMAGE = [2, 17, 21, 3]
# A layer, and the shapes of its inputs; what is no shape is handed on as it is.
LAYERS = {
    "conv": (lambda: ConvUnit("a/conv", 4, kernel_size=3, norm_epsilon=1e-3), [IMAGE]),
    "conv with bias": (lambda: ConvUnit("conv", 4, activation=tf.nn.relu6), [IMAGE]),
    "depthwise conv": (
        lambda: ConvUnit("conv", None, kernel_size=5, rate=2, activation=None),
        [IMAGE],
    ),
    "strided conv": (
        lambda: ConvUnit("conv", 4, kernel_size=3, stride=2, explicit_padding=True),
        [IMAGE],
    ),
    "conv of another precision": (lambda: ConvUnit("conv", 4, dtype="mixed_bfloat16"), [IMAGE]),
    "separable": (lambda: SeparableUnit("a", 4, stride=2, explicit_padding=True), [IMAGE]),
    "embedding": (lambda: embedding_head(6), [[2, 5, 7, 8]]),
    "inverted residual": (
        lambda: InvertedResidual("a/b", 8, 8, expansion=6, stride=1, rate=2),
        [[2, 9, 9, 8]],
    ),
    "first inverted residual": (
        lambda: InvertedResidual("a/b", 8, 16, expansion=1, stride=2, rate=1),
        [[2, 9, 9, 8]],
    ),
    "mobilenet": (lambda: MobileNetV2(8, 0.1), [IMAGE]),
    "xception module": (
        lambda: XceptionModule("a/b", [4, 8, 8], "conv", 2, 1, False),
        [[2, 9, 9, 4]],
    ),
    "last xception module": (
        lambda: XceptionModule("a/b", (4, 8, 8), "none", 1, 2, True),
        [[2, 9, 9, 4]],
    ),
    "middle xception module": (
        lambda: XceptionModule("a/b", (4, 4, 4), "sum", 1, 2, False),
        [[2, 9, 9, 4]],
    ),
    "aspp": (lambda: ASPP(8, (2, 3)), [[2, 5, 6, 4]]),
    "aspp without rates": (lambda: ASPP(8, ()), [[2, 5, 6, 4]]),
    "decoder": (lambda: Decoder(8), [[2, 3, 4, 8], [2, 5, 7, 6], (6, 9)]),
    "deeplab": (lambda: DeepLab(TINY), [IMAGE]),
    "head": (lambda: SegmentationHead(TINY), [[5, 7, 8], [3, 5, 7, 3]]),
}
MAKERS = {name: make for name, (make, _) in LAYERS.items()}
MAKERS["xception"] = lambda: Xception65(16)  # large: its parts are saved, it is only described


def draw(shape, seed):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def is_shape(value):
    return isinstance(value, list)


def randomize(model):
    """Gives every variable a value that shows in the output."""
    model.set_weights(
        [np.abs(draw(value.shape, i)) + 0.1 for i, value in enumerate(model.get_weights())]
    )


def saved_and_loaded(model, folder):
    model.save(folder / "m.keras")
    return tf.keras.models.load_model(folder / "m.keras")


def assert_all_equal(found, expected):
    for one, other in zip(tf.nest.flatten(found), tf.nest.flatten(expected)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", LAYERS)
# Keras would rewrite the source code of every layer for nothing, which takes long.
@tf.autograph.experimental.do_not_convert
def test_layers_survive_a_keras_file(name, tmp_path):
    make, arguments = LAYERS[name]
    layer = make()
    inputs = [tf.keras.Input(batch_shape=shape) for shape in arguments if is_shape(shape)]
    rest = [value for value in arguments if not is_shape(value)]
    model = tf.keras.Model(inputs, layer(*inputs, *rest))
    randomize(model)
    again = saved_and_loaded(model, tmp_path)
    values = [draw(shape, i) for i, shape in enumerate(arguments) if is_shape(shape)]
    assert_all_equal(again(values), model(values))
    copy = again.get_layer(layer.name)
    assert type(copy) is type(layer)
    assert [v.name for v in copy.variables] == [v.name for v in layer.variables]


@pytest.mark.parametrize("name", MAKERS)
def test_layers_are_their_configs(name):
    layer = MAKERS[name]()
    config = layer.get_config()
    copy = type(layer).from_config(json.loads(json.dumps(config)))
    assert copy.get_config() == config
    units = [[u.get_config() for u in x.submodules if type(u) is ConvUnit] for x in (layer, copy)]
    assert units[0] == units[1]


def test_every_class_is_tried_and_registered():
    found = set()
    for module in pkgutil.iter_modules(modeling.__path__, f"{modeling.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            kinds = (tf.keras.layers.Layer, tf.keras.initializers.Initializer)
            if isinstance(value, type) and issubclass(value, kinds):
                found.add(value)
    tried = {type(make()) for make in MAKERS.values()}
    assert found == tried | {NoisyIdentity, Feelvos}
    for kind in found:
        name = f"feelvos_tf>{kind.__name__}"
        assert tf.keras.utils.get_registered_name(kind) == name
        assert tf.keras.utils.get_registered_object(name) is kind


def test_activations_have_names():
    unit = ConvUnit("conv", 4, activation=lambda x: x)
    with pytest.warns(UserWarning, match="lambda"):
        assert unit.get_config()["activation"] != "linear"
    with pytest.raises(ValueError, match="curly"):
        ConvUnit("conv", 4, activation="curly")


def test_initializer_is_its_config():
    initializer = NoisyIdentity(0.25, depthwise=True)
    written = json.loads(json.dumps(tf.keras.initializers.serialize(initializer)))
    again = tf.keras.initializers.get(written)
    assert type(again) is NoisyIdentity
    assert again.get_config() == {"stddev": 0.25, "depthwise": True}


@pytest.fixture(scope="module")
def model():
    model = build_model(TINY)
    randomize(model)
    model.recommended = StreamingSettings(MEMORY, 7, "guided", 0.25)
    return model


def triplet():
    return {
        "images": 255 * np.abs(draw([1, 3, 33, 41, 3], 7)),
        "num_objects": 3,
        "reference_labels": np.arange(9 * 11).reshape(1, 9, 11).astype(np.int32) % 3,
        "previous_labels": np.arange(9 * 11).reshape(1, 9, 11).astype(np.int32) % 2,
    }


def assert_same_network(found, expected):
    assert type(found) is Feelvos
    assert found.config == expected.config
    assert found.recommended == expected.recommended
    assert [v.name for v in found.variables] == [v.name for v in expected.variables]
    assert list(named_variables(found)) == list(named_variables(expected))
    np.testing.assert_array_equal(found(triplet()), expected(triplet()))


def test_network_survives_a_keras_file(model, tmp_path):
    assert_same_network(saved_and_loaded(model, tmp_path), model)


def test_network_as_published_stays_so(tmp_path):
    assert saved_and_loaded(build_model(TINY), tmp_path).recommended == AS_PUBLISHED


def test_precision_survives_a_keras_file(model, tmp_path):
    half = with_precision(model, "mixed_bfloat16")
    again = saved_and_loaded(half, tmp_path)
    assert_same_network(again, half)
    assert again.embed(triplet()["images"][0])[1].dtype == tf.bfloat16
    assert {v.dtype for v in again.variables} == {tf.float32}
    assert tf.keras.mixed_precision.global_policy().name == "float32"


def test_file_is_loaded_where_only_the_package_was_imported(model, tmp_path):
    model.save(tmp_path / "m.keras")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, feelvos_tf, tensorflow as tf\n"
            "model = tf.keras.models.load_model(sys.argv[1])\n"
            "print(type(model).__name__, model.config == feelvos_tf.ModelConfig.from_yaml("
            "sys.argv[2]), model.recommended.memory)",
            tmp_path / "m.keras",
            TINY.to_yaml(),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"Feelvos True {MEMORY}"


def test_clone_is_the_same_network_with_variables_of_its_own(model):
    clone = tf.keras.models.clone_model(model)
    assert not {id(v) for v in clone.variables} & {id(v) for v in model.variables}
    clone.set_weights(model.get_weights())
    assert_same_network(clone, model)


def test_weights_go_into_a_fresh_network(model, tmp_path):
    model.save_weights(tmp_path / "w.weights.h5")
    fresh = build_model(TINY)
    fresh.load_weights(tmp_path / "w.weights.h5")
    fresh.recommended = model.recommended
    assert_same_network(fresh, model)
