"""PNG files out, in folders of a run's own: whole or not at all."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Collection
from fnmatch import fnmatch

import numpy as np
from PIL import Image

from feelvos_tf.errors import InputError
from feelvos_tf.files import PART_FILES, make_folder, replaced_when_done

# Masks and what is cut out have large even areas, which the lowest levels find as well.
_COMPRESSION = 3


def write_png(path: pathlib.Path, pixels: np.ndarray) -> None:
    """Writes gray levels, or colors with alpha, as PNG.

    Args:
      path: final name; its folder must exist.
      pixels: uint8 [H, W], gray, or [H, W, 4], RGBA.

    Raises:
      InputError: the file cannot be written.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels))
    try:
        with replaced_when_done(path) as temporary:
            image.save(temporary, format="PNG", compress_level=_COMPRESSION)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def own_folder(path: pathlib.Path) -> pathlib.Path:
    """Makes a folder below a run's own one, where absent; returns its path.

    Raises:
      InputError: it cannot be made or written to, or is a link, behind which anything may lie.
    """
    if path.is_symlink():
        raise InputError(f"{path}: is a link, expected a folder or nothing")
    return make_folder(path)


def tidy_folder(folder: pathlib.Path, remove: Collection[str] = ()) -> None:
    """Removes a run's files from one of its folders, which may be absent, and the folders in it.

    Args:
      folder: of the run; links in it are not followed.
      remove: names of files to remove, beside those that a killed run left unfinished.

    Folders that are empty then go, too. Files of other names stay.
    """
    for place, _, files in os.walk(folder, topdown=False):
        for name in files:
            if name in remove or fnmatch(name, PART_FILES):
                os.unlink(os.path.join(place, name))
        if remove and not os.listdir(place):
            os.rmdir(place)
