"""`feelvos-evaluate` from the outside: flags, files, exit codes, no TensorFlow without need."""

import json
import pathlib

import commands
import pytest

from feelvos_tf.data import synthetic

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("davis")
    for seed, name in enumerate(["ant", "bee"]):
        clip = synthetic.synthetic_clip(seed, num_frames=5, height=32, width=48, num_objects=1)
        synthetic.write_clip(clip, folder, name, "val")
    return folder


def evaluate(*arguments):
    return commands.run("evaluate", *arguments, python=("-X", "importtime"))


def errors(done):
    """What a command wrote to stderr, but for the list of its imports."""
    return [line for line in done.stderr.splitlines() if not line.startswith("import time:")]


def davis(data, *arguments):
    return evaluate("--dataset=davis2017", f"--dataset_dir={data}", "--split=val", *arguments)


def test_baseline_then_its_results(data, tmp_path):
    run = davis(data, "--baseline=first_mask", f"--output={tmp_path / 'run'}", "--zip")
    assert run.returncode == 0, run.stderr
    assert errors(run) == []
    assert "tensorflow.python" not in run.stderr
    assert "[2/2] bee: J&F" in run.stdout and "J&F-Mean" in run.stdout
    files = davis(
        data,
        f"--results={tmp_path / 'run' / 'masks'}",
        "--nopictures",
        f"--output={tmp_path / 'files'}",
        "--workers=2",
    )
    assert files.returncode == 0, files.stderr
    name = "global_results-val.csv"
    assert (tmp_path / "run" / name).read_text() == (tmp_path / "files" / name).read_text()
    assert (tmp_path / "run" / "submission-val.zip").is_file()


def test_a_failing_sequence_sets_the_exit_code(data, tmp_path):
    masks = tmp_path / "masks" / "bee"
    masks.mkdir(parents=True)
    truth = data / "Annotations" / "480p" / "bee"
    for path in truth.iterdir():
        (masks / path.name).write_bytes(path.read_bytes())
    done = davis(
        data,
        f"--results={masks.parent}",
        f"--output={tmp_path / 'out'}",
        "--workers=1",
        "--nopictures",
    )
    assert done.returncode == 1
    assert len(errors(done)) == 1
    assert errors(done)[0].startswith("error: sequence ant failed: ")
    assert "[2/2] bee: J&F 100.0" in done.stdout


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--baseline=first_mask", "--max_side=64"], "go with the whole network only"),
        (["--results=a", "--checkpoint=b"], "--results scores files"),
        (["--checkpoint=absent.npz"], "absent.npz: no such checkpoint file"),
        (["--ablation", "--results=a"], "--ablation goes with none of"),
    ],
)
def test_flags_that_do_not_fit_are_told_in_one_line(data, tmp_path, arguments, message):
    done = davis(data, f"--output={tmp_path}", *arguments)
    assert done.returncode == 1
    assert len(errors(done)) == 1 and errors(done)[0].startswith("error: ")
    assert message in errors(done)[0]


def test_help_teaches():
    done = evaluate("--help")
    assert done.returncode == 0
    for text in ("--results=FOLDER", "global_results-SPLIT.csv", "youtube_vos", "--seen_classes"):
        assert text in done.stdout


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["--baseline=first_mask", "--flip"], "--save_embeddings go with the whole network only"),
        (["--scales=1,2", "--max_side=9"], "--save_embeddings go with neither --scales nor --flip"),
        (["--baseline=first_mask", "--roi=auto"], "go with the whole network only"),
        (["--baseline=first_mask", "--grid=none"], "go with the whole network only"),
        (["--roi=auto", "--flip"], "--roi=auto goes with none of --save_embeddings, --scales"),
        (["--scales=1,x"], "--scales has '1,x', expected numbers with commas between them"),
        (["--results=r", "--output_stride=8"], "--atrous_rates need a network to run"),
        (["--atrous_rates=12,b"], "--atrous_rates has '12,b', expected whole numbers"),
    ],
)
def test_views_and_strides_that_cannot_be_are_named(data, tmp_path, arguments, message):
    done = davis(data, f"--output={tmp_path / 'out'}", *arguments)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert message in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()


def test_several_views_at_another_stride(data, tmp_path):
    """With the network that ships, which has no rates; results say how they were made."""
    arguments = ["--scales=0.5,1", "--flip", "--output_stride=8", "--nopictures"]
    run = davis(data, f"--output={tmp_path / 'out'}", *arguments)
    assert run.returncode == 0, run.stderr
    made = json.loads((tmp_path / "out" / "run.json").read_text())
    text = json.dumps(made)
    assert '"scales": [0.5, 1.0], "flip": true' in text and '"output_stride": 8' in text
    again = davis(data, f"--output={tmp_path / 'out'}", "--nopictures")
    assert again.returncode == 1 and "rerun" in again.stderr
