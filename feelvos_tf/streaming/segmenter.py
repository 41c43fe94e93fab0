"""VideoSegmenter, the streaming engine: one frame in, its labels out, constant memory.

It owns what the network does not know: time. Kept between frames are the reference pixels (of the
frames whose labels were given, a bounded number), the embedding and labels of the previous frame
and, where there is a memory, a bounded number of pixels of other frames. `Editing` has what changes
them by a user's word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, overload

import numpy as np
import tensorflow as tf

from feelvos_tf.config import Memory
from feelvos_tf.errors import InputError, shown, whole_number
from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.modeling.precision import with_precision
from feelvos_tf.streaming import state as states
from feelvos_tf.streaming.checked_input import checked_frame, checked_mask
from feelvos_tf.streaming.editing import Editing, Video, compiled
from feelvos_tf.streaming.state import State
from feelvos_tf.streaming.step_result import StepResult
from feelvos_tf.streaming.steps import StreamingSteps, VideoState

__all__ = ["StepResult", "VideoSegmenter"]


class VideoSegmenter(Editing):
    """Labels the frames of one video after the other.

        segmenter = VideoSegmenter(model)
        segmenter.reset(first_frame, first_mask)
        for frame in frames:
            labels = segmenter.step(frame)

    Frames of any size and any number of objects run through the same compiled functions.

    Args:
      model: the network.
      max_side: frames whose longer side exceeds it are reduced to it inside; labels keep the
        frame's own size. None runs at full size.
      ignore_label: id in masks that means "unknown": such pixels are neither an object nor
        background. None takes every id from 1 to 255 as an object.
      max_reference_pixels: keep at most this many random pixels of each object (background
        included) of a given frame for global matching, as the released code does in training; the
        draw is seeded. None keeps all, which is exact.
      max_given_pixels: keep at most this many pixels of all given frames together. Where there are
        more, every object of every given frame gives up random pixels, the large ones first, and
        keeps at least one. None stands for four whole frames (at stride 4), so one to four given
        frames are kept exactly.
      probes: compare each pixel of a frame with the likeliest columns (of 32 pixels each) of every
        object's reference, so many of them, instead of with all: faster, linear in the frame's
        pixels, and nearly exact with 8. "auto" is what the weights recommend (None, for those of
        the release); None compares with all, which is exact, as published.
      local_matching: implementation, see `matching.local_matching`.
      memory: what joins the reference on the way, see `Memory`: "auto" for what the weights
        recommend (nothing, for those of the release), None for nothing, as published.
      outlines: how labels at stride 4 come to the frame's size: "guided" along the frame's own
        edges, see `ops.guided_filter`; None by interpolation, as published; "auto" is what the
        weights recommend (None, for those of the release).
      reach: how far from where an object was in the frame before it is looked for, as a share of
        the frame's longer side: what is farther and hangs together with nothing nearer is a
        look-alike and left out, see `ops.look_alikes`. None looks everywhere, as published; "auto"
        is what the weights recommend (None, for those of the release).
      grid: "aligned" computes frames at the nearest size at which the network's feature maps lie
        on top of each other, see `Sizes`; None at their own size (or that of
        max_side), as published; "auto" is what the weights recommend (None, for those of the
        release).
      roi: compute only a region around the objects, with all of a frame while one of them is not
        in sight, see `regions`; the grid is aligned then. Where objects are small in large frames,
        these are reduced less than max_side says, up to twice its size, in the same time.
      mixed_precision: "mixed_float16" or "mixed_bfloat16" computes the network in that type;
        matching stays in float32. None leaves the model as it is.

    Raises:
      InputError: an argument is out of range.
    """

    def __init__(
        self,
        model: Feelvos,
        *,
        max_side: int | None = None,
        ignore_label: int | None = None,
        max_reference_pixels: int | None = None,
        max_given_pixels: int | None = None,
        probes: int | None | str = "auto",
        local_matching: str = "auto",
        memory: Memory | None | str = "auto",
        outlines: str | None = "auto",
        reach: float | None | str = "auto",
        grid: str | None = "auto",
        roi: bool = False,
        mixed_precision: str | None = None,
    ) -> None:
        if not isinstance(model, Feelvos):
            raise InputError(
                f"the model is {shown(model)}, expected a network: load_model(path) "
                "reads one from a file"
            )
        if ignore_label is not None:
            ignore_label = whole_number("ignore_label", ignore_label, 1, 255)
        self.model = model if mixed_precision is None else with_precision(model, mixed_precision)
        self._steps = StreamingSteps(
            self.model,
            max_side=max_side,
            max_reference_pixels=max_reference_pixels,
            max_given_pixels=max_given_pixels,
            local_matching=local_matching,
            roi=roi,
            settings=self.model.recommended.resolved(
                memory=memory, probes=probes, outlines=outlines, reach=reach, grid=grid
            ),
        )
        self._ignore_label = ignore_label
        self._video = None
        self._compile()
        self._compile_edits()

    @overload
    def step(self, frame: np.ndarray, return_details: Literal[False] = False) -> np.ndarray: ...

    @overload
    def step(self, frame: np.ndarray, return_details: Literal[True]) -> StepResult: ...

    def step(self, frame: np.ndarray, return_details: bool = False) -> np.ndarray | StepResult:
        """Labels the next frame.

        Args:
          frame: uint8 [H, W, 3], RGB, of the first frame's size.
          return_details: whether to return distances, logits and so on as well.

        Returns:
          uint8 [H, W]: ids. Or a StepResult.

        Raises:
          InputError: no video has begun, or the frame is not as described.
        """
        before = self._begun()
        frame = self._next_frame(frame, before)
        state, channels, details = self._advance(frame, before.state, before.ids)
        labels = channels.numpy()
        self._video = Video(before.ids, labels, state, self._kept(frame))
        if not return_details:
            return labels.copy()
        arrays = {name: value.numpy() for name, value in details.items()}
        return StepResult(
            labels=labels.copy(),
            object_ids=before.ids.copy(),
            embeddings=state.frame.embedding.numpy(),
            previous_labels=before.state.frame.labels.numpy(),
            soften=lambda: self._soften(details["logits"], frame).numpy(),
            global_distance=arrays.pop("global_distance", None),
            previous_distance=arrays.pop("previous_distance", None),
            reference_frame=arrays.pop("reference_frame", None),
            **arrays,
        )

    def labels_of(
        self, frame: np.ndarray, logits: np.ndarray, object_ids: np.ndarray
    ) -> np.ndarray:
        """The labels of a frame by logits that need not be those of its step, such as a mean.

        Nothing that is kept of the video changes.

        Args:
          frame: uint8 [H, W, 3], RGB.
          logits: float32 [h, w, N], at stride 4.
          object_ids: int32 [N], the id of each channel; the first is 0.

        Returns:
          uint8 [H, W]: ids, with outlines as in `step`.

        Raises:
          InputError: the frame is not as described, or the logits have another number of channels.
        """
        if np.ndim(logits) != 3 or np.shape(logits)[2:] != np.shape(object_ids):
            raise InputError(
                f"logits of shape {list(np.shape(logits))} for ids of shape "
                f"{list(np.shape(object_ids))}, expected [h, w, N] and [N]"
            )
        channels = self._at_full_size(tf.constant(logits, tf.float32), checked_frame(frame))
        return np.asarray(object_ids, np.uint8)[channels.numpy()]

    def soft_masks_of(self, frame: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Probabilities at a frame's size by given logits, see `labels_of`.

        Args:
          frame: uint8 [H, W, 3], RGB.
          logits: float32 [h, w, N], at stride 4.

        Returns:
          uint8 [N, H, W], 0..255 for 0..1; the largest is that of the label.

        Raises:
          InputError: the frame or the logits are not as described.
        """
        if np.ndim(logits) != 3:
            raise InputError(f"logits of shape {list(np.shape(logits))}, expected [h, w, N]")
        return self._soften(tf.constant(logits, tf.float32), checked_frame(frame)).numpy()

    @property
    def embedding(self) -> np.ndarray:
        """The embedding of the frame handed over last, float32 [h, w, C], at stride 4.

        Raises:
          InputError: no video has begun.
        """
        return self._begun().state.frame.embedding.numpy()

    def state(self) -> dict[str, np.ndarray]:
        """Everything kept between frames, as plain arrays by name; see `streaming.state`.

            state = segmenter.state()
            ...                        # later, or in another process
            segmenter.restore(state)   # the next step gives what it would have given

        Raises:
          InputError: no video has begun.
        """
        video = self._begun()
        return states.plain(State.of(video.ids, video.labels, video.state, video.frame))

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from what `state` gave, here or in one with the same network and options.

        Raises:
          InputError: the state is none that a segmenter with these options gives.
        """
        found = states.checked(state, self._steps)
        self._video = Video(
            found.object_ids.copy(),
            found.labels.copy(),
            tf.nest.map_structure(tf.constant, found.video),
            None if found.frame is None else found.frame.copy(),
        )

    @property
    def labels_hold_all(self) -> bool:
        """Whether labels of a step hold all that the next one uses, so that `resume` will do."""
        return (
            self._steps.memory is None
            and self._steps.outlines is None
            and self.model.config.previous_mask != "probabilities"
        )

    def resume(self, frame: np.ndarray, labels: np.ndarray, *, forget: bool = False) -> None:
        """Takes a frame and its known labels as the previous frame, the reference staying.

        An interrupted run without a memory goes on as if it had not stopped: `reset` with the
        first frame, then `resume` with the last one finished. (Labels of a step hold all that the
        next one uses, unless the network was built with previous_mask="probabilities".) With a
        memory, or guided outlines, `state` and `restore` do that.

        Args:
          frame: uint8 [H, W, 3], RGB.
          labels: integers [H, W]: ids; those not tracked belong to no object.
          forget: go on without what labels do not hold, which a person who looks on may prefer to
            all frames again: the memory is emptied, and labels stand for probabilities, and for
            those before their outlines were guided.

        Raises:
          InputError: as `step`; or, unless `forget`, the network feeds probabilities back, or
            outlines are guided, or there is a memory, which labels do not hold.
        """
        if self._steps.memory is not None and not forget:
            raise InputError(
                "a segmenter with a memory cannot resume from labels, which do not "
                "hold it; restore(state) can"
            )
        if self._steps.outlines is not None and not forget:
            raise InputError(
                f"a segmenter with {self._steps.outlines} outlines cannot resume from labels, "
                "which are not what the network feeds back; restore(state) can"
            )
        if self.model.config.previous_mask == "probabilities" and not forget:
            raise InputError(
                "a network with previous_mask='probabilities' cannot resume from labels"
            )
        video = self._begun()
        frame = self._next_frame(frame, video)
        labels = checked_mask(labels, video.labels.shape)
        state = self._look(frame, labels, video.state, video.ids)
        if self._steps.memory is not None:
            state = state._replace(memory=self._steps.empty_memory(state, len(video.ids)))
        self._video = Video(video.ids, labels, state, self._kept(frame))

    def _compile(self) -> None:
        """Creates the compiled functions; sizes and number of objects are dynamic in all."""
        image = tf.TensorSpec([None, None, 3], tf.uint8)
        mask = tf.TensorSpec([None, None], tf.uint8)
        ids = tf.TensorSpec([None], tf.int32)
        state = self._steps.state_spec()

        def advance(
            frame: tf.Tensor, state: VideoState, ids: tf.Tensor
        ) -> tuple[VideoState, tf.Tensor, dict[str, tf.Tensor]]:
            result = self._steps.advance(frame, state, ids)
            labels = tf.cast(tf.gather(ids, result.channels), tf.uint8)
            return result.state, labels, result.details

        def soften(logits: tf.Tensor, frame: tf.Tensor) -> tf.Tensor:
            shares = tf.nn.softmax(self._steps.at_full_size(logits, frame))
            return tf.cast(tf.round(255.0 * tf.transpose(shares, [2, 0, 1])), tf.uint8)

        def at_full_size(logits: tf.Tensor, frame: tf.Tensor) -> tf.Tensor:
            return tf.argmax(self._steps.at_full_size(logits, frame), axis=-1, output_type=tf.int32)

        logits = tf.TensorSpec([None, None, None], tf.float32)
        self._soften = compiled(soften, logits, image)
        self._at_full_size = compiled(at_full_size, logits, image)
        self._begin = compiled(self._steps.begin, image, mask, ids)
        self._advance = compiled(advance, image, state, ids)
        self._look = compiled(self._steps.look, image, mask, state, ids)
