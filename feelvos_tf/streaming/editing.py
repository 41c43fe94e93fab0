"""What a user changes in a stream: objects come and go, frames are set right or given besides."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from feelvos_tf.errors import InputError
from feelvos_tf.modeling.deeplab import DECODER_STRIDE
from feelvos_tf.ops import resize
from feelvos_tf.streaming.checked_input import checked_frame, checked_mask, dimensions
from feelvos_tf.streaming.edit_steps import EditSteps
from feelvos_tf.streaming.steps import StreamingSteps, VideoState


@dataclasses.dataclass(frozen=True)
class Video:
    """What is kept of the video at hand.

    Attributes:
      ids: int32 [N], the id of each channel; the first is 0.
      labels: uint8 [H, W], ids, of the frame before.
      state: what the next frame is labeled with; of several views, one for each.
      frame: uint8 [H, W, 3], the frame before, where only a region of frames is computed.
    """

    ids: np.ndarray
    labels: np.ndarray
    state: VideoState
    frame: np.ndarray | None = None


class Editing:
    """The part of VideoSegmenter that takes a user's word for labels.

    A frame whose labels a user has told is a given frame: the first, and those of `add_objects`,
    `correct` and `add_reference`. Its pixels are compared with for good, see `max_given_pixels`.
    """

    _steps: StreamingSteps
    _ignore_label: int | None
    _video: Video | None
    _begin: Callable[..., Any]
    _least_scale = 1.0  # of the sizes in which a frame is looked at

    @property
    def object_ids(self) -> list[int]:
        """The ids tracked, background left out, in the order of the channels."""
        return [] if self._video is None else [int(i) for i in self._video.ids[1:]]

    def reset(self, frame: np.ndarray, mask: np.ndarray) -> None:
        """Begins a video.

        Args:
          frame: uint8 [H, W, 3], RGB.
          mask: integers [H, W] in 0..255: 0 for background, any ids for the objects.

        Raises:
          InputError: a wrong type or size, a mask without objects, or more objects than the
            frame has pixels at stride 4.
        """
        frame = checked_frame(frame)
        size = frame.shape[:2]
        mask = checked_mask(mask, size)
        ids = self._ids_in(mask)
        if not ids:
            raise InputError(
                f"the mask holds no object: all {mask.size} pixels are background"
                + (" or ignored" if self._ignore_label else "")
            )
        self._check_room(len(ids), size)
        channels = np.array([0, *ids], np.int32)
        labels = np.where(np.isin(mask, channels), mask, 0).astype(np.uint8)
        state = self._begin(frame, mask, channels)
        self._video = Video(channels, labels, state, self._kept(frame))

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
        video = self._begun()
        mask = checked_mask(mask, video.labels.shape)
        new = self._ids_in(mask)
        if not new:
            raise InputError("the mask holds no new object")
        known = sorted(set(new) & set(self.object_ids))
        if known:
            raise InputError(
                f"object {', '.join(map(str, known))} is tracked already; "
                "a mask of new objects may hold new ids only"
            )
        ids = self._with_new(video, new, allow_new=True)
        mask = np.where(np.isin(mask, new), mask, 0).astype(np.uint8)
        labels = np.where(mask > 0, mask, video.labels)
        state = self._extend(mask, self._known_whole(video), ids, len(video.ids))
        self._video = Video(ids, labels, state, video.frame)
        return labels.copy()

    def correct(self, mask: np.ndarray, *, allow_new: bool = True) -> np.ndarray:
        """Sets the frame handed over last right; the next one follows from the mask.

            labels = segmenter.step(frame)
            labels = segmenter.correct(mask)  # what `labels` should have been

        The mask is the whole truth about its frame: an object that it lacks is not in that frame
        (it may come back later, by its looks). Its pixels are compared with from now on, in place
        of what was said of the very frame before. The memory is emptied: all it holds is from
        frames that were labeled since the last one known to be right, and a wrong one among them
        would bring the mistake back. It fills again on its way.

        Args:
          mask: integers [H, W]: ids, known ones and new ones; the ignored id where nobody knows.
            All background is allowed: no object is in the frame.
          allow_new: whether ids may be new.

        Returns:
          uint8 [H, W]: the labels of the frame from here on: the mask, ignored pixels as 0.

        Raises:
          InputError: no video has begun, a wrong type or size, a mask of ignored pixels alone, a
            new id where none is allowed, or more objects than the frame has pixels at stride 4.
        """
        video = self._begun()
        mask = checked_mask(mask, video.labels.shape)
        self._check_told(mask)
        ids = self._with_new(video, self._ids_in(mask), allow_new)
        labels = np.where(np.isin(mask, ids), mask, 0).astype(np.uint8)
        state = self._known_whole(video)
        state = self._correct(mask.astype(np.int32), state, ids, len(video.ids))
        self._video = Video(ids, labels, state, video.frame)
        return labels.copy()

    def add_reference(
        self,
        frame: np.ndarray,
        mask: np.ndarray,
        *,
        objects_only: bool = False,
        allow_new: bool = True,
    ) -> None:
        """Compares with a further frame of known labels, from anywhere in the video.

        The frame handed over last, from which the next one follows, stays as it is. Objects with
        new ids are looked for from now on. For the frame handed over last itself, `correct` is
        the one to call.

        Args:
          frame: uint8 [H, W, 3], RGB, of the first frame's size.
          mask: integers [H, W]: ids, known ones and new ones; the ignored id where nobody knows.
          objects_only: whether the mask tells objects alone, and where it is 0 nothing is known.
          allow_new: whether ids may be new.

        Raises:
          InputError: no video has begun, a wrong type or size, a mask that tells nothing, a new
            id where none is allowed, or more objects than the frame has pixels at stride 4.
        """
        video = self._begun()
        frame = self._next_frame(frame, video)
        mask = checked_mask(mask, video.labels.shape)
        self._check_told(mask, objects_only)
        ids = self._with_new(video, self._ids_in(mask), allow_new)
        told = np.where(mask == 0, -1, mask.astype(np.int32)) if objects_only else mask
        state = self._add_reference(frame, told.astype(np.int32), video.state, ids, len(video.ids))
        self._video = Video(ids, video.labels, state, video.frame)

    def remove_object(self, object_id: int) -> np.ndarray:
        """Stops tracking an object: it is background, as if it had never been marked.

        That holds for given frames and the frame handed over last; the memory forgets it.

        Args:
          object_id: the id to remove, which may be given to another object later.

        Returns:
          uint8 [H, W]: the labels of the frame handed over last, without it.

        Raises:
          InputError: no video has begun, the id is not tracked, or it is the only one.
        """
        video = self._begun()
        if object_id not in self.object_ids:
            known = ", ".join(map(str, self.object_ids))
            raise InputError(f"object {object_id} is not tracked, expected one of {known}")
        if len(video.ids) == 2:
            raise InputError(
                f"object {object_id} is the only one tracked; reset(frame, mask) begins anew"
            )
        channel = 1 + self.object_ids.index(object_id)
        labels = np.where(video.labels == object_id, 0, video.labels).astype(np.uint8)
        state = self._remove(video.state, channel)
        self._video = Video(np.delete(video.ids, channel), labels, state, video.frame)
        return labels.copy()

    def _compile_edits(self) -> None:
        """Creates the compiled functions; sizes and number of objects are dynamic in all."""
        steps, state = EditSteps(self._steps), self._steps.state_spec()
        image = tf.TensorSpec([None, None, 3], tf.uint8)
        whole = tf.TensorSpec([None, None], tf.int32)
        ids, count = tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)
        mask = tf.TensorSpec([None, None], tf.uint8)
        self._extend = compiled(steps.extend, mask, state, ids, count)
        self._correct = compiled(steps.correct, whole, state, ids, count)
        self._add_reference = compiled(steps.add_reference, image, whole, state, ids, count)
        self._remove = compiled(steps.remove, state, count)
        self._seen_whole = compiled(steps.seen_whole, image, state)

    def _kept(self, frame: np.ndarray) -> np.ndarray | None:
        return frame.copy() if self._steps.roi else None

    def _known_whole(self, video: Video) -> VideoState:
        """The state, for which all of the frame handed over last was computed."""
        return video.state if video.frame is None else self._seen_whole(video.frame, video.state)

    def _begun(self) -> Video:
        if self._video is None:
            raise InputError("no video has begun: call reset(frame, mask) first")
        return self._video

    @staticmethod
    def _next_frame(frame: np.ndarray, video: Video) -> np.ndarray:
        frame = checked_frame(frame)
        if frame.shape[:2] != video.labels.shape:
            raise InputError(
                f"the frame is {dimensions(frame.shape)}, but the video's first "
                f"frame is {dimensions(video.labels.shape)}"
            )
        return frame

    def _ids_in(self, mask: np.ndarray) -> list[int]:
        ids = np.unique(mask)
        return [int(i) for i in ids if i != 0 and i != self._ignore_label]

    def _with_new(self, video: Video, ids: Sequence[int], allow_new: bool) -> np.ndarray:
        """The ids of the channels, int32 [N], new ones among `ids` last."""
        new = sorted(set(ids) - set(self.object_ids))
        if new and not allow_new:
            known = ", ".join(map(str, self.object_ids))
            raise InputError(f"the mask holds id {new[0]}, expected those tracked: {known}")
        self._check_room(len(self.object_ids) + len(new), video.labels.shape)
        return np.concatenate([video.ids, np.array(new, np.int32)])

    def _check_told(self, mask: np.ndarray, objects_only: bool = False) -> None:
        untold = np.zeros(mask.shape, bool) if not objects_only else mask == 0
        if self._ignore_label is not None:
            untold |= mask == self._ignore_label
        if untold.all():
            ignored = "" if self._ignore_label is None else f" or ignored ({self._ignore_label})"
            found = f"background{ignored}" if objects_only else f"ignored ({self._ignore_label})"
            raise InputError(f"the mask tells nothing: all {mask.size} pixels are {found}")

    def _check_room(self, num_objects: int, size: Sequence[int]) -> None:
        seen = [max(1, resize.scale_dimension(side, self._least_scale)) for side in size]
        h, w = (int(side) for side in self._steps.sizes.small(seen))
        if num_objects > h * w:
            raise InputError(
                f"{num_objects} objects do not fit a frame of {dimensions(size)}, "
                f"which has {h * w} pixels at stride {DECODER_STRIDE}"
            )


def compiled(function: Callable[..., Any], *signature: Any) -> Callable[..., Any]:
    """The function, traced once for all shapes of a signature."""
    return tf.function(function, input_signature=signature, autograph=False)
