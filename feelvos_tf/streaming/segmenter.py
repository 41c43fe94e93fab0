"""VideoSegmenter, the streaming engine: one frame in, its labels out, constant memory.

It owns what the network does not know: time. Kept between frames are the reference pixels (of the
first frame, and of later frames where objects were added), the embedding and labels of the
previous frame and, where there is a memory, a bounded number of pixels of other frames.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from feelvos_tf.config import Memory
from feelvos_tf.errors import InputError, shown, whole_number
from feelvos_tf.modeling.deeplab import DECODER_STRIDE
from feelvos_tf.modeling.feelvos import Feelvos, with_precision
from feelvos_tf.ops import resize
from feelvos_tf.streaming import memory as memories
from feelvos_tf.streaming import state as states
from feelvos_tf.streaming.state import State
from feelvos_tf.streaming.steps import StreamingSteps


@dataclasses.dataclass(frozen=True)
class StepResult:
    """All that a step computes; h and w are the size at stride 4, N counts background.

    Attributes:
      labels: uint8 [H, W], ids.
      object_ids: int32 [N], the id of each channel below; the first is 0.
      logits: float32 [h, w, N].
      probabilities: float32 [h, w, N], softmax of the logits.
      embeddings: float32 [h, w, C] of the frame.
      global_distance: float32 [h, w, N] in 0..1, to the reference; None where switched off.
      previous_distance: float32 [h, w, N] in 0..1, to the previous frame; None where switched off.
      previous_labels: int32 [h, w], channels of the previous frame, -1 for none.
      reference_frame: int32 [h, w, N], where the nearest reference pixel comes from: 0 for a given
        frame, t for the t-th frame stepped, which the memory holds; None without a memory.
    """

    labels: np.ndarray
    object_ids: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    embeddings: np.ndarray
    global_distance: np.ndarray | None
    previous_distance: np.ndarray | None
    previous_labels: np.ndarray
    reference_frame: np.ndarray | None


class VideoSegmenter:
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
        included) for global matching, as the released code does in training; the draw is seeded.
        None keeps all, which is exact.
      local_matching: implementation, see `matching.local_matching`.
      memory: what joins the reference on the way, see `Memory`: "auto" for what the weights
        recommend (nothing, for those of the release), None for nothing, as published.
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
        local_matching: str = "auto",
        memory: Memory | None | str = "auto",
        mixed_precision: str | None = None,
    ):
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
            local_matching=local_matching,
            memory=memories.resolve(memory, self.model),
        )
        self._ignore_label = ignore_label
        self._size = None
        self._ids = None
        self._state = None
        self._labels = None
        self._compile()

    @property
    def object_ids(self) -> list[int]:
        """The ids tracked, background left out, in the order of the channels."""
        return [] if self._ids is None else [int(i) for i in self._ids[1:]]

    def reset(self, frame: np.ndarray, mask: np.ndarray) -> None:
        """Begins a video.

        Args:
          frame: uint8 [H, W, 3], RGB.
          mask: integers [H, W] in 0..255: 0 for background, any ids for the objects.

        Raises:
          InputError: a wrong type or size, a mask without objects, or more objects than the
            frame has pixels at stride 4.
        """
        frame = _checked_frame(frame)
        size = frame.shape[:2]
        mask = _checked_mask(mask, size)
        ids = self._ids_in(mask)
        if not ids:
            raise InputError(
                f"the mask holds no object: all {mask.size} pixels are background"
                + (" or ignored" if self._ignore_label else "")
            )
        self._check_room(len(ids), size)
        self._size = size
        self._ids = np.array([0, *ids], np.int32)
        self._state = self._begin(frame, mask, self._ids)
        self._labels = np.where(np.isin(mask, self._ids), mask, 0).astype(np.uint8)

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
        frame = self._next_frame(frame)
        previous_labels = self._state.frame.labels
        self._state, labels, details = self._advance(frame, self._state, self._ids)
        self._labels = labels.numpy()
        if not return_details:
            return self._labels.copy()
        arrays = {name: value.numpy() for name, value in details.items()}
        return StepResult(
            labels=self._labels.copy(),
            object_ids=self._ids.copy(),
            embeddings=self._state.frame.embedding.numpy(),
            previous_labels=previous_labels.numpy(),
            global_distance=arrays.pop("global_distance", None),
            previous_distance=arrays.pop("previous_distance", None),
            reference_frame=arrays.pop("reference_frame", None),
            **arrays,
        )

    def add_objects(self, mask: np.ndarray) -> np.ndarray:
        """Adds objects in the frame handed over last; the others go on undisturbed.

        Args:
          mask: integers [H, W]: ids of new objects, 0 (or the ignored id) elsewhere.

        Returns:
          uint8 [H, W]: the frame's labels with the new objects on top.

        Raises:
          InputError: no video has begun, a wrong type or size, an id tracked already, a mask
            without objects, or more objects than the frame has pixels at stride 4.
        """
        self._check_begun()
        mask = _checked_mask(mask, self._size)
        new = self._ids_in(mask)
        if not new:
            raise InputError("the mask holds no new object")
        known = sorted(set(new) & set(self.object_ids))
        if known:
            raise InputError(
                f"object {_listed(known)} is tracked already; "
                "a mask of new objects may hold new ids only"
            )
        self._check_room(len(self.object_ids) + len(new), self._size)
        mask = np.where(np.isin(mask, new), mask, 0).astype(np.uint8)
        ids = np.concatenate([self._ids, np.array(new, np.int32)])
        self._state = self._extend(mask, self._state, ids, len(self._ids))
        self._ids = ids
        self._labels = np.where(mask > 0, mask, self._labels)
        return self._labels.copy()

    def state(self) -> dict[str, np.ndarray]:
        """Everything kept between frames, as plain arrays by name; see `streaming.state`.

            state = segmenter.state()
            ...                        # later, or in another process
            segmenter.restore(state)   # the next step gives what it would have given

        Raises:
          InputError: no video has begun.
        """
        self._check_begun()
        return states.plain(State.of(self._ids, self._labels, self._state))

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from what `state` gave, here or in one with the same network and options.

        Raises:
          InputError: the state is none that a segmenter with these options gives.
        """
        found = states.checked(state, self._steps)
        self._ids, self._labels = found.object_ids.copy(), found.labels.copy()
        self._size = self._labels.shape
        self._state = tf.nest.map_structure(tf.constant, found.video)

    @property
    def labels_hold_all(self) -> bool:
        """Whether labels of a step hold all that the next one uses, so that `resume` will do."""
        return self._steps.memory is None and self.model.config.previous_mask != "probabilities"

    def resume(self, frame: np.ndarray, labels: np.ndarray) -> None:
        """Takes a frame and its known labels as the previous frame, the reference staying.

        An interrupted run without a memory goes on as if it had not stopped: `reset` with the
        first frame, then `resume` with the last one finished. (Labels of a step hold all that the
        next one uses, unless the network was built with previous_mask="probabilities".) With a
        memory, `state` and `restore` do that.

        Args:
          frame: uint8 [H, W, 3], RGB.
          labels: integers [H, W]: ids; those not tracked belong to no object.

        Raises:
          InputError: as `step`; or the network feeds probabilities back, or there is a memory,
            which labels do not hold.
        """
        if self._steps.memory is not None:
            raise InputError(
                "a segmenter with a memory cannot resume from labels, which do not "
                "hold it; restore(state) can"
            )
        if self.model.config.previous_mask == "probabilities":
            raise InputError(
                "a network with previous_mask='probabilities' cannot resume from labels"
            )
        frame = self._next_frame(frame)
        labels = _checked_mask(labels, self._size)
        self._state = self._look(frame, labels, self._state, self._ids)
        self._labels = labels.astype(np.uint8)

    def _compile(self):
        """Creates the compiled functions; sizes and number of objects are dynamic in all."""
        image = tf.TensorSpec([None, None, 3], tf.uint8)
        mask = tf.TensorSpec([None, None], tf.uint8)
        ids = tf.TensorSpec([None], tf.int32)
        state = self._steps.state_spec()

        def advance(frame, state, ids):
            result = self._steps.advance(frame, state, ids)
            labels = tf.cast(tf.gather(ids, result.channels), tf.uint8)
            return result.state, labels, result.details

        def compiled(function, *signature):
            return tf.function(function, input_signature=signature, autograph=False)

        self._begin = compiled(self._steps.begin, image, mask, ids)
        self._advance = compiled(advance, image, state, ids)
        self._extend = compiled(self._steps.extend, mask, state, ids, tf.TensorSpec([], tf.int32))
        self._look = compiled(self._steps.look, image, mask, state, ids)

    def _ids_in(self, mask):
        ids = np.unique(mask)
        return [int(i) for i in ids if i != 0 and i != self._ignore_label]

    def _check_begun(self):
        if self._ids is None:
            raise InputError("no video has begun: call reset(frame, mask) first")

    def _next_frame(self, frame):
        self._check_begun()
        frame = _checked_frame(frame)
        if frame.shape[:2] != self._size:
            raise InputError(
                f"the frame is {_dimensions(frame.shape)}, but the video's first "
                f"frame is {_dimensions(self._size)}"
            )
        return frame

    def _check_room(self, num_objects, size):
        scale = min(1.0, (self._steps.max_side or max(size)) / max(size))
        h, w = (
            resize.scale_dimension(max(1, int(side * scale)), 1 / DECODER_STRIDE) for side in size
        )
        if num_objects > h * w:
            raise InputError(
                f"{num_objects} objects do not fit a frame of {_dimensions(size)}, "
                f"which has {h * w} pixels at stride {DECODER_STRIDE}"
            )


def _checked_frame(frame):
    frame = np.asarray(frame)
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
        raise InputError(
            f"the frame is {frame.dtype} {list(frame.shape)}, expected uint8 [H, W, 3]"
        )
    return frame


def _checked_mask(mask, size):
    mask = np.asarray(mask)
    if not np.issubdtype(mask.dtype, np.integer) and mask.dtype != np.bool_ or mask.ndim != 2:
        raise InputError(f"the mask is {mask.dtype} {list(mask.shape)}, expected integers [H, W]")
    if mask.shape != tuple(size):
        raise InputError(
            f"the mask is {_dimensions(mask.shape)}, but the frame is {_dimensions(size)}"
        )
    if mask.min() < 0 or mask.max() > 255:
        outside = mask.min() if mask.min() < 0 else mask.max()
        raise InputError(f"the mask holds id {outside}, expected 0 to 255")
    return mask.astype(np.uint8)


def _dimensions(size):
    return f"{size[1]}x{size[0]} (width x height)"


def _listed(ids):
    return ", ".join(str(i) for i in ids)
