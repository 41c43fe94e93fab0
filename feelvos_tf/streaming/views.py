"""Every frame in several sizes, and mirrored, whose probabilities are averaged: slower, smoother.

The released code's image pyramid runs the network on scaled copies of the frames, each compared
with copies of its own scale, and hands all of them the labels that they found together. It merges
logits, by their largest value unless told otherwise; here, as in DeepLab's own multi-scale
prediction, the softmax is averaged at the frame's size, and copies may be mirrored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from feelvos_tf.config import Memory
from feelvos_tf.errors import InputError, shown
from feelvos_tf.modeling.feelvos import Feelvos, FrameState
from feelvos_tf.ops import labels as label_ops
from feelvos_tf.ops import resize
from feelvos_tf.streaming.edit_steps import EditSteps
from feelvos_tf.streaming.editing import Editing, Video, compiled
from feelvos_tf.streaming.steps import StreamingSteps, VideoState

SMALLEST, LARGEST = 0.25, 2.0
_MOST = 16

States = tuple[VideoState, ...]  # one a view


class View(NamedTuple):
    """One way to look at a frame."""

    scale: float
    mirrored: bool


class AveragedSegmenter(Editing):
    """Labels the frames of a video as VideoSegmenter does, from several views of each.

        segmenter = AveragedSegmenter(model, scales=(0.75, 1, 1.25), flip=True)
        segmenter.reset(first_frame, first_mask)
        labels = segmenter.step(frame)

    A view has a reference and, where there is one, a memory of its own. Time and memory are those
    of all views together.

    Args:
      model: the network.
      scales: factors on the frames' size, each from SMALLEST to LARGEST.
      flip: look at each scale mirrored as well.
      max_reference_pixels: see `VideoSegmenter`.
      probes: see `VideoSegmenter`.
      memory: see `VideoSegmenter`.
      outlines: see `VideoSegmenter`.
      reach: see `VideoSegmenter`; of each view.
      grid: see `VideoSegmenter`; of each view.

    Raises:
      InputError: an argument is out of range.
    """

    def __init__(
        self,
        model: Feelvos,
        *,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        max_reference_pixels: int | None = None,
        probes: int | None | str = "auto",
        memory: Memory | None | str = "auto",
        outlines: str | None = "auto",
        reach: float | None | str = "auto",
        grid: str | None = "auto",
    ) -> None:
        self.model = model
        sides = (False, True) if flip else (False,)
        self.views = [View(scale, side) for scale in checked_scales(scales) for side in sides]
        self._steps = StreamingSteps(
            model,
            max_reference_pixels=max_reference_pixels,
            settings=model.recommended.resolved(
                memory=memory, probes=probes, outlines=outlines, reach=reach, grid=grid
            ),
        )
        self._least_scale = min(view.scale for view in self.views)
        self._ignore_label = None
        self._video = None
        self._compile()
        self._compile_edits()

    def step(self, frame: np.ndarray) -> np.ndarray:
        """Labels the next frame.

        Args:
          frame: uint8 [H, W, 3], RGB, of the first frame's size.

        Returns:
          uint8 [H, W]: ids.

        Raises:
          InputError: no video has begun, or the frame is not as described.
        """
        before = self._begun()
        frame = self._next_frame(frame, before)
        states, labels = self._advance(frame, before.state, before.ids)
        self._video = Video(before.ids, labels.numpy(), states)
        return labels.numpy()

    def _compile(self) -> None:
        """Creates the compiled functions; sizes and number of objects are dynamic in all."""
        image = tf.TensorSpec([None, None, 3], tf.uint8)
        mask = tf.TensorSpec([None, None], tf.uint8)
        ids = tf.TensorSpec([None], tf.int32)

        def begin(frame: tf.Tensor, mask: tf.Tensor, ids: tf.Tensor) -> States:
            return tuple(
                self._steps.begin(seen(frame, view), turned(mask, view), ids) for view in self.views
            )

        self._begin = compiled(begin, image, mask, ids)
        self._advance = compiled(self._label, image, self._states_spec(), ids)

    def _compile_edits(self) -> None:
        edits, states = EditSteps(self._steps), self._states_spec()
        image = tf.TensorSpec([None, None, 3], tf.uint8)
        mask, whole = (tf.TensorSpec([None, None], kind) for kind in (tf.uint8, tf.int32))
        ids, count = tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)

        def extend(mask: tf.Tensor, states: States, *rest: tf.Tensor) -> States:
            return tuple(
                edits.extend(turned(mask, view), state, *rest)
                for view, state in zip(self.views, states)
            )

        def correct(mask: tf.Tensor, states: States, *rest: tf.Tensor) -> States:
            return tuple(
                edits.correct(turned(mask, view), state, *rest)
                for view, state in zip(self.views, states)
            )

        def add(frame: tf.Tensor, mask: tf.Tensor, states: States, *rest: tf.Tensor) -> States:
            return tuple(
                edits.add_reference(seen(frame, view), turned(mask, view), state, *rest)
                for view, state in zip(self.views, states)
            )

        def remove(states: States, channel: tf.Tensor) -> States:
            return tuple(edits.remove(state, channel) for state in states)

        self._extend = compiled(extend, mask, states, ids, count)
        self._correct = compiled(correct, whole, states, ids, count)
        self._add_reference = compiled(add, image, whole, states, ids, count)
        self._remove = compiled(remove, states, count)

    def _states_spec(self) -> States:
        return tuple(self._steps.state_spec() for _ in self.views)

    def _label(self, frame: tf.Tensor, states: States, ids: tf.Tensor) -> tuple[States, tf.Tensor]:
        """The states after a frame uint8 [H, W, 3], and its labels uint8 [H, W]."""
        size = tf.shape(frame)[:2]
        advanced, sums, soft = [], tf.constant(0.0), tf.constant(0.0)
        for view, state in zip(self.views, states):
            # One view after the other: they would need their memory all at once.
            with tf.control_dependencies([sums, soft]):
                image = seen(frame, view)
            found = self._steps.advance(image, state, ids)
            full = resize.resize_bilinear(found.details["logits"][tf.newaxis], size)[0]
            sums += turned(tf.nn.softmax(full), view)
            if self._steps.outlines is not None:
                full = self._steps.at_full_size(found.details["logits"], turned(frame, view))
                soft += turned(tf.nn.softmax(full), view)
            advanced.append(found.state)
        probabilities = sums / len(self.views)
        channels = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        following = tuple(
            state._replace(
                frame=self._agreed(
                    state.frame.embedding, turned(channels, view), turned(probabilities, view)
                )
            )
            for view, state in zip(self.views, advanced)
        )
        if self._steps.outlines is not None:
            channels = tf.argmax(soft, axis=-1, output_type=tf.int32)
        return following, tf.cast(tf.gather(ids, channels), tf.uint8)

    def _agreed(
        self, embedding: tf.Tensor, channels: tf.Tensor, probabilities: tf.Tensor
    ) -> FrameState:
        """A view's frame as the previous one of the next, with the labels of all views."""
        size = tf.shape(embedding)[:2]
        labels = label_ops.shrink_by_nearest(channels, size)
        if self.model.config.previous_mask == "probabilities":
            mask = resize.resize_bilinear(probabilities[tf.newaxis], size)[0]
        else:
            mask = label_ops.one_hot_mask(labels, tf.shape(probabilities)[-1])
        return FrameState(embedding, labels, mask)


def seen(frame: tf.Tensor, view: View) -> tf.Tensor:
    """A frame [H, W, 3] as a view has it, scaled with aligned corners as the release does."""
    if view.scale != 1.0:
        size = resize.scale_dimension(tf.shape(frame)[:2], view.scale)
        frame = resize.resize_bilinear(frame[tf.newaxis], tf.maximum(size, 1))[0]
    return turned(frame, view)


def turned(image: tf.Tensor, view: View) -> tf.Tensor:
    """[H, W, ...] mirrored left to right where the view is; the same way forth and back."""
    return tf.reverse(image, [1]) if view.mirrored else image


def checked_scales(scales: Sequence[float]) -> list[float]:
    """The scales as floats.

    Raises:
      InputError: none, too many, twice the same, or one out of range.
    """
    found = [
        float(scale)
        for scale in scales
        if isinstance(scale, (int, float)) and SMALLEST <= scale <= LARGEST
    ]
    if not 0 < len(scales) <= _MOST or len(set(found)) != len(scales):
        raise InputError(
            f"scales are {shown(list(scales))}, expected 1 to {_MOST} different numbers from "
            f"{SMALLEST:g} to {LARGEST:g}"
        )
    return found
