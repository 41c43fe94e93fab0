"""The weights that ship: whole, loaded by default, and better than not looking at the frames."""

import numpy as np
import pytest

from feelvos_tf import Memory, VideoSegmenter, load_model, presets
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation.metrics import region_similarity
from feelvos_tf.streaming_settings import StreamingSettings


def mean_j(clip, labels):
    ids = sorted(set(np.unique(clip.masks[0]).tolist()) - {0})
    return np.mean(
        [
            region_similarity(clip.masks[t] == i, labels[t] == i)
            for t in range(1, len(labels))
            for i in ids
        ]
    )


@pytest.mark.compat
def test_default_weights_follow_objects():
    clip = synthetic_clip(31_000, num_frames=10, height=120, width=214, num_objects=3)
    segmenter = VideoSegmenter(load_model())
    segmenter.reset(clip.frames[0], clip.masks[0])
    labels = [clip.masks[0]] + [segmenter.step(frame) for frame in clip.frames[1:]]
    still = [clip.masks[0]] * len(labels)
    assert mean_j(clip, labels) > max(0.6, mean_j(clip, still) + 0.1)


def test_small_enough_to_ship_and_described():
    path = presets.checkpoint()
    assert path.stat().st_size < 15e6
    assert presets.NAME in (path.parent / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    path = presets.checkpoint()
    monkeypatch.setattr(presets, "_FOLDER", tmp_path)
    with pytest.raises(InputError, match="npz: cannot be read"):
        presets.checkpoint()
    (tmp_path / path.name).write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="SHA256SUMS: cannot be read"):
        presets.checkpoint()
    (tmp_path / "SHA256SUMS").write_text((path.parent / "SHA256SUMS").read_text())
    with pytest.raises(InputError, match="install the package again"):
        load_model()


def test_the_weights_before_these_still_load_as_they_ran():
    model, now = load_model("feelvos-mnv2-2"), load_model()
    assert model.config == now.config
    assert model.recommended == now.recommended._replace(reach=None, grid=None)
    assert now.recommended == StreamingSettings(Memory(5, 4, 512, 0.9), 4, "guided", 0.2, "aligned")


def test_the_weights_of_version_1_still_load_as_they_ran():
    model = load_model("mobilenet_v2_small-1")
    assert model.config.embedding_dim == 64
    assert model.recommended.memory is None
    assert load_model().recommended.memory is not None
