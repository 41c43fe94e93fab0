"""FEELVOS in TensorFlow 2: label every pixel of a video from the mask of its first frame.

Importing the package selects the Keras 2 API (see `_select_keras_2`), fast kernels and a modest
use of GPUs and of the terminal (see `_set_defaults`) for the whole process and loads nothing
heavy; TensorFlow comes with the first name taken from here.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

from feelvos_tf.version import __version__

if TYPE_CHECKING:
    from feelvos_tf.checkpoints import load_model, load_tf1_checkpoint
    from feelvos_tf.config import Memory, ModelConfig
    from feelvos_tf.modeling.feelvos import build_model
    from feelvos_tf.streaming.segmenter import VideoSegmenter

__all__ = [
    "Memory",
    "ModelConfig",
    "VideoSegmenter",
    "__version__",
    "build_model",
    "load_model",
    "load_tf1_checkpoint",
]

_HOMES = {
    "Memory": "feelvos_tf.config",
    "ModelConfig": "feelvos_tf.config",
    "VideoSegmenter": "feelvos_tf.streaming.segmenter",
    "build_model": "feelvos_tf.modeling.feelvos",
    "load_model": "feelvos_tf.checkpoints",
    "load_tf1_checkpoint": "feelvos_tf.checkpoints",
}

_SWITCH = "TF_USE_LEGACY_KERAS"


def _keras_is_version_2() -> bool:
    """Whether the installed `keras` package, which TensorFlow takes by default, is Keras 2."""
    try:
        return importlib.metadata.version("keras").startswith("2.")
    except importlib.metadata.PackageNotFoundError:
        return False


def _select_keras_2() -> None:
    """Makes `tf.keras` mean Keras 2 in this process, or says why it cannot.

    TensorFlow reads the environment variable TF_USE_LEGACY_KERAS while it is imported: "1" takes
    Keras 2 from the package tf-keras; anything else takes the package keras, which is Keras 2
    up to TensorFlow 2.15 and Keras 3 from 2.16 on. The variable is set where it was unset, so
    that child processes agree.

    Raises:
        ImportError: TensorFlow already runs on Keras 3, or would, or tf-keras is missing.
    """
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        # The namespace `ops` came with Keras 3. TensorFlow binds Keras when it is imported,
        # so the switch would come too late for parts of it.
        if hasattr(tensorflow.keras, "ops"):
            raise ImportError(
                "feelvos_tf needs Keras 2, but TensorFlow was imported before it with Keras 3: "
                f"import feelvos_tf first or set {_SWITCH}=1 (and pip install tf-keras)"
            )
        return

    switch = os.environ.get(_SWITCH, "")
    if switch not in ("", "1", "true", "True"):  # the values that TensorFlow knows
        if _keras_is_version_2():
            return
        raise ImportError(
            f"feelvos_tf needs Keras 2, but {_SWITCH}={switch} selects Keras 3: "
            f"unset {_SWITCH} or set it to 1 (and pip install tf-keras)"
        )
    if importlib.util.find_spec("tf_keras") is not None:
        os.environ[_SWITCH] = "1"
    elif switch or not _keras_is_version_2():
        raise ImportError(
            "feelvos_tf needs Keras 2, which is not installed: pip install tf-keras "
            "(the release with TensorFlow's own number)"
        )


# What TensorFlow reads of the environment while it is imported, and what is better than its own
# choice; a value that is in the environment already stays.
_DEFAULTS = {
    # Faster processor kernels wherever they are built in. By itself TensorFlow takes them on
    # processors with AVX-512 VNNI only; on one with AVX2 they halve the time of convolutions.
    # streaming/kernel_cache.py keeps what they take of memory bounded.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    # Memory of a GPU as it is needed, not all of it at once: other programs may want some.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    # Warnings and errors, without the lines that greet every start.
    "TF_CPP_MIN_LOG_LEVEL": "1",
}


def _set_defaults() -> frozenset[str]:
    """Sets what of _DEFAULTS the environment leaves open; returns the names of these."""
    if "tensorflow" in sys.modules:  # too late
        return frozenset()
    unset = frozenset(_DEFAULTS.keys() - os.environ.keys())
    os.environ.update({name: _DEFAULTS[name] for name in unset})
    return unset


_select_keras_2()
_DEFAULTED = _set_defaults()


def __getattr__(name: str) -> Any:
    """Imports an exported name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOMES))
