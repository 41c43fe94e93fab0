"""Lists weights that have a name, fetches and removes them.

  feelvos-models                                list: what they are, licence, size, what is here
  feelvos-models --fetch=feelvos_davis17        fetch and import it now, not at its first use
  feelvos-models --remove=feelvos_davis17       remove it from the cache

A name goes wherever a checkpoint does:
  feelvos-segment --checkpoint=feelvos_davis17 --video=FRAMES --mask=MASK.png --output=OUT
  load_model("feelvos_davis17")                 in Python
  task.init_checkpoint: xception_65_coco        in the settings of feelvos-train

The networks of the paper's release come from https://download.tensorflow.org/models/ and run with
the settings that the release tests with. An archive is fetched once, checked (its size, its own
checksum, that TensorFlow reads every variable, that these are the network's) and imported. Its true
SHA-256 is published nowhere: the one seen at first use is recorded and compared ever after. A
download that was cut goes on where it was.

The cache is FEELVOS_HOME, else feelvos_tf in XDG_CACHE_HOME or ~/.cache. An archive, or the folder
it unpacks to, that you put there yourself is taken as if it had been fetched; or name an archive
anywhere: --checkpoint=PATH.tar.gz. --offline, or FEELVOS_OFFLINE=1, fetches nothing.
FEELVOS_DOWNLOAD_URL=https://a.mirror/folder/ looks for the archives there. Proxies are taken from
the environment (https_proxy, no_proxy).
"""

from __future__ import annotations

import pathlib

from absl import app as absl_app
from absl import flags

from feelvos_tf import named_weights, presets
from feelvos_tf.cli import app, checkpoint_flag
from feelvos_tf.fetching import cache_folder, weights_cache
from feelvos_tf.presets import Preset

_FETCH = flags.DEFINE_string("fetch", None, "Name of weights to fetch and import.")
_REMOVE = flags.DEFINE_string(
    "remove",
    None,
    "Name of weights to remove from the cache, with what was put there by hand for them. The "
    "sum of their archive stays recorded, in CACHE/NAME.json.",
)


def main(argv: list[str]) -> None:
    """Lists, fetches or removes as the flags say."""
    del argv
    if _FETCH.value is not None and _REMOVE.value is not None:
        raise absl_app.UsageError("--fetch and --remove do not go together")
    if _FETCH.value is not None:
        path = named_weights.fetch(
            _FETCH.value, checkpoint_flag.import_release, say=checkpoint_flag.say()
        )
        print(f"{_FETCH.value} is {path} ({_megabytes(path)})", flush=True)
    elif _REMOVE.value is not None:
        _remove(_REMOVE.value)
    else:
        print(f"cache: {cache_folder.folder()}")
        for preset in presets.PRESETS.values():
            _show(preset)


def _show(preset: Preset) -> None:
    print(f"\n{preset.name}: {preset.about}")
    if preset.settings:
        print(f"  runs as {preset.settings}")
    if preset.only_starts:
        print("  starts a training (init_checkpoint), is no network to run")
    print(f"  licence: {preset.licence}")
    if preset.ships:
        path = presets.checkpoint(preset.name)
        print(f"  here: {path} ({_megabytes(path)})")
        return
    size = preset.size or "its size is not published"
    print(f"  archive: {weights_cache.address(preset)} ({size})")
    here = weights_cache.cached(preset)
    for path in here:
        cut = path.name.endswith(weights_cache.INCOMPLETE)
        print(f"  {'cut, goes on' if cut else 'here'}: {path} ({_megabytes(path)})")
    if not here:
        print(f"  not here; feelvos-models --fetch={preset.name}")


def _remove(name: str) -> None:
    sizes = {path: _megabytes(path) for path in weights_cache.cached(presets.get(name))}
    gone = named_weights.remove(name, checkpoint_flag.say())
    for path in gone:
        print(f"removed {path} ({sizes.get(path, 'new')})")
    if not gone:
        print(f"{name}: nothing of it is in {cache_folder.folder()}")


def _megabytes(path: pathlib.Path) -> str:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"


def main_cli() -> None:
    """Entry point of the console script."""
    app.run(main)


if __name__ == "__main__":
    main_cli()
