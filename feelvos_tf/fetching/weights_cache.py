"""The folder in which weights of the release are kept: fetched once, checked, imported.

    CACHE/feelvos_davis17.npz               the network as the package has it
    CACHE/feelvos_davis17_trained.tar.gz    the archive of the release, fetched or put there by hand
    CACHE/feelvos_davis17_trained/          or the folder it unpacks to, put there by hand
    CACHE/feelvos_davis17.json              SHA-256 of each when it was first used
    CACHE/xception_65_coco/                 the checkpoint of a network that only starts a training
    CACHE/archives/                         what archives from elsewhere were made into

CACHE is `cache_folder.folder()`. Nothing here needs TensorFlow: the caller brings the function that
imports.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator

from feelvos_tf import checkpoint_file, presets
from feelvos_tf.config import ModelConfig
from feelvos_tf.errors import InputError
from feelvos_tf.fetching import archives, downloads
from feelvos_tf.fetching.cache_folder import OFFLINE, Say, folder, is_offline, locked
from feelvos_tf.fetching.recorded_sums import RecordedSums
from feelvos_tf.files import PART_FILES, make_folder, sha256
from feelvos_tf.presets import Preset

ADDRESS = "FEELVOS_DOWNLOAD_URL"
INCOMPLETE = ".incomplete"
_ELSEWHERE = "archives"
_MOST_BYTES = 2 << 30  # of an archive; the largest published size is 477 MB

# Takes the prefix of a checkpoint, the network it is of, and the .npz file to write; where these
# are None it reads the checkpoint, to see that it can be read, and no more.
Importer = Callable[[str, "ModelConfig | None", "pathlib.Path | None"], None]


def address(preset: Preset) -> str:
    """Where an archive is fetched from; FEELVOS_DOWNLOAD_URL names another place to look in."""
    return f"{(os.environ.get(ADDRESS) or presets.ADDRESS).rstrip('/')}/{preset.archive}"


class Weights:
    """Weights of one name in the cache, or out of one archive from elsewhere.

    weights = Weights(presets.get("feelvos_davis17"), importer)
    path = weights.network()
    """

    def __init__(
        self,
        preset: Preset,
        importer: Importer,
        *,
        archive: pathlib.Path | None = None,
        offline: bool | None = None,
        say: Say | None = None,
    ) -> None:
        """Args as follows; nothing is made or fetched yet.

        Args:
          preset: of the weights; none that come with the package.
          importer: makes the .npz file.
          archive: from elsewhere, to be taken in place of the preset's own.
          offline: fetch nothing; by default as FEELVOS_OFFLINE says.
          say: takes lines about what is done; None for silence.

        Raises:
          InputError: the archive cannot be read, or the environment says something impossible.
        """
        self._preset, self._importer, self._say = preset, importer, say
        self._offline = is_offline() if offline is None else offline
        self._home, self._given, name = folder(), archive, preset.name
        if archive is not None:
            # By its content: the same name may stand for another file tomorrow.
            name = f"{_ELSEWHERE}/{sha256(archive)[:32]}"
        self._npz, self._kept = self._home / f"{name}.npz", self._home / name
        self._sums = RecordedSums(self._home / f"{name}.json")

    def network(self) -> pathlib.Path:
        """Returns the .npz file of the network, made where it is not there.

        Raises:
          InputError: the weights only start a training, cannot be fetched, are damaged, are not
            what they were, or do not fit; or the cache cannot be written.
        """
        if self._preset.config is None:
            raise InputError(
                f"{self._given or self._preset.name}: is no network to run, it starts a training "
                "(init_checkpoint)"
            )
        if self._is_imported():
            return self._npz
        with locked(self._home, self._say), self._place() as place:
            if not self._is_imported():  # by the one who was waited for
                self._import(place)
        return self._npz

    def prefix(self) -> str:
        """Returns the prefix of the release's own checkpoint, unpacked where it is not there.

        Raises:
          InputError: as `network`.
        """
        if (found := self._find_kept()) is not None:
            return str(found)
        with locked(self._home, self._say), self._place() as place:
            return str(self._find_kept() or self._keep(place))

    def _is_imported(self) -> bool:
        """Whether the .npz is there, is what was made, and has the settings of this version."""
        if not self._npz.is_file() or not self._sums.knows(self._npz):
            return False
        self._sums.check(self._npz, self._otherwise())
        return self._fits(self._npz)

    def _fits(self, path: pathlib.Path) -> bool:
        headers = checkpoint_file.read_headers(path)
        found = checkpoint_file.read_json(path, headers, checkpoint_file.CONFIG_KEY)
        return self._preset.config is not None and found == self._preset.config.to_dict()

    def _import(self, place: pathlib.Path) -> None:
        if self._npz.is_file() and not self._sums.knows(self._npz):
            if not self._fits(self._npz):
                raise InputError(
                    f"{self._npz}: was not made by this program and has other settings than "
                    f"{self._preset.settings}; move it away"
                )
            self._tell(f"taking {self._npz}")
            self._sums.record(self._npz)
            return
        prefix, made = self._checkpoint(place), place / self._npz.name
        self._tell("importing it into the package's own format")
        self._call(prefix, self._preset.config, made)
        make_folder(self._npz.parent)
        self._sums.record(made)
        with _errors_of(self._npz, "cannot be written"):
            os.replace(made, self._npz)

    def _find_kept(self) -> pathlib.Path | None:
        if not self._kept.is_dir():
            return None
        paths = sorted(self._kept.iterdir())
        if not paths or not all(self._sums.knows(path) for path in paths):
            raise InputError(
                f"{self._kept}: was not made by this program, at least not all of it; move it away"
            )
        for path in paths:
            self._sums.check(path, self._otherwise())
        names = [path.name for path in paths]
        return self._kept / archives.choose(names, self._preset.prefix, str(self._kept))

    def _keep(self, place: pathlib.Path) -> pathlib.Path:
        prefix = self._checkpoint(place)
        self._call(prefix, None, None)
        if place not in prefix.parents:  # it was put there by hand
            return prefix
        make_folder(self._kept.parent)
        self._sums.record(*_files(prefix))
        with _errors_of(self._kept, "cannot be written"):
            prefix.parent.rename(self._kept)
        return self._kept / prefix.name

    def _checkpoint(self, place: pathlib.Path) -> pathlib.Path:
        """The prefix of the release's checkpoint: out of what is here, or fetched."""
        unpacked = place / "unpacked"
        unpacked.mkdir()
        if self._given is not None:
            self._tell(f"taking {self._given}")
            return archives.unpack(self._given, unpacked, self._preset.prefix)
        by_hand, archive = self._home / self._preset.folder, self._home / self._preset.archive
        if by_hand.is_dir():
            names = [path.name for path in by_hand.iterdir()]
            prefix = by_hand / archives.choose(names, self._preset.prefix, str(by_hand))
            self._tell(f"taking {by_hand}")
            for path in _files(prefix):
                self._sums.check(path, self._otherwise())
            self._sums.record(*_files(prefix))
            return prefix
        if not archive.is_file():
            return self._fetch(archive, unpacked)
        self._tell(f"taking {archive}")
        self._sums.check(archive, self._otherwise())
        prefix = archives.unpack(archive, unpacked, self._preset.prefix)
        self._sums.record(archive)
        return prefix

    def _fetch(self, archive: pathlib.Path, unpacked: pathlib.Path) -> pathlib.Path:
        fetched, url = archive.with_name(archive.name + INCOMPLETE), address(self._preset)
        self._download(url, fetched)
        try:
            # Before it gets its name: what is no archive of the release must not lie there.
            prefix = archives.unpack(fetched, unpacked, self._preset.prefix, url)
            self._sums.check(fetched, self._otherwise(), name=archive.name, source=url)
        except InputError:
            downloads.forget(fetched)
            raise
        with _errors_of(archive, "cannot be written"):
            os.replace(fetched, archive)
            downloads.forget(fetched)
        self._sums.record(archive)
        return prefix

    def _download(self, url: str, path: pathlib.Path) -> None:
        by_hand = (
            f"put {self._preset.archive} into {self._home} by hand, or give its path in place of "
            "the name"
        )
        if self._offline:
            raise InputError(
                f"{self._preset.name}: not in {self._home}, and fetching {url} is forbidden "
                f"(--offline, {OFFLINE}); {by_hand}"
            )
        size = f" ({self._preset.size})" if self._preset.size else ""
        self._tell(f"fetching {url}{size} into {self._home}")
        try:
            with downloads.ShownProgress(self._preset.archive, self._say) as progress:
                downloads.fetch(url, path, _MOST_BYTES, progress)
        except downloads.DownloadError as error:
            raise InputError(f"{self._preset.name}: {error}; {by_hand}") from error

    def _call(
        self, prefix: pathlib.Path, config: ModelConfig | None, made: pathlib.Path | None
    ) -> None:
        """Calls the importer, which knows a temporary folder only."""
        try:
            self._importer(str(prefix), config, made)
        except InputError as error:
            raise InputError(f"{self._given or self._preset.name}: {error}") from error

    @contextlib.contextmanager
    def _place(self) -> Iterator[pathlib.Path]:
        """A temporary folder; `locked` removes those of killed processes."""
        prefix, suffix = PART_FILES.split("*")
        with _errors_of(self._home, "cannot be written"):
            place = tempfile.mkdtemp(suffix, prefix, self._home)
        try:
            yield pathlib.Path(place)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _otherwise(self) -> str:
        if self._given is not None:
            return f"remove {self._npz.parent}, it is made anew"
        return (
            f"feelvos-models --remove={self._preset.name} makes room for a new one; the archive's "
            f"sum stays in {self._sums.path}, remove that file to take another archive"
        )

    def _tell(self, line: str) -> None:
        if self._say is not None:
            self._say(f"{self._preset.name}: {line}")


def cached(preset: Preset) -> list[pathlib.Path]:
    """Files and folders that the cache holds of a preset, whole or not."""
    if preset.ships:
        return []
    home = folder()
    names = (
        f"{preset.name}.npz",
        preset.name,
        preset.archive,
        preset.archive + INCOMPLETE,
        preset.folder,
    )
    return [path for name in names if name and (path := home / name).exists()]


def remove(preset: Preset, say: Say | None = None) -> list[pathlib.Path]:
    """Removes from the cache what it holds of a preset; the sum of its archive stays recorded.

    Args:
      preset: of the weights.
      say: takes a line where another process has to be waited for.

    Returns:
      what was removed.

    Raises:
      InputError: files that cannot be removed.
    """
    home, gone = folder(), cached(preset)
    if gone:
        with locked(home, say), _errors_of(home, "cannot be removed"):
            for path in gone:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            downloads.forget(home / (preset.archive + INCOMPLETE))
            RecordedSums(home / f"{preset.name}.json").keep_only(preset.archive)
    return gone


def _files(prefix: pathlib.Path) -> list[pathlib.Path]:
    names = [path.name for path in prefix.parent.iterdir()]
    return [prefix.parent / name for name in sorted(archives.files_of(names, prefix.name))]


@contextlib.contextmanager
def _errors_of(path: pathlib.Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{error.filename or path}: {what} ({error.strerror or error})") from error
