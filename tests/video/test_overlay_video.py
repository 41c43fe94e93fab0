"""overlay.mp4 is shown as its video is: times, form of the pixels, sound."""

import fractions

import numpy as np
import pytest
from films import MILLISECONDS, film

from feelvos_tf.errors import InputError
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.pictures import Pictures
from feelvos_tf.video.video_writer import VideoFileWriter

av = pytest.importorskip("av")


def drawn(source, folder):
    """Draws the whole overlay of a source; returns its file."""
    with Pictures(folder, source, len(source), overlay=True, contact_sheet=False) as pictures:
        for frame in source:
            pictures.add(frame, np.zeros(source.size, np.uint8))
    return folder / "overlay.mp4"


def shown(path):
    """Milliseconds at which a file's frames are shown, counted from the first."""
    times = [frame.time for frame in open_frames(path)]
    return [round(float(time - times[0]) * 1000) for time in times]


def sound_of(path):
    """Codec and bytes of each packet of sound, and the seconds of the first and of the last."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        ends = [float(packets[i].pts * packets[i].time_base) for i in (0, -1)]
        return stream.codec_context.name, [bytes(packet) for packet in packets], ends


@pytest.mark.parametrize("encoder", ["libx264", "mpeg4"])
@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_frames_keep_their_times(tmp_path, extension, encoder, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {encoder})
    path = film(tmp_path / f"a.{extension}")
    assert shown(path) == MILLISECONDS
    assert shown(drawn(open_frames(path), tmp_path)) == MILLISECONDS


def test_times_that_do_not_rise_become_the_next_there_is(tmp_path):
    seconds = [fractions.Fraction(n, 10) for n in (50, 51, 51, 49, 60)]
    with VideoFileWriter(tmp_path / "a.mp4", 10) as writer:
        for time in seconds:
            writer.write(np.zeros((8, 8, 3), np.uint8), time)
    assert shown(tmp_path / "a.mp4") == [0, 100, 200, 300, 1000]


def test_a_skipped_frame_leaves_the_others_where_they_are(tmp_path):
    source = open_frames(film(tmp_path / "a.mp4"))
    with Pictures(tmp_path, source, len(source), overlay=True, contact_sheet=False) as pictures:
        for frame in source:
            if frame.index != 2:
                pictures.add(frame, np.zeros(source.size, np.uint8))
    assert shown(tmp_path / "overlay.mp4") == [0, 40, 500, 510, 511, 1700]


@pytest.mark.parametrize("degrees, expected", [(0, (4, 3)), (180, (4, 3)), (90, (3, 4))])
def test_pixels_keep_their_form(tmp_path, degrees, expected):
    source = open_frames(film(tmp_path / "a.mp4", aspect=(4, 3), degrees=degrees))
    assert source.pixel_aspect == fractions.Fraction(*expected)
    assert open_frames(drawn(source, tmp_path)).pixel_aspect == source.pixel_aspect


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv"])
def test_sound_is_copied_as_it_is(tmp_path, extension):
    path = film(tmp_path / f"a.{extension}", audio="aac")
    codec, packets, (begin, end) = sound_of(path)
    copied = sound_of(drawn(open_frames(path), tmp_path))
    kept = copied[1]
    assert copied[0] == codec == "aac"
    # What an encoder puts before time 0 is left out, and what comes after the last frame.
    dropped = len(packets) - len(kept)
    assert dropped <= 1
    assert any(kept == packets[i : len(kept) + i] for i in range(dropped + 1))
    assert copied[2] == pytest.approx([max(begin, 0), end], abs=0.13)


def test_sound_ends_with_the_frames(tmp_path):
    path = film(tmp_path / "a.mp4", audio="aac")
    source = open_frames(path)
    with Pictures(tmp_path, source, 3, overlay=True, contact_sheet=False) as pictures:
        for frame in list(source)[:3]:
            pictures.add(frame, np.zeros(source.size, np.uint8))
    begin, end = sound_of(tmp_path / "overlay.mp4")[2]
    assert begin <= 0.13 and end <= 0.08 + 1.0  # one mean frame after the last


def test_sound_that_does_not_fit_is_told(tmp_path, caplog):
    path = film(tmp_path / "a.mov", audio="pcm_alaw")
    written = drawn(open_frames(path), tmp_path)
    assert shown(written) == MILLISECONDS
    assert open_frames(written).sound is None
    assert "a.mov: its sound is left out of the video (mp4 takes no pcm_alaw)" in caplog.text


def test_damaged_sound_does_not_end_the_video(tmp_path, caplog):
    path = film(tmp_path / "a.mp4", audio="aac")
    source = open_frames(path)
    frames = list(source)
    path.write_bytes(b"gone")
    with Pictures(tmp_path, source, 7, overlay=True, contact_sheet=False) as pictures:
        for frame in frames:
            pictures.add(frame, np.zeros(source.size, np.uint8))
    assert shown(tmp_path / "overlay.mp4") == MILLISECONDS
    assert "a.mp4: its sound is left out" in caplog.text


def test_a_folder_is_shown_at_the_rate_told(tmp_path):
    from PIL import Image

    for number in range(4):
        Image.new("RGB", (31, 17)).save(tmp_path / f"{number}.png")
    assert shown(drawn(open_frames(tmp_path, frame_rate=8), tmp_path)) == [0, 125, 250, 375]
    assert open_frames(tmp_path).frame_rate == 24
    with pytest.raises(InputError, match="-1 frames per second, expected more than 0"):
        open_frames(tmp_path, frame_rate=-1)
    with pytest.raises(InputError, match="overlay.mp4: a video file says its frame rate itself"):
        open_frames(tmp_path / "overlay.mp4", frame_rate=8)
