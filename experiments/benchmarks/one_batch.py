"""Trains on one batch over and over: whether a recipe's gradients lead downhill, and how fast.

    python experiments/benchmarks/one_batch.py --experiment=paper_davis17 --config_file=start.yaml

Prints the loss and the median distance of the batch at some steps, and the norms of the first
step's gradients. Dropout and the choice of reference pixels are those of step 0 throughout, so the
loss moves by the weights alone.
"""

import feelvos_tf  # noqa: F401, I001  (before TensorFlow: it selects the Keras version)

import tensorflow as tf
from absl import flags
from official.core import task_factory, train_utils

from feelvos_tf.checkpoints import named_variables
from feelvos_tf.cli import app
from feelvos_tf.training import run, schedules

_EXPERIMENT = flags.DEFINE_string("experiment", "paper_davis17", "Name of the experiment.")
_CONFIG_FILE = flags.DEFINE_multi_string("config_file", [], "YAML files of settings, in order.")
_MODEL_DIR = flags.DEFINE_string("model_dir", "outputs/one_batch", "Folder for drawn clips.")
_STEPS = flags.DEFINE_integer("steps", 100, "Updates.", 0)


def main(argv: list[str]) -> None:
    """Reads the experiment, takes its first batch and trains on it."""
    params = schedules.resolved(run.read_params(_EXPERIMENT.value, _CONFIG_FILE.value))
    task = task_factory.get_task(params.task, logging_dir=_MODEL_DIR.value)
    tf.keras.utils.set_random_seed(params.task.train_data.seed)
    model = task.build_model()
    task.initialize(model)
    print(task.initialized)
    optimizer = train_utils.create_optimizer(task, params)
    batch = next(iter(task.build_inputs(params.task.train_data)))
    names = {id(variable): name for name, variable in named_variables(model).items()}

    @tf.function(autograph=False)
    def step() -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        _, parts, gradients = task.compute_gradients(
            model, optimizer, batch, tf.constant(0, tf.int64)
        )
        pairs = [(g, v) for g, v in zip(gradients, model.trainable_variables) if g is not None]
        optimizer.apply_gradients(pairs)
        return parts, [tf.constant(0.0) if g is None else tf.norm(g) for g in gradients]

    for number in range(_STEPS.value + 1):
        parts, norms = step()
        if number % 10 == 0:
            told = ", ".join(f"{name} {float(value):.5g}" for name, value in parts.items())
            print(f"{number} steps: {told}", flush=True)
        if number == 0:
            norms = {names[id(v)]: float(n) for v, n in zip(model.trainable_variables, norms)}
            for name in sorted(norms, key=norms.__getitem__):
                print(f"  {norms[name]:.3g} {name}")


if __name__ == "__main__":
    app.run(main)
