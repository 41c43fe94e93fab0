"""The weights that come with the package: where they lie, and that they are whole."""

from __future__ import annotations

import pathlib

from feelvos_tf.errors import InputError
from feelvos_tf.files import sha256

# The name changes with the weights, so that results can say which ones they are from.
NAME = "mobilenet_v2_small-1"
_FOLDER = pathlib.Path(__file__).resolve().parent / "weights"
_SUMS = "SHA256SUMS"


def checkpoint() -> pathlib.Path:
    """Returns the file of the weights that ship, after checking it against its checksum.

    `feelvos_tf/weights/MODEL_CARD.md` tells what they were trained on and how they score.

    Raises:
      InputError: the file is missing or is not the one that was shipped.
    """
    path = _FOLDER / f"{NAME}.npz"
    found = sha256(path)
    try:
        lines = (_FOLDER / _SUMS).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{_FOLDER / _SUMS}: cannot be read, {error.strerror}") from error
    expected = {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}.get(
        path.name
    )
    if found != expected:
        raise InputError(
            f"{path}: its SHA-256 is {found}, expected {expected}: the file is "
            "damaged, install the package again"
        )
    return path
