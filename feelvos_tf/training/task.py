"""The task that Model Garden's trainer runs: network, data, losses, one step, validation scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from official.core import base_task, task_factory
from official.core import config_definitions as cfg
from official.modeling import optimization

from feelvos_tf.checkpoints import named_variables
from feelvos_tf.modeling.feelvos import Feelvos, build_model
from feelvos_tf.modeling.heads import start_as_released
from feelvos_tf.ops import resize
from feelvos_tf.training import (
    accumulation,
    clip_loss,
    configs,
    distances,
    forward,
    initialization,
    inputs,
    losses,
    schedules,
    validation,
)
from feelvos_tf.triplets.clip_sources import ClipSource


@task_factory.register_task_cls(configs.FeelvosTask)
class FeelvosTrainingTask(validation.ScoresOfVideos, base_task.Task):
    """Trains a network on triplets and scores it on whole videos.

    Attributes:
      position: first index of the stream for each input pipeline; set before the data is built
        to resume a stream.
      num_pipelines: input pipelines, known once the data is built.
      initialized: a line that says where the weights came from.
    """

    def __init__(
        self, params: configs.FeelvosTask, logging_dir: str | None = None, name: str | None = None
    ) -> None:
        super().__init__(params, logging_dir=logging_dir, name=name)
        self.position: list[int] = []
        self.num_pipelines = 1
        self.initialized = "weights as the released code initializes them"
        self._trains = True  # until a run says that it only evaluates
        self._sources: list[ClipSource] | None = None

    @property
    def sources(self) -> list[ClipSource]:
        """The sources of triplets, opened when first asked for."""
        if self._sources is None:
            self._sources = inputs.open_sources(self.task_config.train_data, self.logging_dir)
        return self._sources

    def open_data(self, train: bool, evaluate: bool) -> None:
        """Opens the data of a run.

        Args:
          train: whether the run trains.
          evaluate: whether it validates.

        Raises:
          InputError: data are missing or cannot be read.
        """
        self._trains = train
        if train:
            _ = self.sources
        if evaluate:
            _ = self.videos

    def build_model(self) -> Feelvos:
        """Returns the network; frozen parts are not among its trainable variables."""
        model = build_model(configs.model_config(self.task_config.model))
        model.recommended = self.task_config.validation_data.settings()
        for unit in model.submodules:
            if isinstance(unit, tf.keras.layers.BatchNormalization):
                unit.momentum = self.task_config.batch_norm_momentum
        if self.task_config.embedding_start == "release":
            start_as_released(model.embedding)
        kernel = model.embedding.pointwise.kernel
        kernel.assign(kernel * self.task_config.embedding_gain)
        if self.task_config.freeze == "backbone":
            model.deeplab.backbone.trainable = False
        elif self.task_config.freeze == "deeplab":
            model.deeplab.trainable = False
        return model

    @classmethod
    def create_optimizer(
        cls,
        optimizer_config: optimization.OptimizationConfig,
        runtime_config: cfg.RuntimeConfig | None = None,
        dp_config: Any = None,
    ) -> tf.keras.optimizers.Optimizer:
        """See base class.

        Raises:
          InputError: the schedule has no length, see `schedules.resolve`.
        """
        schedules.check_resolved(optimizer_config)
        return super().create_optimizer(optimizer_config, runtime_config, dp_config)

    def initialize(self, model: Feelvos) -> None:
        """Loads `init_checkpoint`; called only where the run has no checkpoint of its own.

        Raises:
          InputError: it cannot be used, or random weights would be trained (`require_weights`).
        """
        path = self.task_config.init_checkpoint
        if self._trains:
            initialization.require_weights(self.task_config)
        if path:
            self.initialized = initialization.initialize(model, path, self.task_config.init_parts)

    def build_inputs(
        self,
        params: configs.TrainData | configs.ValidationData,
        input_context: tf.distribute.InputContext | None = None,
    ) -> tf.data.Dataset:
        """Returns the batches of one input pipeline, or numbers of the videos to validate on."""
        if isinstance(params, configs.ValidationData):
            return tf.data.Dataset.range(len(self.videos))
        batch, shards, shard = params.global_batch_size, 1, 0
        if input_context is not None:
            batch = input_context.get_per_replica_batch_size(batch)
            shards = input_context.num_input_pipelines
            shard = input_context.input_pipeline_id
        self.num_pipelines = shards
        start = 0
        if self.position:
            same = len(self.position) == shards
            start = self.position[shard] if same else max(self.position)
        return inputs.training_clips(
            self.sources, params, start=start, num_shards=shards, shard=shard, batch_size=batch
        )

    def compute_loss(
        self, model: Feelvos, batch: Mapping[str, tf.Tensor], step: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Computes what one replica, or one part of its clips, adds to the loss.

        The sum of it over all replicas and parts is the loss, whatever their number: each sums
        over its own clips and takes its share of the weight decay.

        Args:
          model: the network.
          batch: images [B, T, H, W, 3], labels [B, T, H, W], valid [B, N], index [B].
          step: int64 scalar, which decides the kept share and the random draws.

        Returns:
          total: float32 scalar.
          parts: float32 scalars by name, to be summed over replicas as well: the summands of the
            loss, and `distances.GAUGE` and "mIoU", which are no part of it.
        """
        config = self.task_config
        images, labels, valid = batch["images"], batch["labels"], batch["valid"]
        seeds = tf.cast(
            tf.stack(
                [batch["index"] + 1, tf.fill(tf.shape(batch["index"]), tf.cast(step, tf.int64))],
                axis=1,
            ),
            tf.int32,
        )
        features, embeddings = forward.embed_clips(
            model, images, seeds, config.aspp_dropout, config.train_batch_norm
        )
        figures = {distances.GAUGE: distances.median_distance(embeddings, labels, valid)}
        if config.losses.kind == "triplet":
            data = self._triplet_loss(embeddings, labels, seeds)
        else:
            logits = forward.segment_clips(
                model,
                features,
                embeddings,
                labels,
                valid,
                seeds,
                max_reference_pixels=config.max_reference_pixels,
                memory=config.memory.memory(),
                static=config.jit_compile,
            )
            data = self._cross_entropy(logits, images, labels, step)
            figures["mIoU"] = losses.mean_iou(logits, labels, valid)
        trained = {id(v) for v in model.trainable_variables}
        names = {name: v for name, v in named_variables(model).items() if id(v) in trained}
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        shares = replicas * config.accumulation
        decay = losses.weight_decay(names, config.losses.weight_decay) / shares
        parts = {config.losses.kind: data, "weight_decay": decay}
        parts.update({name: value / shares for name, value in figures.items()})
        return data + decay, parts

    @property
    def _parts(self) -> tuple[str, ...]:
        """Names of what `compute_loss` returns in parts."""
        kind = self.task_config.losses.kind
        return (
            kind,
            "weight_decay",
            distances.GAUGE,
            *(["mIoU"] if kind == "cross_entropy" else []),
        )

    def _cross_entropy(
        self, logits: tf.Tensor, images: tf.Tensor, labels: tf.Tensor, step: tf.Tensor
    ) -> tf.Tensor:
        """One mean a frame, averaged over the clip's frames, summed over clips."""
        config = self.task_config.losses
        assert config.hard_pixel_steps is not None  # see schedules.resolve
        share = losses.kept_share(step, config.hard_pixel_share, config.hard_pixel_steps)
        means = clip_loss.frame_losses(logits, images, labels, share, config.guided_share)
        batch = self.task_config.train_data.global_batch_size
        divisor = config.divisor or batch / config.clips_per_replica
        return tf.reduce_sum(means) / (labels.shape[1] - 2) / divisor

    def _triplet_loss(
        self, embeddings: tf.Tensor, labels: tf.Tensor, seeds: tf.Tensor
    ) -> tf.Tensor:
        size, count = embeddings.shape[2:4], labels.shape[1]
        small = resize.resize_nearest(tf.reshape(labels, [-1, *labels.shape[2:], 1]), size)
        small = tf.reshape(small, [-1, count, *size])
        each = tf.map_fn(
            lambda clip: losses.triplet_loss(*clip),
            (embeddings, small, seeds),
            fn_output_signature=tf.float32,
            parallel_iterations=1,
        )
        return tf.reduce_sum(each) / self.task_config.train_data.global_batch_size

    def compute_gradients(
        self,
        model: Feelvos,
        optimizer: tf.keras.optimizers.Optimizer,
        batch: Mapping[str, tf.Tensor],
        step: tf.Tensor,
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor], list[tf.Tensor | None]]:
        """Returns the loss (see `compute_loss`), its parts, and the gradients to apply."""
        scaled = isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer)
        variables = model.trainable_variables

        def compute(
            batch: Mapping[str, tf.Tensor], step: tf.Tensor
        ) -> tuple[tf.Tensor, dict[str, tf.Tensor], list[tf.Tensor | None]]:
            with tf.GradientTape() as tape:
                total, parts = self.compute_loss(model, batch, step)
                target = optimizer.get_scaled_loss(total) if scaled else total
            return total, parts, tape.gradient(target, variables)

        if self.task_config.jit_compile:
            compute = tf.function(compute, jit_compile=True, autograph=False)
        total, parts, gradients = accumulation.accumulate(
            lambda part: compute(part, step),
            batch,
            self.task_config.accumulation,
            variables,
            self._parts,
        )
        if scaled:
            gradients = optimizer.get_unscaled_gradients(gradients)
        by_id = {id(v): name for name, v in named_variables(model).items()}
        names = [by_id[id(v)] for v in variables]
        gradients = losses.scale_bias_gradients(
            gradients, names, self.task_config.bias_gradient_factor
        )
        return total, parts, gradients

    # AutoGraph would rewrite the source code of every layer and of the optimizer, which takes
    # longer than tracing.
    @tf.autograph.experimental.do_not_convert
    def train_step(
        self,
        inputs: Mapping[str, tf.Tensor],
        model: Feelvos,
        optimizer: tf.keras.optimizers.Optimizer,
        metrics: Sequence[tf.keras.metrics.Metric] | None = None,
    ) -> dict[str, tf.Tensor]:
        """One step of one replica; gradients are summed over replicas, then clipped.

        Args:
          inputs: a batch as for `compute_loss`; with "step", int64 scalar, or without, and then
            the optimizer's count of its steps is taken.
          model: the network.
          optimizer: the optimizer.
          metrics: one tf.keras.metrics.Mean for each part of the loss.

        Returns:
          {"loss": this replica's part of the loss}, and its part of `distances.GAUGE`.
        """
        batch = dict(inputs)
        step = batch.pop("step", None)
        if step is None:  # Model Garden's own trainer hands over batches as they are
            step = tf.cast(optimizer.iterations, tf.int64)
        total, parts, gradients = self.compute_gradients(model, optimizer, batch, step)
        pairs = [(g, v) for g, v in zip(gradients, model.trainable_variables) if g is not None]
        optimizer.apply_gradients(pairs)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        for metric in metrics or []:
            metric.update_state(parts[metric.name] * replicas)
        return {self.loss: total, distances.GAUGE: parts[distances.GAUGE]}

    def build_metrics(self, training: bool = True) -> list[tf.keras.metrics.Metric]:
        """Means of the parts of the loss and of the gauge, for training only."""
        if not training:
            return []
        return [tf.keras.metrics.Mean(name, dtype=tf.float32) for name in self._parts]
