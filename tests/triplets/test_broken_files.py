"""Files of a training set that cannot be read."""

import contextlib
import shutil

import pytest
import tensorflow as tf
from data_trees import video_of, write_video
from streams import SMALL, take

from feelvos_tf.errors import InputError
from feelvos_tf.triplets.clip_sources import TreeSource
from feelvos_tf.triplets.stream import make_triplets
from feelvos_tf.triplets.triplet_config import TripletConfig


@contextlib.contextmanager
def broken_tree(tmp_path, break_it):
    for number in range(4):
        write_video(tmp_path, f"clip{number}", 5, seed=number)
    videos = [video_of(tmp_path, f"clip{number}") for number in range(4)]
    break_it(tmp_path)
    yield TreeSource("broken", videos)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-60])


@pytest.mark.parametrize(
    "break_it",
    [
        lambda root: truncate(root / "JPEGImages/480p/clip1/00002.png"),
        lambda root: truncate(root / "Annotations/480p/clip1/00002.png"),
        lambda root: (root / "JPEGImages/480p/clip1/00002.png").unlink(),
        lambda root: (
            write_video(root / "x", "v", 1, size=(40, 80))
            or shutil.copy(
                root / "x/Annotations/480p/v/00000.png", root / "Annotations/480p/clip1/00002.png"
            )
        ),
    ],
    ids=["image", "mask", "missing", "size"],
)
def test_broken_files_are_named_and_skipped(tmp_path, break_it, capfd):
    config = TripletConfig(
        crop_size=(49, 65), min_object_pixels=1, max_bad_share=1.0, scale_range=(0.4, 0.5)
    )
    with broken_tree(tmp_path, break_it) as source:
        elements = take([source], config)
    assert 25 < len(elements) < 40
    for element in elements:
        name, frames = element["name"].decode().split("/")[1].split(":")
        assert name != "clip1" or "2" not in frames.split(",")
    messages = [line for line in capfd.readouterr().err.splitlines() if "Unreadable" in line]
    assert len(messages) == 40 - len(elements)
    assert all("clip1/00002.png" in message for message in messages)


def test_too_many_broken_files_end_the_stream(tmp_path):
    def break_it(root):
        for path in (root / "JPEGImages/480p/clip1").iterdir():
            path.write_bytes(b"")

    config = TripletConfig(crop_size=(49, 65), min_object_pixels=1, max_bad_share=0.05)
    with broken_tree(tmp_path, break_it) as source:
        with pytest.raises(tf.errors.InvalidArgumentError, match="max_bad_share"):
            take([source], config)


def test_videos_that_are_too_short_are_left_out(coordinate_videos, tmp_path):
    write_video(tmp_path, "short", 2)
    short = video_of(tmp_path, "short")
    source = TreeSource("mixed", [*coordinate_videos[:1], short])
    assert all(b"clip0" in element["name"] for element in take([source]))
    with pytest.raises(InputError, match="no video has 3 frames"):
        make_triplets([TreeSource("short", [short])], SMALL)
