"""Model Garden's trainer, with what long runs need: data position, waiting time, stop on NaN."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging
from official.core import base_trainer, train_utils
from official.core import config_definitions as cfg

from feelvos_tf.checkpoints import save_model
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation.baselines import NearestNeighbor
from feelvos_tf.evaluation.scoring import SequenceScores
from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.streaming.segmenter import VideoSegmenter
from feelvos_tf.training import distances, inputs
from feelvos_tf.training.stopping import StopSignals
from feelvos_tf.training.task import FeelvosTrainingTask

BEST_MODEL = "best_model.npz"


class Figures(dict[str, Any]):
    """Results of a loop, a name and a value each, that print as a person would write them.

    Orbit puts the pretty-printed results at the end of its line, braces, quotes and all.
    """

    def __repr__(self) -> str:
        return ", ".join(
            f"{name.replace('_', ' ')} {_short(value)}" for name, value in self.items()
        )


def _short(value: object) -> str:
    value = np.asarray(value)
    if value.ndim or not np.issubdtype(value.dtype, np.number):
        return str(value)
    return f"{float(value):.4g}"


class Trainer(base_trainer.Trainer):
    """The trainer of `FeelvosTrainingTask`.

    Its checkpoints hold, beside what Model Garden keeps, the place in the stream of triplets.
    """

    def __init__(
        self,
        config: cfg.ExperimentConfig,
        task: FeelvosTrainingTask,
        model: Feelvos,
        optimizer: tf.keras.optimizers.Optimizer,
        train: bool = True,
        evaluate: bool = True,
        checkpoint_exporter: BestModel | None = None,
    ) -> None:
        validation = tf.data.Dataset.range(len(task.videos)) if evaluate else None
        super().__init__(
            config,
            task,
            model,
            optimizer,
            train=train,
            evaluate=evaluate,
            validation_dataset=validation,
            checkpoint_exporter=checkpoint_exporter,
        )
        if train:
            _make_slots(optimizer, model.trainable_variables)
        self._position = tf.Variable(
            tf.zeros([task.num_pipelines], tf.int64),
            trainable=False,
            name="data_position",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        if train:  # evaluation does not know how many pipelines there were
            self.checkpoint.data_position = self._position
        with tf.device("cpu"):
            self._waited = self._local(tf.zeros([], tf.float64))
            self._bad_step = self._local(-tf.ones([], tf.int64))
            self._bad_triplets = self._local(tf.zeros([0], tf.int64), shape=[None])
            self._first_distance = self._local(-tf.ones([]))  # none measured yet
        self._loop_start, self._loop_step = 0.0, 0  # of the loop that runs
        self._segmenter: VideoSegmenter | NearestNeighbor | None = None
        self._told_of_distances = False
        self.signals = StopSignals()  # none are received before the run begins

    @staticmethod
    def _local(value: tf.Tensor, shape: Sequence[int | None] | None = None) -> tf.Variable:
        return tf.Variable(
            value,
            trainable=False,
            shape=shape,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def train_loop_begin(self) -> None:
        """See base class."""
        self.signals.check()  # here, where the summaries of the loop before are written
        super().train_loop_begin()
        self._waited.assign(0.0)
        self._loop_start, self._loop_step = time.monotonic(), int(self.global_step.numpy())

    def train_step(self, iterator: Iterator[Any]) -> None:
        """See base class; called in the cross-replica context."""
        begin = tf.timestamp()
        with tf.control_dependencies([begin]):
            batch = next(iterator)
        with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
            self._waited.assign_add(tf.timestamp() - begin)
        step = tf.identity(self.global_step)

        def replica_step(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            logs = self.task.train_step(
                {**batch, "step": step}, self.model, self.optimizer, self.train_metrics
            )
            loss = logs[self.task.loss]
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            self._train_loss.update_state(loss * replicas)
            self.global_step.assign_add(1)
            return loss, logs[distances.GAUGE]

        share, gauge = self.strategy.run(replica_step, args=(batch,), options=self._runtime_options)
        loss = self.strategy.reduce(tf.distribute.ReduceOp.SUM, share, axis=None)
        median = self.strategy.reduce(tf.distribute.ReduceOp.SUM, gauge, axis=None)
        self._first_distance.assign(
            tf.where(self._first_distance < 0, median, self._first_distance)
        )
        local = tf.concat(self.strategy.experimental_local_results(batch["index"]), axis=0)
        everywhere = local
        if self.task.num_pipelines > 1:
            everywhere = self.strategy.gather(batch["index"], axis=0)
        ends = tf.reduce_max(tf.reshape(everywhere, [self.task.num_pipelines, -1]), axis=1)
        self._position.assign(tf.maximum(self._position, ends + 1))
        shares = tf.stack(self.strategy.experimental_local_results(share))
        own = tf.repeat(~tf.math.is_finite(shares), tf.size(local) // tf.size(shares))
        first = ~tf.math.is_finite(loss) & (self._bad_step < 0)
        self._bad_step.assign(tf.where(first, step, self._bad_step))
        self._bad_triplets.assign(
            tf.cond(
                first, lambda: tf.boolean_mask(local, own), lambda: self._bad_triplets.read_value()
            )
        )

    def train_loop_end(self) -> Figures:
        """See base class; adds the share of time spent waiting for data and the time left."""
        if self._bad_step.numpy() >= 0:
            raise InputError(self._explain_bad_step())
        if not self._told_of_distances:
            self._told_of_distances = True
            warning = distances.warning(
                float(self._first_distance.numpy()), self.model.config.normalized_distances
            )
            if warning:
                logging.warning("%s", warning)
        logs = super().train_loop_end()
        elapsed = time.monotonic() - self._loop_start
        step = int(self.global_step.numpy())
        left = (self.config.trainer.train_steps - step) / (step - self._loop_step)
        logs["waiting_for_data"] = self._waited.numpy() / elapsed
        logs["minutes_left"] = left * elapsed / 60
        return Figures(logs)

    def _explain_bad_step(self) -> str:
        names = inputs.triplet_names(
            self.task.sources, self.config.task.train_data, self._bad_triplets.numpy().tolist()
        )
        last = tf.train.latest_checkpoint(self.task.logging_dir)
        kept = f"the checkpoint {last} is as it was" if last else "there is no checkpoint yet"
        return (
            f"the loss is not finite at step {int(self._bad_step.numpy())}, triplets "
            f"{', '.join(names) or 'of another worker'}; {kept}"
        )

    def eval_begin(self) -> None:
        """See base class."""
        super().eval_begin()
        if self._segmenter is None:
            self._segmenter = self.task.make_segmenter(self.model)
        else:
            self.task.tested(self.model)  # hands over the weights of now

    def eval_end(self, aggregated_logs: Sequence[SequenceScores] | None = None) -> Figures:
        """See base class."""
        return Figures(super().eval_end(aggregated_logs))

    def swap_averages(self) -> None:
        """Puts averaged weights in the place of the last ones, or these back."""
        swap = getattr(self.optimizer, "swap_weights", None)
        if swap is not None:
            swap()

    def eval_step(self, iterator: Iterator[Any]) -> dict[str, SequenceScores]:
        """Runs and scores one whole video, without graph: a video is a loop over its frames."""
        if self.signals.received is not None:
            self.swap_averages()  # back, since the end of the evaluation will not be reached
            self.signals.check()
        assert self._segmenter is not None  # see eval_begin
        return {"scores": self.task.validate_video(int(next(iterator)), self._segmenter)}


def _make_slots(optimizer: tf.keras.optimizers.Optimizer, variables: Sequence[tf.Variable]) -> None:
    """Makes what the optimizer keeps for each variable; to be called in the strategy's scope.

    Left to the first step, it makes them while that is traced, and TensorFlow then traces the
    whole step again.
    """
    while hasattr(optimizer, "_optimizer"):  # loss scaling and averaged weights wrap another one
        optimizer = optimizer._optimizer
    optimizer._create_all_weights(variables)


class BestModel(train_utils.BestCheckpointExporter):
    """Keeps the best checkpoint, and its weights as a file for `feelvos_tf.load_model`.

    With several workers each has one, in a folder of its own: all must take part in reading the
    statistics of batch norm.
    """

    def __init__(self, folder: str, metric: str, comparison: str) -> None:
        super().__init__(folder, metric, comparison)
        self.path = os.path.join(folder, BEST_MODEL)

    def maybe_export_checkpoint(
        self,
        checkpoint: tf.train.Checkpoint,
        eval_logs: Mapping[str, Any],
        global_step: int,
        write_logs: bool = True,
    ) -> bool:
        """See base class."""
        better = super().maybe_export_checkpoint(checkpoint, eval_logs, global_step, write_logs)
        if better:
            save_model(checkpoint.model, self.path)
        return better
