"""Stopped and resumed runs of a real network: bit for bit those that were never stopped."""

import shutil

import numpy as np
import pytest
from small_networks import segmenting_model

from feelvos_tf import Memory
from feelvos_tf.checkpoints import named_variables
from feelvos_tf.data.synthetic import synthetic_clip, write_clip
from feelvos_tf.streaming.segmenter import VideoSegmenter
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.masks import read_mask, write_mask
from feelvos_tf.video.segment import segment_video

NUM_FRAMES = 8


@pytest.fixture(scope="module")
def model():
    model = segmenting_model()
    # Initial weights barely tell objects apart; larger ones make labels that vary.
    for name, variable in named_variables(model).items():
        if name.startswith("embedding_seg/"):
            variable.assign(3 * variable + 0.1)
    return model


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Frames, and masks of frames 1 (two objects) and 5 (a third one, of 3x3 pixels)."""
    folder = tmp_path_factory.mktemp("clip")
    drawn = synthetic_clip(5, NUM_FRAMES, 45, 62, num_objects=2)
    write_clip(drawn, folder)
    given = folder / "given"
    given.mkdir()
    write_mask(given / "00001.png", drawn.masks[1])
    late = np.zeros(drawn.masks[5].shape, np.uint8)
    late[20:23, 31:34] = 77
    write_mask(given / "00005.png", late)
    return folder / "JPEGImages" / "480p" / "clip", given


@pytest.mark.parametrize("options", [{}, {"max_side": 40, "max_reference_pixels": 30}])
def test_resumed_run_is_the_same(model, clip, options, tmp_path):
    segmenter = VideoSegmenter(model, **options)
    frames, given = clip

    def run(output, **flags):
        segment_video(
            frames, given, output, lambda: segmenter, contact_sheet=False, say=str, **flags
        )
        return [read_mask(output / f"{i:05d}.png") for i in range(NUM_FRAMES)]

    whole = run(tmp_path / "whole")
    assert all(len(np.unique(mask)) > 1 for mask in whole[1:])
    assert not np.array_equal(whole[6], whole[7])
    for finished in (1, 2, 4, 6, 7):
        out = tmp_path / f"{finished}"
        run(out)
        for i in range(finished, NUM_FRAMES):
            (out / f"{i:05d}.png").unlink()
        for i, (mask, expected) in enumerate(zip(run(out, resume=True), whole)):
            np.testing.assert_array_equal(mask, expected, f"frame {i} after {finished}")


def test_frames_between_two_masks_are_those_of_both_passes(model, clip, tmp_path):
    frames, given = clip
    images = [frame.image for frame in open_frames(frames)]
    second = tmp_path / "two"
    second.mkdir()
    shutil.copy(given / "00001.png", second)
    mask = read_mask(given / "00001.png")
    write_mask(second / "00006.png", np.roll(mask, 5, axis=1))
    masks = {1: mask, 6: np.roll(mask, 5, axis=1)}
    segmenter = VideoSegmenter(model, outlines="guided", memory=Memory(every=2, frames=2))
    segment_video(
        frames,
        second,
        tmp_path / "out",
        lambda: segmenter,
        direction="both",
        contact_sheet=False,
        say=str,
    )
    found = [read_mask(tmp_path / "out" / f"{i:05d}.png") for i in range(NUM_FRAMES)]

    def taken(anchor, order):
        segmenter.reset(images[anchor], masks[anchor])
        segmenter.add_reference(images[7 - anchor], masks[7 - anchor])
        return {i: segmenter.step(images[i], return_details=True) for i in order}

    back, forth = taken(6, range(5, 1, -1)), taken(1, range(2, 6))
    for i in range(2, 6):
        share = (i - 1) / 5
        later = back[i].probabilities.astype(np.float16).astype(np.float32)
        merged = (1 - share) * forth[i].probabilities + share * later
        labels = segmenter.labels_of(
            images[i], np.log(np.maximum(merged, 1e-6)), forth[i].object_ids
        )
        assert np.mean(labels != found[i]) < 1e-3  # float32 rounds otherwise
        assert (labels != forth[i].labels).any()
    for anchor, order in ((1, [0]), (6, [7])):
        for i, result in taken(anchor, order).items():
            np.testing.assert_array_equal(found[i], result.labels)
