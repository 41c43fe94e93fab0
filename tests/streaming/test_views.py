"""Several views of every frame, against the same in NumPy and against a single one."""

import numpy as np
import pytest
from streaming_models import build, run

from feelvos_tf import Memory, VideoSegmenter
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.errors import InputError
from feelvos_tf.streaming.views import AveragedSegmenter


@pytest.fixture(scope="module")
def model():
    model = build()
    # Logits of a fresh network differ by 1e-4; these decide.
    model.head.logits.kernel.assign(model.head.logits.kernel * 3000)
    return model


@pytest.fixture(scope="module")
def clip():
    return synthetic_clip(seed=3, num_frames=4, height=45, width=67, num_objects=2)


def coordinates(size, new):
    """Where the pixels of a resized axis lie, aligned corners."""
    return np.linspace(0, size - 1, new, dtype=np.float64) if new > 1 else np.zeros(1)


def bilinear(image, size):
    for axis, new in enumerate(size):
        place = coordinates(image.shape[axis], new)
        low = np.clip(np.floor(place).astype(int), 0, image.shape[axis] - 1)
        high = np.minimum(low + 1, image.shape[axis] - 1)
        share = (place - low).reshape([-1 if a == axis else 1 for a in range(image.ndim)])
        image = np.take(image, low, axis) * (1 - share) + np.take(image, high, axis) * share
    return image


def nearest(labels, size):
    rows, columns = (
        np.floor(coordinates(o, n) + 0.5).astype(int) for o, n in zip(labels.shape, size)
    )
    return labels[rows][:, columns]


def distances(query, keys, labels, count, window=None):
    """Squashed distance of each pixel to the nearest one of each channel, one by one."""
    found = np.ones([*query.shape[:2], count])
    for y, x in np.ndindex(*query.shape[:2]):
        squared = np.sum((keys - query[y, x]) ** 2, axis=-1)
        for channel in range(count):
            there = labels == channel
            if window is not None:
                rows, columns = np.ogrid[: labels.shape[0], : labels.shape[1]]
                there = there & (abs(rows - y) <= window) & (abs(columns - x) <= window)
            if there.any():
                found[y, x, channel] = np.tanh(squared[there].min() / 2)
    return found


class Twin:
    """The averaged views of a video in NumPy; only the network's layers are borrowed."""

    def __init__(self, model, frame, mask, views):
        self.model, self.views, self.count = model, views, mask.max() + 1
        self.reference = []
        for view in views:
            _, embedding = self.embed(frame, view)
            labels = nearest(self.turn(mask, view), embedding.shape[:2])
            self.reference.append((embedding, labels))
        self.previous = list(self.reference)

    @staticmethod
    def turn(image, view):
        return image[:, ::-1] if view[1] else image

    def embed(self, frame, view):
        size = [int((side - 1) * view[0] + 1) for side in frame.shape[:2]]
        image = self.turn(bilinear(frame.astype(np.float64), size), view)
        features, embedding = self.model.embed(image[np.newaxis].astype(np.float32))
        return features[0].numpy(), embedding[0].numpy()

    def step(self, frame):
        total, embeddings = 0, []
        for view, reference, (before, labels) in zip(self.views, self.reference, self.previous):
            features, embedding = self.embed(frame, view)
            inputs = [
                distances(embedding, *reference, self.count),
                np.eye(self.count)[labels],
                distances(embedding, before, labels, self.count, self.model.config.window),
            ]
            objects = np.stack(inputs, axis=-1).transpose(2, 0, 1, 3).astype(np.float32)
            logits = bilinear(self.model.head(features, objects).numpy(), frame.shape[:2])
            odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
            total = total + self.turn(odds / odds.sum(axis=-1, keepdims=True), view)
            embeddings.append(embedding)
        self.embeddings = embeddings
        return total / len(self.views)

    def follow(self, labels):
        self.previous = [
            (embedding, nearest(self.turn(labels, view), embedding.shape[:2]))
            for view, embedding in zip(self.views, self.embeddings)
        ]


@pytest.mark.compat
def test_equals_the_same_in_numpy(model, clip):
    segmenter = AveragedSegmenter(model, scales=(0.75, 1, 1.25), flip=True)
    assert len(segmenter.views) == 6
    segmenter.reset(clip.frames[0], clip.masks[0])
    twin = Twin(model, clip.frames[0], clip.masks[0], segmenter.views)
    for frame in clip.frames[1:]:
        expected = twin.step(frame)
        best = np.sort(expected, axis=-1)
        sure = best[..., -1] - best[..., -2] > 2e-3
        assert sure.mean() > 0.8 and len(np.unique(expected.argmax(axis=-1)[sure])) > 1
        labels = segmenter.step(frame)
        np.testing.assert_array_equal(labels[sure], expected.argmax(axis=-1)[sure])
        twin.follow(labels)  # ties may fall either way, and are no reason to part


def test_one_view_is_no_other_result(model, clip):
    memory = Memory(every=1, frames=2, max_pixels=20, min_confidence=0.4)
    for options in ({}, {"memory": memory}, {"max_reference_pixels": 9, "probes": 1}):
        one = run(AveragedSegmenter(model, **options), clip.frames, clip.masks[0])
        np.testing.assert_array_equal(
            one, run(VideoSegmenter(model, **options), clip.frames, clip.masks[0])
        )


def test_a_mirrored_video_has_mirrored_labels(clip):
    model = build(previous_mask="probabilities")
    segmenter = AveragedSegmenter(model, flip=True)
    labels = run(segmenter, clip.frames, clip.masks[0])
    turned = run(segmenter, clip.frames[:, :, ::-1], clip.masks[0][:, ::-1])
    np.testing.assert_array_equal(labels, np.asarray(turned)[:, :, ::-1])


def test_objects_come_and_go_in_every_view(model, clip):
    """A late object of one pixel, of which the small view has less than one, then none of it."""
    segmenter = AveragedSegmenter(model, scales=(0.5, 1.0))
    segmenter.reset(clip.frames[0], np.where(clip.masks[0] == 1, 7, 0))
    segmenter.step(clip.frames[1])
    dot = np.zeros_like(clip.masks[0])
    dot[22, 33] = 9
    assert segmenter.add_objects(dot)[22, 33] == 9
    segmenter.step(clip.frames[2])
    segmenter.correct(np.where(clip.masks[2] == 2, 9, 0))
    segmenter.add_reference(clip.frames[3], np.where(clip.masks[3] == 1, 7, 0))
    assert segmenter.object_ids == [7, 9]
    segmenter.remove_object(7)
    assert set(np.unique(segmenter.step(clip.frames[3]))) <= {0, 9}


@pytest.mark.parametrize(
    "scales", [(), (0.1,), (3.0,), (1, 1.0), ("1",), (float("nan"),), (1,) * 17]
)
def test_scales_that_are_none_are_named(model, scales):
    with pytest.raises(InputError, match="scales are .*expected 1 to 16 different numbers"):
        AveragedSegmenter(model, scales=scales)


def test_bad_input_is_named(model, clip):
    segmenter = AveragedSegmenter(model, scales=(0.25,))
    with pytest.raises(InputError, match="no video has begun"):
        segmenter.step(clip.frames[0])
    many = np.arange(45 * 67).reshape(45, 67) % 60
    with pytest.raises(InputError, match="59 objects do not fit"):
        segmenter.reset(clip.frames[0], many)
