"""Neither frames of ever new sizes nor ever new segmenters fill the memory."""

import gc

import numpy as np
import pytest
import tensorflow as tf
from streaming_models import build
from tensorflow.python.framework.func_graph import FuncGraph

from feelvos_tf import VideoSegmenter, load_model, process_memory
from feelvos_tf.streaming import kernel_cache


def test_what_a_user_has_chosen_stays(monkeypatch):
    chosen = []
    optimizer = tf.config.optimizer
    monkeypatch.setattr(optimizer, "set_experimental_options", chosen.append)
    for options, expected in (({"remapping": True}, []), ({}, [{"remapping": False}])):
        monkeypatch.setattr(optimizer, "get_experimental_options", lambda options=options: options)
        kernel_cache.bound_kernel_cache()
        assert chosen == expected


def test_a_segmenter_that_is_gone_leaves_no_graph():
    """TensorFlow keeps for ever what a gradient of our own is traced in: 27 MB a segmenter."""
    frame = np.random.default_rng(0).integers(0, 256, (33, 37, 3), np.uint8)
    mask = np.zeros((33, 37), np.uint8)
    mask[9:20, 9:20] = 1
    graphs = []
    for _ in range(3):
        segmenter = VideoSegmenter(build())
        segmenter.reset(frame, mask)
        segmenter.step(frame)
        del segmenter
        gc.collect()
        graphs.append(sum(isinstance(one, FuncGraph) for one in gc.get_objects()))
    # The first leaves those of functions that all segmenters share.
    assert graphs[1] == graphs[2]


@pytest.mark.slow
def test_memory_stays_flat_over_many_sizes():
    """Fused, the same grows by some 20 MB from the 150th size to the 300th and goes on so."""
    segmenter = VideoSegmenter(load_model())
    rng = np.random.default_rng(0)
    sizes = []
    for count in range(301):
        height, width = rng.integers(60, 160, 2)
        frame = rng.integers(0, 256, (height, width, 3), np.uint8)
        mask = np.zeros((height, width), np.uint8)
        mask[:30, :30] = 1
        segmenter.reset(frame, mask)
        segmenter.step(frame)
        if count in (150, 300):
            sizes.append(process_memory.peak_mb())
    assert sizes[1] - sizes[0] < 25
