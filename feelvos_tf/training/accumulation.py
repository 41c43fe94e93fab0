"""Gradients of a batch that is too large for the memory, a part after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

Result = tuple[tf.Tensor, dict[str, tf.Tensor], list[Any]]  # loss, its parts, gradients or None


def accumulate(
    compute: Callable[[Mapping[str, tf.Tensor]], Result],
    batch: Mapping[str, tf.Tensor],
    count: int,
    variables: Sequence[tf.Variable],
    names: Sequence[str],
) -> Result:
    """Adds up what `compute` gives for `count` parts of a batch, in the memory of one of them.

    Args:
      compute: function of a batch; returns loss, parts of the loss by name, and a gradient, or
        None, for each variable. All are sums over clips.
      batch: tensors [B, ...], B a multiple of `count`, static behind it.
      count: parts; each has B / count clips.
      variables: those that the gradients are of.
      names: the parts of the loss.

    Returns:
      what `compute` gives for the whole batch, but for rounding.
    """
    if count == 1:
        return compute(batch)
    parts = {key: tf.reshape(value, [count, -1, *value.shape[1:]]) for key, value in batch.items()}
    missing: list[bool] = []

    def body(
        number: tf.Tensor, total: tf.Tensor, losses: list[tf.Tensor], sums: list[tf.Tensor]
    ) -> tuple[Any, ...]:
        loss, own, gradients = compute({key: value[number] for key, value in parts.items()})
        missing[:] = [gradient is None for gradient in gradients]
        return (
            number + 1,
            total + loss,
            [summed + own[name] for summed, name in zip(losses, names)],
            [s if g is None else s + tf.cast(g, s.dtype) for s, g in zip(sums, gradients)],
        )

    zero = tf.zeros([], tf.float32)
    start = (0, zero, [zero for _ in names], [tf.zeros(v.shape, v.dtype) for v in variables])
    _, total, losses, sums = tf.while_loop(
        lambda number, *_: number < count, body, start, parallel_iterations=1
    )
    gradients = [None if absent else s for absent, s in zip(missing, sums)]
    return total, dict(zip(names, losses)), gradients
