"""`--adapt` from the outside, on `feelvos-segment` and `feelvos-evaluate`."""

import json
import os
import signal
import time

import commands
import numpy as np
import pytest
from small_networks import segmenting_model

from feelvos_tf.checkpoints import load_model, save_model
from feelvos_tf.cli import adapt_flags
from feelvos_tf.data.synthetic import synthetic_clip, write_clip
from feelvos_tf.video.masks import read_mask, write_mask

STEPS = 60  # enough to be killed in between


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    drawn = synthetic_clip(5, 4, 45, 62, num_objects=1)
    write_clip(drawn, folder)
    write_mask(folder / "mask.png", drawn.masks[0])
    save_model(segmenting_model(), folder / "model.npz")
    return folder


def options(clip, output, *more):
    return (
        f"--video={clip / 'JPEGImages' / '480p' / 'clip'}",
        f"--mask={clip / 'mask.png'}",
        f"--checkpoint={clip / 'model.npz'}",
        f"--output={output}",
        "--adapt",
        *more,
    )


def masks(folder):
    return [read_mask(folder / f"{i:05d}.png") for i in range(4)]


def adaptation(folder):
    return json.loads((folder / "run.json").read_text())["adaptation"]


@pytest.fixture(scope="module")
def adapted(clip, tmp_path_factory):
    output = tmp_path_factory.mktemp("adapted") / "out"
    done = commands.run("segment", *options(clip, output, f"--adapt_steps={STEPS}"))
    assert done.returncode == 0, done.stderr
    assert "adapting the network to this video" in done.stdout
    assert f"{STEPS} steps; given masks found again from other frames: overlap" in done.stdout
    return output


def test_segment_keeps_a_checkpoint_that_gives_the_same_masks(adapted, clip, tmp_path):
    told = json.loads((adapted / "run.json").read_text())
    assert told["made_from"]["adapt"]["steps"] == adaptation(adapted)["steps"] == STEPS
    load_model(adapted / "adapted.npz")
    again = commands.run(
        "segment",
        *options(clip, tmp_path / "b")[:2],
        f"--checkpoint={adapted / 'adapted.npz'}",
        f"--output={tmp_path / 'b'}",
    )
    assert again.returncode == 0, again.stderr
    np.testing.assert_array_equal(masks(adapted), masks(tmp_path / "b"))


@pytest.mark.compat
def test_a_run_killed_while_it_adapts_resumes_to_the_same_masks(adapted, clip, tmp_path):
    given = options(clip, tmp_path / "out", f"--adapt_steps={STEPS}")
    process = commands.start("segment", *given)
    for line in process.stdout:
        if line.startswith("adapting: step"):
            break
    process.kill()
    process.communicate(timeout=60)
    assert not (tmp_path / "out" / "adapted.npz").exists()
    done = commands.run("segment", *given, "--resume")
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(masks(adapted), masks(tmp_path / "out"))
    # Besides the weights' checksum: loss and trial are equal where what was learned is not kept.
    assert adaptation(tmp_path / "out") == adaptation(adapted)


def test_evaluate_adapts_to_every_sequence(clip, tmp_path):
    done = commands.run(
        "evaluate",
        "--dataset=folder",
        f"--dataset_dir={clip}",
        f"--checkpoint={clip / 'model.npz'}",
        f"--output={tmp_path / 'out'}",
        "--adapt",
        "--adapt_steps=1",
        "--nopictures",
    )
    assert done.returncode == 0, done.stderr
    assert "J&F" in done.stdout
    told = json.loads((tmp_path / "out" / "run.json").read_text())
    assert told["made_from"]["method"]["adapt"]["steps"] == 1


def test_ctrl_c_goes_on_with_what_there_is(clip, tmp_path):
    process = commands.start("segment", *options(clip, tmp_path / "out", "--adapt_steps=100000"))
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("adapting: step"):
            process.send_signal(signal.SIGINT)
            break
    rest, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert "the adaptation stopped after" in rest and "4 masks in" in rest
    assert len(masks(tmp_path / "out")) == 4


def test_the_first_interrupt_sets_an_event_and_the_next_is_as_ever():
    # A suite that a shell runs in the background inherits that the signal is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with adapt_flags.first_interrupt() as event:
        os.kill(os.getpid(), signal.SIGINT)
        assert event.wait(5)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    "program, arguments, message",
    [
        ("segment", ["--adapt_steps=3"], "--adapt_steps and --adapt_seconds go with --adapt"),
        ("segment", ["--adapt", "--adapt_steps=0"], "adapt_steps"),
        ("segment", ["--adapt", "--adapt_seconds=-1"], "adapt_seconds"),
        ("evaluate", ["--adapt", "--baseline=nearest_neighbor"], "go with the whole network only"),
        (
            "evaluate",
            ["--adapt", "--flip"],
            "--adapt and --save_embeddings go with neither",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line(program, arguments, message, tmp_path):
    given = {
        "segment": ["--video=v", "--mask=m"],
        "evaluate": ["--dataset=folder", "--dataset_dir=d"],
    }[program]
    done = commands.run(program, *given, f"--output={tmp_path / 'out'}", *arguments)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert message in done.stderr and not (tmp_path / "out").exists()
