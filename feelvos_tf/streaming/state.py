"""Everything that is kept of a video between frames, by name, and its file.

One list of names for all who hand a state around: `VideoSegmenter.state` and `restore`, the
file beside the masks of a long run, and the inputs and outputs of an exported module.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from feelvos_tf import npz
from feelvos_tf.errors import InputError
from feelvos_tf.files import replaced_when_done
from feelvos_tf.modeling.deeplab import DECODER_STRIDE
from feelvos_tf.modeling.feelvos import FrameState
from feelvos_tf.ops import sorted_reference
from feelvos_tf.streaming import memory as memories
from feelvos_tf.streaming.steps import StreamingSteps, VideoState

# Of the names, shapes and meanings below; a state of another version is refused.
VERSION = 1
_VERSION_KEY = "version"
_KIND = "the state of a video"


class State(NamedTuple):
    """The state by the names of its parts; tensors, specs or arrays.

    Those of the memory are None where there is none, and the frame where frames are computed whole.
    """

    object_ids: Any  # int32 [N], the first is 0, the background
    labels: Any  # uint8 [H, W], ids
    previous_embedding: Any  # float32 [h, w, C]
    previous_labels: Any  # int32 [h, w], channels
    previous_mask: Any  # float32 [h, w, N]
    reference_keys: Any  # float32 [K, C + 1]
    reference_pixels: Any  # int32 [K]
    reference_objects: Any  # int32 [K / SLOTS]
    memory_keys: Any = None  # float32 [F, SLOTS, M, C + 1]
    memory_objects: Any = None  # int32 [F, M]
    memory_frames: Any = None  # int32 [F]
    memory_steps: Any = None  # int32 scalar
    frame: Any = None  # uint8 [H, W, 3], the frame before

    @classmethod
    def of(cls, ids: Any, labels: Any, video: VideoState, image: Any = None) -> State:
        """Gathers the state from what StreamingSteps hands back."""
        frame = video.frame
        found = frame.embedding, frame.labels, frame.mask, *video.reference, *video.memory
        return cls(ids, labels, *found)._replace(frame=image)

    def by_name(self) -> dict[str, Any]:
        """The parts that there are."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    @property
    def video(self) -> VideoState:
        """The state as StreamingSteps takes it."""
        memory = (
            ()
            if self.memory_keys is None
            else memories.MemoryState(
                self.memory_keys, self.memory_objects, self.memory_frames, self.memory_steps
            )
        )
        return VideoState(
            sorted_reference.Reference(
                self.reference_keys, self.reference_pixels, self.reference_objects
            ),
            FrameState(self.previous_embedding, self.previous_labels, self.previous_mask),
            memory,
        )


def specs(steps: StreamingSteps) -> dict[str, tf.TensorSpec]:
    """Types and shapes of the parts by name, sizes dynamic."""
    return State.of(
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None, None], tf.uint8),
        steps.state_spec(),
        tf.TensorSpec([None, None, 3], tf.uint8) if steps.roi else None,
    ).by_name()


def shapes(
    steps: StreamingSteps,
    ids_shape: Sequence[int | tf.Tensor],
    size: Sequence[int | tf.Tensor],
    columns: int | tf.Tensor,
    small: Sequence[int | tf.Tensor],
) -> dict[str, Sequence[int | tf.Tensor]]:
    """The shape of every part by name.

    Args:
      steps: of the network.
      ids_shape: [N].
      size: [H, W] of the frames, integers or int32 scalars.
      columns: of the reference, the length of `reference_objects`.
      small: [h, w] of the frames at stride 4.
    """
    dim, slots = steps.model.config.embedding_dim, sorted_reference.SLOTS
    count = ids_shape[0]
    expected = State(
        ids_shape,
        size,
        [*small, dim],
        small,
        [*small, count],
        [slots * columns, dim + 1],
        [slots * columns],
        [columns],
    )
    memory = steps.memory
    if memory is not None:
        width = memories.num_columns(memory, small[0] * small[1], count)
        expected = expected._replace(
            memory_keys=[memory.frames, slots, width, dim + 1],
            memory_objects=[memory.frames, width],
            memory_frames=[memory.frames],
            memory_steps=[],
        )
    if steps.roi:
        expected = expected._replace(frame=[*size, 3])
    return expected.by_name()


def checked(values: Mapping[str, np.ndarray], steps: StreamingSteps) -> State:
    """A state out of plain arrays, if these steps can go on from it.

    Raises:
      InputError: a part is missing, unknown, or of another type, shape or range.
    """
    wanted = specs(steps)
    if not isinstance(values, Mapping):
        raise InputError(f"the state is a {type(values).__name__}, expected a mapping of arrays")
    values = dict(values)
    version = np.asarray(values.pop(_VERSION_KEY, 0))
    if version.shape != () or version != VERSION:
        raise InputError(f"the state is of version {version}, expected {VERSION}")
    missing = sorted(set(wanted) - set(values))
    unknown = sorted(set(values) - set(wanted))
    if missing or unknown:
        found = f"has no {missing[0]}" if missing else f"has {unknown[0]}"
        raise InputError(f"the state {found}: it is of a segmenter with other options")
    arrays = {name: np.asarray(values[name]) for name in wanted}
    for name, spec in wanted.items():
        if arrays[name].dtype != spec.dtype.as_numpy_dtype or arrays[name].ndim != spec.shape.rank:
            raise InputError(
                f"{name} in the state is {arrays[name].dtype} "
                f"{list(arrays[name].shape)}, expected {spec.dtype.name} of "
                f"{spec.shape.rank} dimensions"
            )
    state = State(**arrays)
    ids = state.object_ids
    if (
        len(ids) < 2
        or ids[0] != 0
        or ids[1:].min() < 1
        or ids.max() > 255
        or len(np.unique(ids)) != len(ids)
    ):
        raise InputError(
            f"object_ids in the state are {ids.tolist()[:9]}, expected 0, then "
            "different ids from 1 to 255"
        )
    if not state.labels.size:
        raise InputError("labels in the state are empty, expected those of a frame")
    size = list(state.labels.shape)
    small = _small_size(steps, size, state.previous_labels.shape)
    expected = shapes(steps, list(ids.shape), size, len(state.reference_objects), small)
    for name, shape in expected.items():
        shape = [int(side) for side in shape]
        if list(arrays[name].shape) != shape:
            raise InputError(f"{name} in the state is {list(arrays[name].shape)}, expected {shape}")
    channels = [
        name
        for name in ("previous_labels", "reference_objects", "memory_objects")
        if name in arrays
    ]
    for name in channels:
        if arrays[name].size and not -1 <= arrays[name].min() <= arrays[name].max() < len(ids):
            raise InputError(
                f"{name} in the state hold {arrays[name].min()} to "
                f"{arrays[name].max()}, expected -1 to {len(ids) - 1}"
            )
    for name, array in arrays.items():
        if array.dtype == np.float32 and not np.isfinite(array).all():
            raise InputError(f"{name} in the state has values that are not finite")
    if "memory_steps" in arrays and state.memory_steps < 0:
        raise InputError(f"memory_steps in the state is {state.memory_steps}, expected 0 or more")
    return state


def _small_size(steps: StreamingSteps, size: Sequence[int], found: Sequence[int]) -> list[int]:
    """The size [h, w] at stride 4 of frames [H, W]; with a region the first mask has decided."""
    least = [int(side) for side in steps.sizes.small(size)]
    step = steps.model.config.output_stride // DECODER_STRIDE
    decided = steps.roi and all(
        low <= side <= 2 * low and side % step == 1 for low, side in zip(least, found)
    )
    return list(found) if decided else least


def plain(state: State) -> dict[str, np.ndarray]:
    """The parts as plain arrays of their own, and the version."""
    arrays = {name: np.array(value) for name, value in state.by_name().items()}
    return {_VERSION_KEY: np.array(VERSION, np.int32), **arrays}


def save(path: str | os.PathLike[str], values: Mapping[str, np.ndarray]) -> None:
    """Writes a state, with whatever else is to be kept beside it, whole or not at all.

    Raises:
      InputError: the file cannot be written.
    """
    try:
        with replaced_when_done(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **values)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads what `save` wrote; zip's checksums tell a damaged file.

    Raises:
      InputError: there is no such file, or it is damaged.
    """
    if not pathlib.Path(path).is_file():
        raise InputError(f"{path}: no such file")
    return npz.read_arrays(path, _KIND, npz.read_headers(path, _KIND))
