"""What a checkpoint file recommends, read without TensorFlow, and back again."""

import subprocess
import sys

import numpy as np
import pytest
from small_networks import TINY

from feelvos_tf import Memory, build_model, checkpoint_file, load_model
from feelvos_tf.checkpoints import save_model
from feelvos_tf.errors import InputError
from feelvos_tf.modeling.precision import with_precision
from feelvos_tf.streaming_settings import AS_PUBLISHED, StreamingSettings


@pytest.fixture(scope="module")
def model():
    return build_model(TINY)


@pytest.mark.parametrize(
    "settings",
    [
        AS_PUBLISHED,
        StreamingSettings(Memory(every=3, frames=2, max_pixels=77, min_confidence=0.5)),
        StreamingSettings(probes=6),
        StreamingSettings(outlines="guided"),
        StreamingSettings(reach=0.25),
        StreamingSettings(grid="aligned"),
        StreamingSettings(Memory(), 1, "guided", 1.0, "aligned"),
    ],
)
def test_what_is_recommended_travels_with_the_weights(model, tmp_path, settings):
    path = tmp_path / "model.npz"
    model.recommended = settings
    save_model(model, path)
    again = load_model(path)
    assert again.recommended == checkpoint_file.recommended(path) == settings
    assert with_precision(again, "mixed_bfloat16").recommended == settings


def test_reading_it_needs_no_tensorflow(model, tmp_path):
    save_model(model, tmp_path / "model.npz")
    code = (
        "import sys; from feelvos_tf import checkpoint_file; "
        f"checkpoint_file.recommended({str(tmp_path / 'model.npz')!r}); "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "content,message",
    [
        (b"[]", "expected memory, probes, outlines, reach, grid and nothing else"),
        (b'{"probes": 0}', "probes is 0"),
        (b'{"reach": 0}', "reach is 0, expected a number above 0, at most 1, or None"),
        (b'{"reach": true}', "reach is True"),
        (b'{"outlines": "auto"}', "outlines is 'auto', expected guided or None"),
        (b'{"memory": {"every": 0}}', "every is 0"),
        (
            b'{"memory": {}, "speed": 1}',
            "expected memory, probes, outlines, reach, grid and nothing else",
        ),
        (b'{"outlines": "sharp"}', "outlines is 'sharp', expected guided or None"),
        (b'{"grid": 16}', "grid is 16, expected aligned or None"),
        (b'{"outlines": [1]}', r"outlines is \[1\], expected guided or None"),
        (b"{", "is not valid JSON"),
    ],
)
def test_what_is_no_recommendation_is_named(model, tmp_path, content, message):
    path = tmp_path / "model.npz"
    save_model(model, path)
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays[checkpoint_file.STREAMING_KEY] = np.frombuffer(content, np.uint8)
    np.savez(path, **arrays)
    for read in (checkpoint_file.recommended, load_model):
        with pytest.raises(InputError, match=f"model.npz: its streaming.json.*{message}"):
            read(path)


def test_what_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(InputError, match="none.npz: no such checkpoint file"):
        checkpoint_file.recommended(tmp_path / "none.npz")
    with pytest.raises(InputError, match="none.npz: no such checkpoint file"):
        checkpoint_file.identity(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(InputError, match="text.npz: not a checkpoint of feelvos_tf"):
        checkpoint_file.recommended(tmp_path / "text.npz")
