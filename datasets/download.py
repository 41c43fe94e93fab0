"""Downloads an archive of DAVIS, checks its SHA-256 and unpacks it.

    python datasets/download.py --archive=davis2017_480p --output=data

A download that was cut off goes on where it stopped. The archive holds the splits of DAVIS 2016 as
well (ImageSets/2016). YouTube-VOS needs an account: see datasets/README.md.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import urllib.error
import urllib.request
import zipfile

from absl import flags
from tqdm import tqdm

from feelvos_tf.cli import app
from feelvos_tf.errors import InputError

_SERVER = "https://data.vision.ee.ethz.ch/csergi/share/davis/"
# Name -> (file, bytes, SHA-256), as TensorFlow Datasets records them.
ARCHIVES = {
    "davis2017_480p": (
        "DAVIS-2017-trainval-480p.zip",
        832766765,
        "e3d0b5b77c3d031b000a19e0e25e3e2cac65d183755601bc2cf066df1a2aa492",
    ),
    "davis2017_full": (
        "DAVIS-2017-trainval-Full-Resolution.zip",
        2956935323,
        "519494b320e7a333b98188e0f44e028f379c3312a1fc1a3e8bddd64b2c9ecfaf",
    ),
}

FLAGS = flags.FLAGS
flags.DEFINE_enum("archive", "davis2017_480p", list(ARCHIVES), "What to download.")
flags.DEFINE_string("output", "data", "Folder to unpack into.")
flags.DEFINE_bool("keep", False, "Keep the archive after unpacking.")

_CHUNK = 1 << 20


def fetch(url: str, path: pathlib.Path, size: int) -> None:
    """Downloads to `path`, from where an earlier attempt stopped.

    Raises:
      InputError: the server cannot be reached, refuses, or sends something of another size.
    """
    done = path.stat().st_size if path.exists() else 0
    if done >= size:
        return
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            resumed = done and reply.status == 206
            with (
                open(path, "ab" if resumed else "wb") as file,
                tqdm(total=size, initial=done if resumed else 0, unit="B", unit_scale=True) as bar,
            ):
                while block := reply.read(_CHUNK):
                    file.write(block)
                    bar.update(len(block))
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise InputError(f"{url}: download failed ({error}); run again to go on") from error


def verify(path: pathlib.Path, size: int, digest: str) -> None:
    """Checks size and SHA-256 of a file; removes it and raises InputError where it is another."""
    found = path.stat().st_size
    if found < size:
        raise InputError(f"{path}: {found} of {size} bytes; run again to go on")
    actual = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_CHUNK):
            actual.update(block)
    if found != size or actual.hexdigest() != digest:
        path.unlink()
        raise InputError(
            f"{path}: removed, {found} bytes with SHA-256 {actual.hexdigest()}, expected {size} "
            f"bytes with {digest}"
        )


def unpack(path: pathlib.Path, folder: pathlib.Path) -> None:
    """Unpacks a zip archive below `folder`; InputError for an entry that would lie elsewhere."""
    root = folder.resolve()
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.namelist():
                target = (root / entry).resolve()
                if root != target and root not in target.parents:
                    raise InputError(f"{path}: entry {entry} lies outside of {folder}")
            archive.extractall(root)
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: is no intact zip archive") from error


def main(argv) -> None:
    del argv
    name, size, digest = ARCHIVES[FLAGS.archive]
    folder = pathlib.Path(FLAGS.output)
    os.makedirs(folder, exist_ok=True)
    partial = folder / f"{name}.part"
    fetch(_SERVER + name, partial, size)
    verify(partial, size, digest)
    unpack(partial, folder)
    if FLAGS.keep:
        os.replace(partial, folder / name)
    else:
        partial.unlink()
    print(
        f"{folder / 'DAVIS'}: check it with python datasets/prepare.py --dataset=davis2017 "
        f"--dataset_dir={folder / 'DAVIS'} --split=train"
    )


if __name__ == "__main__":
    app.run(main)
