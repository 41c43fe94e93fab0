"""The half of the task that scores whole videos."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Mapping, Sequence

import tensorflow as tf
from absl import logging

from feelvos_tf.data.videos import Video
from feelvos_tf.evaluation import protocols, reports, video_runs
from feelvos_tf.evaluation.baselines import NearestNeighbor
from feelvos_tf.evaluation.scoring import SequenceScores
from feelvos_tf.modeling.feelvos import Feelvos, build_model
from feelvos_tf.streaming.segmenter import VideoSegmenter
from feelvos_tf.training import configs, inputs


class ScoresOfVideos:
    """What a task does to validate; `task_config` and `logging_dir` are those of the task."""

    task_config: configs.FeelvosTask
    logging_dir: str
    _videos: list[Video] | None = None
    _tested: Feelvos | None = None

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

    def make_segmenter(self, model: Feelvos) -> VideoSegmenter | NearestNeighbor:
        """What runs a video: the whole network, or nearest neighbors for the triplet loss."""
        network = self.tested(model)
        if self.task_config.losses.kind == "triplet":
            return NearestNeighbor(network)
        data = self.task_config.validation_data
        return VideoSegmenter(network, max_side=data.max_side)

    def tested(self, model: Feelvos) -> Feelvos:
        """The network to validate: the model, or a copy at the stride and rates to test at.

        The copy is made once; each call gives it the weights that the model has now.
        """
        config = configs.validation_config(self.task_config)
        if config == model.config:
            return model
        if self._tested is None:
            self._tested = build_model(config, dtype=model.dtype_policy)
            self._tested.recommended = model.recommended
        self._tested.set_weights(model.get_weights())
        return self._tested

    def validation_step(
        self,
        inputs: tf.Tensor,
        model: Feelvos,
        metrics: Sequence[tf.keras.metrics.Metric] | None = None,
    ) -> dict[str, SequenceScores]:
        """Runs and scores the video of a number; for Model Garden's own trainer, without graph."""
        return {"scores": self.validate_video(int(inputs), self.make_segmenter(model))}

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
        """Collects the scores of one more video, or of one a replica, as Model Garden has them."""
        scores = step_logs["scores"]
        return [*(state or []), *(scores if isinstance(scores, tuple) else (scores,))]

    def reduce_aggregated_logs(
        self, aggregated_logs: Sequence[SequenceScores], global_step: tf.Tensor | None = None
    ) -> dict[str, float]:
        """Returns J_and_F, J and F, means over objects in 0..1."""
        summary = reports.summarize(aggregated_logs)
        return {"J_and_F": summary["J&F-Mean"], "J": summary["J-Mean"], "F": summary["F-Mean"]}
