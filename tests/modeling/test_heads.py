"""The segmentation head against the same in NumPy, pixel by pixel."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from feelvos_tf.config import ModelConfig
from feelvos_tf.modeling.heads import SegmentationHead


def separable(inputs, unit, rate):
    """Depthwise and 1x1 convolution of [H, W, C], each with its bias and ReLU."""
    kernel, size = unit.depthwise.kernel.numpy()[..., 0], unit.depthwise.kernel.shape[0]
    spread = np.zeros([rate * (size - 1) + 1] * 2 + [inputs.shape[-1]])
    spread[::rate, ::rate] = kernel
    filtered = np.stack(
        [
            ndimage.correlate(inputs[..., c], spread[..., c], mode="constant")
            for c in range(inputs.shape[-1])
        ],
        axis=-1,
    )
    filtered = np.maximum(filtered + unit.depthwise.conv.bias.numpy(), 0)
    weights = unit.pointwise.kernel.numpy()[0, 0]
    return np.maximum(filtered @ weights + unit.pointwise.conv.bias.numpy(), 0)


@pytest.mark.parametrize("rates", [(), (1, 1), (3, 2)])
def test_head_equals_the_same_in_numpy(rates):
    tf.keras.utils.set_random_seed(0)
    config = ModelConfig(head_filters=5, head_layers=2, head_kernel_size=3, head_atrous_rates=rates)
    head = SegmentationHead(config)
    rng = np.random.RandomState(1)
    features = rng.randn(11, 9, 4).astype(np.float32)
    objects = rng.rand(3, 11, 9, 3).astype(np.float32)
    head(features, objects)
    for variable in head.variables:
        variable.assign(rng.randn(*variable.shape) * 0.3)
    found = head(features, objects)
    for n in range(3):
        outputs = np.concatenate([features, objects[n]], axis=-1).astype(np.float64)
        for unit, rate in zip(head.convs, rates or (1, 1)):
            outputs = separable(outputs, unit, rate)
        logit = outputs @ head.logits.kernel.numpy()[0, 0] + head.logits.conv.bias.numpy()
        np.testing.assert_allclose(found[..., n], logit[..., 0], rtol=1e-4, atol=1e-4)
