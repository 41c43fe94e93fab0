"""Pictures for TensorBoard: what the network sees and says of one triplet, now and then."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.ops import matching, resize
from feelvos_tf.training import forward, inputs
from feelvos_tf.training.task import FeelvosTrainingTask
from feelvos_tf.training.trainer import Trainer
from feelvos_tf.video.overlay import contact_sheet, overlay

_TRIPLET = 1_000_003  # an index that training hardly reaches


class TripletPictures:
    """An Orbit action that draws one triplet, always the same, every `image_interval` steps.

    Args:
      task: a `FeelvosTrainingTask`.
      trainer: its trainer.
      folder: of the summaries.
    """

    def __init__(self, task: FeelvosTrainingTask, trainer: Trainer, folder: str) -> None:
        self._task, self._trainer, self._folder = task, trainer, folder
        self._interval = task.task_config.image_interval
        self._drawn: int | None = None  # step of the last picture
        self._writer: tf.summary.SummaryWriter | None = None
        self._clip: Mapping[str, tf.Tensor] = {}

    def __call__(self, output: object) -> None:
        """Draws if the interval has passed since the last time."""
        del output
        step = int(self._trainer.global_step.numpy())
        if self._drawn is not None and step // self._interval == self._drawn // self._interval:
            return
        self._drawn = step
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(self._folder, filename_suffix=".pictures")
            stream = inputs.training_clips(
                self._task.sources, self._task.task_config.train_data, start=_TRIPLET, batch_size=1
            )
            self._clip = next(iter(stream.take(1)))
        with self._writer.as_default(step=step):
            tf.summary.image("triplet", picture(self._trainer.model, self._clip)[np.newaxis])
        self._writer.flush()


def picture(model: Feelvos, clip: Mapping[str, tf.Tensor]) -> np.ndarray:
    """Draws reference, previous and current frame, truth, prediction and distances.

    Args:
      model: the network.
      clip: a batch of one, from `inputs.training_clips`.

    Returns:
      uint8 [height, width, 3].
    """
    seeds = tf.zeros([1, 2], tf.int32)
    features, embeddings = forward.embed_clips(model, clip["images"], seeds, 0.0, False)
    logits, from_first, from_previous = forward.segment_clips(
        model, features, embeddings, clip["labels"], clip["valid"], seeds, with_distances=True
    )
    if not model.config.normalized_distances:
        from_first = matching.squash(from_first)  # as a shade of gray
    images = np.clip(clip["images"][0].numpy(), 0, 255).astype(np.uint8)
    labels = clip["labels"][0].numpy()
    full = resize.resize_bilinear(logits[:, 0], labels.shape[1:])
    predicted = tf.argmax(full[0], axis=-1).numpy()
    tiles = [
        overlay(images[0], labels[0]),
        overlay(images[1], labels[1]),
        images[2],
        overlay(images[2], labels[2]),
        overlay(images[2], predicted),
    ]
    captions = ["reference", "previous", "current", "truth", "prediction"]
    for name, distances in (("first frame", from_first), ("previous frame", from_previous)):
        for channel in np.flatnonzero(clip["valid"][0].numpy()):
            # As large as the frames: at stride 4 they would be stamps that hardly show a thing.
            large = resize.resize_nearest(
                distances[:1, ..., channel : channel + 1], labels.shape[1:]
            )
            shade = (255 * large[0].numpy()).astype(np.uint8)
            tiles.append(np.repeat(shade, 3, axis=-1))
            captions.append(f"distance to {name}, {channel}")
    return contact_sheet(tiles, captions)
