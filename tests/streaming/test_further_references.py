"""Further given frames of a video: what is matched with from then on, and how much is kept."""

import numpy as np
import pytest
from streaming_models import pixels_of, run, shrunk

from feelvos_tf import VideoSegmenter
from feelvos_tf.errors import InputError
from feelvos_tf.ops import matching


@pytest.mark.compat
def test_a_further_reference_leaves_the_frame_before_alone(model, segmenter, clip):
    first = np.where(clip.masks[0] == 3, 0, clip.masks[0])
    run(segmenter, clip.frames[:2], first)
    before = segmenter.state()
    segmenter.add_reference(clip.frames[5], clip.masks[5])
    after = segmenter.state()
    assert segmenter.object_ids == [1, 2, 3]
    for name in ("labels", "previous_embedding", "previous_labels"):
        np.testing.assert_array_equal(before[name], after[name])
    np.testing.assert_array_equal(after["previous_mask"][..., :3], before["previous_mask"])
    assert not after["previous_mask"][..., 3].any()
    result = segmenter.step(clip.frames[2], return_details=True)
    _, embeddings = model.embed(clip.frames[[0, 5]].astype(np.float32))
    expected = matching.global_matching(
        result.embeddings,
        np.concatenate([e.numpy().reshape(-1, 6) for e in embeddings]),
        np.concatenate([shrunk(first).ravel(), shrunk(clip.masks[5]).ravel()]),
        4,
    )
    np.testing.assert_allclose(result.global_distance, expected, atol=1e-5)


def test_a_reference_of_objects_alone_says_nothing_of_background(segmenter, clip):
    run(segmenter, clip.frames[:2], clip.masks[0])
    before = pixels_of(segmenter.state())
    segmenter.add_reference(clip.frames[5], clip.masks[5], objects_only=True)
    after = pixels_of(segmenter.state())
    assert sum(c == 0 for c, *_ in after) == sum(c == 0 for c, *_ in before)
    assert len(after) - len(before) == (shrunk(clip.masks[5]) > 0).sum()
    with pytest.raises(InputError, match="tells nothing: all 2970 pixels are background"):
        segmenter.add_reference(clip.frames[5], clip.masks[5] * 0, objects_only=True)
    segmenter.add_reference(clip.frames[5], clip.masks[5] * 0)  # here is none of them


def test_new_objects_of_a_reference_make_the_memory_forget_background(remembering, clip):
    run(remembering, clip.frames[:4], np.where(clip.masks[0] == 3, 0, clip.masks[0]))
    assert (remembering.state()["memory_objects"] == 0).any()
    remembering.add_reference(clip.frames[5], np.where(clip.masks[5] == 3, 0, clip.masks[5]))
    known = remembering.state()["memory_objects"]
    assert (known == 0).any()
    remembering.add_reference(clip.frames[6], clip.masks[6])
    memory = remembering.state()["memory_objects"]
    assert not (memory == 0).any() and (memory > 0).sum() == (known > 0).sum()
    remembering.step(clip.frames[4])


def test_given_frames_are_bounded(model, clip):
    segmenter = VideoSegmenter(model, max_given_pixels=150)
    segmenter.reset(clip.frames[0], clip.masks[0])
    for t in range(1, 8):
        segmenter.step(clip.frames[t])
        segmenter.correct(clip.masks[t])
        pixels = segmenter.state()["reference_pixels"]
        real = pixels[pixels >= 0]
        assert len(real) <= 150
        assert set(real // (12 * 17)) == set(range(t + 1))  # no frame is forgotten


def test_four_frames_are_exact_by_default(segmenter, clip):
    segmenter.reset(clip.frames[0], clip.masks[0])
    for t in range(1, 8):
        segmenter.add_reference(clip.frames[t], clip.masks[t])
        pixels = segmenter.state()["reference_pixels"]
        found, whole = (pixels >= 0).sum(), 12 * 17
        # Shares are whole numbers, so a few places may stay empty, less than one a group.
        assert found == (t + 1) * whole if t < 4 else 0 <= 4 * whole - found < 4 * (t + 1)
