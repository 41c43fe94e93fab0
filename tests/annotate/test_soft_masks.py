"""What is kept beside a computed mask, and of which mask it counts."""

import io

import numpy as np
import pytest

from feelvos_tf.annotate.soft_masks import packed, read
from feelvos_tf.video.frame_source import Frame
from feelvos_tf.video.labeled_frame import LabeledFrame
from feelvos_tf.video.scores import Scores

SIZE, IDS = (37, 61), np.array([0, 3, 200], np.int32)


@pytest.fixture
def scores():
    shares = np.random.default_rng(5).dirichlet(np.full(3, 0.2), SIZE)
    soft = np.rint(255 * np.moveaxis(shares, -1, 0)).astype(np.uint8)
    labels = IDS[soft.argmax(axis=0)].astype(np.uint8)
    return Scores(labels, IDS, shares[::4, ::4].astype(np.float32), lambda: soft)


def labeled(scores, labels=None):
    frame = Frame(0, "00000", np.zeros((*SIZE, 3), np.uint8), None)
    labels = scores.labels if labels is None else labels
    return LabeledFrame(frame, labels, (3, 200), False, scores)


def test_mattes_are_the_same(tmp_path, scores):
    path = tmp_path / "a.npz"
    path.write_bytes(packed(labeled(scores)))
    found = read(path, scores.labels)
    assert found.object_ids.tolist() == IDS.tolist() and (found.labels == scores.labels).all()
    np.testing.assert_allclose(found.probabilities, scores.probabilities, atol=3e-3)
    np.testing.assert_array_equal(found.soft_masks(), scores.soft_masks())


def test_what_was_laid_over_by_hand_is_known(tmp_path, scores):
    labels = scores.labels.copy()
    labels[3:9, 5:30] = 7
    path = tmp_path / "a.npz"
    path.write_bytes(packed(labeled(scores, labels)))
    found = read(path, labels)
    by_hand = labeled(found, labels).set_by_hand
    assert (by_hand == (labels == 7)).all()


def test_of_another_mask_nothing_is_known(tmp_path, scores):
    path = tmp_path / "a.npz"
    assert read(path, scores.labels) is None
    path.write_bytes(packed(labeled(scores)))
    other = scores.labels.copy()
    other[0, 0] ^= 1
    assert read(path, other) is None
    assert read(path, scores.labels[:-1]) is None


def test_a_method_without_probabilities_leaves_nothing(scores):
    nothing = LabeledFrame(labeled(scores).frame, scores.labels, (3, 200), False, None)
    assert packed(nothing) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"object_ids": np.zeros(2, np.int32)},
        {"soft": np.zeros((37, 61), np.uint8)},
        {"soft": np.zeros((3, 0, 61), np.uint8)},
        {"soft": np.zeros((3, 37, 61), np.float32)},
        {"checksum": np.zeros(1, np.uint32)},
        {"computed": np.zeros((3, 3), np.uint8)},
        {"soft": None},
    ],
)
def test_damaged_files_are_none(tmp_path, scores, changed):
    path = tmp_path / "a.npz"
    data = packed(labeled(scores))
    arrays = {**np.load(io.BytesIO(data)), **changed}
    np.savez(path, **{name: values for name, values in arrays.items() if values is not None})
    assert read(path, scores.labels) is None
    path.write_bytes(data[: len(data) // 2])
    assert read(path, scores.labels) is None
