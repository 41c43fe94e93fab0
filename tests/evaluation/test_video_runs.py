"""Runs over a dataset: equal to scoring their files, resumable, undeterred by failures."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from feelvos_tf.data import synthetic
from feelvos_tf.data.layouts import read_dataset
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import baselines, protocols, scoring, video_runs
from feelvos_tf.evaluation.results_folder import PROGRAM, RunFolder
from feelvos_tf.output_folder import OutputFolder
from feelvos_tf.video.adapted import Outcome
from feelvos_tf.video.masks import read_mask, write_mask

IDENTITY = {"dataset": "davis2017", "split": "val", "method": {"baseline": "first_mask"}}


class Recorder(baselines.FirstMask):
    """First mask copied, with a note of what it was asked and a video it cannot do."""

    def __init__(self, fails_on=None, error=None):
        super().__init__()
        self.calls, self.fails_on, self.error = [], fails_on, error

    def reset(self, frame, mask):
        self.calls.append(("reset", sorted(np.unique(mask))))
        super().reset(frame, mask)

    def step(self, frame):
        if self.calls.count(("step",)) == self.fails_on:
            raise self.error
        self.calls.append(("step",))
        return super().step(frame)

    def add_objects(self, mask):
        self.calls.append(("add", sorted(np.unique(mask))))
        super().add_objects(mask)


@pytest.fixture
def tree(tmp_path):
    for seed, name in enumerate(["ant", "bee", "cat"]):
        clip = synthetic.synthetic_clip(seed, num_frames=6, height=32, width=48, num_objects=2)
        synthetic.write_clip(clip, tmp_path / "data", name, "val")
    return tmp_path


def videos(tree):
    return read_dataset("davis2017", tree / "data", "val")


def run(tree, segmenter, rerun=False, identity=None, **kwargs):
    with OutputFolder(tree / "out", PROGRAM) as opened:
        output = RunFolder(opened, identity or IDENTITY, rerun=rerun)
        return video_runs.run_videos(videos(tree), lambda: segmenter, "davis2017", output, **kwargs)


def test_streaming_scores_equal_those_of_the_files_to_the_last_digit(tree):
    streamed, failures = run(tree, baselines.FirstMask())
    read, read_failures = scoring.score_results(
        videos(tree), tree / "out" / "masks", "davis2017", workers=1
    )
    assert failures == read_failures == {}
    assert [s.objects for s in streamed] == [s.objects for s in read]
    assert all(s.frames_per_second > 0 and s.peak_memory > 1e6 for s in streamed)
    assert 0 < streamed[0].objects[0].mean < 1


def test_result_files_are_the_labels_for_every_frame(tree):
    run(tree, baselines.FirstMask())
    truth = tree / "data" / "Annotations" / "480p" / "bee" / "00000.png"
    folder = tree / "out" / "masks" / "bee"
    assert sorted(p.name for p in folder.iterdir()) == [f"{i:05d}.png" for i in range(6)]
    for path in folder.iterdir():
        np.testing.assert_array_equal(read_mask(path), read_mask(truth))


def test_finished_sequences_are_not_run_again(tree):
    first, _ = run(tree, baselines.FirstMask())
    progress = []
    again, _ = run(tree, None, finished=lambda s, fresh: progress.append(fresh))
    assert again == first
    assert progress == [False, False, False]
    recorder = Recorder()
    run(tree, recorder, rerun=True)
    assert recorder.calls.count(("step",)) == 15


def test_a_sequence_with_a_lost_mask_is_run_again(tree):
    run(tree, baselines.FirstMask())
    (tree / "out" / "masks" / "bee" / "00004.png").unlink()
    (tree / "out" / "sequences" / "cat.json").write_text('{"name": ')
    recorder = Recorder()
    _, failures = run(tree, recorder)
    assert failures == {}
    assert recorder.calls.count(("step",)) == 10
    assert (tree / "out" / "masks" / "bee" / "00004.png").exists()


def test_results_of_another_method_are_not_mixed_in(tree):
    run(tree, baselines.FirstMask())
    other = {**IDENTITY, "method": {"checkpoint": "a.h5"}}
    with pytest.raises(InputError, match=r"run\.json: method is .*first_mask.*now it is.*a\.h5"):
        run(tree, Recorder(), identity=other)
    _, failures = run(tree, Recorder(), identity=other, rerun=True)
    assert failures == {}
    (tree / "out" / "run.json").write_text("half")
    for rerun in (False, True):
        with pytest.raises(InputError, match=r"run\.json: is not from feelvos-evaluate"):
            run(tree, Recorder(), rerun=rerun)


@pytest.mark.parametrize("error", [RuntimeError("out of luck"), InputError("out of luck")])
def test_a_failing_sequence_is_named_and_the_rest_goes_on(tree, error):
    done, failures = run(tree, Recorder(fails_on=7, error=error))  # the third frame of bee
    assert [s.name for s in done] == ["ant"]
    assert list(failures) == ["bee", "cat"]  # the counter stands still, so cat fails as well
    assert "out of luck" in failures["bee"]
    kept = tree / "out" / "sequences" / "bee.error.txt"
    assert kept.exists() == (not isinstance(error, InputError))
    recorder = Recorder()
    done, failures = run(tree, recorder)
    assert [s.name for s in done] == ["ant", "bee", "cat"] and failures == {}
    assert recorder.calls.count(("step",)) == 10
    assert not kept.exists()


def test_a_damaged_frame_is_named(tree):
    path = tree / "data" / "JPEGImages" / "480p" / "bee" / "00003.jpg"
    path.write_bytes(path.read_bytes()[:300])
    done, failures = run(tree, baselines.FirstMask())
    assert [s.name for s in done] == ["ant", "cat"]
    assert "bee/00003.jpg" in failures["bee"]


def test_a_mask_of_another_size_is_named(tree):
    path = tree / "data" / "Annotations" / "480p" / "bee" / "00002.png"
    write_mask(path, np.zeros((32, 50), np.uint8))
    _, failures = run(tree, baselines.FirstMask())
    assert "bee/00002.png: mask of 50x32 pixels (width x height), expected 48x32" in failures["bee"]


def test_objects_enter_with_their_own_first_mask_only(tmp_path):
    clip = synthetic.synthetic_clip(
        4, num_frames=9, height=40, width=60, num_objects=2, late_objects=1
    )
    late, entry = max(clip.first_frames.items(), key=lambda item: item[1])
    early = sorted(i for i, first in clip.first_frames.items() if first == 0)
    assert entry > 0 and early
    synthetic.write_clip(clip, tmp_path, "cow")
    video = read_dataset("folder", tmp_path)[0]
    plan = protocols.plan_video(video, "folder")
    recorder, folder = Recorder(), tmp_path / "out"
    folder.mkdir()
    scores = video_runs.run_video(video, plan, "folder", recorder, folder, {late: "cat"})
    assert recorder.calls[0] == ("reset", [0, *early])
    assert recorder.calls[1 + entry] == ("add", [0, late])
    assert recorder.calls.count(("step",)) == len(clip.masks) - 1
    before, at = (read_mask(folder / f"{i:05d}.png") for i in (entry - 1, entry))
    assert late not in before
    np.testing.assert_array_equal(at == late, clip.masks[entry] == late)
    assert {o.object_id: o.category for o in scores.objects}[late] == "cat"


def test_an_object_that_its_own_first_mask_lacks_is_never_added(tmp_path):
    clip = synthetic.synthetic_clip(2, num_frames=5, height=32, width=48, num_objects=1)
    synthetic.write_clip(clip, tmp_path, "dog")
    video = read_dataset("folder", tmp_path)[0]
    video.first_frame[9] = 2
    folder = tmp_path / "out"
    folder.mkdir()
    recorder = Recorder()
    scores = video_runs.run_video(
        video, protocols.plan_video(video, "folder"), "folder", recorder, folder
    )
    assert [call[0] for call in recorder.calls] == ["reset"] + ["step"] * 4
    assert {o.object_id: len(o.frames) for o in scores.objects} == {1: 4, 9: 2}


def test_frames_before_the_first_mask_are_background(tmp_path):
    clip = synthetic.synthetic_clip(2, num_frames=5, height=32, width=48, num_objects=1)
    synthetic.write_clip(clip, tmp_path, "dog")
    for index in (0, 1):
        (tmp_path / "Annotations" / "480p" / "dog" / f"{index:05d}.png").unlink()
    video = read_dataset("folder", tmp_path)[0]
    folder = tmp_path / "out"
    folder.mkdir()
    recorder = Recorder()
    video_runs.run_video(video, protocols.plan_video(video, "folder"), "folder", recorder, folder)
    assert len(recorder.calls) == 3
    found = [read_mask(folder / f"{i:05d}.png").max() for i in range(5)]
    assert found == [0, 0, 1, 1, 1]


def test_labels_of_another_size_are_refused(tree):
    class Small(baselines.FirstMask):
        def step(self, frame):
            return super().step(frame)[:-1]

    _, failures = run(tree, Small())
    assert "labels have shape [31, 48], expected [32, 48]" in failures["ant"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_run_goes_on_where_it_was(tree):
    script = textwrap.dedent(f"""
        import os, signal
        from feelvos_tf.data.layouts import read_dataset
        from feelvos_tf.evaluation import baselines
        from feelvos_tf.evaluation import video_runs
        from feelvos_tf.evaluation.results_folder import PROGRAM, RunFolder
        from feelvos_tf.output_folder import OutputFolder

        class Killed(baselines.FirstMask):
            steps = 0
            def step(self, frame):
                self.steps += 1
                if self.steps == 8:
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().step(frame)

        videos = read_dataset("davis2017", {str(tree / "data")!r}, "val")
        with OutputFolder({str(tree / "out")!r}, PROGRAM) as opened:
            video_runs.run_videos(videos, Killed, "davis2017", RunFolder(opened, {IDENTITY!r}))
    """)
    killed = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert killed.returncode == -signal.SIGKILL
    assert sorted(p.name for p in (tree / "out" / "sequences").iterdir()) == ["ant.json"]
    assert 0 < len(list((tree / "out" / "masks" / "bee").glob("*.png"))) < 6
    recorder = Recorder()
    resumed, failures = run(tree, recorder)
    assert failures == {}
    assert recorder.calls.count(("step",)) == 10
    (tree / "out").rename(tree / "killed")
    whole, _ = run(tree, baselines.FirstMask())
    assert [s.objects for s in resumed] == [s.objects for s in whole]


class Adaptive(Recorder):
    """One that looks through a video twice before it is asked to segment it."""

    def adapt(self, passes, *, steps=None, planned=None):
        self.calls.append(("adapt",))
        self.passes = [list(passes()) for _ in range(2)]
        return Outcome(3, 0.5, "", 0.25, 0.5, True)

    def save_adapted(self, path):
        raise AssertionError("nothing asks for it")

    load_adapted = save_adapted


def test_a_method_that_adapts_is_shown_each_video_first(tree):
    method, said = Adaptive(), []
    done, failures = run(tree, method, say=said.append)
    assert not failures and [scores.name for scores in done] == ["ant", "bee", "cat"]
    assert [call for call in method.calls if call[0] in ("adapt", "reset")] == 3 * [
        ("adapt",),
        *3 * [("reset", [0, 1, 2])],
    ]
    found = (
        "3 steps; given masks found again from other frames: overlap 25.0 % before, 50.0 % after"
    )
    assert said == [f"{name}: {found}; kept" for name in ("ant", "bee", "cat")]
    truth = scoring.read_truth(videos(tree)[2], 0, "davis2017")
    for frames in method.passes:
        assert [frame.index for frame in frames] == [0, 1, 2, 3, 4, 5]
        assert [frame.given for frame in frames] == [True] + 5 * [False]
        assert all((frame.labels == truth).all() for frame in frames)


def test_frames_before_the_first_mask_are_no_part_of_a_pass(tmp_path):
    clip = synthetic.synthetic_clip(3, num_frames=6, height=32, width=48, num_objects=1)
    synthetic.write_clip(clip, tmp_path / "data", "late", "val")
    for mask in sorted((tmp_path / "data").rglob("*.png"))[:2]:
        write_mask(mask, np.zeros([32, 48], np.uint8))
    (video,) = read_dataset("folder", tmp_path / "data", "")
    plan = protocols.plan_video(video, "folder")
    passes = video_runs.passes_of(video, plan, "folder", Recorder())
    assert [(frame.index, frame.given) for frame in passes()] == [
        (2, True), (3, False), (4, False), (5, False),
    ]  # fmt: skip


class Embedding(Recorder):
    """A method with embeddings, each of which holds the number of frames before it."""

    @property
    def embedding(self):
        return np.full([2, 3, 4], len(self.calls), np.float32)


def test_embeddings_are_kept_where_asked_for(tree):
    """Also where a run without them is finished, or one of them is missing."""
    output, method = tree / "out", Embedding()

    def go(embeddings):
        before = len(method.calls)
        with OutputFolder(output, PROGRAM) as opened:
            folder = RunFolder(opened, IDENTITY, embeddings=embeddings)
            _, failures = video_runs.run_videos(
                videos(tree)[:2], lambda: method, "davis2017", folder
            )
        assert not failures
        return len(method.calls) - before

    assert go(False) == 12 and not (output / "embeddings").exists()
    assert go(True) == 12
    for number, name in enumerate(["ant", "bee"]):
        files = sorted((output / "embeddings" / name).iterdir())
        assert [path.name for path in files] == [f"{i:05d}.npy" for i in range(6)]
        found = [np.load(path) for path in files]
        assert found[0].shape == (2, 3, 4) and found[0].dtype == np.float32
        assert [int(e[0, 0, 0]) for e in found] == [13 + 6 * number + i for i in range(6)]
    assert go(True) == go(False) == 0
    files[3].unlink()
    assert go(True) == 6 and files[3].is_file()
