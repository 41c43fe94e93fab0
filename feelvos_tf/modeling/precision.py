"""The same network computing in another precision."""

from __future__ import annotations

from feelvos_tf.errors import InputError
from feelvos_tf.modeling.feelvos import Feelvos, build_model

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


def with_precision(model: Feelvos, policy: str) -> Feelvos:
    """Returns a network with the same weights that computes in another precision.

    Args:
      model: the network to copy; its variables stay float32 in the copy too.
      policy: "float32", "mixed_float16" or "mixed_bfloat16".

    Raises:
      InputError: another policy.
    """
    if policy not in PRECISIONS:
        raise InputError(f"precision is {policy!r}, expected one of {', '.join(PRECISIONS)}")
    copy = build_model(model.config, dtype=policy)
    copy.set_weights(model.get_weights())
    copy.recommended = model.recommended
    return copy
