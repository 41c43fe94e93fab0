"""Names from outside, however hostile: a line or the right result, and nothing out of place."""

import json
import os
import pathlib
import shutil
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from segment_runs import Noisy, contents

from feelvos_tf.data import synthetic
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import baselines, datasets
from feelvos_tf.triplets import tfrecords
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.segment import segment_video

pytestmark = pytest.mark.slow

FUZZ = settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
LIMIT = 10.0  # seconds

PIECES = st.sampled_from(
    [
        "..",
        ".",
        "/",
        "\\",
        "a",
        "ant",
        "x",
        "~",
        "$HOME",
        "*",
        "?",
        "%2e",
        "\n",
        "\r",
        "\0",
        " ",
        "\t",
        "\x1b[31m",
        "\u2028",
        "\u202e",
        "é",
        "e\u0301",
        "日",
        "🐻",
        "\udcff",
        "\ud800",
        ":",
        "|",
        "-",
        "--output",
        "a" * 100,
        "b" * 256,
        ".png",
        ".feelvos-00.part",
        "run.json",
        "con",
        "'",
        '"',
    ]
)
NAMES = st.one_of(
    st.lists(PIECES, max_size=5).map("".join),
    st.text(max_size=20),
    st.sampled_from(
        [
            "../../x",
            "../x",
            "{base}/x",
            "{base}",
            "ant/../../x",
            "/",
            "//",
            "..\\..\\x",
            "./ant",
            "ant/",
            "x/..",
        ]
    ),
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A dataset in every layout, and a user's folder "x" that a name might lead to."""
    base = tmp_path_factory.mktemp("fuzz")
    clip = synthetic.synthetic_clip(0, num_frames=3, height=24, width=32, num_objects=1)
    synthetic.write_clip(clip, base / "tree", "ant", "val")
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(
            base / "tree" / kind / "480p" / "ant", base / "tube" / "valid" / kind / "ant"
        )
    (base / "x").mkdir()
    for name in ("00000.png", "ant.json", "00000.jpg"):
        (base / "x" / name).write_text("precious")
    return base


def attempt(act):
    """Whether something ends well; fails where it takes long or raises what is no InputError."""
    start = time.monotonic()
    try:
        act()
        return True
    except InputError as error:
        assert len(str(error).splitlines()) == 1 and str(error)
        return False
    finally:
        assert time.monotonic() - start < LIMIT


def evaluate_tree(base, dataset, root, split, **options):
    task = datasets.read_task(dataset, root, split, **options)
    outcome = datasets.evaluate_method(
        task,
        baselines.FirstMask,
        {"baseline": "first_mask"},
        base / "place" / "out",
        pictures=False,
        pack=True,
        say=str,
    )
    assert not outcome.failures


def unharmed(base, act):
    """Attempts something that may write to base/place/out and nowhere else."""
    work = base / "place"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    before = {key: value for key, value in contents(base).items() if "place" not in key.parts[:1]}
    done = attempt(act)
    after = {key: value for key, value in contents(base).items() if "place" not in key.parts[:1]}
    assert after == before
    assert {path.name for path in work.iterdir()} <= {"out"}
    return done


def on_disk(text):
    """Writes text as a hostile file may hold it, half characters included."""
    return text.encode("utf-8", "surrogatepass")


@FUZZ
@given(NAMES)
def test_names_in_lists_of_a_split(base, name):
    name = name.replace("{base}", str(base))
    val = base / "tree" / "ImageSets" / "2017" / "fuzz.txt"
    val.write_bytes(on_disk(f"ant\n{name}\n"))
    done = unharmed(base, lambda: evaluate_tree(base, "davis2017", base / "tree", "fuzz"))
    assert not done or {line.strip() for line in name.splitlines()} <= {"ant", ""}


@FUZZ
@given(NAMES, st.sampled_from(["video", "category", "frame", "object"]))
def test_names_in_a_meta_json(base, name, place):
    name = name.replace("{base}", str(base))
    names = {"video": "ant", "category": "cat", "frame": "00000", "object": "1", place: name}
    objects = {names["object"]: {"category": names["category"], "frames": [names["frame"]]}}
    (base / "tube" / "valid" / "meta.json").write_text(
        json.dumps({"videos": {names["video"]: {"objects": objects}}})
    )
    done = unharmed(base, lambda: evaluate_tree(base, "youtube_vos", base / "tube", "valid"))
    assert place == "category" or not done or name in ("ant", "00000", "1") or place == "object"


@FUZZ
@given(NAMES)
def test_names_of_splits_and_of_lists_of_videos(base, name):
    name = name.replace("{base}", str(base))
    some = base / "some.txt"
    some.write_bytes(on_disk(name))
    unharmed(base, lambda: evaluate_tree(base, "davis2017", base / "tree", "val", only=some))
    unharmed(base, lambda: evaluate_tree(base, "davis2017", base / "tree", name))
    unharmed(base, lambda: evaluate_tree(base, "folder", base / "tree", name))


@FUZZ
@given(NAMES)
def test_names_in_records(base, name):
    name = name.replace("{base}", str(base))
    import tensorflow as tf

    example = tfrecords.make_example("ant", [b"\xff\xd8\xff"], [b""], (24, 32))
    example.context.feature["video_id"].bytes_list.value[0] = on_disk(name)
    path = base / "a.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(example.SerializeToString())

    def read():
        (entry,) = tfrecords.index_shards(str(path), max_bad_share=0.0)
        assert entry.name == name and "/" not in name

    attempt(read)


@FUZZ
@given(NAMES, st.sampled_from(["frames", "masks", "output", "videos"]))
def test_names_of_files_and_folders(base, name, place):
    name = name.replace("{base}", "")
    work = base / "place"
    shutil.rmtree(work, ignore_errors=True)
    frames, masks = work / "in" / "frames", work / "in" / "masks"
    shutil.copytree(base / "tree" / "JPEGImages" / "480p" / "ant", frames)
    masks.mkdir()
    write_mask(masks / "00000.png", np.eye(24, 32, dtype=np.uint8))
    moved = {
        "frames": (frames / "00001.jpg", frames / f"{name}.jpg"),
        "masks": (masks / "00000.png", masks / f"{name}.png"),
        "videos": (frames, frames.parent / name),
        "output": None,
    }[place]
    output = work / "out" / name if place == "output" else work / "out"
    if place == "output" and (os.path.isabs(name) or ".." in name):
        return  # where a user says that results should go, they go
    try:
        if moved and moved[1].parent == moved[0].parent and not moved[1].exists():
            os.rename(*moved)
            frames = moved[1] if place == "videos" else frames
    except (OSError, ValueError):
        return  # no file has such a name
    before = contents(work / "in")
    attempt(lambda: segment_video(frames, masks, output, Noisy, say=str, overlay=True))
    assert contents(work / "in") == before
    assert {path.name for path in work.iterdir()} <= {"in", "out"}
    assert len(list(pathlib.Path(base / "x").iterdir())) == 3
