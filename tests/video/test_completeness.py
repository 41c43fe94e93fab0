"""Cut files are told from whole ones, whatever their container, rate and sound."""

import fractions
import logging

import numpy as np
import pytest

av = pytest.importorskip("av")

from feelvos_tf.errors import InputError  # noqa: E402
from feelvos_tf.video.frames import open_frames  # noqa: E402

_FRAMES = 20
_MILLISECOND = fractions.Fraction(1, 1000)
UNEVEN = [0, 10, 30, 500, 510, 520, 530, 1900, 1950, 2000,
          2001, 2002, 2500, 2600, 2700, 2710, 2720, 2730, 5000, 5040]  # fmt: skip
KINDS = {
    "even": {},
    "uneven": {"times": UNEVEN},
    "late": {"times": [3000 + time for time in UNEVEN]},
    "sound": {"sound": True},
    "front": {"options": {"movflags": "+faststart"}},
}


def film(path, times=None, sound=False, options=None):
    """Twenty frames of noise of 36x52 pixels; sound outlasts them."""
    rng = np.random.default_rng(7)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.height, stream.width, stream.pix_fmt = 36, 52, "yuv420p"
        if times:
            stream.codec_context.time_base = _MILLISECOND
        voice = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        for index in range(_FRAMES):
            image = rng.integers(0, 256, (36, 52, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times:
                frame.pts, frame.time_base = times[index], _MILLISECOND
            container.mux(stream.encode(frame))
            if voice is not None:
                samples = av.AudioFrame.from_ndarray(
                    rng.standard_normal((1, 1024), np.float32) / 9, "fltp", "mono"
                )
                samples.sample_rate, samples.pts = 16000, 1024 * index
                container.mux(voice.encode(samples))
        container.mux(stream.encode(None))
        if voice is not None:
            container.mux(voice.encode(None))
    return path


@pytest.mark.parametrize(
    ("extension", "kind"),
    [
        (extension, kind)
        for kind in KINDS
        for extension in ("mp4", "mov", "mkv")
        if (extension, kind) != ("mkv", "front")
    ],
)
def test_every_cut_is_seen_and_no_whole_file_is_called_cut(tmp_path, extension, kind, caplog):
    path = film(tmp_path / f"a.{extension}", **KINDS[kind])
    with caplog.at_level(logging.WARNING):
        assert len(list(open_frames(path))) == _FRAMES
    assert not caplog.records
    data = path.read_bytes()
    refused = 0
    for cut in np.linspace(0.03, 0.98, 16):
        path.write_bytes(data[: int(len(data) * cut)])
        try:
            found = len(list(open_frames(path)))
        except InputError as error:
            assert f"a.{extension}" in str(error)
            refused += 1
        else:
            assert found == _FRAMES  # the cut took sound alone
    assert refused >= 12


@pytest.mark.parametrize(("extension", "kind"), [("mp4", "front"), ("mkv", "even")])
def test_a_cut_names_both_numbers_and_can_be_let_pass(tmp_path, extension, kind, caplog):
    path = film(tmp_path / f"a.{extension}", **KINDS[kind])
    data = path.read_bytes()
    with av.open(str(path)) as container:
        last = [p.pos for p in container.demux(video=0) if p.size][-3]
    path.write_bytes(data[:last])  # three frames less, and no half frame
    with pytest.raises(InputError, match=r"is cut off, found 17 frames, expected 20"):
        list(open_frames(path))
    with caplog.at_level(logging.WARNING):
        assert len(list(open_frames(path, on_error="skip"))) == 17
    assert "skipped" not in caplog.text
    assert "is cut off, found 17 frames, expected 20" in caplog.text


def test_an_avi_with_fewer_frames_than_its_index_lists_is_warned_of(tmp_path, caplog):
    path = film(tmp_path / "a.avi")
    with caplog.at_level(logging.WARNING):
        assert len(list(open_frames(path))) == _FRAMES
        assert not caplog.records
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 6 // 10])
        found = len(list(open_frames(path, on_error="skip")))
    assert 0 < found < _FRAMES
    assert f"a.avi: found {found} frames, its index lists {_FRAMES}" in caplog.text
