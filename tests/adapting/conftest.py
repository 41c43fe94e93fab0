"""Clips that cost nothing: the frame itself, in place of dreams, which take seconds to trace."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.adapting import adapter as adapters


def still_clips(frames, channels, adaptation, steps):
    side, count = adaptation.crop_size, adaptation.num_frames
    image, labels = frames[0][:side, :side], channels[0][:side, :side]
    for step in range(steps):
        yield {
            "images": tf.constant(np.stack([[image] * count]), tf.float32),
            "labels": tf.constant(np.stack([[labels] * count]), tf.int32),
            "valid": tf.constant([[True, True, True, False]]),
            "index": tf.constant([step], tf.int64),
        }


@pytest.fixture(autouse=True)
def cheap_clips(monkeypatch):
    """For the adapter; test_dreams.py takes `dream` itself."""
    monkeypatch.setattr(adapters.dreams, "dream", still_clips)
