"""Small networks that stream in no time, and what a stream of theirs holds."""

import functools

import numpy as np
import tensorflow as tf
from small_networks import TINY, trace_once

from feelvos_tf import ModelConfig, VideoSegmenter, build_model
from feelvos_tf.ops import labels as label_ops

IDS = np.array([0, 9, 30, 255], np.uint8)  # of the objects of a clip, by channel
# Of the embeddings of 45x66 pixels.
SMALL = (12, 17)


def build(**changes):
    tf.keras.utils.set_random_seed(1)
    model = build_model(ModelConfig(**{**TINY.to_dict(), **changes}))
    # Fresh weights map every frame to nearly the same features: spread these, and the logits.
    noise = np.random.RandomState(0).randint(0, 256, [1, 45, 66, 3])
    norm = model.deeplab.decoder.convs[-1].pointwise.norm
    norm.gamma.assign(norm.gamma / np.std(model.embed(noise)[0]))
    model.head.logits.kernel.assign(model.head.logits.kernel * 30)
    return trace_once(model)


@functools.cache
def shared_model():
    """One for all tests of a process that leave it as it is."""
    return build()


def shared(**options):
    """A segmenter of the shared model, compiled once for all tests of a process.

    Each test begins with `reset`. None is what weights that recommend nothing do.
    """
    return _compiled(**{name: value for name, value in options.items() if value is not None})


@functools.cache
def _compiled(**options):
    return VideoSegmenter(shared_model(), **options)


def run(segmenter, frames, mask):
    segmenter.reset(frames[0], mask)
    return [segmenter.step(frame) for frame in frames[1:]]


def shrunk(mask, channels=4):
    """A mask of 45x66 pixels as channels at stride 4."""
    return label_ops.shrink(tf.constant(mask.astype(np.int32)), SMALL, channels).numpy()


def pixels_of(state):
    """(channel, embedding) of every given pixel, sorted."""
    real = state["reference_pixels"] >= 0
    channels = np.tile(state["reference_objects"], len(real) // len(state["reference_objects"]))
    keys = state["reference_keys"][real][:, :-1]
    return sorted((int(c), *k) for c, k in zip(channels[real], keys.tolist()))
