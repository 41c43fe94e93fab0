"""What users may call weights (a name, an archive of the release, a file), and the file behind."""

from __future__ import annotations

import os
import pathlib
import sys

from feelvos_tf import presets
from feelvos_tf.errors import InputError
from feelvos_tf.fetching import archives, weights_cache
from feelvos_tf.fetching.cache_folder import Say
from feelvos_tf.fetching.weights_cache import Importer, Weights
from feelvos_tf.presets import Preset


def tell(line: str) -> None:
    """Prints a line on stderr, where a program's own output is not."""
    print(line, file=sys.stderr, flush=True)


def checkpoint(
    name: str | os.PathLike[str] | None,
    importer: Importer,
    *,
    offline: bool | None = None,
    say: Say | None = tell,
) -> pathlib.Path:
    """Returns the .npz file that a name or a path stands for, which may take a download.

    Args:
      name: a preset's name; an archive of the release; any other path, which is returned as it is;
        None for the weights that come with the package. What is a file is no name.
      importer: makes the .npz file.
      offline: fetch nothing; by default as FEELVOS_OFFLINE says.
      say: takes lines about what is done; None for silence.

    Raises:
      InputError: no file and no name, a name whose weights only start a training, or weights that
        cannot be fetched, are damaged or do not fit; the message says what can be done.
    """
    if name is None:
        return presets.checkpoint()
    path, preset = pathlib.Path(name), presets.find(os.fspath(name))
    if path.is_file():
        if not archives.is_archive(path):
            return path
        preset = _of_archive(path)
        return _network(preset, Weights(preset, importer, archive=path, say=say), say)
    if preset is None:
        _check_path(os.fspath(name))
        return path
    if preset.ships:
        return presets.checkpoint(preset.name)
    if preset.only_starts:
        whole = [p.name for p in presets.PRESETS.values() if not p.only_starts]
        raise InputError(
            f"{preset.name}: is no network to run, it starts a training (init_checkpoint); "
            f"expected a file or one of {', '.join(whole)}"
        )
    return _network(preset, Weights(preset, importer, offline=offline, say=say), say)


def starting_point(
    name: str | os.PathLike[str],
    importer: Importer,
    *,
    offline: bool | None = None,
    say: Say | None = tell,
) -> str:
    """Returns what a training can start from: the path of an .npz file, or a checkpoint's prefix.

    Args:
      name: as of `checkpoint`, or a preset's that only starts a training.
      importer: see `checkpoint`.
      offline: see `checkpoint`.
      say: see `checkpoint`.

    Raises:
      InputError: as `checkpoint`.
    """
    path, preset = pathlib.Path(name), presets.find(os.fspath(name))
    if path.is_file() and archives.is_archive(path):
        return Weights(_of_archive(path), importer, archive=path, say=say).prefix()
    if path.is_file() or preset is None:
        if not (path.exists() or pathlib.Path(f"{path}.index").is_file()):
            _check_path(os.fspath(name))
        return os.fspath(name)
    if preset.only_starts:
        return Weights(preset, importer, offline=offline, say=say).prefix()
    return str(checkpoint(preset.name, importer, offline=offline, say=say))


def fetch(
    name: str, importer: Importer, *, offline: bool | None = None, say: Say | None = tell
) -> pathlib.Path:
    """Makes sure that weights are here, and returns the file or folder that is used of them.

    Args:
      name: of a preset.
      importer: see `checkpoint`.
      offline: see `checkpoint`.
      say: see `checkpoint`.

    Raises:
      InputError: as `checkpoint`.
    """
    if presets.get(name).only_starts:
        return pathlib.Path(starting_point(name, importer, offline=offline, say=say)).parent
    return checkpoint(presets.get(name).name, importer, offline=offline, say=say)


def remove(name: str, say: Say | None = tell) -> list[pathlib.Path]:
    """Removes weights from the cache, and what was put there by hand for their name.

    Args:
      name: of a preset.
      say: takes a line where another process has to be waited for.

    Returns:
      the files and folders that were removed.

    Raises:
      InputError: no such name, weights that come with the package, or files that cannot be removed.
    """
    preset = presets.get(name)
    if preset.ships:
        raise InputError(f"{name}: comes with the package, expected weights of the cache")
    return weights_cache.remove(preset, say)


def _network(preset: Preset, weights: Weights, say: Say | None) -> pathlib.Path:
    path = weights.network()
    if say is not None:
        say(f"{preset.name}: {preset.settings}, as the release tests it")
    return path


def _check_path(name: str) -> None:
    """Raises InputError for what looks like a name, and is none."""
    if os.path.basename(name) == name and not os.path.splitext(name)[1]:
        raise InputError(
            f"{name}: no such file, and no weights have this name; {presets.choices(name)}"
        )


def _of_archive(path: pathlib.Path) -> Preset:
    """What is known of an archive by its name; the release's network where nothing is."""
    for preset in presets.PRESETS.values():
        if preset.archive == path.name:
            return preset
    return Preset(path.name, "", "", archive=path.name, config=presets.RELEASE_CONFIG)
