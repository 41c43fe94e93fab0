"""The networks that benchmarks run, by name."""

from __future__ import annotations

from collections.abc import Iterable

from feelvos_tf.checkpoints import load_model
from feelvos_tf.config import BACKBONES, ModelConfig
from feelvos_tf.errors import InputError
from feelvos_tf.modeling.feelvos import Feelvos, build_model

# Name of the network of the weights that come with the package.
SHIPPED = "shipped"
NETWORKS = (SHIPPED, *BACKBONES)


def check(names: Iterable[str]) -> None:
    """Checks names before minutes are spent on the first of them.

    Raises:
      InputError: no network is called so.
    """
    for name in names:
        if name not in NETWORKS:
            raise InputError(f"network {name!r} is unknown, expected one of {', '.join(NETWORKS)}")


def build(network: str) -> Feelvos:
    """Returns a network.

    Args:
      network: SHIPPED, or a backbone's name for the default ModelConfig with random weights, which
        cost the same.

    Raises:
      InputError: no network is called so.
    """
    check([network])
    return load_model() if network == SHIPPED else build_model(ModelConfig(backbone=network))
