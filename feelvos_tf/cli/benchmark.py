r"""Measures speed and memory on this machine.

feelvos-benchmark matching --output=OUT    every matching implementation, the original's form
                                           and the bare matrix product side by side
feelvos-benchmark step --output=OUT        milliseconds a frame, stage by stage, of the weights
                                           that ship and of the default network
feelvos-benchmark memory --output=OUT      peak memory against the length of the video
feelvos-benchmark data --dataset=davis2017 --dataset_dir=ROOT --split=train
                                           training triplets a second, stage by stage
feelvos-benchmark training --experiment=small
                                           milliseconds a training step, stage by stage

Without a name the step of MobileNetV2 at 480p is measured. Results appear as they come; a
table, a JSON file with the machine's description and a plot go to OUT. Ratios compare runs
of one process; close other programs, and read no ratio across two runs.
"""

from __future__ import annotations

import dataclasses
import pathlib

from absl import flags

from feelvos_tf.cli import app
from feelvos_tf.errors import InputError

_OUTPUT = flags.DEFINE_string("output", "outputs/benchmark", "Folder for tables and plots.")
_QUICK = flags.DEFINE_bool(
    "quick", False, "The base case alone: a minute or two in place of ten and more.")
_NETWORKS = flags.DEFINE_list(
    "networks", ["shipped", "mobilenet_v2", "xception_65"], "For step and memory: the weights that "
    "come with the package, or a backbone in the default network.")
_RESOLUTION = flags.DEFINE_list("resolutions", ["240p", "480p", "720p"], "For step.")
_LENGTHS = flags.DEFINE_list("lengths", ["10", "30", "100", "300"], "For memory: frames.")
_REPETITIONS = flags.DEFINE_integer("repetitions", 3, "Timed runs at least; the fastest counts.", 1)
_DATASET = flags.DEFINE_string("dataset", "davis2017", "For data: layout of the dataset.")
_DATASET_DIR = flags.DEFINE_string("dataset_dir", None, "For data: folder of the dataset.")
_SPLIT = flags.DEFINE_string("split", "train", "For data: name of the split.")
_EXPERIMENT = flags.DEFINE_string("experiment", "small", "For training: name of the experiment.")
_CROPS = flags.DEFINE_list("crops", ["257", "465"], "For training: sides of the square crops.")
_TRIPLETS = flags.DEFINE_integer("triplets", 100, "For data: triplets a stage.", 1)


def benchmark_matching(folder: pathlib.Path) -> None:
    """Time, ratio to the floor, agreement and memory of every implementation."""
    from feelvos_tf.benchmark import matching, report

    rows = []
    for case in matching.cases(_QUICK.value):
        print(f"frame {case.size[0]}x{case.size[1]} at stride 4, window {case.window}, "
              f"{case.objects} objects")
        # Beyond the base case the slow forms would take most of an hour and say nothing new.
        # Global matching is quadratic: once is enough where a run takes seconds.
        repetitions = 1 if case.size > (150, 0) else _REPETITIONS.value
        for row in matching.run_case(case, repetitions, slow=case == matching.Case()):
            rows.append(row)
            print(f"  {row.kind:7} {row.name:20} {row.milliseconds:9.1f} ms "
                  f"{row.floor_ratio:6.2f} x floor", flush=True)
    memory = []
    for training, case in ((False, matching.Case()),
                           (True, matching.Case(size=matching.TRAINING_SIZE))):
        for form in matching.MEMORY_FORMS:
            if form == "correlation" and not matching.local_correlation.is_available():
                continue
            megabytes = matching.peak_memory(form, case, training)
            memory.append({"form": form, "training": training, "megabytes": megabytes})
            kind = "forward and backward, 117x117" if training else "forward, 480p"
            print(f"  peak extra memory of {form:12} {kind:30} {megabytes:7.0f} MB", flush=True)
    table = report.markdown_table(
        ["kind", "form", "frame", "window", "objects", "ms", "x floor", "difference"],
        [[r.kind, r.name, f"{r.case.size[0]}x{r.case.size[1]}", r.case.window, r.case.objects,
          r.milliseconds, r.floor_ratio, r.difference] for r in rows])
    table += "\n\n" + report.markdown_table(
        ["form", "pass", "peak extra MB"],
        [[m["form"], "forward and backward" if m["training"] else "forward", m["megabytes"]]
         for m in memory])
    report.write(folder, "matching", {"time": [dataclasses.asdict(r) for r in rows],
                                      "memory": memory}, table)
    curves = {}
    for row in rows:
        if row.name in ("exact", "tiled") and row.case.window == 15 and row.case.objects == 3:
            pixels = row.case.size[0] * row.case.size[1]
            curves.setdefault(row.kind, []).append((pixels, row.milliseconds))
    report.plot(folder / "matching.png", curves, "Matching against the size of the frame",
                "pixels at stride 4", "milliseconds",
                guides={"global: quadratic": 2, "local: linear": 1})


def benchmark_step(folder: pathlib.Path) -> None:
    """Milliseconds of each stage of a frame."""
    from feelvos_tf.benchmark import memory, networks, report, step

    networks.check(_NETWORKS.value)
    resolutions = ["480p"] if _QUICK.value else _RESOLUTION.value
    for resolution in resolutions:
        if resolution not in step.RESOLUTIONS:
            expected = ", ".join(step.RESOLUTIONS)
            raise InputError(f"--resolutions has {resolution!r}, expected {expected}")
    stages = []
    for network in _NETWORKS.value:
        for resolution in resolutions:
            print(f"{network} at {resolution}, 2 objects and background")
            for stage in step.run(network, resolution, repetitions=_REPETITIONS.value):
                stages.append(stage)
                print(f"  {stage.stage:20} {stage.milliseconds:9.1f} ms", flush=True)
    columns = list(dict.fromkeys((s.network, s.resolution) for s in stages))
    values = {(s.network, s.resolution, s.stage): s.milliseconds for s in stages}
    names = list(dict.fromkeys(s.stage for s in stages))
    table = report.markdown_table(
        ["ms", *(f"{network} {resolution}" for network, resolution in columns)],
        [[name, *(values[(*column, name)] for column in columns)] for name in names])
    table += f"\n\npeak memory of the process: {memory.peak_mb():.0f} MB"
    print(table)
    report.write(folder, "step", [dataclasses.asdict(s) for s in stages], table)
    curves = {}
    for s in stages:
        if s.stage.startswith("step"):
            height, width = step.RESOLUTIONS[s.resolution]
            curves.setdefault(f"{s.network}, {s.stage}", []).append(
                (height * width / 1e6, s.milliseconds))
    report.plot(folder / "step.png", curves, "One step", "megapixels", "milliseconds")


def benchmark_memory(folder: pathlib.Path) -> None:
    """Peak memory of a stream against its length."""
    from feelvos_tf.benchmark import memory, networks, report
    from feelvos_tf.data.synthetic import synthetic_clip
    from feelvos_tf.streaming.segmenter import VideoSegmenter

    try:
        lengths = sorted(int(length) for length in _LENGTHS.value)
    except ValueError as error:
        raise InputError(f"--lengths is {','.join(_LENGTHS.value)}, expected numbers") from error
    networks.check(_NETWORKS.value)
    clip = synthetic_clip(seed=0, num_frames=12, height=240, width=427, num_objects=3)
    results = {}
    for network in _NETWORKS.value:
        segmenter = VideoSegmenter(networks.build(network))
        results[network] = []
        for length, megabytes in memory.stream(segmenter, clip.frames, clip.masks[0], lengths):
            results[network].append((length, megabytes))
            print(f"  {network} after {length:5} frames of 427x240: peak {megabytes:7.1f} MB",
                  flush=True)
    table = report.markdown_table(
        ["frames", *results],
        [[length, *(dict(results[network])[length] for network in results)]
         for length in lengths])
    report.write(folder, "memory", results, table)
    report.plot(folder / "memory.png", results, "Peak memory of one process, networks "
                "one after the other", "frames", "MB", logarithmic=False)


def benchmark_data(folder: pathlib.Path) -> None:
    """Training triplets a second, stage by stage."""
    from feelvos_tf.benchmark import report
    from feelvos_tf.data import benchmark, checks, readers, sources, triplets

    if not _DATASET_DIR.value:
        raise InputError("--dataset_dir is missing: the folder of the dataset")
    videos = checks.drop_bad(readers.read_dataset(
        _DATASET.value, pathlib.Path(_DATASET_DIR.value), _SPLIT.value, objects=False))
    source = sources.TreeSource(_DATASET.value, videos)
    config = triplets.TripletConfig(color_jitter=0.1, damage_previous=True, paste_probability=1.0,
                                     paste_objects=1)
    rows = benchmark.benchmark_triplets([source], config, _TRIPLETS.value)
    table = report.markdown_table(
        ["stage", "triplets/s", "CPU ms a triplet", "peak MB"],
        [list(dataclasses.astuple(row)) for row in rows])
    print(table)
    report.write(folder, "data", [dataclasses.asdict(row) for row in rows], table)


def benchmark_training(folder: pathlib.Path) -> None:
    """Milliseconds of each stage of a training step."""
    try:
        import official  # noqa: F401
    except ImportError as error:
        raise InputError("training needs the Model Garden: pip install 'feelvos_tf[train]'"
                         ) from error
    from feelvos_tf.benchmark import memory, report, training
    from feelvos_tf.training.run import read_params

    params = read_params(_EXPERIMENT.value)
    try:
        crops = [int(crop) for crop in _CROPS.value]
    except ValueError as error:
        raise InputError(f"--crops is {','.join(_CROPS.value)}, expected numbers") from error
    stages = []
    for crop in crops:
        print(f"{_EXPERIMENT.value}, {params.task.train_data.global_batch_size} clips of "
              f"{crop}x{crop}")
        for stage in training.run(params, crop, _REPETITIONS.value):
            stages.append(stage)
            print(f"  {stage.stage:22} {stage.milliseconds:9.1f} ms", flush=True)
    values = {(s.crop, s.stage): s.milliseconds for s in stages}
    names = list(dict.fromkeys(s.stage for s in stages))
    table = report.markdown_table(
        ["ms", *(f"{crop}x{crop}" for crop in crops)],
        [[name, *(values[crop, name] for crop in crops)] for name in names])
    table += f"\n\npeak memory of the process: {memory.peak_mb():.0f} MB"
    print(table)
    report.write(folder, "training", [dataclasses.asdict(s) for s in stages], table)


_BENCHMARKS = {"matching": benchmark_matching, "step": benchmark_step,
               "memory": benchmark_memory, "data": benchmark_data, "training": benchmark_training}


def main(argv: list[str]) -> int:
    """Runs the benchmark that the command line names."""
    names = argv[1:]
    unknown = [name for name in names if name not in _BENCHMARKS]
    if unknown:
        raise InputError(f"no benchmark is called {unknown[0]!r}, expected one of "
                         f"{', '.join(_BENCHMARKS)}; see --help")
    folder = pathlib.Path(_OUTPUT.value)
    for name in names or ["step"]:
        _BENCHMARKS[name](folder)
    print(f"results are in {folder}")
    return 0


def main_cli() -> None:
    """Entry point of the console script."""
    app.run(main, max_arguments=len(_BENCHMARKS))


if __name__ == "__main__":
    main_cli()
