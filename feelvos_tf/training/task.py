"""The task that Model Garden's trainer runs: network, data, losses, one step, validation scores."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence

import tensorflow as tf
from absl import logging
from official.core import base_task, task_factory

from feelvos_tf.checkpoints import named_variables
from feelvos_tf.data.videos import Video
from feelvos_tf.evaluation import protocols, reports, video_runs
from feelvos_tf.evaluation.baselines import NearestNeighbor
from feelvos_tf.evaluation.scoring import SequenceScores
from feelvos_tf.modeling.feelvos import Feelvos, build_model
from feelvos_tf.ops import resize
from feelvos_tf.streaming.segmenter import VideoSegmenter
from feelvos_tf.training import configs, forward, initialization, inputs, losses
from feelvos_tf.triplets.clip_sources import ClipSource


@task_factory.register_task_cls(configs.FeelvosTask)
class FeelvosTrainingTask(base_task.Task):
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
        self._sources: list[ClipSource] | None = None
        self._videos: list[Video] | None = None

    @property
    def sources(self) -> list[ClipSource]:
        """The sources of triplets, opened when first asked for."""
        if self._sources is None:
            self._sources = inputs.open_sources(self.task_config.train_data, self.logging_dir)
        return self._sources

    @property
    def videos(self) -> list[Video]:
        """The videos to validate on; empty where there are none."""
        data = self.task_config.validation_data
        if self._videos is None:
            self._videos = (
                inputs.validation_videos(data, self.logging_dir)
                if inputs.has_validation(data)
                else []
            )
        return self._videos

    def open_data(self, train: bool, evaluate: bool) -> None:
        """Opens the data of a run.

        Args:
          train: whether the run trains.
          evaluate: whether it validates.

        Raises:
          InputError: data are missing or cannot be read.
        """
        if train:
            _ = self.sources
        if evaluate:
            _ = self.videos

    def build_model(self) -> Feelvos:
        """Returns the network; frozen parts are not among its trainable variables."""
        model = build_model(configs.model_config(self.task_config.model))
        model.recommended_memory = self.task_config.validation_data.memory.memory()
        for unit in model.submodules:
            if isinstance(unit, tf.keras.layers.BatchNormalization):
                unit.momentum = self.task_config.batch_norm_momentum
        kernel = model.embedding.pointwise.kernel
        kernel.assign(kernel * self.task_config.embedding_gain)
        if self.task_config.freeze == "backbone":
            model.deeplab.backbone.trainable = False
        elif self.task_config.freeze == "deeplab":
            model.deeplab.trainable = False
        return model

    def initialize(self, model: Feelvos) -> None:
        """Loads `init_checkpoint`; called only where the run has no checkpoint of its own."""
        path = self.task_config.init_checkpoint
        if path:
            self.initialized = initialization.initialize(model, path, self.task_config.init_parts)

    def build_inputs(
        self, params: configs.TrainData, input_context: tf.distribute.InputContext | None = None
    ) -> tf.data.Dataset:
        """Returns the training batches of one input pipeline (`params` is the TrainData)."""
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
        """Computes what one replica adds to the loss.

        The sum of it over all replicas is the loss, whatever their number: each sums over its own
        clips and takes its part of the weight decay.

        Args:
          model: the network.
          batch: images [B, T, H, W, 3], labels [B, T, H, W], valid [B, N], index [B].
          step: int64 scalar, which decides the kept share and the random draws.

        Returns:
          total: float32 scalar.
          parts: float32 scalars by name, to be summed over replicas as well.
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
            data = self._cross_entropy(logits, labels, step)
        trained = {id(v) for v in model.trainable_variables}
        names = {name: v for name, v in named_variables(model).items() if id(v) in trained}
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        decay = losses.weight_decay(names, config.losses.weight_decay) / replicas
        return data + decay, {config.losses.kind: data, "weight_decay": decay}

    def _cross_entropy(self, logits: tf.Tensor, labels: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """One mean a frame, averaged over the clip's frames, summed over clips."""
        config = self.task_config.losses
        share = losses.kept_share(step, config.hard_pixel_share, config.hard_pixel_steps)
        means = losses.hard_pixel_cross_entropy(
            tf.reshape(logits, [-1, *logits.shape[2:]]),
            tf.reshape(labels[:, 2:], [-1, *labels.shape[2:]]),
            share,
        )
        return tf.reduce_sum(means) / (labels.shape[1] - 2) / config.divisor

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
        total, parts, gradients = compute(batch, step)
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
          inputs: a batch as for `compute_loss`, with "step", int64 scalar.
          model: the network.
          optimizer: the optimizer.
          metrics: one tf.keras.metrics.Mean for each part of the loss.

        Returns:
          {"loss": this replica's part of the loss}.
        """
        batch = dict(inputs)
        step = batch.pop("step")
        total, parts, gradients = self.compute_gradients(model, optimizer, batch, step)
        pairs = [(g, v) for g, v in zip(gradients, model.trainable_variables) if g is not None]
        optimizer.apply_gradients(pairs)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        for metric in metrics or []:
            metric.update_state(parts[metric.name] * replicas)
        return {self.loss: total}

    def build_metrics(self, training: bool = True) -> list[tf.keras.metrics.Metric]:
        """Means of the parts of the loss, for training only."""
        if not training:
            return []
        return [
            tf.keras.metrics.Mean(name, dtype=tf.float32)
            for name in (self.task_config.losses.kind, "weight_decay")
        ]

    def make_segmenter(self, model: Feelvos) -> VideoSegmenter | NearestNeighbor:
        """What runs a video: the whole network, or nearest neighbors for the triplet loss."""
        if self.task_config.losses.kind == "triplet":
            return NearestNeighbor(model)
        data = self.task_config.validation_data
        return VideoSegmenter(model, max_side=data.max_side)

    def validate_video(
        self, number: int, segmenter: VideoSegmenter | NearestNeighbor
    ) -> SequenceScores:
        """Runs and scores one of `videos`.

        Returns:
          a `feelvos_tf.evaluation.scoring.SequenceScores`.
        """
        video = self.videos[number]
        protocol = inputs.protocol_of(self.task_config.validation_data.source)
        plan = protocols.plan_video(video, protocol)
        with tempfile.TemporaryDirectory() as folder:
            scores = video_runs.run_video(video, plan, protocol, segmenter, pathlib.Path(folder))
        means = reports.summarize([scores])
        logging.info("validation: %s J&F %.3f", video.name, means.get("J&F-Mean", float("nan")))
        return scores

    def aggregate_logs(
        self, state: list[SequenceScores] | None, step_logs: Mapping[str, SequenceScores]
    ) -> list[SequenceScores]:
        """Collects the scores of one more video."""
        return [*(state or []), step_logs["scores"]]

    def reduce_aggregated_logs(
        self, aggregated_logs: Sequence[SequenceScores], global_step: tf.Tensor | None = None
    ) -> dict[str, float]:
        """Returns J_and_F, J and F, means over objects in 0..1."""
        summary = reports.summarize(aggregated_logs)
        return {"J_and_F": summary["J&F-Mean"], "J": summary["J-Mean"], "F": summary["F-Mean"]}

    def describe(self, model: Feelvos, replicas: int) -> list[str]:
        """What a person should know at the start, a line each."""
        config, network = self.task_config, self.task_config.model
        data = config.train_data
        number = inputs.count_triplets(self.sources, data.num_frames)
        trained = sum(v.shape.num_elements() for v in model.trainable_variables)
        every = sum(v.shape.num_elements() for v in model.variables)
        rates = ", ".join(str(rate) for rate in network.atrous_rates)
        rates = f"atrous rates {rates}" if rates else "no atrous rates"
        return [
            f"effective batch: {data.global_batch_size} clips of {data.num_frames} frames on "
            f"{replicas} {'replica' if replicas == 1 else 'replicas'}",
            f"crop: {data.crop_size[0]}x{data.crop_size[1]}, output stride "
            f"{network.output_stride} with {rates}, matching at stride 4",
            f"triplets: {number} in "
            + ", ".join(f"{len(s.lengths)} videos of {s.name}" for s in self.sources),
            f"parameters: {every}, of which {trained} are trained; backbone {network.backbone}",
            f"initialized: {self.initialized}",
        ]


def latest_position(model_dir: str) -> list[int]:
    """Where the data of a run's newest checkpoint goes on; empty where there is none."""
    path = tf.train.latest_checkpoint(model_dir) if os.path.isdir(model_dir) else None
    if path is None:
        return []
    reader = tf.train.load_checkpoint(path)
    key = "data_position/.ATTRIBUTES/VARIABLE_VALUE"
    if not reader.has_tensor(key):
        return []
    return [int(i) for i in reader.get_tensor(key)]
