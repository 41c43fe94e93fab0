"""What a run computes on: strategy, devices by name, and how clips are shared among them."""

from __future__ import annotations

import tensorflow as tf
from official.common import distribute_utils
from official.core import config_definitions as cfg

from feelvos_tf.errors import InputError
from feelvos_tf.training.configs import FeelvosTask

ALL = -1  # value of runtime.num_gpus
# Settings of Model Garden's that nothing here heeds, with the value that leaves them alone.
_UNHEEDED = {
    "gpu_thread_mode": None,
    "dataset_num_private_threads": None,
    "per_gpu_thread_count": 0,
    "run_eagerly": False,
    "batchnorm_spatial_persistent": False,
    "num_cores_per_replica": 1,
    "default_shard_dim": -1,
    "use_tpu_mp_strategy": False,
}
_PRECISIONS = (None, "float32", "float16", "bfloat16")


def check_runtime(runtime: cfg.RuntimeConfig) -> None:
    """Refuses settings that would be ignored.

    Raises:
      InputError: names the setting, what it is and what it can be.
    """
    for key, harmless in _UNHEEDED.items():
        value = getattr(runtime, key, harmless)
        if value != harmless:
            shown = "null" if harmless is None else harmless
            raise InputError(
                f"runtime.{key} is {value!r}, which training does not heed, expected {shown}"
            )
    if runtime.mixed_precision_dtype not in _PRECISIONS:
        raise InputError(
            f"runtime.mixed_precision_dtype is {runtime.mixed_precision_dtype!r}, expected null, "
            "float32, float16 or bfloat16"
        )
    if runtime.loss_scale is not None and runtime.mixed_precision_dtype != "float16":
        raise InputError(
            f"runtime.loss_scale is {runtime.loss_scale!r}, which is heeded with "
            "mixed_precision_dtype float16 alone, expected null"
        )
    if runtime.num_gpus < ALL:
        raise InputError(f"runtime.num_gpus is {runtime.num_gpus}, expected -1 (all) or more")


def make_strategy(runtime: cfg.RuntimeConfig) -> tf.distribute.Strategy:
    """The strategy of the settings; workers find each other by TF_CONFIG or worker_hosts.

    `num_gpus` -1 takes all GPUs that TensorFlow sees: none of them is one CPU, and one_device with
    several is mirrored.

    Raises:
      InputError: the settings contradict each other or what there is.
    """
    visible = len(tf.config.list_physical_devices("GPU"))
    count, kind = runtime.num_gpus, runtime.distribution_strategy
    if count == ALL:
        count = visible
        if kind == "one_device" and count > 1:
            kind = "mirrored"
    elif count > visible and kind in ("mirrored", "one_device"):
        raise InputError(
            f"runtime.num_gpus is {count}, but TensorFlow sees {visible} GPUs here; -1 takes all"
        )
    try:
        distribute_utils.configure_cluster(runtime.worker_hosts, runtime.task_index)
        return distribute_utils.get_distribution_strategy(
            distribution_strategy=kind,
            all_reduce_alg=runtime.all_reduce_alg,
            num_gpus=count,
            num_packs=runtime.num_packs,
            tpu_address=runtime.tpu,
        )
    except ValueError as error:
        raise InputError(f"runtime: {error}") from error


def describe_devices(strategy: tf.distribute.Strategy) -> list[str]:
    """The devices of a run by name, and a warning of GPUs that it leaves idle; a line each."""
    used = [tf.DeviceSpec.from_string(name) for name in strategy.extended.worker_devices]
    lines = [
        "devices: "
        + ", ".join(f"{d.device_type or 'CPU'}:{d.device_index or 0}{_model(d)}" for d in used)
    ]
    taken = {d.device_index for d in used if d.device_type == "GPU"}
    idle = [
        gpu.name.split("device:")[-1]
        for number, gpu in enumerate(tf.config.list_physical_devices("GPU"))
        if number not in taken
    ]
    if idle:
        lines.append(
            f"warning: {', '.join(idle)} left idle; runtime.num_gpus -1 takes all (and "
            "runtime.distribution_strategy mirrored shares a step among them)"
        )
    return lines


def _model(device: tf.DeviceSpec) -> str:
    gpus = tf.config.list_physical_devices("GPU")
    if device.device_type != "GPU" or (device.device_index or 0) >= len(gpus):
        return ""
    details = tf.config.experimental.get_device_details(gpus[device.device_index or 0])
    name = details.get("device_name")
    return f" ({name})" if name else ""


def check_batch(task: FeelvosTask, replicas: int) -> None:
    """Checks that the clips of a step can be shared out.

    Args:
      task: the task's settings.
      replicas: devices that share a step.

    Raises:
      InputError: says what to set instead.
    """
    batch, parts = task.train_data.global_batch_size, task.accumulation
    if not batch % (replicas * parts):
        return
    clips = max(parts, round(task.losses.clips_per_replica / parts) * parts)
    fitting = [n for n in range(1, replicas) if not batch % (n * parts)]
    fewer = f", or use {' or '.join(map(str, reversed(fitting)))} devices" if fitting else ""
    pieces = f" times task.accumulation, {parts}" if parts > 1 else ""
    raise InputError(
        f"task.train_data.global_batch_size is {batch}, expected a multiple of the {replicas} "
        f"replicas{pieces}: set it to {clips * replicas} ({clips} clips a replica; the learning "
        f"rate and train_steps that go with it are in docs/train.md){fewer}"
    )
