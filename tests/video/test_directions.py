"""Videos computed backwards and both ways: what each frame follows from, resuming, seeking."""

import numpy as np
import pytest
from segment_runs import SIZE, Noisy, Remembering, contents, masks, run, square

from feelvos_tf.errors import InputError
from feelvos_tf.video import passes, video_file
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.video_file import VideoFileFrames
from feelvos_tf.video.video_writer import VideoFileWriter


@pytest.fixture
def given(tmp_path):
    """Masks of frames 3 and 8 that tell all, and of frame 5 that adds an object."""
    folder = tmp_path / "given"
    folder.mkdir()
    for index, ids in ((3, (3, 9)), (5, (40,)), (8, (9, 255))):
        write_mask(folder / f"frame{index}.png", square(*ids))
    return folder


def naive(frames, direction):
    """The labels of every frame, by hand."""
    images = [frame.image for frame in open_frames(frames)]
    masks = {3: square(3, 9), 5: square(40), 8: square(9, 255)}
    orders = {
        "both": [(3, range(3, 6)), (3, range(2, -1, -1)), (8, range(8, 12)), (8, [7, 6])],
        "backward": [(8, range(8, 3, -1)), (3, range(3, -1, -1))],
    }
    found = {i: np.zeros(SIZE, np.uint8) for i in range(12)}
    for anchor, order in orders[direction]:
        segmenter = Noisy()
        segmenter.reset(images[anchor], masks[anchor])
        for i in masks:
            if i != anchor and i not in order:
                segmenter.add_reference(images[i], masks[i], objects_only=i == 5)
        for i in order:
            found[i] = masks[i] if i == anchor else segmenter.step(images[i])
            if i == 5:
                found[i] = segmenter.add_objects(masks[i])
    return found


@pytest.mark.parametrize("direction", ["both", "backward"])
def test_every_frame_follows_from_a_given_one(direction, frames, given, tmp_path):
    out = tmp_path / "out"
    summary, lines = run(frames, given, out, direction=direction, overlay=True)
    found = masks(out)
    for i, labels in naive(frames, direction).items():
        np.testing.assert_array_equal(found[f"frame{i}"], labels, f"frame {i}")
    assert (summary.masks, summary.skipped) == (12, 0)
    assert len(list(open_frames(out / "overlay.mp4"))) == 12
    assert any(f"direction {direction}" in line for line in lines)


@pytest.mark.parametrize("segmenter", [Noisy, Remembering])
def test_an_object_that_a_later_mask_tells_of_too(segmenter, frames, tmp_path):
    """Mask 5 brings in object 40, which mask 8, known from the beginning, has already."""
    given = tmp_path / "given"
    given.mkdir()
    for index, ids in ((3, (3,)), (5, (40,)), (8, (3, 40))):
        write_mask(given / f"frame{index}.png", square(*ids))
    run(frames, given, tmp_path / "whole", segmenter(), direction="both")
    found = masks(tmp_path / "whole")
    assert (found["frame5"][square(40) > 0] == 40).all() and (found["frame5"] == 3).any()
    for stop_at in range(1, 9):
        out = tmp_path / f"{stop_at}"
        with pytest.raises(KeyboardInterrupt):
            run(frames, given, out, segmenter(stop_at=stop_at), direction="both")
        run(frames, given, out, segmenter(), direction="both", resume=True)
        assert contents(out) == contents(tmp_path / "whole")


def test_the_default_is_both_where_frames_come_before_the_first_mask(frames, given, tmp_path):
    run(frames, given, tmp_path / "default", direction=None)
    run(frames, given, tmp_path / "both", direction="both")
    run(frames, given, tmp_path / "forward", direction="forward")
    default, both = masks(tmp_path / "default"), masks(tmp_path / "both")
    assert all(np.array_equal(default[name], both[name]) for name in both)
    assert not masks(tmp_path / "forward")["frame2"].any() and both["frame2"].any()


@pytest.mark.parametrize("kind", [Noisy, Remembering])
@pytest.mark.parametrize(
    "direction,stops", [("both", (0, 2, 4, 5, 7, 8, 9, 13)), ("backward", (0, 1, 4, 6))]
)
def test_resumed_is_as_if_never_stopped(
    kind, direction, stops, frames, given, tmp_path, monkeypatch
):
    monkeypatch.setattr("feelvos_tf.video.kept_state._SECONDS_BETWEEN", 0.0)
    options = {"direction": direction, "contact_sheet": False}
    whole = kind()
    run(frames, given, tmp_path / "whole", whole, **options)
    for stop_at in stops:
        out = tmp_path / str(stop_at)
        with pytest.raises(KeyboardInterrupt):
            run(frames, given, out, kind(stop_at), **options)
        rest = kind()
        run(frames, given, out, rest, resume=True, **options)
        # The four frames between the masks are computed backwards again where they are needed.
        again = min(stop_at, 4) if direction == "both" and stop_at < 8 else 0
        assert rest.steps <= whole.steps - stop_at + again
        for path, data in contents(tmp_path / "whole").items():
            assert path.name == "run.json" or (out / path).read_bytes() == data, path


def test_another_direction_is_another_run(frames, given, tmp_path):
    run(frames, given, tmp_path / "out", direction="both")
    with pytest.raises(InputError, match="run.json: direction is 'both'"):
        run(frames, given, tmp_path / "out", direction="backward", resume=True)
    with pytest.raises(InputError, match="direction is 'up', expected one of forward, backward"):
        run(frames, given, tmp_path / "other", direction="up")


def film(path, count):
    rng = np.random.default_rng(0)
    with VideoFileWriter(path, 10) as writer:
        for i in range(count):
            writer.write(np.roll(np.full(SIZE + (3,), rng.integers(256, size=3), np.uint8), i, 1))
    return path


def test_a_film_is_read_backwards_as_forwards(tmp_path, monkeypatch):
    """By seeking: never decoded from its beginning, but to count its frames."""
    path = film(tmp_path / "v.mp4", 40)
    wanted = list(open_frames(path))
    source = VideoFileFrames(path)
    monkeypatch.setattr(source, "iterate", None)
    monkeypatch.setattr(video_file, "_NEAR", 0)  # the first frames are sought too
    for first, last in ((36, 39), (0, 0), (11, 14), (13, 13), (25, 38)):
        chunk = source.chunk(first, last)
        assert [frame.index for frame in chunk] == list(range(first, last + 1))
        for frame in chunk:
            np.testing.assert_array_equal(frame.image, wanted[frame.index].image)
            assert frame.time == wanted[frame.index].time
    assert source.exact_length() == 40


def test_stamps_that_tell_nothing_are_done_without(tmp_path):
    source = VideoFileFrames(film(tmp_path / "v.mp4", 12))
    source._stamps = [None] * 12
    assert [frame.index for frame in source.chunk(4, 6)] == [4, 5, 6]


@pytest.fixture
def held(monkeypatch):
    """How many frames of a film are read at once, each time; four at most."""
    monkeypatch.setattr(passes, "_CHUNK_BYTES", 4 * 3 * SIZE[0] * SIZE[1])
    held = []
    chunk = VideoFileFrames.chunk
    monkeypatch.setattr(
        VideoFileFrames,
        "chunk",
        lambda self, first, last: held.append(last - first + 1) or chunk(self, first, last),
    )
    return held


def test_a_film_in_both_directions_holds_few_frames(tmp_path, held):
    path = film(tmp_path / "v.mp4", 30)
    (tmp_path / "m").mkdir()
    write_mask(tmp_path / "m" / "00012.png", square(1))
    run(path, tmp_path / "m", tmp_path / "out", direction=None)
    assert len(list((tmp_path / "out").glob("0*.png"))) == 30
    assert max(held) == 4 and sum(held) == 30 + 2


def test_frames_between_two_masks_are_read_twice_and_few_at_a_time(tmp_path, held):
    path = film(tmp_path / "v.mp4", 30)
    (tmp_path / "m").mkdir()
    for index in (2, 27):
        write_mask(tmp_path / "m" / f"{index:05d}.png", square(1))
    run(path, tmp_path / "m", tmp_path / "out", direction="both")
    assert max(held) == 4
    assert sum(held) == 30 + 24 + 4 * 2  # each pass, and the way back, reads both given frames


def test_plans():
    def entry(index, ids=(1,), whole=True):
        return passes.GivenMask(None, index, str(index), ids, 0, whole)

    a, b, late, empty = entry(2), entry(6), entry(4, (5,), False), entry(7, ())
    both = passes.plan([a, late, b, empty], 9, "both")
    assert [(one.anchor, list(one.frames), one.until, list(one.back)) for one in both] == [
        (a, [2, 3, 4, 5], b, [5, 4, 3]),
        (a, [1, 0], None, []),
        (b, [6, 7, 8], None, []),
    ]
    near = passes.plan([a, entry(3)], 4, "both")
    assert [(list(one.frames), list(one.back)) for one in near] == [
        ([2], []),
        ([1, 0], []),
        ([3], []),
    ]
    backward = passes.plan([a, late, b, empty], 9, "backward")
    assert [(one.anchor, list(one.frames)) for one in backward] == [
        (None, [7, 8]),
        (b, [6, 5, 4, 3]),
        (a, [2, 1, 0]),
    ]


@pytest.mark.parametrize("codec,options", [("libx264", {"g": "7"}), ("mpeg4", {"g": "5"})])
def test_frames_between_keyframes_are_the_same_after_seeking(codec, options, tmp_path, monkeypatch):
    import av

    picture = np.random.default_rng(0).integers(0, 256, (34, 48, 3), np.uint8)
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"bf": "2", **options})
        stream.width, stream.height, stream.pix_fmt = 48, 34, "yuv420p"
        for i in range(40):
            image = av.VideoFrame.from_ndarray(np.roll(picture, i, 1), format="rgb24")
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    wanted = list(open_frames(tmp_path / "v.mp4"))
    source = VideoFileFrames(tmp_path / "v.mp4")
    monkeypatch.setattr(source, "iterate", None)  # nothing is decoded from the beginning
    monkeypatch.setattr(video_file, "_NEAR", 0)
    for first in range(0, len(wanted), 3):
        chunk = source.chunk(first, first + 2)
        assert [frame.index for frame in chunk] == list(range(first, min(first + 3, len(wanted))))
        for frame in chunk:
            np.testing.assert_array_equal(frame.image, wanted[frame.index].image)
