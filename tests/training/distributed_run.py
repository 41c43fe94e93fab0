"""Trains in a process of its own: python distributed_run.py KIND SETTINGS MODEL_DIR [MODE].

KIND: one (one device), two, six (mirrored on so many virtual devices), worker (as TF_CONFIG says).
"""

import sys

import tensorflow as tf

from feelvos_tf.training import run


def main(kind, settings, model_dir, mode="train"):
    strategy, override = None, ""
    if kind in ("two", "six"):
        device, count = tf.config.list_physical_devices("CPU")[0], {"two": 2, "six": 6}[kind]
        parts = [tf.config.LogicalDeviceConfiguration()] * count
        tf.config.set_logical_device_configuration(device, parts)
        strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(count)])
    elif kind == "worker":
        override = "runtime: {distribution_strategy: multi_worker_mirrored}"
    run.run_experiment(
        run.read_params("tiny", [settings], override), mode, model_dir, strategy=strategy
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
