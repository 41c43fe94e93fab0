"""Frames of any video, in any order, in bounded time and memory; boxes around objects."""

import io

import films
import numpy as np
import projects
import pytest
from PIL import Image

from feelvos_tf.annotate import pictures
from feelvos_tf.annotate.box_refinement import checked_box, refined
from feelvos_tf.annotate.pictures import Pictures
from feelvos_tf.errors import InputError
from feelvos_tf.video.frames import open_frames


def level(data):
    """The gray level of a JPEG of one color."""
    return float(np.asarray(Image.open(io.BytesIO(data))).mean())


def long_film(path, count):
    """Frames of 16 gray levels in turn, with keyframes far apart and B-frames between."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "2", "g": "50"})
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for index in range(count):
            image = np.full((32, 48, 3), 16 * (index % 16), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_any_frame_of_a_film_is_the_right_one(tmp_path, name):
    source = open_frames(long_film(tmp_path / name, 300))
    found = Pictures(source, len(source))
    assert len(source) == 300
    for index in [299, 0, 150, 149, 148, 70, 71, 210, 3, 298, 120]:
        assert abs(level(found.frame(index)) - 16 * (index % 16)) < 5, index
    assert source._stamps is None  # nothing has been decoded for the sake of counting


def test_chunks_agree_with_reading_from_the_beginning(tmp_path):
    path = long_film(tmp_path / "clip.mp4", 150)
    whole = [frame.image for frame in open_frames(path)]
    source = open_frames(path)
    for first, last in [(100, 109), (0, 3), (140, 200), (63, 66), (149, 149), (150, 160)]:
        found = source.chunk(first, last)
        assert [frame.index for frame in found] == list(range(first, min(150, last + 1)))
        for frame in found:
            assert (frame.image == whole[frame.index]).all()


@pytest.mark.parametrize("degrees", [0, 90])
def test_rotation_and_variable_rates(tmp_path, degrees):
    try:
        path = films.film(tmp_path / "clip.mp4", degrees=degrees)
    except AttributeError:
        pytest.skip("this PyAV cannot write a rotation")
    source = open_frames(path)
    found = Pictures(source, len(source))
    for index in (6, 2, 0, 4):
        picture = found.frame(index)
        assert abs(level(picture) - 30 * index) < 6
        assert Image.open(io.BytesIO(picture)).size == ((34, 48) if degrees else (48, 34))


def test_a_long_film_opens_as_fast_as_a_short_one(tmp_path):
    """No frame but the first is decoded, wherever one looks for a thumbnail."""
    source = open_frames(long_film(tmp_path / "long.mp4", 3000))
    decoded = []
    to_rgb = source._to_rgb
    source._to_rgb = lambda frame, name: decoded.append(name) or to_rgb(frame, name)
    found = Pictures(source, len(source))
    assert level(found.frame(0)) < 5
    for index in range(0, 3000, 250):
        found.thumbnail(index)
    assert len(decoded) <= 12 + pictures._AHEAD + 1  # one tells that those asked for are over
    found.frame(2999)
    assert len(decoded) < 60


def test_memory_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "_KEPT_BYTES", 30_000)
    monkeypatch.setattr(pictures, "_KEPT_THUMBNAILS", 3)
    source = open_frames(projects.write_frames(tmp_path / "clip", 60))
    found = Pictures(source, 60)
    for index in range(60):
        found.frame(index)
        found.thumbnail(index)
    assert found._bytes == sum(map(len, found._frames.values())) <= 30_000
    assert len(found._frames) < 60 and len(found._thumbnails) == 3


@pytest.mark.parametrize("size", [(1, 64), (37, 1), (3, 5)])
def test_frames_of_odd_sizes(tmp_path, size):
    folder = tmp_path / "clip"
    folder.mkdir()
    Image.fromarray(np.full((*size, 3), 99, np.uint8)).save(folder / "a.png")
    found = Pictures(open_frames(folder), 1)
    assert Image.open(io.BytesIO(found.frame(0))).size == size[::-1]
    assert found.thumbnail(0).startswith(b"\xff\xd8")
    with pytest.raises(InputError):
        found.frame(1)


def test_a_box_gives_the_object_in_it():
    image = projects.drawn(5, (120, 160))
    rng = np.random.default_rng(0)
    image = np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    truth = projects.truth(5, (120, 160)) == 1
    y, x = np.nonzero(truth)
    left, top, right, bottom = x.min() - 4, y.min() - 5, x.max() + 7, y.max() + 6
    box = checked_box([int(v) for v in (left, top, right, bottom)], image.shape)
    inside, found = refined(image, box)
    assert found
    assert inside.shape == (box[3] - box[1], box[2] - box[0])
    expected = truth[box[1] : box[3], box[0] : box[2]]
    assert (inside & expected).sum() / (inside | expected).sum() > 0.95


@pytest.mark.parametrize("box", [[0, 0, 48, 36], [-50, -50, 500, 500], [46, 34, 48, 36]])
def test_boxes_at_the_edges(box):
    image = np.full((36, 48, 3), 50, np.uint8)
    cut = checked_box(box, image.shape)
    inside, found = refined(image, cut)
    assert inside.all() and not found  # one color all over


@pytest.mark.parametrize(
    "box", [None, [1, 2, 3], [0, 0, 1, 9], [9, 9, 5, 5], [True] * 4, ["a"] * 4]
)
def test_boxes_that_are_none(box):
    with pytest.raises(InputError, match="the box is"):
        checked_box(box, (36, 48))
