r"""Measures speed and memory on this machine.

feelvos-benchmark matching --output=OUT    every matching implementation, the original's form
                                           and the bare matrix product side by side
    with --frames=FOLDER --mask=MASK       the global search on real frames, exact and probed:
                                           time, and how much the result changes
feelvos-benchmark step --output=OUT        milliseconds a frame, stage by stage, of the weights
                                           that ship and of the default network
feelvos-benchmark memory --output=OUT      peak memory against the length of the video
feelvos-benchmark data --dataset=davis2017 --dataset_dir=ROOT --split=train
                                           training triplets a second, stage by stage
feelvos-benchmark training --experiment=small
                                           milliseconds a training step, stage by stage

Without a name: step, for each of --networks and --resolutions. Results appear as they come; a
table, a JSON file with the machine's description and a plot go to OUT. Ratios compare runs
of one process; close other programs, and read no ratio across two runs.
"""

from __future__ import annotations

import pathlib

from absl import flags

from feelvos_tf.cli import app
from feelvos_tf.errors import InputError

_OUTPUT = flags.DEFINE_string("output", "outputs/benchmark", "Folder for tables and plots.")
_QUICK = flags.DEFINE_bool(
    "quick", False, "The base case alone: a minute or two in place of ten and more."
)
_NETWORKS = flags.DEFINE_list(
    "networks",
    ["shipped", "mobilenet_v2", "xception_65"],
    "For step and memory: the weights that "
    "come with the package, or a backbone in the default network.",
)
_RESOLUTION = flags.DEFINE_list(
    "resolutions", ["240p", "480p", "720p"], "For step, and for matching with --frames."
)
_FRAMES = flags.DEFINE_string(
    "frames", None, "For matching: folder of a video's frames; goes with --mask."
)
_MASK = flags.DEFINE_string("mask", None, "For matching: PNG mask of the first of --frames.")
_LENGTHS = flags.DEFINE_list("lengths", ["10", "30", "100", "300"], "For memory: frames.")
_REPETITIONS = flags.DEFINE_integer("repetitions", 3, "Timed runs at least; the fastest counts.", 1)
_DATASET = flags.DEFINE_string("dataset", "davis2017", "For data: layout of the dataset.")
_DATASET_DIR = flags.DEFINE_string("dataset_dir", None, "For data: folder of the dataset.")
_SPLIT = flags.DEFINE_string("split", "train", "For data: name of the split.")
_EXPERIMENT = flags.DEFINE_string("experiment", "small", "For training: name of the experiment.")
_CROPS = flags.DEFINE_list("crops", ["257", "465"], "For training: sides of the square crops.")
_TRIPLETS = flags.DEFINE_integer("triplets", 100, "For data: triplets a stage.", 1)


def _matching(folder: pathlib.Path) -> None:
    if bool(_FRAMES.value) != bool(_MASK.value):
        raise InputError("--frames and --mask go together")
    if _FRAMES.value and _MASK.value:
        from feelvos_tf.benchmark import search_on_frames

        sizes = ["480p"] if _QUICK.value else _RESOLUTION.value
        search_on_frames.measure(folder, _FRAMES.value, _MASK.value, sizes, _REPETITIONS.value)
        return
    from feelvos_tf.benchmark import matching

    matching.measure(folder, quick=_QUICK.value, repetitions=_REPETITIONS.value)


def _step(folder: pathlib.Path) -> None:
    from feelvos_tf.benchmark import step

    resolutions = ["480p"] if _QUICK.value else _RESOLUTION.value
    step.measure(folder, _NETWORKS.value, resolutions, _REPETITIONS.value)


def _memory(folder: pathlib.Path) -> None:
    lengths = _numbers("lengths", _LENGTHS.value)
    from feelvos_tf.benchmark import stream_length

    stream_length.measure(folder, _NETWORKS.value, sorted(lengths))


def _data(folder: pathlib.Path) -> None:
    if not _DATASET_DIR.value:
        raise InputError("--dataset_dir is missing: the folder of the dataset")
    from feelvos_tf.benchmark import triplets

    triplets.measure(folder, _DATASET.value, _DATASET_DIR.value, _SPLIT.value, _TRIPLETS.value)


def _training(folder: pathlib.Path) -> None:
    try:
        import official  # noqa: F401
    except ImportError as error:
        raise InputError(
            "training needs the Model Garden: pip install 'feelvos_tf[train]'"
        ) from error
    crops = _numbers("crops", _CROPS.value)
    from feelvos_tf.benchmark import training

    training.measure(folder, _EXPERIMENT.value, crops, _REPETITIONS.value)


def _numbers(flag: str, values: list[str]) -> list[int]:
    """The whole numbers of a list flag."""
    try:
        return [int(value) for value in values]
    except ValueError as error:
        raise InputError(f"--{flag} is {','.join(values)}, expected numbers") from error


_BENCHMARKS = {
    "matching": _matching,
    "step": _step,
    "memory": _memory,
    "data": _data,
    "training": _training,
}
_WITHOUT_NAME = "step"


def main(argv: list[str]) -> int:
    """Runs the benchmark that the command line names."""
    names = argv[1:]
    unknown = [name for name in names if name not in _BENCHMARKS]
    if unknown:
        raise InputError(
            f"no benchmark is called {unknown[0]!r}, expected one of "
            f"{', '.join(_BENCHMARKS)}; see --help"
        )
    folder = pathlib.Path(_OUTPUT.value)
    for name in names or [_WITHOUT_NAME]:
        _BENCHMARKS[name](folder)
    print(f"results are in {folder}")
    return 0


def main_cli() -> None:
    """Entry point of the console script."""
    app.run(main, max_arguments=len(_BENCHMARKS))


if __name__ == "__main__":
    main_cli()
