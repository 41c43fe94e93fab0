"""What a checkpoint file of the package holds besides weights; needs no TensorFlow.

A file is one .npz: the variables as arrays by the released code's names, the network's config as
JSON under the name CONFIG_KEY and, where they were measured, the streaming settings that suit the
weights under STREAMING_KEY.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from feelvos_tf import npz
from feelvos_tf.errors import InputError
from feelvos_tf.files import sha256
from feelvos_tf.streaming_settings import AS_PUBLISHED, StreamingSettings

CONFIG_KEY = "config.json"
STREAMING_KEY = "streaming.json"
KIND = "a checkpoint of feelvos_tf"
_MOST_JSON = 65536  # bytes


def pack(values: Mapping[str, Any]) -> np.ndarray:
    """JSON as an array, uint8 of one dimension."""
    return np.frombuffer(json.dumps(values).encode(), np.uint8)


def read_headers(path: str | os.PathLike[str]) -> dict[str, npz.Header]:
    """What a checkpoint file declares, see `npz.read_headers`.

    Raises:
      InputError: there is no such file, or it is no .npz file.
    """
    _check_is_there(path)
    return npz.read_headers(path, KIND)


def read_json(path: str | os.PathLike[str], headers: dict[str, npz.Header], key: str) -> Any:
    """Takes one of the keys above out of the headers of a file and returns what it holds.

    Args:
      path: the file.
      headers: of it, from `read_headers`.
      key: to be taken out.

    Raises:
      InputError: it is not there, or holds no JSON.
    """
    header = headers.pop(key, None)
    if header is None:
        raise InputError(f"{path}: not {KIND} (no {key} in it)")
    if header.dtype != np.uint8 or len(header.shape) != 1 or header.shape[0] > _MOST_JSON:
        raise InputError(
            f"{path}: its {key} is {header.dtype} {list(header.shape)}, expected "
            f"uint8 of one dimension, at most {_MOST_JSON}"
        )
    text = npz.read_arrays(path, KIND, {key: header})[key].tobytes()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: its {key} is not valid JSON ({' '.join(str(error).split())})"
        ) from error


def take_streaming(
    path: str | os.PathLike[str], headers: dict[str, npz.Header]
) -> StreamingSettings:
    """Takes the streaming settings out of the headers.

    Raises:
      InputError: they are none.
    """
    if STREAMING_KEY not in headers:
        return AS_PUBLISHED
    values = read_json(path, headers, STREAMING_KEY)
    try:
        return StreamingSettings.from_dict(values)
    except InputError as error:
        raise InputError(f"{path}: its {STREAMING_KEY}: {error}") from error


def recommended(path: str | os.PathLike[str]) -> StreamingSettings:
    """The streaming settings that a checkpoint file recommends.

    Raises:
      InputError: the file cannot be read or is none of the package.
    """
    return take_streaming(path, read_headers(path))


def identity(path: str | os.PathLike[str]) -> dict[str, str]:
    """A checkpoint's name and SHA-256, which tell it from another one of the same name.

    Raises:
      InputError: there is no such file, or it cannot be read.
    """
    _check_is_there(path)
    return {"checkpoint": str(path), "sha256": sha256(path)}


def _check_is_there(path: str | os.PathLike[str]) -> None:
    if not pathlib.Path(path).is_file():
        hint = ""
        if pathlib.Path(f"{path}.index").is_file():
            hint = "; it is a TensorFlow checkpoint: convert it with feelvos-import-checkpoint"
        raise InputError(f"{path}: no such checkpoint file{hint}")
