"""The unrolled clip of training against streaming: what is trained is what runs."""

import numpy as np
import pytest
import tensorflow as tf
from streaming_models import build

from feelvos_tf import VideoSegmenter
from feelvos_tf.config import Memory
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.modeling.precision import with_precision

pytest.importorskip("official", reason="needs the extra train")


# Distances as they are, which the previous frame is not matched by.
PLAIN = {"normalized_distances": False, "previous_frame_matching": "none"}


@pytest.mark.parametrize(
    "memory,changes",
    [
        (None, {}),
        (Memory(every=1, frames=2, max_pixels=9999, min_confidence=0.4), {}),
        (Memory(every=2, frames=1, max_pixels=9999, min_confidence=0.0), {}),
        (Memory(every=1, frames=2, max_pixels=9999, min_confidence=0.4), PLAIN),
    ],
    ids=["none", "every frame", "every second frame", "not normalized"],
)
def test_a_clip_equals_a_stream(memory, changes):
    from feelvos_tf.training import forward

    model = build(**changes)
    clip = synthetic_clip(seed=3, num_frames=6, height=45, width=66, num_objects=3)
    # A stream begins with the frame before its first step as reference.
    order = [0, 0, 1, 2, 3, 4, 5]
    images = clip.frames[order][np.newaxis].astype(np.float32)
    labels = clip.masks[order][np.newaxis].astype(np.int32)
    seeds = tf.constant([[1, 2]])
    features, embeddings = forward.embed_clips(model, images, seeds, 0.0, False)
    valid = tf.ones([1, 4], tf.bool)
    logits = forward.segment_clips(
        model, features, embeddings, tf.constant(labels), valid, seeds, memory=memory
    )[0]
    segmenter = VideoSegmenter(model, memory=memory)
    segmenter.reset(clip.frames[0], clip.masks[0])
    for t in range(1, 6):
        result = segmenter.step(clip.frames[t], return_details=True)
        np.testing.assert_allclose(result.logits, logits[t - 1], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_what_has_no_object_overflows_nothing(precision):
    """All channels are computed, and two of four hold no object: far away in every respect."""
    from feelvos_tf.training import forward

    model = with_precision(build(**PLAIN), precision)
    rng = np.random.RandomState(0)
    embeddings = tf.constant(rng.rand(1, 3, 7, 9, 6), tf.float32)
    features = tf.constant(rng.rand(1, 3, 7, 9, 8), model.compute_dtype)
    labels = tf.constant(rng.randint(0, 2, [1, 3, 25, 33]), tf.int32)
    valid = tf.constant([[True, True, False, False]])
    with tf.GradientTape() as tape:
        logits = forward.segment_clips(
            model, features, embeddings, labels, valid, tf.constant([[1, 2]]), static=True
        )
        loss = tf.reduce_mean(tf.nn.softmax(logits)[..., 1])
    gradients = tape.gradient(loss, model.head.trainable_variables)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert any(gradient.numpy().any() for gradient in gradients)


def test_gradients_reach_what_is_remembered():
    """The embedding of a remembered frame gets a gradient from a later frame's loss alone."""
    from feelvos_tf.training import forward

    model = build()
    rng = np.random.RandomState(0)
    features = tf.constant(rng.rand(1, 5, 7, 9, 8), tf.float32)
    embeddings = tf.Variable(rng.rand(1, 5, 7, 9, 6).astype(np.float32))
    labels = tf.constant(rng.randint(0, 2, [1, 5, 25, 33]), tf.int32)
    memory = Memory(every=1, frames=3, max_pixels=99, min_confidence=0.0)
    found = {}
    for name, used in (("with", memory), ("without", None)):
        with tf.GradientTape() as tape:
            logits = forward.segment_clips(
                model,
                features,
                embeddings,
                labels,
                tf.ones([1, 2], tf.bool),
                tf.constant([[1, 2]]),
                memory=used,
            )
            loss = tf.reduce_sum(logits[0, 2, ..., 1] - logits[0, 2, ..., 0])
        found[name] = tf.convert_to_tensor(tape.gradient(loss, embeddings)).numpy()
    # Frame 4 is matched with frame 2 only through the memory.
    assert not found["without"][0, 2].any()
    assert found["with"][0, 2].any() and np.isfinite(found["with"]).all()


def test_the_last_frame_alone_is_the_last_of_all_frames():
    """With the same logits and gradients, wherever the loss is at that frame alone."""
    from feelvos_tf.training import forward

    model = build()
    rng = np.random.RandomState(0)
    features = tf.constant(rng.rand(2, 4, 7, 9, 8), tf.float32)
    embeddings = tf.Variable(rng.rand(2, 4, 7, 9, 6).astype(np.float32))
    labels = tf.constant(rng.randint(0, 2, [2, 4, 25, 33]), tf.int32)
    valid = tf.constant([[True, True, False]] * 2)
    memory = Memory(every=1, frames=2, max_pixels=99, min_confidence=0.0)

    def segmented(**options):
        with tf.GradientTape() as tape:
            logits = forward.segment_clips(
                model,
                features,
                embeddings,
                labels,
                valid,
                tf.constant([[1, 2], [3, 4]]),
                memory=memory,
                **options,
            )
            loss = tf.reduce_sum(tf.nn.softmax(logits[:, -1])[..., 1])
        found = tape.gradient(loss, [embeddings, *model.head.trainable_variables])
        return logits.numpy(), [tf.convert_to_tensor(one).numpy() for one in found]

    (every, expected), (last, actual) = segmented(), segmented(last_only=True)
    assert every.shape[1] == 2 and expected[0].any()
    np.testing.assert_array_equal(last, every[:, 1:])
    for one, other in zip(actual, expected):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


def test_the_whole_previous_frame_is_searched_at_so_many_pixels(monkeypatch):
    """Each object of the previous frame gives at most so many pixels, drawn anew each frame."""
    from feelvos_tf.ops import matching
    from feelvos_tf.training import forward

    model = build(previous_frame_matching="global", first_frame_matching=False)
    searched = []

    def distances(query, reference, labels, count, k=1, **_):
        searched.append(labels.numpy())
        return tf.zeros([*query.shape[:2], count])

    rng = np.random.RandomState(0)
    features = tf.constant(rng.rand(1, 4, 7, 9, 8), tf.float32)
    embeddings = tf.constant(rng.rand(1, 4, 7, 9, 6), tf.float32)
    labels = np.zeros([1, 4, 25, 33], np.int32)
    labels[..., 20:, :] = 1

    def segment(most):
        searched.clear()
        monkeypatch.setattr(matching, "global_matching", distances)
        tensors = (features, embeddings, tf.constant(labels), tf.ones([1, 2], tf.bool))
        forward.segment_clips(
            model, *tensors, tf.constant([[1, 2]]), max_reference_pixels=most, static=True
        )
        return [np.array(found) for found in searched]

    tf.config.run_functions_eagerly(True)
    try:
        every, few = segment(None), segment(5)
    finally:
        tf.config.run_functions_eagerly(False)
    assert (every[0] == 0).sum() > 5 and (every[0] == 1).sum() > 5 and (every[0] >= 0).all()
    assert [(few[0] == channel).sum() for channel in (0, 1)] == [5, 5]
    kept = few[0] >= 0
    np.testing.assert_array_equal(few[0][kept], every[0][kept])
    for found in few[1:]:
        assert max((found == channel).sum() for channel in (0, 1)) <= 5
        assert not np.array_equal(found >= 0, kept)
