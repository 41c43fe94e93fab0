"""Networks so small that a test runs one in no time."""

import dataclasses

import tensorflow as tf

from feelvos_tf.config import ModelConfig
from feelvos_tf.modeling.feelvos import build_model

TINY = ModelConfig(
    depth_multiplier=0.25,
    atrous_rates=(2,),
    aspp_filters=8,
    decoder_filters=8,
    embedding_dim=6,
    head_filters=8,
    head_layers=2,
    head_kernel_size=3,
    window=3,
)
# In place of a network of the release, which runs at this stride too.
RELEASED = dataclasses.replace(
    TINY, depth_multiplier=0.1, output_stride=8, atrous_rates=(12, 24), embedding_dim=4
)
# Wide enough that labels of drawn clips differ from frame to frame.
SEGMENTING = dataclasses.replace(
    TINY,
    depth_multiplier=0.35,
    atrous_rates=(6, 12, 18),
    aspp_filters=16,
    decoder_filters=16,
    embedding_dim=8,
    head_layers=1,
)


def segmenting_model():
    tf.keras.utils.set_random_seed(2)
    return trace_once(build_model(SEGMENTING))


def trace_once(model):
    """The model, whose features are traced once for all segmenters of it: half of their time."""
    # Past Keras, which would take the function for a part of the network.
    object.__setattr__(model, "embed", tf.function(model.embed, autograph=False))
    return model
