"""Hundreds of damaged videos, segmented with an overlay: one line, soon, nothing else touched."""

import logging
import time

import numpy as np
import pytest
from films import damaged, film
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from segment_runs import Noisy

from feelvos_tf.errors import InputError
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.segment import segment_video

pytestmark = pytest.mark.slow

SECONDS = 10
KINDS = {"mp4": "aac", "mkv": "aac", "mov": "pcm_s16le", "avi": "pcm_s16le"}


class Still(Noisy):
    """A segmenter that answers with the labels it has, at any size."""

    def step(self, frame):
        return self._labels


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    paths = [
        film(folder / f"a.{kind}", audio=sound, aspect=(4, 3)) for kind, sound in KINDS.items()
    ]
    return [path.read_bytes() for path in paths]


@settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.data(), st.sampled_from(["stop", "skip"]))
def test_damaged_videos_are_segmented_or_refused(films, tmp_path_factory, data, on_error):
    content = data.draw(damaged(films))
    folder = tmp_path_factory.mktemp("fuzz")
    video, mask, output = folder / "fuzz.mp4", folder / "mask.png", folder / "out"
    video.write_bytes(content)
    write_mask(mask, np.ones((34, 48), np.uint8))
    inputs = {path: path.read_bytes() for path in (video, mask)}
    start = time.monotonic()
    try:
        summary = segment_video(
            video,
            mask,
            output,
            Still,
            overlay=True,
            on_error=on_error,
            say=logging.getLogger("fuzz").info,
        )
    except InputError as error:
        assert "\n" not in str(error)
        assert str(folder) in str(error)
        assert not (output / "overlay.mp4").exists()
    else:
        overlay = open_frames(output / "overlay.mp4")
        assert len(list(overlay)) == summary.masks >= 1
    assert time.monotonic() - start < SECONDS
    assert {path: path.read_bytes() for path in (video, mask)} == inputs
    assert set(folder.iterdir()) <= {video, mask, output}
