"""Weights to files and back, and files that are none."""

import io
import json
import zipfile

import numpy as np
import pytest
from original_weights import write_checkpoint
from small_networks import TINY

from feelvos_tf import ModelConfig, build_model, load_tf1_checkpoint
from feelvos_tf.checkpoints import (
    CONFIG_KEY,
    load_model,
    named_variables,
    read_tf1_checkpoint,
    save_model,
)
from feelvos_tf.errors import InputError


@pytest.fixture(scope="module")
def model():
    return build_model(TINY)


def values_of(model, seed=0):
    rng = np.random.RandomState(seed)
    return {
        name: rng.standard_normal(variable.shape).astype(np.float32)
        for name, variable in named_variables(model).items()
    }


def assert_holds(model, values):
    for name, variable in named_variables(model).items():
        np.testing.assert_array_equal(variable, values[name], err_msg=name)


def test_every_variable_has_a_name_of_its_own(model):
    variables = named_variables(model)
    assert {id(v) for v in variables.values()} == {id(v) for v in model.variables}
    assert variables[
        "embedding_seg/split_separable_conv2d_0_depthwise/depthwise_weights"
    ].shape == [3, 3, 8 + 3, 1]


@pytest.mark.compat
@pytest.mark.parametrize("backbone,count", [("mobilenet_v2", 347), ("xception_65", 752)])
def test_the_released_networks_have_their_number_of_variables(backbone, count):
    assert len(named_variables(build_model(ModelConfig(backbone=backbone)))) == count


def test_original_checkpoint_whole(model, tmp_path):
    values = values_of(model)
    momenta = {f"{name}/Momentum": value for name, value in values.items()}
    write_checkpoint({**values, **momenta}, tmp_path / "model.ckpt-7")
    load_tf1_checkpoint(model, tmp_path / "model.ckpt-7")
    assert_holds(model, values)


def test_deeplab_checkpoint_leaves_the_heads(model, tmp_path):
    before = {name: v.numpy() for name, v in named_variables(model).items()}
    values = values_of(model, seed=1)
    heads = ("embedding/", "embedding_seg/", "logits/")
    stored = {name: v for name, v in values.items() if not name.startswith(heads)}
    stored["logits/semantic/weights"] = np.zeros([1, 1, 8, 21], np.float32)
    write_checkpoint(stored, tmp_path / "deeplab.ckpt")
    load_tf1_checkpoint(model, tmp_path / "deeplab.ckpt", parts="deeplab")
    assert_holds(
        model,
        {name: before[name] if name.startswith(heads) else value for name, value in values.items()},
    )
    only_backbone = {n: v + 1 for n, v in stored.items() if n.startswith("MobilenetV2/")}
    write_checkpoint(only_backbone, tmp_path / "backbone.ckpt")
    with pytest.raises(InputError, match="lacks image_pooling/weights.* and .* more"):
        load_tf1_checkpoint(model, tmp_path / "backbone.ckpt", parts="deeplab")
    load_tf1_checkpoint(model, tmp_path / "backbone.ckpt", parts="backbone")
    np.testing.assert_array_equal(
        model.deeplab.backbone.stem.kernel, only_backbone["MobilenetV2/Conv/weights"]
    )


def test_misfits_are_named_and_nothing_is_loaded_by_half(model, tmp_path):
    before = {name: v.numpy() for name, v in named_variables(model).items()}
    values = values_of(model, seed=2)
    del values["aspp0/weights"]
    values["aspp9/weights"] = np.zeros(3, np.float32)
    values["aspp0/BatchNorm/beta"] = np.zeros(5, np.float32)
    write_checkpoint(values, tmp_path / "model.ckpt")
    with pytest.raises(InputError) as error:
        load_tf1_checkpoint(model, tmp_path / "model.ckpt")
    for part in (
        "model.ckpt",
        "lacks aspp0/weights",
        "has not, aspp9/weights",
        "aspp0/BatchNorm/beta is [5], expected [8]",
    ):
        assert part in str(error.value)
    assert_holds(model, before)


@pytest.mark.parametrize(
    "name,message",
    [
        ("nothing.ckpt", "nothing.ckpt.index does not exist"),
        ("model.ckpt.index", "give the name without the ending"),
    ],
)
def test_no_checkpoint(model, tmp_path, name, message):
    write_checkpoint(values_of(model), tmp_path / "model.ckpt")
    with pytest.raises(InputError, match=message):
        load_tf1_checkpoint(model, tmp_path / name)


def test_damaged_original_checkpoint(model, tmp_path):
    write_checkpoint(values_of(model), tmp_path / "model.ckpt")
    data = next(tmp_path.glob("model.ckpt.data*"))
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(InputError, match="not a readable TensorFlow checkpoint"):
        read_tf1_checkpoint(str(tmp_path / "model.ckpt"))


def test_unknown_parts(model):
    with pytest.raises(InputError, match="parts is 'head'"):
        load_tf1_checkpoint(model, "x", parts="head")


@pytest.mark.compat
def test_own_format_round_trip(model, tmp_path):
    path = tmp_path / "new" / "weights.npz"
    save_model(model, path)
    loaded = load_model(path)
    assert loaded.config == TINY
    assert_holds(loaded, {name: v.numpy() for name, v in named_variables(model).items()})
    assert [p.name for p in path.parent.iterdir()] == ["weights.npz"]
    save_model(model, tmp_path / "half.npz", dtype="float16")
    assert (tmp_path / "half.npz").stat().st_size < 0.7 * path.stat().st_size
    kernel = model.head.logits.kernel.numpy()
    np.testing.assert_allclose(
        load_model(tmp_path / "half.npz").head.logits.kernel, kernel, rtol=1e-3, atol=1e-4
    )


def test_weights_that_half_precision_cannot_hold_are_refused(tmp_path):
    model = build_model(TINY)
    bias = model.embedding.pointwise.conv.bias
    bias.assign(np.linspace(0, 65504, bias.shape[0]))
    save_model(model, tmp_path / "half.npz", dtype="float16")
    bias.assign(np.linspace(-7e4, 0, bias.shape[0]))
    before = (tmp_path / "half.npz").read_bytes()
    name = "embedding/split_separable_conv2d_pointwise/biases"
    with pytest.raises(InputError, match=f"half.npz: float16 ends at 65504, .* larger .* {name};"):
        save_model(model, tmp_path / "half.npz", dtype="float16")
    assert (tmp_path / "half.npz").read_bytes() == before
    save_model(model, tmp_path / "whole.npz")
    np.testing.assert_array_equal(
        load_model(tmp_path / "whole.npz").embedding.pointwise.conv.bias, bias
    )


def test_a_file_runs_at_another_stride(model, tmp_path):
    path = tmp_path / "weights.npz"
    save_model(model, path)
    loaded = load_model(path, output_stride=8, atrous_rates=[4])
    assert loaded.config == TINY.at(8, [4])
    assert_holds(loaded, {name: v.numpy() for name, v in named_variables(model).items()})
    images = np.random.RandomState(0).randint(0, 256, [1, 49, 65, 3])
    fine, coarse = loaded.embed(images)[0], model.embed(images)[0]
    assert fine.shape == coarse.shape and not np.allclose(fine, coarse)
    with pytest.raises(InputError, match=r"weights.npz: atrous_rates has 3 rates, expected 1"):
        load_model(path, atrous_rates=[12, 24, 36])


def test_damaged_or_foreign_files(model, tmp_path):
    path = tmp_path / "weights.npz"
    with pytest.raises(InputError, match="weights.npz: no such checkpoint file"):
        load_model(path)
    write_checkpoint(values_of(model), path)
    with pytest.raises(InputError, match="convert it with feelvos-import-checkpoint"):
        load_model(path)
    save_model(model, path)
    whole = path.read_bytes()
    for content in (b"", b"hello", whole[:-100], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="weights.npz: not a checkpoint of feelvos_tf"):
            load_model(path)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    path.write_bytes(bytes(flipped))
    with pytest.raises(InputError, match="weights.npz"):
        load_model(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(InputError, match="no config.json in it"):
        load_model(path)
    config = {**TINY.to_dict(), "windw": 1}
    np.savez(path, **{CONFIG_KEY: np.frombuffer(json.dumps(config).encode(), np.uint8)})
    with pytest.raises(InputError, match="weights.npz: unknown key 'windw'"):
        load_model(path)


@pytest.mark.parametrize(
    "text,message",
    [
        (b"[" * 60000, "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[1]", "expected a mapping"),
        (b" " * 70000, r"is uint8 \[70000\], expected"),
        (b'{"atrous_rates": null}', "atrous_rates is None"),
    ],
)
def test_configs_that_are_none(tmp_path, text, message):
    path = tmp_path / "weights.npz"
    np.savez(path, **{CONFIG_KEY: np.frombuffer(text, np.uint8)})
    with pytest.raises(InputError, match=f"weights.npz: .*{message}"):
        load_model(path)


NAME = "aspp0/BatchNorm/beta"


@pytest.mark.parametrize(
    "value,message",
    [
        (np.full(8, np.nan, np.float32), f"not finite: in {NAME}"),
        (np.full(8, np.inf, np.float16), f"not finite: in {NAME}"),
        (np.full(8, 1e300), f"not finite: in {NAME}"),
        (np.full(8, "0.5"), f"{NAME} is <U3, expected numbers such as float32"),
        (np.zeros(8, "datetime64[s]"), f"{NAME} is datetime64"),
        (np.zeros(8, np.complex64), f"{NAME} is complex64"),
        (np.array([None] * 8), f"{NAME} is object"),
        (np.zeros(7, np.float32), rf"{NAME} is \[7\], expected \[8\]"),
    ],
)
def test_arrays_that_are_no_weights(model, tmp_path, value, message):
    arrays = {**values_of(model), NAME: value}
    arrays[CONFIG_KEY] = np.frombuffer(json.dumps(TINY.to_dict()).encode(), np.uint8)
    np.savez(tmp_path / "weights.npz", **arrays)
    with pytest.raises(InputError, match=f"weights.npz .*{message}"):
        load_model(tmp_path / "weights.npz")


def declared(shape, dtype="<f4"):
    """The bytes of an array that holds no data, whatever it says."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return buffer.getvalue()


@pytest.mark.parametrize(
    "name,content,message",
    [
        ("huge.npy", b"\0" * 5_000_000, "magic string"),
        ("huge.npy", declared((1_250_000,)) + b"\0" * 5_000_000, "has not, huge"),
        ("short.npy", declared((10**9,)), "'short.npy' is float32 .* but has 128 bytes"),
        ("odd.npy", b"\x93NUMPY\x01\0\xff\xff" + b"(" * 65535, "damaged"),
        ("notes.txt", b"", "'notes.txt' in it is no array"),
        (f"{CONFIG_KEY}.npy", declared((0,), "|u1"), "is in it twice"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_too_many_is_not_read(model, tmp_path, monkeypatch, name, content, message):
    path = tmp_path / "weights.npz"
    save_model(model, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    read, most = zipfile.ZipExtFile.read, []

    def counted(self, n=-1):
        data = read(self, n)
        most.append(len(data))
        return data

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
    with pytest.raises(InputError, match=f"weights.npz.*{message}"):
        load_model(path)
    assert max(most) < 100_000
