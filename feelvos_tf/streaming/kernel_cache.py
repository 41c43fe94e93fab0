"""Keeps the memory of a process bounded that sees frames of ever new sizes."""

from __future__ import annotations

import tensorflow as tf


def bound_kernel_cache() -> None:
    """Keeps TensorFlow from fusing an activation into a convolution on a processor.

    oneDNN compiles a kernel for every new shape. TensorFlow forgets the oldest of them, but for
    fused convolutions with an activation the memory does not come back: a process that labeled
    videos of random sizes grew by half a megabyte a size, without end. Without that fusion it
    stays flat, and a frame takes as long.

    The setting is the whole process's, like all of TensorFlow's graph optimizer, and concerns
    functions that run for the first time later on; one made before stays, and so does a GPU's.
    """
    options = tf.config.optimizer.get_experimental_options()
    if "remapping" not in options and not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"remapping": False})
