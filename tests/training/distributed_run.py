"""Trains in a process of its own: python distributed_run.py KIND SETTINGS MODEL_DIR [MODE].

KIND: one (one device), two (mirrored on two virtual devices), worker (as TF_CONFIG says).
"""

import sys

import tensorflow as tf

from feelvos_tf.training import run


def main(kind, settings, model_dir, mode="train"):
    strategy, override = None, ""
    if kind == "two":
        device = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(device, parts)
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    elif kind == "worker":
        override = "runtime: {distribution_strategy: multi_worker_mirrored}"
    run.run_experiment(
        run.read_params("tiny", [settings], override), mode, model_dir, strategy=strategy
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
