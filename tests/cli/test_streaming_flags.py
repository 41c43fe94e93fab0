"""The flags of how a video is segmented: a word, or a number."""

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from feelvos_tf import checkpoint_file
from feelvos_tf.cli import streaming_flags
from feelvos_tf.config import Memory
from feelvos_tf.errors import InputError
from feelvos_tf.streaming_settings import StreamingSettings


@pytest.fixture
def checkpoint(tmp_path):
    """Holds the recommendation alone."""
    # Not parsed: other commands that the tests load have flags that must be given.
    flags.FLAGS.mark_as_parsed()
    path = tmp_path / "model.npz"
    recommended = StreamingSettings(Memory(frames=3), 5, "guided", 0.25, "aligned")
    np.savez(path, **{checkpoint_file.STREAMING_KEY: checkpoint_file.pack(recommended.to_dict())})
    return path


@pytest.mark.parametrize("value,expected", [("auto", 5), ("none", None), ("1", 1), ("12", 12)])
def test_probes_are_a_word_or_a_number(checkpoint, value, expected):
    with flagsaver.flagsaver(probes=value):
        assert streaming_flags.settings(checkpoint).probes == expected


@pytest.mark.parametrize("value", ["0", "-1", "few", "", "2.5", "٣x"])
def test_other_probes_are_named(checkpoint, value):
    message = f"--probes is {value}, expected auto, none or a number from 1"
    with flagsaver.flagsaver(probes=value), pytest.raises(InputError, match=message):
        streaming_flags.settings(checkpoint)


@pytest.mark.parametrize(
    "value,expected", [("auto", 0.25), ("none", None), ("1", 1.0), ("0.17", 0.17), ("1e-3", 1e-3)]
)
def test_reach_is_a_word_or_a_share(checkpoint, value, expected):
    with flagsaver.flagsaver(reach=value):
        assert streaming_flags.settings(checkpoint).reach == expected


@pytest.mark.parametrize("value", ["0", "-0.1", "1.01", "nan", "inf", "far", ""])
def test_other_reaches_are_named(checkpoint, value):
    message = f"--reach is {value}, expected auto, none or a share above 0, at most 1"
    with flagsaver.flagsaver(reach=value), pytest.raises(InputError, match=message):
        streaming_flags.settings(checkpoint)


@pytest.mark.parametrize(
    "value,expected", [("auto", "guided"), ("none", None), ("guided", "guided")]
)
def test_outlines_are_a_word(checkpoint, value, expected):
    with flagsaver.flagsaver(outlines=value):
        assert streaming_flags.settings(checkpoint).outlines == expected


@pytest.mark.parametrize(
    "value,expected", [("auto", "aligned"), ("none", None), ("aligned", "aligned")]
)
def test_the_grid_is_a_word(checkpoint, value, expected):
    with flagsaver.flagsaver(grid=value):
        assert streaming_flags.settings(checkpoint).grid == expected


@pytest.mark.parametrize(
    "value,expected",
    [("auto", Memory(frames=3)), ("none", None), ("every=2,frames=5", Memory(every=2, frames=5))],
)
def test_the_memory_is_a_word_or_numbers(checkpoint, value, expected):
    with flagsaver.flagsaver(memory=value):
        assert streaming_flags.settings(checkpoint).memory == expected


@pytest.mark.parametrize(
    "value,expected", [("auto", 960), ("none", None), ("640", 640), (None, 960)]
)
def test_the_longer_side_is_a_word_or_a_number(checkpoint, value, expected):
    with flagsaver.flagsaver(max_side=value):
        assert streaming_flags.max_side("auto") == expected


@pytest.mark.parametrize("value", ["0", "-640", "half", ""])
def test_another_side_is_named(checkpoint, value):
    message = f"--max_side is {value}, expected auto, none or a number from 1"
    with flagsaver.flagsaver(max_side=value), pytest.raises(InputError, match=message):
        streaming_flags.max_side("none")
