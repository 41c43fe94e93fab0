"""The loop that fine-tunes a network on given frames; the network given stays as it is."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from feelvos_tf.adapting import dreams
from feelvos_tf.adapting.adaptation import Adaptation
from feelvos_tf.checkpoints import assign, named_variables
from feelvos_tf.config import Memory
from feelvos_tf.errors import InputError
from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.modeling.precision import with_precision
from feelvos_tf.streaming.checked_input import checked_frame, checked_mask, dimensions
from feelvos_tf.training import clip_loss, forward
from feelvos_tf.triplets.label_maps import IGNORE

# Reference pixels of an object in a clip, and the memory of its later frames, as the weights that
# ship were trained.
_MAX_REFERENCE_PIXELS = 512
_MEMORY = Memory(every=1, frames=2, max_pixels=512, min_confidence=0.9)
# The hardest pixels alone count.
_KEPT_SHARE = 0.3
# Of the loss, where the weights recommend guided outlines; as the weights that ship were trained.
_GUIDED_SHARE = 0.5
# Gradients are cut to this norm, each.
_CLIP_NORM = 5.0
# Steps until the learning rate is whole, the first of which compile; a clock is read after them.
_WARM_UP = 5
_SPAN = 20  # steps that the loss which is shown is a mean of
# The loss is flat where its mean over so many steps has fallen by less than this share since the
# same number before.
_FLAT_SPAN = 40
_FLAT = 0.01
_LEAST_SIDE = 9  # pixels of a frame


class Progress(NamedTuple):
    """How far an adaptation is.

    Attributes:
      step: finished ones.
      steps: that there will be.
      loss: mean of the latest ones, cross entropy of the hardest pixels of clips.
      seconds_left: None while it is not known.
    """

    step: int
    steps: int
    loss: float
    seconds_left: float | None


class Adapted(NamedTuple):
    """What came of an adaptation.

    Attributes:
      weights: float32 arrays by the released code's names, of the variables that were trained.
      steps: that were taken.
      loss: see `Progress`; NaN where no step was taken.
      note: a line for people where it ended before its time, else empty.
    """

    weights: dict[str, np.ndarray]
    steps: int
    loss: float
    note: str


class Adapter:
    """Fine-tunes copies of a network, compiled once for all videos.

    Args:
      model: the network, which stays as it is.
      adaptation: how.
      last_only: whether clips have a loss at their last frame alone, as those of `cycles`.
    """

    def __init__(self, model: Feelvos, adaptation: Adaptation, *, last_only: bool = False) -> None:
        self._adaptation = adaptation
        self._last_only = last_only
        self._model = with_precision(model, "float32")
        self._guided_share = 0.0 if model.recommended.outlines is None else _GUIDED_SHARE
        layers: dict[str, tf.keras.layers.Layer] = {
            "head": self._model.head,
            "embedding": self._model.embedding,
            "decoder": self._model.deeplab.decoder,
        }
        trained = {id(v) for part in adaptation.parts for v in layers[part].trainable_variables}
        names = named_variables(self._model)
        self._variables = {name: v for name, v in names.items() if id(v) in trained}
        self._given = {name: v.numpy() for name, v in self._variables.items()}
        self._optimizer = tf.keras.optimizers.Adam(adaptation.learning_rate, clipnorm=_CLIP_NORM)
        self._optimizer.build(list(self._variables.values()))
        self._slots = [(variable, variable.numpy()) for variable in self._optimizer.variables]
        self._step = tf.function(self._train_step, autograph=False)

    @property
    def given(self) -> Mapping[str, np.ndarray]:
        """The weights that training begins with, of the variables that it changes."""
        return self._given

    def adapt(
        self,
        clips: Callable[[int], Iterator[Mapping[str, tf.Tensor]]],
        *,
        steps: int | None = None,
        planned: Callable[[int], None] = lambda steps: None,
        report: Callable[[Progress], None] = lambda progress: None,
        stop: threading.Event | None = None,
    ) -> Adapted:
        """Trains on clips, beginning with the network's own weights.

        The same arguments give the same weights, unless a clock (`Adaptation.seconds`) or `stop`
        ended it.

        Args:
          clips: makes so many batches, as `dreams.dream` and `cycles.cycles` yield them.
          steps: how many, as an earlier run has planned them; None for those of the Adaptation.
          planned: told the number of steps, once it is known.
          report: told after every step.
          stop: ends it once set, with the weights there are.

        Raises:
          InputError: what `clips` raises.
        """
        settings = self._adaptation
        assign(self._model, self._given, "the network", self._given)
        for variable, value in self._slots:
            variable.assign(value)
        average = _Average(self._variables)
        timed = steps is None and settings.seconds > 0
        total = settings.steps if steps is None else steps
        if not timed:
            planned(total)
        batches = clips(total)
        began = time.monotonic()
        warm = began
        seen: list[float] = []
        note = ""
        while len(seen) < total:
            step = len(seen)
            if step == _WARM_UP:
                warm = time.monotonic()
            if timed and step == 2 * _WARM_UP:
                timed, total = False, self._fitting(total, began, warm)
                planned(total)
            if stop is not None and stop.is_set():
                if timed:
                    planned(total)
                note = f"stopped after {step} of {total} steps"
                break
            batch = next(batches, None)
            if batch is None:
                note = f"ended after {step} of {total} steps: the objects make too few clips"
                break
            self._optimizer.learning_rate.assign(self._rate(step, total))
            loss = float(self._step(batch, tf.constant(step)))
            if not math.isfinite(loss):
                note = f"ended after {step} of {total} steps: the loss is {loss}"
                break
            seen.append(loss)
            if step >= total // 2:
                average.add()
            left = None
            if step >= _WARM_UP:
                taken = step + 1 - _WARM_UP
                left = (time.monotonic() - warm) / taken * (total - step - 1)
            report(Progress(step + 1, total, float(np.mean(seen[-_SPAN:])), left))
            if _is_flat(seen):
                note = f"ended after {step + 1} of {total} steps: the loss falls no more"
                break
        share, trained = np.float32(settings.share), average.weights()
        weights = {
            name: given + share * (trained[name] - given) for name, given in self._given.items()
        }
        mean = float(np.mean(seen[-_SPAN:])) if seen else math.nan
        return Adapted(weights, len(seen), mean, note)

    def _fitting(self, most: int, began: float, warm: float) -> int:
        """How many steps fit the time; at least those whose learning rate rises."""
        now = time.monotonic()
        each = (now - warm) / _WARM_UP
        left = self._adaptation.seconds - (now - began)
        return min(most, 2 * _WARM_UP + max(0, int(left / max(each, 1e-9))))

    def _rate(self, step: int, total: int) -> float:
        rise = min(1.0, (step + 1) / _WARM_UP)
        return self._adaptation.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * step / total))

    def _train_step(self, batch: Mapping[str, tf.Tensor], step: tf.Tensor) -> tf.Tensor:
        """Returns the loss; weights stay as they are where it, or a gradient, is not finite."""
        images, labels, valid = batch["images"], batch["labels"], batch["valid"]
        index = tf.cast(batch["index"], tf.int32)
        seeds = tf.stack([index + 1, tf.fill(tf.shape(index), step)], axis=1)
        variables = list(self._variables.values())
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            features, embeddings = forward.embed_clips(self._model, images, seeds, 0.0, False)
            logits: tf.Tensor = forward.segment_clips(
                self._model,
                features,
                embeddings,
                labels,
                valid,
                seeds,
                max_reference_pixels=_MAX_REFERENCE_PIXELS,
                memory=_MEMORY,
                last_only=self._last_only,
            )
            means = clip_loss.frame_losses(
                logits, images, labels, tf.constant(_KEPT_SHARE), self._guided_share
            )
            loss = tf.reduce_mean(means)
        gradients = tape.gradient(loss, variables)
        norm = tf.linalg.global_norm(gradients)
        loss = tf.where(tf.math.is_finite(norm), loss, norm)

        def apply() -> tf.Tensor:
            with tf.control_dependencies(
                [self._optimizer.apply_gradients(zip(gradients, variables))]
            ):
                return tf.identity(loss)

        return tf.cond(tf.math.is_finite(loss), apply, lambda: loss)


class _Average:
    """The mean of weights over the second half of the steps, which wander less than they do."""

    def __init__(self, variables: Mapping[str, tf.Variable]) -> None:
        self._variables = variables
        self._sums = {name: np.zeros(v.shape, np.float64) for name, v in variables.items()}
        self._count = 0

    def add(self) -> None:
        """Takes the weights as they are into the mean."""
        self._count += 1
        for name, variable in self._variables.items():
            self._sums[name] += variable.numpy()

    def weights(self) -> dict[str, np.ndarray]:
        """The mean, float32; the weights as they are where none were taken."""
        if not self._count:
            return {name: variable.numpy() for name, variable in self._variables.items()}
        return {name: (s / self._count).astype(np.float32) for name, s in self._sums.items()}


def adapt(
    model: Feelvos,
    frames_and_masks: Sequence[tuple[np.ndarray, np.ndarray]],
    adaptation: Adaptation | None = None,
    *,
    ignore_label: int | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Feelvos:
    """Fine-tunes a network on frames of one video whose masks are given.

        model = adapt(load_model(), [(first_frame, first_mask)])
        segmenter = VideoSegmenter(model)

    Args:
      model: the network, which stays as it is.
      frames_and_masks: uint8 [H, W, 3], RGB, and integers [H, W]: ids, 0 for background.
      adaptation: how; None for the defaults, which take some minutes on two cores.
      ignore_label: id in masks that means "unknown"; None for none.
      report: told after every step.

    Returns:
      A new network, as fast as the one given.

    Raises:
      InputError: a frame or mask is not as described, or no frame has an object.
    """
    frames, channels = as_channels(frames_and_masks, ignore_label)
    settings = adaptation or Adaptation()

    def clips(steps: int) -> Iterator[Mapping[str, tf.Tensor]]:
        return dreams.dream(frames, channels, settings, steps)

    found = Adapter(model, settings).adapt(clips, report=report)
    adapted = with_precision(model, model.dtype_policy.name)
    assign(adapted, found.weights, "the adaptation", found.weights)
    return adapted


def as_channels(
    frames_and_masks: Sequence[tuple[np.ndarray, np.ndarray]], ignore_label: int | None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Checks frames and masks, and numbers the objects of all of them alike.

    Returns:
      uint8 [H, W, 3] frames and uint8 [H, W] channels, see `Adapter.adapt`. Of more than 254
      objects those with the largest ids are unknown.

    Raises:
      InputError: as `adapt`.
    """
    frames, masks = [], []
    for frame, mask in frames_and_masks:
        frame = checked_frame(frame)
        if min(frame.shape[:2]) < _LEAST_SIDE:
            raise InputError(
                f"a frame of {dimensions(frame.shape)} is too small to adapt to, expected "
                f"{_LEAST_SIDE} pixels a side or more"
            )
        frames.append(frame)
        masks.append(checked_mask(mask, frame.shape[:2]))
    ids = np.unique([one for mask in masks for one in np.unique(mask)])
    table = np.full(256, IGNORE, np.uint8)
    table[0] = 0
    objects = [one for one in ids if one not in (0, ignore_label)][: IGNORE - 1]
    table[objects] = np.arange(1, len(objects) + 1)
    return frames, [table[mask] for mask in masks]


def _is_flat(seen: Sequence[float]) -> bool:
    """Whether the last steps were no better than those before; judged once in _FLAT_SPAN steps."""
    if len(seen) < 2 * _FLAT_SPAN or len(seen) % _FLAT_SPAN:
        return False
    before, now = np.mean(seen[-2 * _FLAT_SPAN : -_FLAT_SPAN]), np.mean(seen[-_FLAT_SPAN:])
    return bool(now > (1 - _FLAT) * before)
