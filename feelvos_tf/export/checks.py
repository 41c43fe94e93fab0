"""Checks of input inside a graph, whose errors are one line that says what was found and expected.

A graph trusts the shapes of its signature and would drop a check of what they promise. A server
does not hold its clients to them. So inputs first lose their static shape, are then
checked, and all that follows depends on the check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

# What must hold, and the line that says that it does not.
Check = tuple[tf.Tensor, Callable[[], tf.Tensor]]


def without_shape(tensor: tf.Tensor) -> tf.Tensor:
    """Returns the tensor with unknown static shape, for graph optimizers too; copies nothing."""
    handle = tf.raw_ops.EmptyTensorList(
        element_shape=-1, max_num_elements=1, element_dtype=tensor.dtype
    )
    handle = tf.raw_ops.TensorListPushBack(input_handle=handle, tensor=tensor)
    return tf.raw_ops.TensorListPopBack(
        input_handle=handle, element_shape=-1, element_dtype=tensor.dtype
    )[1]


def size_of(tensor: tf.Tensor, axis: int) -> tf.Tensor:
    """Returns a dimension as int32 scalar, -1 where the tensor has no such axis."""
    shape = tf.concat([tf.shape(tensor), tf.fill([axis + 1], -1)], axis=0)
    return shape[axis]


def has_shape(
    name: str,
    tensor: tf.Tensor,
    expected: Sequence[int | tf.Tensor | None],
    words: str | None = None,
) -> Check:
    """A check that a tensor has the expected shape and holds something.

    Args:
      name: of the tensor.
      tensor: of any shape.
      expected: a number, an int32 scalar or None (any) for each dimension.
      words: how the message names the expected shape; by default the numbers.
    """
    # A scalar has no dimensions, and nothing cannot be stacked.
    wanted = (
        tf.stack([-1 if size is None else size for size in expected])
        if expected
        else (tf.zeros([0], tf.int32))
    )
    shape = tf.shape(tensor)
    rank = len(expected)
    found = tf.concat([shape, tf.fill([rank], -1)], axis=0)[:rank]
    fits = tf.reduce_all((wanted == -1) | (found == wanted)) & (tf.size(shape) == rank)

    def message() -> tf.Tensor:
        if words is not None:
            return tf.strings.format(f"{name} is {{}}, expected {words}", shape)
        text = tf.strings.format(f"{name} is {{}}, expected {{}}", (shape, wanted))
        return tf.strings.regex_replace(text, "-1", "?")

    return fits & (tf.size(tensor) > 0), message


def holds(condition: bool | tf.Tensor, text: str, *values: int | tf.Tensor | Size) -> Check:
    """A check of anything.

    Args:
      condition: bool scalar.
      text: what the message says, with {} where the values belong.
      *values: tensors; a `Size` among them reads like 854x480.
    """

    def message() -> tf.Tensor:
        numbers = []
        for value in values:
            numbers += [value.pixels[1], value.pixels[0]] if isinstance(value, Size) else [value]
        parts = iter(text.split("{}"))
        template = next(parts)
        for value, part in zip(values, parts):
            template += ("{}x{}" if isinstance(value, Size) else "{}") + part
        return tf.strings.format(template, numbers)

    return condition, message


class Size(NamedTuple):
    """Height and width, int32 [2], to be shown as WIDTHxHEIGHT."""

    pixels: tf.Tensor


def after(checks: Sequence[Check], tensors: Any) -> Any:
    """Returns the tensors, which are only computed once all checks hold.

    The first that does not hold ends the computation with tf.errors.InvalidArgumentError.

    Args:
      checks: see `has_shape` and `holds`; all are evaluated, so none may rely on another.
      tensors: any structure; None in it stays None.
    """
    conditions = tf.stack([condition for condition, _ in checks])

    def fail() -> tf.Tensor:
        messages = tf.stack([message() for _, message in checks])
        first = tf.boolean_mask(messages, ~conditions)[0]
        with tf.control_dependencies([tf.raw_ops.Assert(condition=False, data=[first])]):
            return tf.constant(False)

    passed = tf.cond(tf.reduce_all(conditions), lambda: tf.constant(True), fail)
    with tf.control_dependencies([passed]):
        return tf.nest.map_structure(
            lambda tensor: None if tensor is None else tf.identity(tensor), tensors
        )
