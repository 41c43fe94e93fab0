"""`feelvos-benchmark` from the outside: files, and wrong input told before anything is measured."""

import json
import pathlib
import re
import subprocess
import sys

import commands
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def benchmark(folder, *arguments):
    return commands.run("benchmark", f"--output={folder}", *arguments)


def test_step_leaves_table_json_and_plot(tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra eval")
    done = benchmark(
        tmp_path, "step", "--networks=shipped", "--resolutions=240p", "--repetitions=1"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("shipped at 240p, 2 objects and background\n  decode ")
    stored = json.loads((tmp_path / "step.json").read_text())
    assert [r["stage"] for r in stored["results"]][-2:] == ["step, guided", "step, recommended"]
    assert all(r["milliseconds"] > 0 for r in stored["results"])
    assert "global matching" in (tmp_path / "step.md").read_text()
    assert (tmp_path / "step.png").stat().st_size > 1000


def test_help_names_what_runs_and_what_runs_without_a_name(tmp_path):
    """In a process of its own, as flags are; there each benchmark only says its name."""
    code = (
        "from feelvos_tf.cli import benchmark\n"
        "from absl import flags\n"
        f"flags.FLAGS(['benchmark', '--output={tmp_path}'])\n"
        "print(sorted(benchmark._BENCHMARKS))\n"
        "for name in benchmark._BENCHMARKS:\n"
        "    benchmark._BENCHMARKS[name] = lambda folder, name=name: print('ran', name)\n"
        "benchmark.main(['benchmark'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=commands.ENVIRONMENT,
    )
    shown = benchmark(tmp_path, "--help").stdout
    names = re.findall(r"^feelvos-benchmark (\w+)", shown, re.MULTILINE)
    assert done.stdout.splitlines()[0] == str(sorted(names))
    ran = re.findall(r"^ran (\w+)$", done.stdout, re.MULTILINE)
    assert re.findall(r"^Without a name: ([\w, ]+), for each of", shown, re.MULTILINE) == [
        ", ".join(ran)
    ]


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["speed"], "no benchmark is called 'speed', expected one of matching, step"),
        (["step", "--networks=shipped,vgg"], "network 'vgg' is unknown, expected one of shipped"),
        (["step", "--resolutions=240p,9p"], "resolution '9p' is unknown, expected one of 240p"),
        (["memory", "--networks=vgg"], "network 'vgg' is unknown"),
        (["memory", "--lengths=few"], "--lengths is few, expected numbers"),
        (["data"], "--dataset_dir is missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_one_line_and_nothing_is_measured(arguments, message, tmp_path):
    done = benchmark(tmp_path / "out", *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
