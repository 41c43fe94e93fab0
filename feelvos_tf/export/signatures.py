"""The functions of the exported module: VideoSegmenter's, with the state as inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from feelvos_tf.export import checks
from feelvos_tf.ops import labels as label_ops
from feelvos_tf.streaming import state as states
from feelvos_tf.streaming.edit_steps import EditSteps
from feelvos_tf.streaming.state import State
from feelvos_tf.streaming.steps import StreamingSteps

# Two computations of one frame's embedding may differ by rounding, far less than this share of
# the largest value; two frames of a video differ by more.
_SAME_FRAME = 0.01


class FixedShape(NamedTuple):
    """Sizes that an export is compiled for."""

    height: int
    width: int
    num_objects: int  # background not counted


class Signatures:
    """The five functions, as graphs that check their input.

    Args:
      steps: what they compute.
      ignore_label: id in masks that is neither an object nor background; None for none.
      fixed: sizes to compile for; None leaves them dynamic. `step` is then compiled by XLA, and
        there are no `add_objects` and `correct`, which would change them.
    """

    def __init__(
        self,
        steps: StreamingSteps,
        ignore_label: int | None = None,
        fixed: FixedShape | None = None,
    ) -> None:
        self._steps = steps
        self._edits = EditSteps(steps)
        self._ignore_label = ignore_label
        self._fixed = fixed
        self._size: list[int | None] = [fixed.height, fixed.width] if fixed else [None, None]
        self._num_channels = fixed.num_objects + 1 if fixed else None
        self._advance = (
            tf.function(steps.advance, jit_compile=True, autograph=False)
            if fixed
            else steps.advance
        )

    def functions(self) -> dict[str, Any]:
        """Traces the functions; returns tf ConcreteFunctions by name."""
        image = tf.TensorSpec([*self._size, 3], tf.uint8, "image")
        mask = tf.TensorSpec(self._size, tf.uint8, "mask")

        def traced(function: Callable[..., Any], *specs: tf.TensorSpec) -> Any:
            return tf.function(
                function, input_signature=specs, autograph=False
            ).get_concrete_function()

        begun = traced(self._initialize, image, mask)
        state = []
        for name, spec in self._state_specs(begun).items():
            state.append(tf.TensorSpec(spec.shape, spec.dtype, name))
        functions = {"initialize": begun, "step": traced(self._step, image, *state)}
        if self._fixed is None:
            functions["add_objects"] = traced(self._add_objects, image, mask, *state)
            functions["correct"] = traced(self._correct, image, mask, *state)
        functions["embed"] = traced(
            self._embed,
            tf.TensorSpec(None if self._fixed is None else [None, *image.shape], tf.uint8, "image"),
        )
        return functions

    def _state_specs(self, begun: Any) -> dict[str, tf.TensorSpec]:
        if self._fixed is not None:
            outputs = begun.structured_outputs
            return {name: outputs[name] for name in State._fields if name in outputs}
        return states.specs(self._steps)

    def _initialize(self, image: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
        image = self._checked_image(checks.without_shape(image))
        mask = self._checked_mask(checks.without_shape(mask), image)
        objects = self._ids_in(mask)
        rules = [
            checks.holds(
                tf.size(objects) > 0, "the mask holds no object, all of it is background or ignored"
            )
        ]
        if self._fixed is not None:
            rules.append(
                checks.holds(
                    tf.size(objects) == self._fixed.num_objects,
                    f"the mask holds {{}} objects, expected {self._fixed.num_objects}, "
                    "which this model was compiled for",
                    tf.size(objects),
                )
            )
        rules.append(self._room(tf.size(objects), tf.shape(mask)))
        image, mask, objects = checks.after(rules, (image, mask, objects))
        ids = tf.ensure_shape(tf.concat([[0], objects], axis=0), [self._num_channels])
        video = self._steps.begin(self._sized(image), mask, ids)
        known = label_ops.ids_to_channels(mask, ids) != label_ops.NO_OBJECT
        labels = tf.where(known, mask, tf.zeros_like(mask))
        return State.of(ids, labels, video).by_name()

    def _step(self, image: tf.Tensor, *state: tf.Tensor) -> dict[str, tf.Tensor]:
        image, last = self._checked_state(image, State(*state))
        result = self._advance(self._sized(image), last.video, last.object_ids)
        labels = tf.cast(tf.gather(last.object_ids, result.channels), tf.uint8)
        best = tf.reduce_max(result.full_logits, axis=-1, keepdims=True)
        # The largest softmax without the rest: exp(0) over the sum.
        probability = 1.0 / tf.reduce_sum(tf.exp(result.full_logits - best), axis=-1)
        following = State.of(last.object_ids, labels, result.state)
        return {
            **following.by_name(),
            "confidences": tf.cast(tf.round(255.0 * probability), tf.uint8),
        }

    def _add_objects(
        self, image: tf.Tensor, mask: tf.Tensor, *state: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        image, last = self._checked_state(image, State(*state))
        mask = self._checked_mask(checks.without_shape(mask), image)
        new = self._ids_in(mask)
        tracked = tf.reduce_any(new[:, tf.newaxis] == last.object_ids[tf.newaxis], axis=1)
        num_known = tf.size(last.object_ids)
        mask, new, last = checks.after(
            [
                checks.holds(tf.size(new) > 0, "the mask holds no new object"),
                checks.holds(
                    ~tf.reduce_any(tracked),
                    "objects {} are tracked already; a mask of new objects may hold new ids only",
                    tf.boolean_mask(new, tracked),
                ),
                self._room(num_known - 1 + tf.size(new), tf.shape(mask)),
                self._same_frame(image, last, "objects are added to that one"),
            ],
            (mask, new, last),
        )
        mask = tf.where(label_ops.ids_to_channels(mask, new) >= 0, mask, tf.zeros_like(mask))
        ids = tf.concat([last.object_ids, new], axis=0)
        video = self._edits.extend(mask, last.video, ids, num_known)
        labels = tf.where(mask > 0, mask, last.labels)
        return State.of(ids, labels, video).by_name()

    def _correct(
        self, image: tf.Tensor, mask: tf.Tensor, *state: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        image, last = self._checked_state(image, State(*state))
        mask = self._checked_mask(checks.without_shape(mask), image)
        told = self._ids_in(mask)
        tracked = tf.reduce_any(told[:, tf.newaxis] == last.object_ids[tf.newaxis], axis=1)
        new = tf.boolean_mask(told, ~tracked)
        num_known = tf.size(last.object_ids)
        rules = [
            self._room(num_known - 1 + tf.size(new), tf.shape(mask)),
            self._same_frame(image, last, "a correction is of that one"),
        ]
        if self._ignore_label is not None:
            rules.append(
                checks.holds(
                    tf.reduce_any(mask != self._ignore_label),
                    f"the mask tells nothing: all its pixels are ignored ({self._ignore_label})",
                )
            )
        mask, new, last = checks.after(rules, (mask, new, last))
        ids = tf.concat([last.object_ids, new], axis=0)
        video = self._edits.correct(tf.cast(mask, tf.int32), last.video, ids, num_known)
        known = label_ops.ids_to_channels(mask, ids) != label_ops.NO_OBJECT
        labels = tf.where(known, mask, tf.zeros_like(mask))
        return State.of(ids, labels, video).by_name()

    def _same_frame(self, image: tf.Tensor, last: State, what: str) -> checks.Check:
        """A check that an image is that of the last call; `what` ends its message."""
        embedding = self._steps.embed(self._sized(image)[tf.newaxis])[1][0]
        largest = tf.reduce_max(tf.abs(last.previous_embedding))
        difference = tf.reduce_max(tf.abs(embedding - last.previous_embedding))
        return checks.holds(
            difference <= _SAME_FRAME * largest,
            f"the image is not the one handed to the last call, to which the state belongs; {what}",
        )

    def _embed(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        image = checks.without_shape(image)
        rank = tf.rank(image)
        size = tf.concat([[-1] * 3, tf.shape(image)], axis=0)[-3:]
        image = checks.after(
            [
                checks.holds(
                    (rank >= 3)
                    & (size[-1] == 3)
                    & (tf.size(image) > 0)
                    & self._is_fixed_size(size),
                    f"image is {{}}, expected [..., {self._words()}, 3]",
                    tf.shape(image),
                )
            ],
            image,
        )
        frames = tf.ensure_shape(
            tf.reshape(image, tf.concat([[-1], size], axis=0)), [None, *self._size, 3]
        )
        embeddings = self._steps.embed(frames)[1]
        batch = tf.shape(image)[: rank - 3]
        return {
            "embeddings": tf.reshape(
                embeddings, tf.concat([batch, tf.shape(embeddings)[1:]], axis=0)
            )
        }

    def _checked_image(self, image: tf.Tensor) -> tf.Tensor:
        rule = checks.has_shape("image", image, [*self._size, 3], f"[{self._words()}, 3]")
        return self._sized(checks.after([rule], image))

    def _checked_mask(self, mask: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        """The mask, if it is as large as the image."""
        size = tf.shape(image)[:2]
        mask = checks.after([checks.has_shape("mask", mask, [None, None], "[H, W]")], mask)
        mask = tf.ensure_shape(mask, [None, None])
        mask = checks.after(
            [
                checks.holds(
                    tf.reduce_all(tf.shape(mask) == size),
                    "the mask is {}, but the image is {} (width x height)",
                    checks.Size(tf.shape(mask)),
                    checks.Size(tf.stack(size)),
                )
            ],
            mask,
        )
        mask.set_shape(self._size)
        return mask

    def _checked_state(self, image: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """Image and state, if the state is one that a call has returned for such frames."""
        static = {name: tensor.shape for name, tensor in state.by_name().items()}
        image = self._checked_image(checks.without_shape(image))
        state = State(
            **{name: checks.without_shape(tensor) for name, tensor in state.by_name().items()}
        )
        size = [checks.size_of(state.labels, axis) for axis in range(2)]
        objects = tf.size(state.object_ids)
        expected = states.shapes(
            self._steps,
            [objects],
            size,
            checks.size_of(state.reference_objects, 0),
            self._steps.sizes.small(size),
        )
        expected["object_ids"], expected["labels"] = [self._num_channels], self._size
        rules = [
            checks.has_shape(f"{name} in the state", tensor, expected[name])
            for name, tensor in state.by_name().items()
        ]
        ids = tf.reshape(state.object_ids, [-1])
        rules.append(
            checks.holds(
                (checks.size_of(ids, 0) > 1)
                & tf.reduce_all((ids > 0) & (ids < 256) | (tf.range(objects) == 0) & (ids == 0))
                & (tf.size(tf.unique(ids)[0]) == objects),
                "object_ids in the state are {}, expected 0, then different ids from 1 to 255",
                ids,
            )
        )
        if state.memory_steps is not None:
            rules.append(
                checks.holds(
                    state.memory_steps >= 0,
                    "memory_steps in the state is {}, expected 0 or more",
                    state.memory_steps,
                )
            )
        for name in ("previous_labels", "reference_objects", "memory_objects"):
            if getattr(state, name) is None:
                continue
            values = getattr(state, name)
            rules.append(
                checks.holds(
                    (tf.reduce_max(values) < objects) & (tf.reduce_min(values) >= -1),
                    f"{name} in the state hold {{}} to {{}}, expected -1 to {{}}",
                    tf.reduce_min(values),
                    tf.reduce_max(values),
                    objects - 1,
                )
            )
        rules.append(
            checks.holds(
                tf.reduce_all(tf.shape(image)[:2] == tf.stack(size)),
                "the image is {}, but the frames of the video are {} (width x height)",
                checks.Size(tf.shape(image)),
                checks.Size(tf.stack(size)),
            )
        )
        image, state = checks.after(rules, (image, state))
        for name, tensor in state.by_name().items():
            tensor.set_shape(static[name])
        return self._sized(image), state

    def _room(self, num_objects: tf.Tensor, size: tf.Tensor) -> checks.Check:
        pixels = tf.reduce_prod(self._steps.sizes.small(tf.unstack(size)))
        return checks.holds(
            num_objects <= pixels,
            "{} objects do not fit a frame of {} (width x height), which has {} pixels at stride 4",
            num_objects,
            checks.Size(size),
            pixels,
        )

    def _ids_in(self, mask: tf.Tensor) -> tf.Tensor:
        """Ids of the objects in a mask, int32, ascending."""
        ids = tf.sort(tf.unique(tf.reshape(tf.cast(mask, tf.int32), [-1]))[0])
        wanted = ids != 0
        if self._ignore_label is not None:
            wanted &= ids != self._ignore_label
        return tf.boolean_mask(ids, wanted)

    def _sized(self, image: tf.Tensor) -> tf.Tensor:
        image.set_shape([*self._size, 3])
        return image

    def _is_fixed_size(self, size: tf.Tensor) -> bool | tf.Tensor:
        return True if self._fixed is None else tf.reduce_all(size[:2] == self._size)

    def _words(self) -> str:
        return ", ".join(
            "HW"[i] if size is None else str(size) for i, size in enumerate(self._size)
        )
