import numpy as np
import pytest
import tensorflow as tf
from original_weights import write_checkpoint
from release_server import archive

from feelvos_tf import ModelConfig, build_model, checkpoints, presets
from feelvos_tf.errors import InputError
from feelvos_tf.training import initialization, tflite

WEIGHTS = ("deeplabv3_mnv2_pascal_quant", "tf2_mobilenet_v2_1.0_224_ptq")
NARROW = ModelConfig(
    depth_multiplier=0.1,
    atrous_rates=(),
    aspp_filters=8,
    decoder_filters=8,
    embedding_dim=4,
    head_filters=4,
    head_layers=1,
)


def interpreter_features(path, image):
    """What the interpreter computes for the last layer of the backbone, and its step."""
    resolver = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(
        str(path), experimental_op_resolver_type=resolver, experimental_preserve_all_tensors=True
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[np.newaxis])
    interpreter.invoke()
    details = [
        d
        for d in interpreter.get_tensor_details()
        if len(d["shape"]) == 4
        and d["shape"][-1] == 320
        and d["shape"][1] > 1
        and d["dtype"] in (np.uint8, np.int8)
        and d["shape"][0] == 1
    ]
    last = details[-1]
    scale, zero = last["quantization"]
    return scale * (interpreter.get_tensor(last["index"]).astype(np.float32) - zero), scale


@pytest.mark.parametrize("name", WEIGHTS)
def test_backbone_features_are_those_of_the_interpreter(shared, name):
    path = shared / "data" / "backbone" / f"{name}.tflite"
    model = build_model(ModelConfig(output_stride=16))
    line = initialization.initialize(model, path, "backbone")
    assert "MobilenetV2" not in line and "from" in line and "rest" in line
    side = 513 if "pascal" in name else 224
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (1, 8, 8, 3)).astype(np.float32)
    image = tf.image.resize(coarse, (side, side), "bicubic")[0]
    image = np.clip(image, 0, 255).astype(np.uint8)
    expected, step = interpreter_features(path, image)
    backbone = model.deeplab.backbone
    if "pascal" not in name:  # a classifier ends at stride 32
        backbone = tflite.MobileNetV2(32)
        backbone(tf.zeros([1, 33, 33, 3]))
        for source, target in zip(
            tflite.backbone_units(model.deeplab.backbone), tflite.backbone_units(backbone)
        ):
            target.set_weights(source.get_weights())
    found, _ = backbone(image[np.newaxis].astype(np.float32) * (2 / 255) - 1)
    assert found.shape == expected.shape
    correlation = np.corrcoef(found.numpy().ravel(), expected.ravel())[0, 1]
    assert correlation > 0.95
    error = np.abs(found - expected).mean()
    assert error < 3 * step and error < 0.35 * np.abs(expected).mean()


def test_deeplab_file_fills_an_aspp_without_rates(shared):
    path = shared / "data" / "backbone" / f"{WEIGHTS[0]}.tflite"
    model = build_model(ModelConfig(atrous_rates=()))
    read = tflite.read_tflite(model, path, "deeplab")
    assert {"aspp0/weights", "image_pooling/weights", "concat_projection/weights"} <= set(read)
    assert not any(name.startswith("aspp0") for name in tflite.read_tflite(model, path, "backbone"))


def test_another_width_or_backbone_is_refused(shared, tmp_path):
    path = shared / "data" / "backbone" / f"{WEIGHTS[1]}.tflite"
    model = build_model(NARROW)
    before = model.get_weights()
    with pytest.raises(InputError, match="MobilenetV2/Conv is"):
        initialization.initialize(model, path, "backbone")
    for one, other in zip(before, model.get_weights()):
        np.testing.assert_array_equal(one, other)
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="broken.tflite"):
        initialization.initialize(model, broken, "backbone")
    broken.write_bytes(b"something else")
    with pytest.raises(InputError, match="is no TensorFlow Lite model"):
        initialization.initialize(model, broken, "backbone")


@pytest.mark.parametrize("parts", ["all", "deeplab", "backbone"])
def test_parts_of_an_earlier_model(tmp_path, parts):
    source, target = build_model(NARROW), build_model(NARROW)
    checkpoints.save_model(source, tmp_path / "model.npz")
    initial = {n: v.numpy() for n, v in checkpoints.named_variables(target).items()}
    line = initialization.initialize(target, tmp_path / "model.npz", parts)
    expected = checkpoints.named_variables(source)
    for name, variable in checkpoints.named_variables(target).items():
        head = name.startswith(("embedding", "logits"))
        backbone = name.startswith("MobilenetV2")
        taken = parts == "all" or (backbone if parts == "backbone" else not head)
        np.testing.assert_array_equal(variable, expected[name] if taken else initial[name])
    assert ("the rest" in line) == (parts != "all")


def test_checkpoints_of_a_run_and_of_the_release(tmp_path):
    source, target = build_model(NARROW), build_model(NARROW)
    checkpoint = tf.train.Checkpoint(model=source, global_step=tf.Variable(3))
    tf.train.CheckpointManager(checkpoint, tmp_path / "run", 1).save()
    initialization.initialize(target, tmp_path / "run")
    for one, other in zip(source.get_weights(), target.get_weights()):
        np.testing.assert_array_equal(one, other)

    values = {n: v.numpy() + 1 for n, v in checkpoints.named_variables(source).items()}
    names = sorted(values)
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "old.ckpt"),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[values[n] for n in names],
    )
    initialization.initialize(target, tmp_path / "old.ckpt", "deeplab")
    found = checkpoints.named_variables(target)
    np.testing.assert_array_equal(found["aspp0/weights"], values["aspp0/weights"])
    assert not np.array_equal(found["logits/semantic/weights"], values["logits/semantic/weights"])


def test_a_name_is_a_starting_point(tmp_path, server, monkeypatch):
    preset = presets.get("xception_65_coco")
    source, target = build_model(NARROW), build_model(NARROW)
    values = {n: v.numpy() + 1 for n, v in checkpoints.named_variables(source).items()}
    write_checkpoint(values, tmp_path / preset.prefix)
    files = {path.name: path.read_bytes() for path in tmp_path.glob(f"{preset.prefix}*")}
    server.files = {preset.archive: archive(files, preset.folder)}
    monkeypatch.setenv("FEELVOS_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("FEELVOS_DOWNLOAD_URL", server.url)
    initial = {n: v.numpy() for n, v in checkpoints.named_variables(target).items()}
    line = initialization.initialize(target, preset.name, "backbone")
    assert str(tmp_path / "cache" / preset.name / preset.prefix) in line
    for name, variable in checkpoints.named_variables(target).items():
        taken = name.startswith("MobilenetV2")
        np.testing.assert_array_equal(variable, values[name] if taken else initial[name])
    with pytest.raises(InputError, match="no weights have this name; .* mean xception_65_coco?"):
        initialization.initialize(target, "xception_65")


@pytest.mark.parametrize("path", ["missing.npz", "missing.tflite", "missing", "."])
def test_missing_files_are_named(tmp_path, path):
    with pytest.raises(InputError, match="missing|holds no checkpoint"):
        initialization.initialize(build_model(NARROW), tmp_path / path)
