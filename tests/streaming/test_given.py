"""The pixels of given frames against naive twins."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.ops import random_numbers, reference_search, sorted_reference
from feelvos_tf.streaming import given

H, W, DIM = 5, 7, 3
PIXELS = H * W


def naive_limit(labels, pixels, num_channels, most):
    """Groups that keep what they have, or as much as the others, one by one."""
    groups = {}
    for i, (label, pixel) in enumerate(zip(labels, pixels)):
        if 0 <= label < num_channels:
            groups.setdefault((pixel // PIXELS, label), []).append(i)
    most = given.WHOLE_FRAMES * PIXELS if most is None else most
    share = max(map(len, groups.values()), default=0)
    while share > 1 and sum(min(len(g), share) for g in groups.values()) > most:
        share -= 1
    drawn = naive_priorities(pixels)
    result = np.where((labels >= 0) & (labels < num_channels), -1, labels)
    for (_, label), members in groups.items():
        for i in sorted(members, key=lambda i: drawn[i])[:share]:
            result[i] = label
    return result


def naive_priorities(numbers):
    """MurmurHash3's finalizer in plain integers, for the seed (0, 1)."""

    def mix(x):
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
            x = ((x ^ (x >> shift)) * factor) % 2**32
        return x

    key = mix(mix(0x9E3779B9) ^ 1)
    drawn = [mix(mix((int(n) + 0x9E3779B9) % 2**32) ^ key) for n in numbers]
    return [d - 2**32 if d >= 2**31 else d for d in drawn]


def frame(rng, num_channels):
    embedding = rng.rand(H, W, DIM).astype(np.float32)
    labels = rng.randint(-1, num_channels, [H, W]).astype(np.int32)
    return embedding, labels


def begun(embedding, labels, num_channels):
    return sorted_reference.prepare(
        tf.constant(embedding.reshape(-1, DIM)), tf.constant(labels.ravel()), num_channels
    )


def contents(reference):
    """{origin: (channel, embedding)} of a reference, whose padding holds nothing."""
    pixels = reference.pixels.numpy()
    channels = np.tile(reference.objects.numpy(), sorted_reference.SLOTS)
    assert ((reference.keys.numpy()[:, -1] < 1e29) == (pixels >= 0)).all()
    assert len(set(pixels[pixels >= 0])) == (pixels >= 0).sum()
    return {
        pixel: (channel, key[:-1].tolist())
        for pixel, channel, key in zip(pixels, channels, reference.keys.numpy())
        if pixel >= 0
    }


def add(reference, embedding, labels, told, num_channels, most=None):
    return given.add(
        reference,
        tf.constant(embedding),
        tf.constant(labels),
        tf.constant(told),
        num_channels,
        most,
    )


def test_priorities_are_those_of_plain_integers():
    numbers = np.array([0, 1, 5, 2**31 - 1, 77], np.int32)
    drawn = random_numbers.priorities(tf.constant(numbers), tf.constant([0, 1]))
    np.testing.assert_array_equal(drawn, naive_priorities(numbers))


@pytest.mark.parametrize("most", [None, 1, 9, 20, 100, 10**6])
def test_limit_against_its_naive_twin(most):
    rng = np.random.RandomState(0)
    # Frames with objects of one pixel, of a few, and background that is most of each.
    labels = rng.choice([0, 0, 0, 0, 0, 1, 2, -1, 255], 6 * PIXELS).astype(np.int32)
    pixels = np.arange(6 * PIXELS, dtype=np.int32)
    found = given.limit(tf.constant(labels), tf.constant(pixels), PIXELS, 3, most).numpy()
    np.testing.assert_array_equal(found, naive_limit(labels, pixels, 3, most))
    kept = {(p // PIXELS, c) for p, c in zip(pixels, found) if 0 <= c < 3}
    had = {(p // PIXELS, c) for p, c in zip(pixels, labels) if 0 <= c < 3}
    assert kept == had  # no object of a frame is forgotten


def test_thinning_by_and_by_is_thinning_once():
    rng = np.random.RandomState(1)
    frames = [frame(rng, 3) for _ in range(7)]
    reference = begun(*frames[0], 3)
    for embedding, labels in frames[1:]:
        reference = add(reference, embedding, labels, np.ones([H, W], bool), 3, 60)
    labels = np.concatenate([labels.ravel() for _, labels in frames])
    pixels = np.arange(7 * PIXELS)
    wanted = naive_limit(labels, pixels, 3, 60)
    found = contents(reference)
    assert {p: c for p, (c, _) in found.items()} == {p: c for p, c in zip(pixels, wanted) if c >= 0}
    embeddings = np.concatenate([e.reshape(-1, DIM) for e, _ in frames])
    assert all(embeddings[p].tolist() == key for p, (_, key) in found.items())


def test_a_frame_given_again_replaces_what_it_said():
    rng = np.random.RandomState(2)
    embedding, labels = frame(rng, 2)
    other = frame(rng, 2)
    reference = add(begun(embedding, labels, 2), *other, np.ones([H, W], bool), 2)
    told = rng.rand(H, W) < 0.5
    anew = np.where(told, rng.randint(-1, 4, [H, W]), -1).astype(np.int32)
    found = contents(add(reference, embedding, anew, told, 4))
    flat, new, said = labels.ravel(), anew.ravel(), told.ravel()
    wanted = {p: flat[p] for p in range(PIXELS) if flat[p] >= 0 and not said[p]}
    wanted |= {PIXELS + p: c for p, c in enumerate(other[1].ravel()) if c >= 0}
    wanted |= {2 * PIXELS + p: c for p, c in enumerate(new) if c >= 0}
    assert {p: c for p, (c, _) in found.items()} == wanted
    again = contents(add(add(reference, embedding, anew, told, 4), embedding, anew, told, 4))
    assert sorted(again.values()) == sorted(found.values())


def test_added_pixels_are_searched_as_if_all_were_prepared_at_once():
    rng = np.random.RandomState(5)
    (first, labels), (more, new) = frame(rng, 2), frame(rng, 4)
    query = rng.rand(9, DIM).astype(np.float32)
    whole = sorted_reference.prepare(
        tf.constant(np.concatenate([first, more]).reshape(-1, DIM)),
        tf.constant(np.concatenate([labels, new]).ravel()),
        4,
    )
    part = add(begun(first, labels, 2), more, new, new >= 0, 4)
    np.testing.assert_allclose(
        reference_search.nearest(query, part, 4),
        reference_search.nearest(query, whole, 4),
        atol=1e-6,
    )


@pytest.mark.parametrize("empty", [False, True])
def test_places_are_those_of_all_given_frames(empty):
    rng = np.random.RandomState(6)
    (first, labels), (more, new) = frame(rng, 2), frame(rng, 4)
    if empty:
        labels, new = np.full_like(labels, -1), np.full_like(new, -1)
    reference = add(begun(first, labels, 2), more, new, new >= 0, 4)
    found = given.places(reference, [H, W], 4).numpy()
    channels = np.arange(4)
    expected = (labels[..., np.newaxis] == channels) | (new[..., np.newaxis] == channels)
    np.testing.assert_array_equal(found, expected)


def test_an_object_becomes_background():
    rng = np.random.RandomState(3)
    embedding, labels = frame(rng, 4)
    reference = given.as_background(
        begun(embedding, labels, 4), tf.constant(2), tf.constant(PIXELS), 3, None
    )
    wanted = np.array([0, 1, 0, 2, -1])[labels.ravel()]
    assert {p: c for p, (c, _) in contents(reference).items()} == {
        p: c for p, c in enumerate(wanted) if c >= 0
    }
