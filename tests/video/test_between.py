"""Frames between two given masks: both passes are merged, and what is kept of one is in a file."""

import fractions
import types

import numpy as np
import pytest
from PIL import Image
from segment_runs import (
    SIZE,
    Noisy,
    Remembering,
    Scoring,
    as_bytes,
    contents,
    margins_of,
    masks,
    run,
    square,
)

from feelvos_tf.errors import InputError
from feelvos_tf.video import between
from feelvos_tf.video.between import Between, merged
from feelvos_tf.video.confidence import mean_margins
from feelvos_tf.video.frame_source import Frame
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.labeled_frame import LabeledFrame
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.passes import Pass
from feelvos_tf.video.scores import Scores


class Sure(Remembering):
    """One with probabilities, a channel for each id in the order in which it came to know them."""

    def step(self, frame, return_details=False):
        labels = super().step(frame)
        rng = np.random.default_rng(int(labels.sum()))
        ids = np.array(self._ids, np.int32)
        shares = rng.dirichlet(np.ones(len(ids)), (SIZE[0] // 4, SIZE[1] // 4)).astype(np.float32)
        result = types.SimpleNamespace(
            labels=labels,
            object_ids=ids,
            probabilities=shares,
            soft_masks=lambda: as_bytes(at_full_size(shares)),
        )
        return result if return_details else labels

    def labels_of(self, frame, logits, object_ids):
        return at_full_size(np.asarray(object_ids, np.uint8)[np.argmax(logits, axis=-1)])

    def soft_masks_of(self, frame, logits):
        return as_bytes(at_full_size(normalized(np.exp(logits))))


def at_full_size(small):
    return np.repeat(np.repeat(small, 4, axis=0), 4, axis=1)


def normalized(shares):
    return shares / shares.sum(axis=-1, keepdims=True)


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
    out = tmp_path / "out"
    run(frames, two, out, Sure(), direction="both", write=["matte"], save_confidence=True)
    found, images = masks(tmp_path / "out"), [frame.image for frame in open_frames(frames)]
    rows = margins_of(out)
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
        computed = labels
        if i == 6:
            labels = forth.add_objects(given[6])
        np.testing.assert_array_equal(found[f"frame{i}"], labels, f"frame {i}")
        # What is said of the frame beside its labels is of the merged probabilities too.
        shares, by_hand = normalized(np.exp(logits)), labels != computed
        soft = as_bytes(at_full_size(shares))
        for channel, object_id in enumerate(ids.tolist()):
            if object_id:
                hard = np.where(labels == object_id, 255, 0)
                matte = np.array(Image.open(out / "matte" / f"{object_id}" / f"frame{i}.png"))
                expected = np.where(by_hand, hard, soft[channel])
                np.testing.assert_allclose(matte, expected, atol=1)  # float32 rounds otherwise
        scores = Scores(computed, ids, shares, lambda: None)
        margins = mean_margins(LabeledFrame(frame(i), labels, tuple(ids[1:]), False, scores))
        for object_id, margin in margins.items():
            assert rows[f"frame{i}", object_id] == pytest.approx(margin, abs=1e-4)
        sure = np.array(Image.open(out / "confidence" / f"frame{i}.png"))
        assert sure.shape == SIZE and (sure[by_hand] == 255).all()
    assert not np.array_equal(found["frame5"], now.labels)


def test_resumed_is_as_if_never_stopped(frames, two, tmp_path, monkeypatch):
    monkeypatch.setattr("feelvos_tf.video.kept_state._SECONDS_BETWEEN", 0.0)
    whole = Sure()
    options = {"direction": "both", "write": ["matte"], "save_confidence": True}
    run(frames, two, tmp_path / "whole", whole, **options)
    for stop_at in range(whole.steps):
        out = tmp_path / f"{stop_at}"
        with pytest.raises(KeyboardInterrupt):
            run(frames, two, out, Sure(stop_at=stop_at), **options)
        run(frames, two, out, Sure(), **options, resume=True)
        assert contents(out) == contents(tmp_path / "whole"), stop_at


def test_a_method_that_cannot_merge_gives_no_mattes_where_two_passes_meet(frames, two, tmp_path):
    run(frames, two, tmp_path / "plain", Scoring(), direction="both")
    assert not (tmp_path / "plain" / "confidence.csv").exists()
    with pytest.raises(InputError, match="gives no probabilities, which mattes"):
        run(frames, two, tmp_path / "out", Scoring(), direction="both", write=["matte"])


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
