"""Frames between two given masks: both passes are merged, and what is kept of one is in a file."""

import fractions

import numpy as np
import pytest
from segment_runs import SIZE, Noisy, Remembering, contents, masks, run, square

from feelvos_tf.errors import InputError
from feelvos_tf.video import between
from feelvos_tf.video.between import Between, merged
from feelvos_tf.video.frame_source import Frame
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.passes import Pass


class Sure(Remembering):
    """One with probabilities, a channel for each id in the order in which it came to know them."""

    def step(self, frame, return_details=False):
        labels = super().step(frame)
        rng = np.random.default_rng(int(labels.sum()))
        ids = np.array(self._ids, np.int32)
        shares = rng.dirichlet(np.ones(len(ids)), (SIZE[0] // 4, SIZE[1] // 4)).astype(np.float32)
        result = type("Result", (), dict(labels=labels, object_ids=ids, probabilities=shares))
        return result if return_details else labels

    def labels_of(self, frame, logits, object_ids):
        small = np.asarray(object_ids, np.uint8)[np.argmax(logits, axis=-1)]
        return np.pad(np.kron(small, np.ones([4, 4], np.uint8)), rest(small))


def rest(small):
    return [(0, SIZE[axis] - 4 * small.shape[axis]) for axis in (0, 1)]


@pytest.fixture
def two(tmp_path):
    """Masks of frames 2 and 9, whose ids come in another order, and of 6, with a new object."""
    folder = tmp_path / "two"
    folder.mkdir()
    for index, ids in ((2, (9, 3)), (6, (40,)), (9, (3, 9, 77))):
        write_mask(folder / f"frame{index}.png", square(*ids))
    return folder


def test_merged_as_by_hand():
    rng = np.random.default_rng(3)
    one, other = rng.dirichlet(np.ones(3), (5, 7)), rng.dirichlet(np.ones(4), (5, 7))
    ids, other_ids = np.array([0, 7, 2], np.int32), np.array([0, 2, 30, 7], np.int32)
    logits, found = merged(one.astype(np.float32), ids, other.astype(np.float32), other_ids, 0.3)
    assert found.tolist() == [0, 7, 2, 30] and logits.dtype == np.float32
    for y in range(5):
        for x in range(7):
            of = [dict(zip(ids, one[y, x])), dict(zip(other_ids, other[y, x]))]
            expected = [0.7 * of[0].get(i, 0) + 0.3 * of[1].get(i, 0) for i in found]
            np.testing.assert_allclose(np.exp(logits[y, x]), expected, rtol=1e-4)


@pytest.mark.parametrize("share,sure", [(0.0, 1), (1.0, 2), (0.4, 2), (0.6, 1)])
def test_the_surer_one_decides_but_at_the_ends_the_given_frame(share, sure):
    """Of one pixel: the surer pass wins even where the other's given frame is nearer."""
    ids = np.array([0, 1, 2], np.int32)
    unsure, certain = np.array([[[0.0, 0.55, 0.45]]]), np.array([[[0.0, 0.02, 0.98]]])
    first, second = (
        (unsure, certain) if sure == 2 else (certain[..., [0, 2, 1]], unsure[..., [0, 2, 1]])
    )
    if share in (0.0, 1.0):
        logits, _ = merged(np.eye(3)[[[1]]], ids, np.eye(3)[[[2]]], ids, share)
        assert logits.argmax(-1) == 1 + share
    else:
        logits, _ = merged(first, ids, second, ids, share)
        assert logits.argmax(-1) == sure
    assert np.isfinite(logits).all()


def test_a_run_merges_both_passes(frames, two, tmp_path):
    run(frames, two, tmp_path / "out", Sure(), direction="both")
    found, images = masks(tmp_path / "out"), [frame.image for frame in open_frames(frames)]
    given = {2: square(9, 3), 6: square(40), 9: square(3, 9, 77)}

    def begun(anchor, met=()):
        segmenter = Sure()
        segmenter.reset(images[anchor], given[anchor])
        for i in given:
            if i != anchor and i not in met:
                segmenter.add_reference(images[i], given[i], objects_only=i == 6)
        return segmenter

    back, later = begun(9), {}
    for i in range(8, 2, -1):
        later[i] = back.step(images[i], return_details=True)
        if i == 6:
            back.correct(np.where(given[6] == 40, 40, later[i].labels))
    forth = begun(2, met=[6])
    for i in range(3, 9):
        now = forth.step(images[i], return_details=True)
        kept = later[i].probabilities.astype(np.float16).astype(np.float32)
        logits, ids = merged(
            now.probabilities, now.object_ids, kept, later[i].object_ids, (i - 2) / 7
        )
        labels = forth.labels_of(images[i], logits, ids)
        if i == 6:
            labels = forth.add_objects(given[6])
        np.testing.assert_array_equal(found[f"frame{i}"], labels, f"frame {i}")
    assert not np.array_equal(found["frame5"], now.labels)


def test_resumed_is_as_if_never_stopped(frames, two, tmp_path, monkeypatch):
    monkeypatch.setattr("feelvos_tf.video.kept_state._SECONDS_BETWEEN", 0.0)
    whole = Sure()
    run(frames, two, tmp_path / "whole", whole, direction="both")
    for stop_at in range(whole.steps):
        out = tmp_path / f"{stop_at}"
        with pytest.raises(KeyboardInterrupt):
            run(frames, two, out, Sure(stop_at=stop_at), direction="both")
        run(frames, two, out, Sure(), direction="both", resume=True)
        assert contents(out) == contents(tmp_path / "whole"), stop_at


def frame(index):
    image = np.full(SIZE + (3,), index, np.uint8)
    return Frame(index, f"frame{index}", image, fractions.Fraction(index))


@pytest.mark.parametrize("kind", [Noisy, Sure])
def test_a_frame_that_was_not_read_on_the_way_back_is_that_of_the_way_forth(kind):
    segmenter, other = kind(), kind()
    for one in (segmenter, other):
        one.reset(frame(0).image, square(1))
    np.testing.assert_array_equal(
        Between(segmenter, 0, 4).forth(frame(3)), other.step(frame(3).image)
    )


def test_a_full_disk_is_named(monkeypatch):
    monkeypatch.setattr(between.tempfile, "TemporaryFile", lambda: open("/dev/full", "wb", 0))
    segmenter = Noisy()
    segmenter.reset(frame(4).image, square(1))
    with pytest.raises(
        InputError, match="what a pass backwards says cannot be kept there .*TMPDIR"
    ):
        Between(segmenter, 0, 4).back(frame(3))


def test_a_long_way_back_is_shown(frames, two, tmp_path, monkeypatch):
    monkeypatch.setattr("feelvos_tf.video.progress._SECONDS_BETWEEN_LINES", -1.0)
    _, lines = run(frames, two, tmp_path / "out", Sure(), direction="both", progress=True)
    assert any(line.startswith("backwards: ") and " 6/6 " in line for line in lines)
    assert any("computed from both" in line for line in lines)


def test_a_pass_without_a_mask_after_it_has_no_way_back():
    assert list(Pass(None, range(3, 9)).back) == []
