"""The benchmarks on cases so small that they take a second; their figures are not checked."""

import json

import numpy as np
import pytest
from PIL import Image
from small_networks import TINY

from feelvos_tf import build_model, process_memory
from feelvos_tf.benchmark import (
    matching,
    matching_cases,
    matching_memory,
    networks,
    report,
    resolutions,
    search_on_frames,
    step,
    timing,
)
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.errors import InputError
from feelvos_tf.video.masks import write_mask

SMALL = matching_cases.Case(size=(11, 17), window=2, objects=3)


def test_every_form_of_matching_is_measured_and_agrees():
    rows = list(matching.run_case(SMALL, repetitions=1))
    names = {(row.kind, row.name) for row in rows}
    assert {
        ("global", "matrix product"),
        ("global", "exact"),
        ("global", "naive (original)"),
        ("local", "matrix product"),
        ("local", "tiled"),
        ("local", "shifted"),
        ("local", "naive (original)"),
    } <= names
    compared = [row.difference for row in rows if row.difference is not None]
    assert len(compared) >= 3 and max(compared) < 1e-5
    assert all(row.floor_ratio > 0 for row in rows)


def test_cases_vary_one_thing_at_a_time():
    base = matching_cases.Case()
    for case in matching_cases.cases(quick=False):
        changed = [
            name
            for name in ("size", "window", "objects")
            if getattr(case, name) != getattr(base, name)
        ]
        assert len(changed) <= 1
    assert matching_cases.cases(quick=True) == [base]


def test_memory_is_measured_in_a_process_of_its_own():
    few = matching_memory.peak_memory("tiled", SMALL, training=True)
    assert 0 <= few < 100
    with pytest.raises(InputError, match="memory of nothing failed"):
        matching_memory.peak_memory("nothing", SMALL, training=False)


def test_peak_memory_sees_what_is_freed_again():
    before = process_memory.reset_peak()
    np.ones(40 << 20, np.uint8).sum()
    assert 30 < process_memory.peak_mb() - before < 80


def test_stages_of_a_step(monkeypatch):
    monkeypatch.setitem(resolutions.RESOLUTIONS, "tiny", (32, 45))
    monkeypatch.setattr(networks, "build_model", lambda config: build_model(TINY))
    stages = list(step.run("mobilenet_v2", "tiny", repetitions=1))
    assert [s.stage for s in stages] == [
        "decode",
        "backbone",
        "decoder, embedding",
        "global matching",
        "local matching",
        "head",
        "upsampling",
        "encode",
        "step",
        "step, fast",
        "step, memory",
        "step, guided",
        "step, recommended",
    ]
    assert all(s.milliseconds > 0 for s in stages)


def test_networks_by_name():
    assert networks.build("shipped").config.embedding_dim == 32
    with pytest.raises(InputError, match="'mobilenet_v9' is unknown, expected one of shipped, "):
        networks.build("mobilenet_v9")


def test_stages_of_a_training_step():
    pytest.importorskip("official", reason="needs the extra train")
    from feelvos_tf.benchmark import training
    from feelvos_tf.training import run

    params = run.read_params(
        "tiny",
        override="""
task:
  model: {depth_multiplier: 0.1, aspp_filters: 8, decoder_filters: 8, embedding_dim: 6,
          head_filters: 8, head_layers: 1, head_kernel_size: 3, window: 2}
  train_data: {global_batch_size: 1}
""",
    )
    stages = list(training.run(params, crop=33, repetitions=1))
    assert [s.stage for s in stages] == [
        "features, embeddings",
        "matching, heads, loss",
        "gradients",
        "update",
        "step",
    ]
    assert stages[-1].milliseconds == pytest.approx(sum(s.milliseconds for s in stages[:-1]))


def test_report_writes_table_json_and_plot(tmp_path):
    table = report.markdown_table(["a", "bb"], [[1.23456, None], ["x", 1234.5]])
    assert table.splitlines() == [
        "| a    | bb   |",
        "| ---- | ---- |",
        "| 1.23 |      |",
        "| x    | 1234 |",
    ]
    report.write(tmp_path / "out", "name", [1, 2], table)
    stored = json.loads((tmp_path / "out" / "name.json").read_text())
    assert stored["results"] == [1, 2] and stored["machine"]["cores"] >= 1
    assert table in (tmp_path / "out" / "name.md").read_text()
    report.plot(
        tmp_path / "plot.png",
        {"local": [(1, 2.0), (2, 4.0)]},
        "t",
        "x",
        "y",
        guides={"local: linear": 1},
    )
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_the_first_run_counts_where_it_is_long(monkeypatch):
    monkeypatch.setattr(timing, "_LEAST_SECONDS", 0.0)
    for long, calls in ((1e9, 4), (0.0, 3)):
        monkeypatch.setattr(timing, "_LONG_SECONDS", long)
        counted = iter(range(1, 9))
        milliseconds, last = timing.timed(lambda counted=counted: next(counted), repetitions=3)
        assert last == calls and 0 <= milliseconds < 1000


def test_the_search_on_real_frames(tmp_path, monkeypatch):
    """A drawn clip as a user's video; enough probes change nothing."""
    monkeypatch.setitem(resolutions.RESOLUTIONS, "tiny", (33, 47))
    monkeypatch.setattr(search_on_frames, "PROBES", (10_000,))
    clip = synthetic_clip(seed=1, num_frames=3, height=40, width=56, num_objects=2)
    for name, frame in enumerate(clip.frames):
        Image.fromarray(frame).save(tmp_path / f"{name:05d}.png")
    (tmp_path / "mask").mkdir()
    write_mask(tmp_path / "mask" / "0.png", clip.masks[0])
    search_on_frames.measure(
        tmp_path / "out", tmp_path, tmp_path / "mask" / "0.png", ["tiny"], repetitions=1
    )
    rows = json.loads((tmp_path / "out" / "search.json").read_text())["results"]
    by_name = {row["name"]: row for row in rows}
    assert by_name["exact"]["changed"] == by_name["10000 probes"]["changed"] == 0
    assert by_name["10000 probes"]["error"] < 1e-5
    assert (tmp_path / "out" / "search.png").exists()
    with pytest.raises(InputError, match="resolution '9p' is unknown, expected one of 240p, "):
        search_on_frames.measure(tmp_path, tmp_path, tmp_path / "mask" / "0.png", ["9p"])
    write_mask(tmp_path / "mask" / "other.png", clip.masks[0][:-1])
    with pytest.raises(InputError, match="other.png: 56x39, and .* is 56x40; expected the"):
        search_on_frames.measure(tmp_path, tmp_path, tmp_path / "mask" / "other.png", ["tiny"])
