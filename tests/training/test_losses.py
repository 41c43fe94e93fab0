import numpy as np
import tensorflow as tf

from feelvos_tf.training import losses


def naive_triplet_loss(embeddings, labels, anchors):
    reference, classes = embeddings[0].reshape(-1, embeddings.shape[-1]), labels[0].ravel()
    pool, pool_classes = embeddings[1:].reshape(-1, embeddings.shape[-1]), labels[1:].ravel()
    total = 0.0
    for a in anchors:
        distances = ((pool - reference[a]) ** 2).sum(axis=1)
        positive = distances[pool_classes == classes[a]]
        negative = distances[(pool_classes != classes[a]) & (pool_classes != 255)]
        if classes[a] == 255 or not len(positive) or not len(negative):
            continue
        total += max(0.0, positive.min() - negative.min() + 1.0)
    return 3.0 * total / len(anchors)


def test_triplet_loss_against_a_naive_twin():
    rng = np.random.default_rng(3)
    embeddings = rng.random((3, 7, 9, 5), np.float32)
    labels = rng.integers(0, 3, (3, 7, 9)).astype(np.int32)
    labels[0, 0], labels[2, :, 0] = 255, 255
    # 63 pixels: fewer than the anchors to draw, so all of them are anchors.
    expected = naive_triplet_loss(embeddings, labels, range(63))
    assert expected > 0
    np.testing.assert_allclose(losses.triplet_loss(embeddings, labels, [1, 2]), expected, rtol=1e-5)


def test_triplet_loss_without_partners_is_zero_and_has_a_gradient():
    embeddings = tf.Variable(tf.random.stateless_uniform([3, 4, 4, 2], [0, 1]))
    labels = np.zeros((3, 4, 4), np.int32)  # no other object, so no negative
    with tf.GradientTape() as tape:
        loss = losses.triplet_loss(embeddings, labels, [0, 0])
    assert float(loss) == 0.0
    assert np.isfinite(tape.gradient(loss, embeddings)).all()


def naive_hard_loss(logits, labels, share):
    results = []
    for frame, truth in zip(logits, labels):
        shifted = np.exp(frame - frame.max(axis=-1, keepdims=True))
        probabilities = shifted / shifted.sum(axis=-1, keepdims=True)
        values = sorted(
            (
                -np.log(probabilities[y, x, truth[y, x]]) if truth[y, x] != 255 else -1.0
                for y in range(truth.shape[0])
                for x in range(truth.shape[1])
            ),
            reverse=True,
        )
        kept = [v for v in values[: int(np.float32(share) * truth.size)] if v >= 0]
        results.append(np.mean(kept) if kept else 0.0)
    return results


def test_hard_pixel_loss_against_a_naive_twin():
    rng = np.random.default_rng(4)
    logits = rng.normal(size=(2, 6, 7, 3)).astype(np.float32) * 3
    labels = rng.integers(0, 3, (2, 6, 7)).astype(np.int32)
    labels[0, :5] = 255  # less is left than the share asks for
    for share in (1.0, 0.5, 0.15):
        np.testing.assert_allclose(
            losses.hard_pixel_cross_entropy(logits, labels, share),
            naive_hard_loss(logits, labels, share),
            rtol=1e-5,
        )


def test_only_ignored_pixels_give_zero_loss_and_gradient():
    logits = tf.Variable(tf.random.stateless_uniform([1, 3, 3, 2], [0, 1]))
    with tf.GradientTape() as tape:
        loss = losses.hard_pixel_cross_entropy(logits, np.full((1, 9, 9), 255, np.int32), 1.0)
    assert float(loss[0]) == 0.0
    np.testing.assert_array_equal(tape.gradient(loss, logits), np.zeros([1, 3, 3, 2]))


def test_mean_iou_equals_a_naive_twin():
    rng = np.random.RandomState(1)
    logits = rng.normal(size=[2, 2, 5, 7, 4]).astype(np.float32)
    logits[1, ..., 3] = losses.ABSENT_LOGIT
    small = rng.choice([0, 1, 2, 255], [2, 4, 5, 7]).astype(np.int32)
    labels = np.repeat(np.repeat(small, 4, axis=2)[:, :, 3:], 4, axis=3)[..., 3:]
    valid = np.array([[True] * 4, [True, True, True, False]])
    shares = []
    for clip in range(2):
        for frame in range(2):
            truth, found = small[clip, frame + 2], logits[clip, frame].argmax(axis=-1)
            for channel in range(1, 3 + (clip == 0)):
                real = truth != 255
                common = ((found == channel) & (truth == channel) & real).sum()
                union = (((found == channel) & real) | (truth == channel)).sum()
                if union:
                    shares.append(common / union)
    value = losses.mean_iou(tf.constant(logits), tf.constant(labels), tf.constant(valid))
    np.testing.assert_allclose(value, np.mean(shares), rtol=1e-5)
